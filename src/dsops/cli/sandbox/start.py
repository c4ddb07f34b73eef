"""Starts a sandbox for `dsops sandbox serve` and `dsops sandbox run`: its seed, trail, limits and event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.output import note
from dsops.errors import ConfigNotFound, ExtraMissing, UsageError
from dsops.extras import install_command
from dsops.runtime import Runtime, user_name

if TYPE_CHECKING:
    from dsops.sandbox.control.server import SandboxServer
    from dsops.sandbox.seed.model import Seed

SEED = Flag(
    "--seed",
    "start with the accounts, users, roles and secrets of this YAML file",
    value="FILE",
    own_variable="DSOPS_SANDBOX_SEED",
)
FROM = Flag(
    "--from",
    "create everything that this dsops.yaml needs, with invented values",
    value="FILE",
    own_variable="DSOPS_SANDBOX_FROM",
)
EVENTS = Flag(
    "--events",
    "number of calls to keep for `dsops sandbox events`",
    kind="integer",
    value="N",
    default="10000",
    own_variable="DSOPS_SANDBOX_EVENTS",
)
THROTTLE = Flag(
    "--throttle",
    ("limit requests per second by service, in each account and region: sts=5,secretsmanager=2"),
    value="SERVICE=RATE",
    own_variable="DSOPS_SANDBOX_THROTTLE",
)
AUTHORIZATION_IDS = Flag(
    "--authorization-ids",
    ("services whose AccessDenied errors carry an authorization id (an AWS preview): iam,sts; or all"),
    value="SERVICE",
    own_variable="DSOPS_SANDBOX_AUTHORIZATION_IDS",
)
TRAIL = Flag(
    "--trail",
    "write every call to this folder, in files as CloudTrail delivers them",
    value="DIR",
    own_variable="DSOPS_SANDBOX_TRAIL",
)
DATA_EVENTS = Flag(
    "--data-events",
    "with --trail: also write data events (objects, items, messages)",
    kind="switch",
    own_variable="DSOPS_SANDBOX_DATA_EVENTS",
)

RUN_FUNCTIONS = Flag(
    "--run-functions",
    "run Lambda functions as isolated processes of this machine (Linux only)",
    kind="switch",
    own_variable="DSOPS_SANDBOX_RUN_FUNCTIONS",
)

START = (SEED, FROM)
"""Flags for the initial content of the sandbox."""
KEPT = (EVENTS, THROTTLE, AUTHORIZATION_IDS, TRAIL, DATA_EVENTS, RUN_FUNCTIONS)
"""Flags for recording, throttling, authorization ids and functions."""


def open_sandbox(arguments: Arguments, runtime: Runtime, *, host: str = "127.0.0.1", port: int = 0) -> SandboxServer:
    """Return a listening sandbox with the content of --seed or --from."""
    seed_file, config_file = arguments.text("--seed"), arguments.text("--from")
    if seed_file and config_file:
        raise UsageError(
            "--seed and --from can't be combined", hint="a seed file can contain everything that --from generates"
        )
    folder, has_data_events = arguments.text("--trail"), arguments.switch("--data-events")
    if has_data_events and not folder:
        raise UsageError("--data-events has no effect without --trail", hint="add --trail DIR")
    try:
        from dsops.sandbox.control.launch import TrailTarget, open_server, read_seed_file
        from dsops.sandbox.seed.model import Seed
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('sandbox')}"
        raise ExtraMissing("the sandbox is not installed", why=f"{error.name} is missing", hint=hint) from error
    seed = Seed()
    if seed_file:
        seed = read_seed_file(seed_file)
    elif config_file:
        seed = _seed_from(config_file, runtime)
    seed = seed._replace(throttle={**seed.throttle, **_rates(arguments.text("--throttle"))})
    if arguments.text("--authorization-ids"):
        seed = seed._replace(authorization_ids=_with_ids(arguments.text("--authorization-ids")))
    kept_events = arguments.integer("--events") or 0
    trail = TrailTarget(folder, note, has_data_events) if folder else None
    functions = None
    if arguments.switch("--run-functions"):
        from dsops.functions.host import LocalHost

        functions = LocalHost()
    return open_server(seed, host=host, port=port, kept_events=kept_events, trail=trail, functions=functions)


def _rates(text: str) -> dict[str, float]:
    """Parse the rates of `--throttle`: `sts=5,secretsmanager=2`."""
    from dsops.sandbox.state.rate_limits import read_rate, why_not_limited

    rates = {}
    for part in text.split(",") if text else ():
        service, _, number = part.strip().partition("=")
        rate = read_rate(number)
        if rate is None or not service:
            raise UsageError(f"`{part}` is not a request limit", hint="write --throttle SERVICE=RATE, such as sts=5")
        why = why_not_limited(service)
        if why:
            raise UsageError(f"`--throttle {part.strip()}`: {why}")
        rates[service] = rate
    return rates


def _with_ids(text: str) -> frozenset[str]:
    """Parse the services of `--authorization-ids`: `iam,sts`, or `all`."""
    from dsops.request.wire.models import EVERY_SERVICE, why_unknown

    services = frozenset(part.strip() for part in text.split(","))
    for why in filter(None, (why_unknown(service, EVERY_SERVICE) for service in sorted(services))):
        raise UsageError(
            f"`--authorization-ids {text}`: {why}", hint="list services with commas, such as `iam,sts`, or write `all`"
        )
    return services


def _seed_from(config_file: str, runtime: Runtime) -> Seed:
    from dsops.cli.framework.project import show_notes
    from dsops.config import load
    from dsops.seed import seed_from_config
    from dsops.stores import StoreTypes

    types = StoreTypes()
    try:
        config = load(folder=runtime.folder, environ=runtime.environ, named=config_file, types=types)
    except ConfigNotFound as error:
        error.retell(error.message, hint="check the file that `--from` names")
        raise
    derived_seed = seed_from_config(
        config, environ=runtime.environ, user=user_name(), timestamp=runtime.timestamp, store_types=types
    )
    show_notes((*config.notes, *derived_seed.notes))
    return derived_seed.seed
