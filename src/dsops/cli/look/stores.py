"""`dsops stores`: list the stores of the configuration, and all store types."""

from __future__ import annotations

from dsops.cli.framework.command import CONFIG, Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json, table
from dsops.cli.framework.project import read_config, show_notes
from dsops.document import Scalar
from dsops.errors import ConfigNotFound
from dsops.model import Config, StoreEntry
from dsops.pipeline.profiles import replaced_names
from dsops.runtime import Runtime
from dsops.schema import StoreType
from dsops.stores import StoreTypes

TYPES = Flag("--types", "list the store types instead of the stores", "switch", own_variable="DSOPS_STORES_TYPES")


def _run(arguments: Arguments, runtime: Runtime) -> int:
    types = StoreTypes()
    try:
        config: Config | None = read_config(arguments, runtime, names=None)
    except ConfigNotFound:
        if arguments.text("--config"):
            raise
        config = None
    if config is not None:
        show_notes(f"{config.files[0].shown} replaces {each}" for each in replaced_names(config, runtime))
    stores = list(config.stores.values()) if config else []
    readers = _readers(config) if config else {}
    if arguments.switch("--json"):
        answer_json(
            {
                "stores": [_store_value(store, readers.get(store.name, [])) for store in stores],
                "types": [_type_value(store_type) for store_type in types.values()],
            }
        )
        return 0
    if config is not None and not arguments.switch(TYPES.name):
        headings = ("STORE", "TYPE", "CREDENTIALS FROM", "READ BY", "WHERE")
        least = ("WHERE", "READ BY", "CREDENTIALS FROM")
        rows = [_row(store, readers.get(store.name, [])) for store in stores]
        answer(table(headings, rows, least=least))
        return 0
    type_rows = [(each.name, _gives(each), each.help) for each in types.values()]
    answer(table(("TYPE", "GIVES", "DESCRIPTION"), type_rows, least=("GIVES",)))
    return 0


def _row(store: StoreEntry, environments: list[str]) -> tuple[str, ...]:
    name = f"{store.name} (danger)" if store.is_dangerous else store.name
    return (name, store.type, _source(store), ", ".join(environments), str(store.where))


def _source(store: StoreEntry) -> str:
    """Return the value of the store's `credentials_from`; "" for base credentials."""
    field = store.fields.get("credentials_from")
    return field.node.text if field and isinstance(field.node, Scalar) else ""


def _readers(config: Config) -> dict[str, list[str]]:
    """Map each store to the environments that have a variable whose value is read from the store."""
    readers: dict[str, list[str]] = {}
    for environment in config.environments.values():
        references = [variable.reference for variable in environment.variables.values() if variable.reference]
        for store in dict.fromkeys(reference.store for reference in references):
            readers.setdefault(store, []).append(environment.name)
    return readers


def _store_value(store: StoreEntry, environments: list[str]) -> Json:
    return {
        "name": store.name,
        "type": store.type,
        "credentials_from": _source(store) or None,
        "danger": store.is_dangerous,
        "environments": environments,
        "where": {"file": store.where.file, "line": store.where.line},
    }


def _type_value(store_type: StoreType) -> Json:
    return {
        "name": store_type.name,
        "help": store_type.help,
        "gives_credentials": store_type.gives_credentials,
        "gives_secrets": store_type.gives_secrets,
        "keys": [
            {"name": key.name, "kind": key.kind, "help": key.help, "is_required": key.is_required}
            for key in store_type.keys
        ],
    }


def _gives(store_type: StoreType) -> str:
    outputs = {"credentials": store_type.gives_credentials, "secrets": store_type.gives_secrets}
    return ", ".join(name for name, is_given in outputs.items() if is_given)


COMMAND = Command(
    help=(
        "List the stores of the configuration and the AWS profiles, and the environments that use them.\n"
        "\n"
        "With --types, or without any store, list the store types that a configuration can use. `--json`\n"
        "prints both lists."
    ),
    run=_run,
    flags=(CONFIG, TYPES),
)
