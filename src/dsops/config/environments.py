"""Read environments: follow `extends` and check every variable."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsops.config.extends import MAX_EXTENDS, check_extends, extends_of, is_null, place_of, too_much_inherited
from dsops.config.problems import Problems
from dsops.config.references import References
from dsops.config.sections import Part, Sections
from dsops.document import MAX_NODES, Mapping, Node, Scalar
from dsops.errors import Where, nearest
from dsops.model import Environment, Field, Text, Transform, Variable

# POSIX, XBD 8.1: the names that a shell can use for variables.
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYS = ("from", "literal", "optional", "default", "transform", "metadata")
_MEANT = {"value": "literal", "fallback": "default", "transforms": "transform"}
_OF_FROM = frozenset({"store", "provider", "key", "version", "field"})
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})

_Entries = dict[str, Variable | None]
"""Variables by name. A variable with a problem is None, and no further problem about it is reported."""


def make_environments(sections: Sections, references: References, problems: Problems) -> dict[str, Environment]:
    """Return all environments. Variables are in the order written; inherited variables come first."""
    merger = _Merger(sections.environments, references, problems)
    environments: dict[str, Environment] = {}
    for name, parts in sections.environments.items():
        variables = {key: variable for key, variable in merger.merge(name).items() if variable is not None}
        environments[name] = Environment(name, variables, parts[-1].where)
    return environments


def pick_default(sections: Sections, environments: Iterable[str], problems: Problems) -> str:
    """Return the environment that `default_env` names; "" if it is not set.

    The `default_env` of a project names an environment of the project: not one of the user's own, whose secrets a
    command without `--env` would get.
    """
    if not sections.default_environment:
        return ""
    name, where = sections.default_environment[-1]
    names = [each for each in environments if sections.project is None or each in sections.project.environments]
    if name not in names:
        problems.add(where, "default_env", f"there is no environment `{name}`", word=name, known_words=names)
    return name


def _name_hint(name: str) -> str:
    """Return a hint with the rule for names and a similar valid name."""
    fit = "".join([character if character.isascii() and character.isalnum() else "_" for character in name])
    rule = "use letters, digits and _, and no digit first"
    return f"{rule}: `{fit}`" if _VARIABLE_NAME.fullmatch(fit) else rule


class _Merger:
    """Follows `extends`: merges each environment once and reads each variable once."""

    def __init__(self, parts: dict[str, list[Part]], references: References, problems: Problems) -> None:
        self._parts = parts
        self._reader = _Reader(references, problems)
        self._problems = problems
        self._merged: dict[str, _Entries] = {}
        self._open: list[str] = []
        self._inherited = 0

    def merge(self, name: str) -> _Entries:
        """Return an environment's own and inherited variables; an `extends` that can't be found is ignored."""
        if name not in self._merged:
            self._open.append(name)
            self._merged[name] = self._merge(self._parts[name])
            self._open.pop()
        return self._merged[name]

    def _merge(self, parts: list[Part]) -> _Entries:
        self._problems.extend(check_extends(parts))
        where, path = place_of(parts, "extends")
        entries: _Entries = {}
        for base in extends_of(parts):
            here = Where(where.file, base.line)
            if base.text in self._open:
                loop = " -> ".join([*self._open[self._open.index(base.text) :], base.text])
                message = f"environments extend each other: {loop}"
                if base.text == self._open[-1]:
                    message = f"`{base.text}` extends itself"
                self._problems.add(here, f"{path}.extends", message, "remove one of the `extends`")
            elif base.text not in self._parts:
                message = f"there is no environment `{base.text}`"
                self._problems.add(here, f"{path}.extends", message, word=base.text, known_words=self._parts)
            elif len(self._open) > MAX_EXTENDS:
                self._problems.add(here, f"{path}.extends", f"`extends` goes more than {MAX_EXTENDS} deep")
            else:
                inherited = self.merge(base.text)
                self._inherited += len(inherited) + 1
                if self._inherited > MAX_NODES:
                    raise too_much_inherited(here)
                entries |= inherited
        for part in parts:
            self._add(part, entries)
        return entries

    def _add(self, part: Part, entries: _Entries) -> None:
        for name, field in part.entries.items():
            path = f"{part.path}.{name}"
            if name == "extends":
                continue
            if is_null(field.node):
                if name in entries:
                    del entries[name]
                else:
                    hint = f"write `{name}: {{literal: ...}}` or `{name}: {{from: ...}}`"
                    self._problems.add(
                        field.where, path, f"`{name}` is null, and there is no inherited variable to remove", hint
                    )
                continue
            entries[name] = self._reader.read(name, field, path)


class _Reader:
    """Reads and checks one variable at a time."""

    def __init__(self, references: References, problems: Problems) -> None:
        self._references = references
        self._problems = problems

    def read(self, name: str, field: Field, path: str) -> Variable | None:
        """Read a variable; None if it is invalid."""
        node, where = field.node, field.where
        is_name = _VARIABLE_NAME.fullmatch(name) is not None
        if not is_name:
            self._problems.add(where, path, f"`{name}` can't be the name of an environment variable", _name_hint(name))
        elif name.upper().startswith("DSOPS_"):
            # Otherwise, a dsops that the command starts would treat the file in DSOPS_CONFIG as a file that the user
            # named.
            is_name = False
            message = f"`{name}` can't be set by an environment: dsops itself takes orders from DSOPS_*"
            self._problems.add(where, path, message, "give it another name; flags and your own environment set those")
        if not isinstance(node, Mapping):
            if is_name:
                # The text is not shown, because it may be the secret itself.
                hint = f"write `{name}: {{literal: ...}}`, or `{name}: {{from: ...}}` for a store's secret"
                self._problems.add(where, path, f"`{name}` takes `from` or `literal`", hint)
            return None
        variable = self._variable(name, node, where, path)
        return variable if is_name else None

    def _variable(self, name: str, node: Mapping, where: Where, path: str) -> Variable | None:
        """Read a variable's mapping. Checks every key, so that all problems are reported at once."""
        says_what = self._check_keys(name, node, where, path)
        source = node.get("from")
        literal = self._text(node, "literal", where.file, path)
        reference = None if source is None else self._references.read(source, where.file, f"{path}.from")
        default = self._text(node, "default", where.file, path)
        transforms = self._transforms(node.get("transform"), where.file, f"{path}.transform")
        is_optional = self._boolean(node.get("optional"), where.file, f"{path}.optional")
        if source is not None and literal is not None:
            message = "`from` and `literal` both say what the value is"
            self._problems.add(where, path, message, "keep one of them; `default` is the value if `from` has no value")
            return None
        if says_what and source is None and node.get("literal") is None:
            self._problems.add(where, path, f"`{name}` has neither `from` nor `literal`", "add one of them")
        if reference is None and literal is None:
            return None
        return Variable(name, reference, literal, default, is_optional, transforms, where)

    def _check_keys(self, name: str, node: Mapping, where: Where, path: str) -> bool:
        """Report unknown keys. Return False if one of them already explains why the variable has no value."""
        unknown = [key for key, _ in node.entries if key.text not in _KEYS]
        names = {key.text for key, _ in node.entries}
        if unknown and "from" not in names and names & _OF_FROM and names <= {*_OF_FROM, *_KEYS}:
            hint = f"write `{name}: {{from: {{store: NAME, key: KEY}}}}`"
            message = f"`{unknown[0].text}` stands outside of `from`"
            self._problems.add(Where(where.file, unknown[0].line), path, message, hint)
            return False
        holds_others = all(isinstance(value, Mapping) for _, value in node.entries)
        is_foreign = bool(unknown) and len(unknown) == len(node.entries) and holds_others
        if is_foreign and not any(key.text in _MEANT or nearest(key.text, _KEYS) for key in unknown):
            hint = f"variables stand directly below the environment's name: leave out `{name}:`"
            self._problems.add(where, path, f"`{name}` is not a variable: it contains variables", hint)
            return False
        for key in unknown:
            place, message = Where(where.file, key.line), f"a variable has no key `{key.text}`"
            if meant := _MEANT.get(key.text):
                self._problems.add(place, f"{path}.{key.text}", message, f"did you mean `{meant}`?")
            else:
                hint = f"it takes {', '.join(_KEYS[:-1])}"
                self._problems.add(place, f"{path}.{key.text}", message, hint, word=key.text, known_words=_KEYS)
        return not unknown

    def _text(self, node: Mapping, key: str, file: str, path: str) -> Text | None:
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, Scalar) and value.kind != "null":
            return Text(value.text, Where(file, value.line))
        kind = "nothing" if isinstance(value, Scalar) else "a mapping" if isinstance(value, Mapping) else "a list"
        hint = f'write `{key}: ""` for an empty text' if kind == "nothing" else "put JSON text into quotes"
        self._problems.add(Where(file, value.line), f"{path}.{key}", f"`{key}` takes one text, not {kind}", hint)
        return None

    def _boolean(self, node: Node | None, file: str, path: str) -> bool:
        if node is None:
            return False
        word = node.text.lower() if isinstance(node, Scalar) else ""
        if word not in _TRUE and word not in _FALSE:
            self._problems.add(Where(file, node.line), path, "`optional` takes true or false")
        return word in _TRUE

    def _transforms(self, node: Node | None, file: str, path: str) -> tuple[Transform, ...]:
        if node is None:
            return ()
        from dsops.transform import parse_transforms

        transforms, problems = parse_transforms(node, file, path)
        self._problems.extend(problems)
        return transforms
