"""The stores of all files together: merge them, check their keys and their references to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.config.extends import (
    OWN_KEYS,
    MergedStore,
    StoreMerger,
    applying_parts,
    canonical_names,
    extends_of,
    is_null,
)
from dsops.config.problems import Problems
from dsops.config.sections import TOP_LEVEL_KEYS, Part, Sections
from dsops.document import Scalar
from dsops.errors import nearest
from dsops.interpolate import InterpolationNames, expand_node, has_names
from dsops.model import Field, StoreEntry
from dsops.schema import StoreKey, StoreType, check_setting, check_shape, fitted, missing_keys, unknown_key
from dsops.startup import NamedTuple

_NO_NAMES = InterpolationNames({})


class KnownTypes(Mapping[str, StoreType]):
    """Store types, each looked up once, because the lookup of a plugin's type searches all installed packages."""

    def __init__(self, types: Mapping[str, StoreType]) -> None:
        self._types = types
        self._found: dict[str, StoreType | None] = {}

    def __getitem__(self, name: str) -> StoreType:
        if name not in self._found:
            self._found[name] = self._types.get(name)
        store_type = self._found[name]
        if store_type is None:
            raise KeyError(name)
        return store_type

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


class Stores(NamedTuple):
    """The valid stores, and facts about all stores: their paths, and which are incomplete."""

    by_name: dict[str, StoreEntry]
    paths: dict[str, str]
    """The path of each store, `secretStores.NAME`, also of stores that are only extended or that have a problem."""
    bases: frozenset[str]
    """The names of stores that other stores extend. They may be incomplete as long as nothing else uses them."""
    parts: tuple[StoreEntry, ...]
    """Stores that lack inherited fields, because a store named in their `extends` can't be found."""


def make_stores(
    sections: Sections, types: Mapping[str, StoreType], problems: Problems, *, knows_all: bool = False
) -> Stores:
    """Return all stores, with fields under canonical names. `knows_all` is the argument of `examine`."""
    merger = StoreMerger(sections, types, problems, knows_all=knows_all)
    checker = _Checker(types, problems)
    by_name: dict[str, StoreEntry] = {}
    paths: dict[str, str] = {}
    broken: list[StoreEntry] = []
    bases = frozenset(base.text for parts in sections.stores.values() for base in extends_of(applying_parts(parts)))
    for name, parts in sections.stores.items():
        where, path = parts[-1].where, parts[-1].path
        paths[name] = path
        merged = merger.merge(name)
        if not merged.type:
            if name not in bases and merged.is_whole and not any(_has_type(part) for part in parts):
                _add_without_type(name, parts[-1], types, problems)
            continue
        fields = {key: field for key, field in merged.fields.items() if not is_null(field.node)}
        checker.check(merged, path)
        store = StoreEntry(name, merged.type, fields, where)
        if merged.is_whole:
            by_name[name] = store
        else:
            broken.append(store)
    checker.check_defaults(sections, {store.type for store in (*by_name.values(), *broken)})
    return Stores(by_name, paths, bases, tuple(broken))


def _add_without_type(name: str, part: Part, types: Mapping[str, StoreType], problems: Problems) -> None:
    """Report a store without a type.

    If `type` is misspelled, or the entry is not a store, the problem says that instead.
    """
    where, path = part.where, part.path
    if name in TOP_LEVEL_KEYS:
        problems.add(where, path, f"`{name}` stands among the stores", f"move `{name}:` to the first column")
        return
    misspelled_key = next((key for key in part.entries if key != "type" and nearest(key, ["type"])), "")
    if misspelled_key:
        where = part.entries[misspelled_key].where
        problems.add(
            where, f"{path}.{misspelled_key}", f"a store has no key `{misspelled_key}`", "did you mean `type`?"
        )
        return
    problems.add(where, f"{path}.type", "`type` is missing", f"add it: one of {', '.join(sorted(types))}")


def check_complete(stores: Stores, used: set[str], types: Mapping[str, StoreType], problems: Problems) -> None:
    """Report missing required keys, except in stores that are only extended."""
    for name, store in stores.by_name.items():
        if store.type in types and (name not in stores.bases or name in used):
            store_type = fitted(types[store.type], store.fields)
            problems.extend(missing_keys(store_type, store.fields, store.where, stores.paths[name]))


