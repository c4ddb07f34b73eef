"""Expand `${NAME}` in the texts of a configuration; pure.

This is the whole grammar. NAME matches `[A-Za-z_][A-Za-z0-9_]*`.

- `${NAME}`: the variable's value; an error if the variable is not set
- `${NAME:-default}`: the variable's value; `default` if the variable is not set or empty
- `${NAME:?message}`: the variable's value; an error with that message if the variable is not set or empty
- `$${`: a literal `${`

Everything else stays as it is: `$HOME`, `${}`, and what IAM calls policy variables (`${aws:username}`).
A default or message ends at the matching `}` and may contain further `${...}`.
The value of a variable is not expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dsops.document import Mapping as MappingNode
from dsops.document import Node, Scalar, Sequence
from dsops.errors import ConfigTooLarge, VariableUnset, Where
from dsops.model import MAX_RUN_CHARACTERS, MAX_VALUE_CHARACTERS, Budget
from dsops.startup import NamedTuple

_TOKEN = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(\}|:-|:\?))?|\}")

_MAX_DEPTH = 20
"""The maximum depth of nested defaults. A deeper `${...}` stays as it is."""

TIMESTAMP = "TIMESTAMP"
USER = "USER"
# The user name's variable: USER is set by login(1), LOGNAME by POSIX systems without USER, USERNAME by Windows.
_USER_VARIABLES = ("USER", "LOGNAME", "USERNAME")


class _Use(NamedTuple):
    """A parsed `${NAME...}`: its name, its operator ("" if it has none), and the text after the operator."""

    name: str
    operator: str
    rest: _Parts


_Parts = tuple["str | _Use", ...]


class InterpolationNames(NamedTuple):
    """The values for names: environment variables, and fallbacks for `USER` and `TIMESTAMP`."""

    environ: Mapping[str, str]
    timestamp: str = ""
    user: str = ""
    symbolic_timestamp: bool = False
    """Whether a generated timestamp is not expanded and stays `${TIMESTAMP}`.

    The expanded timestamp would change the fingerprint in every run.
    """
    budget: Budget | None = None
    """The limit on the total size of expanded strings; None for strings that are not kept, which have no limit."""

    def get(self, name: str) -> str | None:
        """Return the value for the name; None if there is none."""
        value = self.environ.get(name)
        if value:
            return value
        if name == USER:
            others = (self.environ.get(key) for key in _USER_VARIABLES)
            return next(filter(None, others), self.user) or value
        if name == TIMESTAMP:
            return "${TIMESTAMP}" if self.symbolic_timestamp else self.timestamp or value
        return value


def names_in(text: str) -> tuple[str, ...]:
    """Return the names that a string refers to, including those in defaults, in order and without duplicates."""
    return tuple(dict.fromkeys(_walk_names(_parse(text)[0]))) if "${" in text else ()


def has_names(node: Node) -> bool:
    """Whether any text of a node refers to a name."""
    if isinstance(node, Scalar):
        return "${" in node.text and bool(names_in(node.text))
    if isinstance(node, Sequence):
        return any(has_names(item) for item in node.items)
    return any(has_names(key) or has_names(value) for key, value in node.entries)


def expand(
    text: str,
    environ: Mapping[str, str],
    where: Where,
    path: str,
    *,
    timestamp: str = "",
    user: str = "",
    symbolic_timestamp: bool = False,
) -> str:
    """Expand the names in a string. `path` is the field's dotted path, for the error.

    - USER has the value of the environment variable USER, LOGNAME or USERNAME; if all are unset, `user`.
    - TIMESTAMP has the value of the environment variable; if it is unset, `timestamp`.
    - With `symbolic_timestamp`, a timestamp that would be generated stays `${TIMESTAMP}`.

    Raises VariableUnset for the first name in the string that has no value.
    """
    return expand_text(text, InterpolationNames(environ, timestamp, user, symbolic_timestamp), where, path)


def expand_text(text: str, names: InterpolationNames, where: Where, path: str) -> str:
    """Expand a text with these names; raises what `expand` raises."""
    return _evaluate(_parse(text)[0], names, where, path) if "${" in text else text


def expand_node(node: Node, names: InterpolationNames, file: str, path: str) -> Node:
    """Expand every string of a node, including the keys of mappings. VariableUnset contains the string's line.

    A scalar that contained a `${NAME}` becomes a string, even if it looks like a number or a boolean.
    """
    if isinstance(node, Scalar):
        return _expand_scalar(node, names, file, path)
    if isinstance(node, Sequence):
        items = [expand_node(item, names, file, f"{path}[{index}]") for index, item in enumerate(node.items)]
        return Sequence(tuple(items), node.line)
    entries = [
        (_expand_scalar(key, names, file, path), expand_node(value, names, file, f"{path}.{key.text}"))
        for key, value in node.entries
    ]
    return MappingNode(tuple(entries), node.line)


def mask(text: str) -> str:
    """Replace each `${NAME...}` by `_` characters of the same length, so that a search for separators skips it."""
    if "${" not in text:
        return text
    pieces: list[str] = []
    end = 0
    for start, stop in _parse(text)[1]:
        pieces += text[end:start], "_" * (stop - start)
        end = stop
    return "".join(pieces) + text[end:]


def _expand_scalar(scalar: Scalar, names: InterpolationNames, file: str, path: str) -> Scalar:
    if "${" not in scalar.text:
        return scalar
    text = _evaluate(_parse(scalar.text)[0], names, Where(file, scalar.line), path)
    return Scalar(text, "text", scalar.line)


def _walk_names(parts: _Parts) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Use):
            yield part.name
            yield from _walk_names(part.rest)


def _evaluate(parts: _Parts, names: InterpolationNames, where: Where, path: str) -> str:
    texts: list[str] = []
    length = 0
    for part in parts:
        text = part if isinstance(part, str) else _value(part, names, where, path)
        length += len(text)
        if length > MAX_VALUE_CHARACTERS or (names.budget is not None and not names.budget.take(len(text))):
            raise ConfigTooLarge(
                f"`{path}` is too long after its variables are replaced",
                why=f"the limit is {MAX_VALUE_CHARACTERS:,} characters for a value, and {MAX_RUN_CHARACTERS:,} for all",
                hint="use long variables less often",
                where=where,
            )
        texts.append(text)
    return "".join(texts)


def _value(use: _Use, names: InterpolationNames, where: Where, path: str) -> str:
    value = names.get(use.name)
    if value or (value is not None and not use.operator):
        return value
    if use.operator == ":-":
        return _evaluate(use.rest, names, where, path)
    state = "not set" if value is None else "empty"
    message = _evaluate(use.rest, names, where, path).strip()
    raise VariableUnset(
        f"`{path}` needs the environment variable {use.name}, which is {state}",
        why=message,
        hint=f"set the variable (export {use.name}=...), or add a default: ${{{use.name}:-...}}",
        where=where,
    )


class _Frame:
    """A part of a string whose end has not been reached yet.

    It is the whole string, a `${NAME:-`, a `${NAME:?`, or a literal `${`. A `}` ends the part. The content of a
    literal part is added to the enclosing part.
    """

    __slots__ = ("name", "opener", "operator", "parts", "start")

    def __init__(
        self, parts: list[str | _Use], opener: str, name: str = "", operator: str = "", start: int = 0
    ) -> None:
        self.parts = parts
        self.opener = opener
        self.name = name
        self.operator = operator
        self.start = start


def _parse(text: str) -> tuple[_Parts, list[tuple[int, int]]]:
    """Return the parts of a string, and the start and end of each outermost, closed `${NAME...}`."""
    stack = [_Frame([], "")]
    spans: list[tuple[int, int]] = []
    depth = 0
    end = 0
    for match in _TOKEN.finditer(text):
        parts = stack[-1].parts
        parts.append(text[end : match.start()])
        end = match.end()
        opener, name, operator = match.group(), match.group(1), match.group(2)
        if operator == "}":
            parts.append(_Use(name, "", ()))
            spans.append(match.span())
        elif name and depth < _MAX_DEPTH:
            depth += 1
            stack.append(_Frame([], opener, name, operator, match.start()))
        elif opener != "}":
            stack.append(_Frame(parts, opener))
            parts.append("${" if opener == "$${" else opener)
        elif len(stack) == 1 or not stack[-1].name:
            parts.append("}")
            if len(stack) > 1:
                stack.pop()
        else:
            depth -= 1
            frame = stack.pop()
            stack[-1].parts.append(_Use(frame.name, frame.operator, tuple(frame.parts)))
            while spans and spans[-1][0] > frame.start:
                spans.pop()
            spans.append((frame.start, end))
    stack[-1].parts.append(text[end:])
    while len(stack) > 1:
        frame = stack.pop()
        if frame.name:
            stack[-1].parts += [frame.opener, *frame.parts]
    return tuple(part for part in stack[0].parts if part), spans
