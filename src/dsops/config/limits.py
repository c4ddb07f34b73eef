"""What AWS would refuse in a configuration, as far as that can be seen without the environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import Problem, Where
from dsops.interpolate import Names, expand_node, has_names
from dsops.model import Config, Field, Store
from dsops.schema import StoreType, check_store


def check_limits(config: Config, types: Mapping[str, StoreType]) -> tuple[Problem, ...]:
    """One problem for each limit that a store breaks, in the order of the stores; an inherited field counts once."""
    found: dict[tuple[Where, str], Problem] = {}
    for store in config.stores.values():
        for problem in _check(store, types[store.type]) if store.type in types else ():
            found.setdefault((problem.where, problem.message), problem)
    return tuple(found.values())


def _check(store: Store, store_type: StoreType) -> tuple[Problem, ...]:
    path = f"secretStores.{store.name}"
    fields = {name: field for name, field in store.fields.items() if not has_names(field.node)}
    if len(fields) != len(store.fields):
        # A key whose value isn't known yet may be what another one needs.
        store_type = store_type._replace(check_together=None)
    names = Names({})
    expanded = {
        name: Field(expand_node(field.node, names, field.where.file, f"{path}.{name}"), field.where)
        for name, field in fields.items()
    }
    return check_store(store_type, expanded, store.where, path).limits
