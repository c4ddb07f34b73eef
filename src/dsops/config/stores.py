"""Merge the stores of all files: follow `defaults` and `extends`, check keys and references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.config.problems import Problems
from dsops.config.sections import TOP_LEVEL_KEYS, Part, Sections
from dsops.document import MAX_NODES, Node, Scalar, Sequence
from dsops.errors import ConfigTooLarge, Problem, Where, nearest
from dsops.interpolate import InterpolationNames, expand_node, has_names
from dsops.model import Field, StoreEntry
from dsops.schema import StoreKey, StoreType, check_setting, check_shape, fitted, missing_keys, unknown_key
from dsops.startup import NamedTuple

MAX_EXTENDS = 50
"""The maximum depth of `extends`."""

_OWN_KEYS = ("type", "extends")
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


class _Merged(NamedTuple):
    """A store with all inherited fields. Its null fields are kept, since they remove inherited values."""

    type: str
    fields: dict[str, Field]
    is_whole: bool = True
    """Whether every store in its `extends`, directly or through other stores, was found."""


def make_stores(
    sections: Sections, types: Mapping[str, StoreType], problems: Problems, *, knows_all: bool = False
) -> Stores:
    """Return all stores, with fields under canonical names. `knows_all` is the argument of `examine`."""
    merger = _Merger(sections, types, problems, knows_all=knows_all)
    checker = _Checker(types, problems)
    by_name: dict[str, StoreEntry] = {}
    paths: dict[str, str] = {}
    broken: list[StoreEntry] = []
    bases = frozenset(base.text for parts in sections.stores.values() for base in extends_of(_unreplaced(parts)))
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
    misspelled_key = next((key for key in part.entries if nearest(key, ["type"])), "")
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


def too_much_inherited(where: Where) -> ConfigTooLarge:
    """Return the error for a configuration that grows too large through `extends`."""
    return ConfigTooLarge(
        f"the stores have more than {MAX_NODES:,} entries, including the ones inherited by `extends`",
        why="each `extends` adds all entries of the base once more",
        hint="put only the common keys into the base",
        where=where,
    )


class _Merger:
    """Follows `extends`: merges each store once with the stores that it extends."""

    def __init__(
        self, sections: Sections, types: Mapping[str, StoreType], problems: Problems, *, knows_all: bool
    ) -> None:
        self._sections = sections
        self._types = types
        self._problems = problems
        self._knows_all = knows_all
        self._merged: dict[str, _Merged] = {}
        self._open: list[str] = []
        self._inherited = 0
        self._noted: set[str] = set()
        self._aliases: dict[str, dict[str, str]] = {}

    def merge(self, name: str) -> _Merged:
        """Merge a store with the stores that it extends; leave out missing stores and cycles."""
        if name not in self._merged:
            self._open.append(name)
            self._merged[name] = self._merge(name)
            self._open.pop()
        return self._merged[name]

    def _merge(self, name: str) -> _Merged:
        parts = _unreplaced(self._sections.stores[name])
        where, path = place_of(parts, "extends")
        shape = check_extends(parts)
        self._problems.extend(shape)
        base_stores: list[_Merged | None] = []
        if len(self._open) > MAX_EXTENDS:
            self._problems.add(where, f"{path}.extends", f"`extends` goes more than {MAX_EXTENDS} deep")
            base_stores = [None]
        else:
            base_stores = [self._base(base, parts) for base in extends_of(parts)]
        bases = [base for base in base_stores if base is not None]
        own_type = self._own_type(parts)
        type_name = own_type or next((base.type for base in reversed(bases) if base.type), "")
        if any(base.type not in ("", type_name) for base in bases):
            message = f"a store of type {type_name} can't extend one of another type"
            self._problems.add(where, f"{path}.extends", message)
            base_stores, bases = [None], []
        fields: dict[str, Field] = {}
        for part in self._sections.defaults_of(name, type_name):
            fields |= self._canonical(part, type_name)
        for base in bases:
            self._inherited += len(base.fields) + 1
            if self._inherited > MAX_NODES:
                raise too_much_inherited(where)
            fields |= self._canonical(Part(parts[-1].where, parts[-1].path, base.fields), type_name)
        for part in parts:
            fields |= self._canonical(part, type_name)
        is_whole = None not in base_stores and not shape and all(base.is_whole for base in bases)
        return _Merged(type_name, fields, is_whole)

    def _base(self, base: Scalar, parts: list[Part]) -> _Merged | None:
        where, path = place_of(parts, "extends")
        path = f"{path}.extends"
        where = Where(where.file, base.line)
        if base.text in self._open:
            loop = " -> ".join([*self._open[self._open.index(base.text) :], base.text])
            message = f"stores extend each other: {loop}"
            if base.text == self._open[-1]:
                message = f"`{base.text}` extends itself"
            self._problems.add(where, path, message, "remove one of the `extends`")
            return None
        if base.text not in self._sections.stores:
            self._problems.add_unknown_store(where, path, base.text, self._sections.stores)
            return None
        return self.merge(base.text)

    def _own_type(self, parts: list[Part]) -> str:
        for part in reversed(parts):
            field = part.entries.get("type")
            if field is None or is_null(field.node):
                continue
            if isinstance(field.node, Scalar) and "${" not in field.node.text:
                return self._known_type(field.node.text, field.where, f"{part.path}.type")
            self._problems.add(field.where, f"{part.path}.type", "`type` takes the name of a store type, as it is")
        return ""

    def _known_type(self, name: str, where: Where, path: str) -> str:
        """Return the store's type; with `knows_all`, a misspelled type is replaced by the most similar known type."""
        if not self._knows_all or name in self._types:
            return name
        meant = nearest(name, self._types)
        hint = f"did you mean `{meant}`?" if meant else "install the package that provides it"
        self._problems.add(where, path, f"no installed package provides the store type `{name}`", hint)
        return meant or name

    def _canonical(self, part: Part, type_name: str) -> dict[str, Field]:
        """Return the entries under canonical names. Adds a note for each old name, once."""
        aliases = self._aliases_of(type_name)
        fields: dict[str, Field] = {}
        for key, field in part.entries.items():
            name = aliases.get(key, key)
            if name in _OWN_KEYS:
                continue
            if name != key and name in part.entries:
                message = f"`{key}` is an old name of `{name}`, which stands here too"
                self._problems.add(field.where, f"{part.path}.{key}", message, f"remove `{key}`")
                continue
            if name != key and key not in self._noted:
                self._noted.add(key)
                self._problems.notes.append(f"`{key}` ({field.where}) is an old name of `{name}`")
            fields[name] = field
        return fields

    def _aliases_of(self, type_name: str) -> dict[str, str]:
        if type_name not in self._aliases:
            self._aliases[type_name] = _aliases(self._types.get(type_name))
        return self._aliases[type_name]