def check_graph(stores: Stores, types: Mapping[str, StoreType], problems: Problems) -> set[str]:
    """Check every `credentials_from`: the named store exists and gives credentials, and there is no cycle.

    Returns the names of the stores that a `credentials_from` names.
    """
    links: dict[str, str] = {}
    for name, store in stores.by_name.items():
        field = store.fields.get("credentials_from")
        if field is None or store.type not in types or not isinstance(field.node, Scalar):
            continue
        target = field.node.text
        path = f"{stores.paths[name]}.credentials_from"
        if "${" in target:
            message = "`credentials_from` names a store as it is written: `${...}` is not replaced"
            problems.add(field.where, path, message)
        elif target not in stores.paths:
            problems.add_unknown_store(field.where, path, target, stores.paths)
        elif target in stores.by_name:
            type_name = stores.by_name[target].type
            if type_name in types and not types[type_name].gives_credentials:
                message = f"`{target}` is of type {type_name}, which gives no credentials"
                problems.add(field.where, path, message, "name a store of type aws.sts")
            else:
                links[name] = target
    _add_cycles(links, stores, problems)
    return set(links.values())


def _add_cycles(links: dict[str, str], stores: Stores, problems: Problems) -> None:
    seen: set[str] = set()
    for start in links:
        chain: list[str] = []
        name = start
        while name in links and name not in seen:
            seen.add(name)
            chain.append(name)
            name = links[name]
        if name in chain:
            loop = chain[chain.index(name) :]
            field = stores.by_name[name].fields["credentials_from"]
            loop_text = " -> ".join([*loop, name])
            path = f"{stores.paths[name]}.credentials_from"
            message = f"stores take their credentials from each other: {loop_text}"
            if len(loop) == 1:
                message = f"`{name}` takes its credentials from itself"
            problems.add(
                field.where, path, message, "the first hop needs base credentials: remove its `credentials_from`"
            )


class _Checker:
    """Checks each field once, where it is written, even if many stores inherit it."""

    def __init__(self, types: Mapping[str, StoreType], problems: Problems) -> None:
        self._types = types
        self._problems = problems
        self._keys: dict[str, dict[str, StoreKey]] = {}
        self._seen: set[tuple[int, str]] = set()

    def check(self, merged: MergedStore, path: str) -> None:
        """Report problems of a store's fields. Fields of an unknown type are not checked."""
        store_type = self._types.get(merged.type)
        if store_type is None:
            return
        keys = self._keys.get(merged.type)
        if keys is None:
            keys = self._keys[merged.type] = {key.name: key for key in store_type.keys}
        for name, field in merged.fields.items():
            # A field is identified by its object, because several stores may be on the same line. The sections keep the
            # object alive.
            if (id(field), merged.type) in self._seen:
                continue
            self._seen.add((id(field), merged.type))
            if name not in keys:
                self._problems.extend([unknown_key(store_type, name, field.where, path)])
            elif not is_null(field.node):
                self._check_field(keys[name], field, f"{path}.{name}")

    def check_defaults(self, sections: Sections, used_types: set[str]) -> None:
        """Report problems in `defaults`, even for a type of which there is no store."""
        of_project = sections.project.defaults if sections.project else {}
        for type_name, parts in (*sections.defaults.items(), *of_project.items()):
            if type_name not in self._types and type_name not in used_types:
                message = f"there is no store type `{type_name}`"
                self._problems.add(parts[0].where, parts[0].path, message, word=type_name, known_words=self._types)
            aliases = canonical_names(self._types.get(type_name))
            for part in parts:
                for key in OWN_KEYS:
                    if key in part.entries:
                        message = f"`{key}` can't be a default"
                        self._problems.add(part.entries[key].where, f"{part.path}.{key}", message)
                fields = {aliases.get(key, key): field for key, field in part.entries.items() if key not in OWN_KEYS}
                self.check(MergedStore(type_name, fields), part.path)

    def _check_field(self, key: StoreKey, field: Field, path: str) -> None:
        if key.kind == "store" or has_names(field.node):
            problem = check_shape(key, field, path)
            self._problems.extend([problem] if problem else [])
            return
        expanded = expand_node(field.node, _NO_NAMES, field.where.file, path)
        self._problems.extend(check_setting(key, Field(expanded, field.where), path).problems)


def _has_type(part: Part) -> bool:
    return "type" in part.entries and not is_null(part.entries["type"].node)
