"""Choose the stores to export as profiles, and find the region and environment of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.errors import ConfigError, StoreUnknown, UsageError, nearest
from dsops.model import Config, StoreEntry
from dsops.schema import OWN_POLICY, StoreType


def exported_stores(config: Config, wanted: tuple[str, ...], types: Mapping[str, StoreType]) -> list[str]:
    """Return the stores to export: the named stores, or without names all stores that issue a session.

    Raises UsageError or ConfigError.
    """
    for name in wanted:
        store = config.stores.get(name)
        if store is None:
            meant = nearest(name, config.stores)
            raise StoreUnknown(f"there is no store `{name}`", hint=f"did you mean `{meant}`?" if meant else "")
        store_type = types[store.type]
        if not store_type.gives_credentials and not store_type.takes_credentials:
            raise UsageError(
                f"store `{name}` has no credentials: its type is {store.type}",
                hint="name a store that assumes a role",
                where=store.where,
            )
    names = wanted or tuple(
        name for name, store in config.stores.items() if store.type in types and types[store.type].gives_credentials
    )
    if not names:
        raise ConfigError(
            f"{config.files[0].shown} has no store that issues a session", hint="add a store of the type aws.sts"
        )
    return list(dict.fromkeys(names))


def needs_environment(config: Config, name: str, types: Mapping[str, StoreType]) -> bool:
    """Return whether the session of the store has `session_policy: auto`.

    Such a session needs an environment, since only an environment says which secrets are read.
    """
    for store in _chain(config, name):
        if store.type in types and types[store.type].gives_credentials:
            return store.text_of("session_policy") == OWN_POLICY
    return False


def written_region(config: Config, name: str) -> str:
    """Return the region in the settings of the store, or of a store whose credentials it uses.

    Returns "" if there is none, or if the region contains a variable.
    """
    for store in _chain(config, name):
        if "region" in store.fields:
            text = store.text_of("region")
            return "" if "${" in text else text
    return ""


def _chain(config: Config, name: str) -> Iterator[StoreEntry]:
    """Yield the store, then the store whose credentials it uses, and so on."""
    seen: set[str] = set()
    while name in config.stores and name not in seen:
        seen.add(name)
        yield config.stores[name]
        name = config.stores[name].text_of("credentials_from")
