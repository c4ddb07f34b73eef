"""The table of store types, and the seam for those of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.errors import StoreTypeUnknown, nearest
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.startup import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from dsops.stores.interface import CredentialStore, ProvingStore, SecretStore, Store

ENTRY_POINT_GROUP = "dsops.stores"
"""A plugin's entry point: its name is the store type, its object a Store (stores/interface.py)."""


def find_store(type_name: str) -> Store:
    """The store of that type, imported now: `aws.sts` from `dsops.stores.aws_sts`. Raises StoreTypeUnknown."""
    if type_name in BUILTIN_TYPES:
        from importlib import import_module

        return cast("Store", import_module(f"dsops.stores.{type_name.replace('.', '_')}").STORE)
    return _load_plugin(type_name)


def secret_store(type_name: str) -> SecretStore:
    """The same, for reading secrets."""
    store = find_store(type_name)
    if not store.store_type.gives_secrets:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` give no secrets")
    return cast("SecretStore", store)


def credential_store(type_name: str) -> CredentialStore:
    """The same, for issuing credentials."""
    store = find_store(type_name)
    if not store.store_type.gives_credentials:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` give no credentials")
    return cast("CredentialStore", store)


def proving_store(type_name: str) -> ProvingStore:
    """The same, for telling who stands behind a token or a login."""
    store = find_store(type_name)
    if not store.store_type.proof_keys:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` take no proof")
    return cast("ProvingStore", store)


class StoreTypes(Mapping[str, StoreType]):
    """Every store type by name: ours, and the installed plugins', which are looked for when a name is not ours."""

    def __init__(self) -> None:
        self._others: dict[str, StoreType | None] = {}

    def __getitem__(self, name: str) -> StoreType:
        if name in BUILTIN_TYPES:
            return BUILTIN_TYPES[name]
        if name not in self._others:
            # Once a name: to look costs 15 ms, and a configuration may have many stores of a type that nobody knows.
            try:
                self._others[name] = _load_plugin(name).store_type
            except StoreTypeUnknown:
                self._others[name] = None
        store_type = self._others[name]
        if store_type is None:
            raise KeyError(name)
        return store_type

    def __iter__(self) -> Iterator[str]:
        yield from BUILTIN_TYPES
        yield from (point.name for point in _plugins() if point.name not in BUILTIN_TYPES)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _plugins() -> tuple[EntryPoint, ...]:
    # 15 ms: only a configuration with a type that is not ours pays for it.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _load_plugin(name: str) -> Store:
    plugins = _plugins()
    point = next((each for each in plugins if each.name == name), None)
    if point is None:
        near = nearest(name, [*BUILTIN_TYPES, *[each.name for each in plugins]])
        hint = f"did you mean `{near}`?" if near else "install the package that provides it"
        raise StoreTypeUnknown(f"nothing installed provides the store type `{name}`", hint=hint)
    package = f" of {point.dist.name}" if point.dist else ""
    try:
        store = point.load()
    except Exception as error:
        raise StoreTypeUnknown(
            f"the store type `{name}`{package} can't be loaded",
            why=f"{type(error).__name__} at {point.value}",
            hint="update or remove that package",
        ) from error
    if not isinstance(getattr(store, "store_type", None), StoreType) or store.store_type.name != name:
        raise StoreTypeUnknown(
            f"the store type `{name}`{package} is not one that this dsops can use",
            why=f"{point.value} has no `store_type` of that name",
            hint="update or remove that package",
        )
    return cast("Store", store)
