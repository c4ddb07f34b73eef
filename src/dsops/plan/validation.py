"""Checks of `dsops validate` that concern the whole configuration, so they need no plan of an environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dsops.document import to_plain
from dsops.interpolate import names_in
from dsops.model import Config, StoreEntry
from dsops.plan.limits import SAME_CALLER, same_caller_note


def plannable(config: Config, unusable: Collection[str]) -> Config:
    """Return the configuration without the variables that read from unusable stores.

    A plan with those variables would only repeat the problems of the stores.
    """
    environments = {
        name: environment._replace(
            variables={
                key: variable
                for key, variable in environment.variables.items()
                if variable.reference is None or _chain(variable.reference.store, config.stores).isdisjoint(unusable)
            }
        )
        for name, environment in config.environments.items()
    }
    return config._replace(environments=environments)


def _chain(name: str, stores: Mapping[str, StoreEntry]) -> set[str]:
    """Return the names of the store and of all stores below it in its chain. An unknown name ends the chain."""
    chain: set[str] = set()
    while name and name not in chain:
        chain.add(name)
        name = stores[name].text_of("credentials_from") if name in stores else ""
    return chain


def same_caller_notes(config: Config) -> list[str]:
    """Return a note for each pair of stores with the same role and session name but different sessions.

    Names are compared before `${NAME}` is expanded. Equal strings expand to equal names unless they contain
    `${TIMESTAMP}`.
    """
    first: dict[tuple[str, str], StoreEntry] = {}
    notes = []
    for store in config.stores.values():
        role, name = store.text_of("role_arn"), store.text_of("role_session_name")
        if not role or not name or "TIMESTAMP" in names_in(name):
            continue
        other = first.setdefault((role, name), store)
        differing = [key for key in SAME_CALLER if _plain(store, key) != _plain(other, key)]
        if differing:
            stores = f"`{other.name}` and `{store.name}` ({store.where})"
            notes.append(same_caller_note(stores, differing, f"{name} of {role}"))
    return notes


def _plain(store: StoreEntry, key: str) -> object:
    field = store.fields.get(key)
    return None if field is None else to_plain(field.node)
