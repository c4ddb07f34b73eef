"""Merge each store with its defaults and with the stores that it extends."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.problems import Problems
from dsops.config.sections import Part, Sections
from dsops.document import MAX_NODES, Node, Scalar, Sequence
from dsops.errors import ConfigTooLarge, Problem, Where, nearest
from dsops.model import Field
from dsops.schema import StoreType
from dsops.startup import NamedTuple

MAX_EXTENDS = 50
"""The maximum depth of `extends`."""

OWN_KEYS = ("type", "extends")


class MergedStore(NamedTuple):
    """A store with all inherited fields. Its null fields are kept, since they remove inherited values."""

    type: str
    fields: dict[str, Field]
    is_whole: bool = True
    """Whether every store in its `extends`, directly or through other stores, was found."""


class StoreMerger:
    """Follows `extends`: merges each store once with the stores that it extends."""

    def __init__(
        self, sections: Sections, types: Mapping[str, StoreType], problems: Problems, *, knows_all: bool
    ) -> None:
        self._sections = sections
        self._types = types
        self._problems = problems
        self._knows_all = knows_all
        self._merged: dict[str, MergedStore] = {}
        self._open: list[str] = []
        self._inherited = 0
        self._noted: set[str] = set()
        self._aliases: dict[str, dict[str, str]] = {}

    def merge(self, name: str) -> MergedStore:
        """Merge a store with the stores that it extends; leave out missing stores and cycles."""
        if name not in self._merged:
            self._open.append(name)
            self._merged[name] = self._merge(name)
            self._open.pop()
        return self._merged[name]

    def _merge(self, name: str) -> MergedStore:
        parts = applying_parts(self._sections.stores[name])
        where, path = place_of(parts, "extends")
        shape = check_extends(parts)
        self._problems.extend(shape)
        base_stores: list[MergedStore | None] = []
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
        return MergedStore(type_name, fields, is_whole)

    def _base(self, base: Scalar, parts: list[Part]) -> MergedStore | None:
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
            if name in OWN_KEYS:
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
            self._aliases[type_name] = canonical_names(self._types.get(type_name))
        return self._aliases[type_name]


def too_much_inherited(where: Where) -> ConfigTooLarge:
    """Return the error for a configuration that grows too large through `extends`."""
    return ConfigTooLarge(
        f"the stores have more than {MAX_NODES:,} entries, including the ones inherited by `extends`",
        why="each `extends` adds all entries of the base once more",
        hint="put only the common keys into the base",
        where=where,
    )


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


def canonical_names(store_type: StoreType | None) -> dict[str, str]:
    """Map the old names of a type's keys to their canonical names."""
    return {alias: key.name for key in store_type.keys for alias in key.aliases} if store_type else {}


def applying_parts(parts: list[Part]) -> list[Part]:
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
