"""`dsops allow`: lets a configuration that was found, not named, run commands and name endpoints."""

from __future__ import annotations

from dsops import config as configuration
from dsops.cli.command import CONFIG, Arguments, Command, Flag
from dsops.cli.output import Json, answer, answer_json, clean
from dsops.cli.project import load_config, shown_path
from dsops.document import Node, Scalar, Sequence
from dsops.errors import Where
from dsops.keyring.index import contents
from dsops.model import Config
from dsops.runtime import Runtime
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes


class Power(NamedTuple):
    """One thing that only an allowed configuration may do."""

    path: str
    """`secretStores.prod.mfa_process`, `envs.production.LD_PRELOAD`."""
    text: str
    """As written; a variable's value is not shown."""
    does: str
    where: Where


def powers(config: Config) -> list[Power]:
    """Every command, foreign address and steering variable of the configuration, in its order."""
    types = StoreTypes()
    found: list[Power] = []
    for store in config.stores.values():
        store_type = types.get(store.type)
        if store_type is None:
            continue
        written = {name: _text(field.node) for name, field in store.fields.items()}
        found.extend(
            Power(
                f"secretStores.{store.name}.{key}",
                written[key],
                "sends credentials to" if key == "endpoint_url" else "runs",
                store.fields[key].where,
            )
            for key in configuration.needs_permission(store_type, written)
        )
    for environment in config.environments.values():
        found.extend(
            Power(f"envs.{environment.name}.{variable.name}", variable.name, f"decides {what}", variable.where)
            for variable in environment.variables.values()
            if (what := configuration.steering(variable.name))
        )
    return found


def _codes(config: Config, runtime: Runtime) -> list[Power]:
    """The MFA devices of which the configuration would be given codes: those whose seed the keyring has."""
    seeds = contents(runtime.environ).seeds
    devices = [(store, field) for store in config.stores.values() if (field := store.fields.get("serial_number"))]
    return [
        Power(f"secretStores.{store.name}.serial_number", text, "gets codes of the keyring for", field.where)
        for store, field in devices
        if (text := _text(field.node)) in seeds
    ]


def _text(node: Node) -> str:
    if isinstance(node, Scalar):
        return node.text
    return " ".join(_text(item) for item in node.items) if isinstance(node, Sequence) else ""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    config = load_config(arguments, runtime)
    main = shown_path(config, runtime)
    if arguments.switch("--revoke"):
        was_allowed = configuration.disallow(config.files, runtime.environ)
        text = "is not allowed any more" if was_allowed else "was not allowed"
        return _show(arguments, config, runtime, f"{main} {text}")
    found = [*powers(config), *_codes(config, runtime)]
    if not arguments.switch("--json"):
        for power in found:
            answer(clean(f"{power.where}: {power.path} {power.does}: {power.text}"))
    configuration.allow(config.files, runtime.environ)
    told = f"{main} is allowed as it is now" + ("" if found else ", though it needs no leave")
    return _show(arguments, config, runtime, told)


def _show(arguments: Arguments, config: Config, runtime: Runtime, text: str) -> int:
    if not arguments.switch("--json"):
        answer(text)
        return 0
    is_allowed = not arguments.switch("--revoke")
    files: list[Json] = [{"path": file.path, "sha256": file.sha256} for file in config.files]
    needs: list[Json] = [
        {"path": each.path, "does": each.does, "text": each.text, "where": each.where._asdict()}
        for each in (*powers(config), *_codes(config, runtime))
    ]
    answer_json({"is_allowed": is_allowed, "files": files, "needs": needs})
    return 0


COMMAND = Command(
    help=(
        "Shows which commands the configuration found here would run, to which addresses besides AWS's it\n"
        "would send credentials, which variables it sets that decide what code runs (LD_PRELOAD, PATH), and\n"
        "of which MFA devices it would get codes of the keyring, and allows that. Any change of the file\n"
        "asks anew. A configuration that is named (--config, DSOPS_CONFIG) needs no leave."
    ),
    run=_run,
    flags=(CONFIG, Flag("--revoke", "take it back", "switch")),
)
