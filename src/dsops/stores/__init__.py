"""Find the store of a type: in a module of this package, or through a plugin's entry point.

A store gets a plan step and credentials, and returns secrets or a session. Imported by `cli`, `doctor`, `explain`,
`hook`, `keys`, `node`, `pipeline`, `resolve`, `secret_editing`, `seed` and `testing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.errors import StoreTypeUnknown, nearest
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.startup import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from dsops.stores.interface import CredentialStore, ProvingStore, SecretStore, Store, WritableStore

ENTRY_POINT_GROUP = "dsops.stores"
"""The group of the plugins' entry points. An entry point's name is the store type, its object is a Store."""


def find_store(type_name: str) -> Store:
    """Import and return the store of a type: `aws.sts` from `dsops.stores.aws_sts`. Raises StoreTypeUnknown."""
    if type_name in BUILTIN_TYPES:
        from importlib import import_module

        return cast("Store", import_module(f"dsops.stores.{type_name.replace('.', '_')}").STORE)
    return _load_plugin(type_name)


def secret_store(type_name: str) -> SecretStore:
    """Return the store of a type that returns secrets. Raises StoreTypeUnknown."""
    store = find_store(type_name)
    if not store.store_type.gives_secrets:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` provide no secrets")
    return cast("SecretStore", store)


def credential_store(type_name: str) -> CredentialStore:
    """Return the store of a type that issues credentials. Raises StoreTypeUnknown."""
    store = find_store(type_name)
    if not store.store_type.gives_credentials:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` provide no credentials")
    return cast("CredentialStore", store)


def proving_store(type_name: str) -> ProvingStore:
    """Return the store of a type that has `proof_keys`. Such a store can identify its caller.

    Raises StoreTypeUnknown.
    """
    store = find_store(type_name)
    if not store.store_type.proof_keys:
        raise StoreTypeUnknown(f"stores of the type `{type_name}` use no token or login")
    return cast("ProvingStore", store)


def writable_store(type_name: str) -> WritableStore:
    """Return the store of a type with `is_writable`. Raises StoreTypeUnknown."""
    store = find_store(type_name)
    if not store.store_type.is_writable:
        raise StoreTypeUnknown(f"dsops can't write to stores of the type `{type_name}`")
    return cast("WritableStore", store)


class StoreTypes(Mapping[str, StoreType]):
    """All store types by name. The built-in types take precedence over the types of plugins."""

    def __init__(self) -> None:
        self._others: dict[str, StoreType | None] = {}

    def __getitem__(self, name: str) -> StoreType:
        if name in BUILTIN_TYPES:
            return BUILTIN_TYPES[name]
        if name not in self._others:
            # Each unknown name is looked up once: a lookup takes 15 ms, and many stores of a configuration can have
            # that type.
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
    # The import takes 15 ms, but only for a configuration with a type that is not built in.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _load_plugin(name: str) -> Store:
    plugins = _plugins()
    point = next((plugin for plugin in plugins if plugin.name == name), None)
    if point is None:
        near = nearest(name, [*BUILTIN_TYPES, *[plugin.name for plugin in plugins]])
        hint = f"did you mean `{near}`?" if near else "install the package that provides it"
        raise StoreTypeUnknown(f"no installed package provides the store type `{name}`", hint=hint)
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
            f"the store type `{name}`{package} can't be used by this version of dsops",
            why=f"{point.value} has no `store_type` of that name",
            hint="update or remove that package",
        )
    return cast("Store", store)