class _Checker:
    """Checks each field once, where it is written, even if many stores inherit it."""

    def __init__(self, types: Mapping[str, StoreType], problems: Problems) -> None:
        self._types = types
        self._problems = problems
        self._keys: dict[str, dict[str, StoreKey]] = {}
        self._seen: set[tuple[int, str]] = set()

    def check(self, merged: _Merged, path: str) -> None:
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
            aliases = _aliases(self._types.get(type_name))
            for part in parts:
                for key in _OWN_KEYS:
                    if key in part.entries:
                        message = f"`{key}` can't be a default"
                        self._problems.add(part.entries[key].where, f"{part.path}.{key}", message)
                fields = {aliases.get(key, key): field for key, field in part.entries.items() if key not in _OWN_KEYS}
                self.check(_Merged(type_name, fields), part.path)

    def _check_field(self, key: StoreKey, field: Field, path: str) -> None:
        if key.kind == "store" or has_names(field.node):
            problem = check_shape(key, field, path)
            self._problems.extend([problem] if problem else [])
            return
        expanded = expand_node(field.node, _NO_NAMES, field.where.file, path)
        self._problems.extend(check_setting(key, Field(expanded, field.where), path).problems)


def check_extends(parts: list[Part]) -> list[Problem]:
    """Return a problem for each `extends` of a wrong shape."""
    problems: list[Problem] = []
    for part in parts:
        field = part.entries.get("extends")
        if field is None or is_null(field.node):
            continue
        items = field.node.items if isinstance(field.node, Sequence) else (field.node,)
        if not all(isinstance(item, Scalar) and item.kind != "null" for item in items):
            problems.append(Problem(field.where, f"{part.path}.extends", "`extends` takes one name or a list of names"))
    return problems


def extends_of(parts: list[Part]) -> list[Scalar]:
    """Return the names in `extends` of the last part that has this key."""
    for part in reversed(parts):
        if "extends" in part.entries:
            node = part.entries["extends"].node
            items = node.items if isinstance(node, Sequence) else (node,)
            return [item for item in items if isinstance(item, Scalar) and item.kind != "null"]
    return []


def _aliases(store_type: StoreType | None) -> dict[str, str]:
    """Map the old names of a type's keys to their canonical names."""
    return {alias: key.name for key in store_type.keys for alias in key.aliases} if store_type else {}


def _has_type(part: Part) -> bool:
    return "type" in part.entries and not is_null(part.entries["type"].node)


def _unreplaced(parts: list[Part]) -> list[Part]:
    """Return the parts that apply: a part with another type cancels all earlier parts."""
    type_text = ""
    first = 0
    for index, part in enumerate(parts):
        node = part.entries["type"].node if "type" in part.entries else None
        if isinstance(node, Scalar) and node.kind != "null":
            if type_text and node.text != type_text:
                first = index
            type_text = node.text
    return parts[first:]


def place_of(parts: list[Part], key: str) -> tuple[Where, str]:
    """Return the line and path of a key, in the last of the parts that has the key."""
    for part in reversed(parts):
        if key in part.entries:
            return part.entries[key].where, part.path
    return parts[-1].where, parts[-1].path


def is_null(node: Node) -> bool:
    """Whether the value is null, which removes an inherited value."""
    return isinstance(node, Scalar) and node.kind == "null"
