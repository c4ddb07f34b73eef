"""Extract one field of a JSON value by its path.

Paths are written `.a.b`, `.list[0]`, `.list[-1]`, `."key.with.dots"`, `["any key"]`; `.` is the whole value. A path
that begins with neither `.` nor `[` is first tried as the name of a key, then as a path with a `.` before it.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring

from dsops.document import Mapping, Node, Sequence, is_json_number
from dsops.errors import FieldMissing, ValueUnusable, nearest
from dsops.secret import Secret
from dsops.startup import NoReturn

# Patterns are compiled at their first use, because most runs extract no field.
_STEP = (
    r"""\.?\[\s*(?:(-?[0-9]{1,9})|("(?:[^"\\]|\\.)*"|'[^']*'))\s*\]|\.(?:("(?:[^"\\]|\\.)*"|'[^']*')|([^.\[\]"']+))"""
)

_NAMES_SHOWN = 12
# Field names that an error may show are short, with few digits. A key or token in place of a name has many digits.
_NAME = r"(?=.{1,40}\Z)(?=(?:[^0-9]*[0-9]){0,3}[^0-9]*\Z)[A-Za-z_][A-Za-z0-9_.-]*\Z"


class _Number(str):
    """The text of a JSON number. With it, 1.0, 1e400 and 12345678901234567890 stay as written."""

    __slots__ = ()


class _NotJson:
    """The result of `_load` for a string that is not JSON.

    It is not an exception, because an exception of `json` would contain the string.
    """

    __slots__ = ()


_NOT_JSON = _NotJson()


def parse_path(path: str) -> tuple[str | int, ...] | None:
    """Return the keys and indexes of a path that begins with `.` or `[`; None if the path is not valid."""
    if path == ".":
        return ()
    steps: list[str | int] = []
    at = 0
    pattern = re.compile(_STEP)
    while at < len(path):
        match = pattern.match(path, at)
        if match is None:
            return None
        index, bracketed, dotted, plain = match.groups()
        quoted = bracketed or dotted
        if quoted:
            name = _unquote(quoted)
            if name is None:
                return None
            steps.append(name)
        else:
            steps.append(int(index) if index else plain)
        at = match.end()
    return tuple(steps) if steps else None


def extract(value: Secret, path: str) -> Secret:
    """Return the field as text.

    A string or number is returned as written, a boolean as `true` or `false`, null as "", and any other value as
    compact JSON. Raises FieldMissing if the value is not JSON or has no such field. The error lists the names of
    existing fields.
    """
    plain = _load(value.reveal())
    if isinstance(plain, _NotJson):
        raise FieldMissing(
            f"there is no field `{path}`: the value is not JSON", hint="leave out the field to get the whole value"
        )
    return _walk(plain, path, shows_names=True)


def extract_from_yaml(root: Node, path: str) -> Secret:
    """Return the text of a field in a YAML document. Strings, dates, numbers, `yes` and `off` stay as written.

    Unlike in `extract`, FieldMissing does not list other fields. A secret such as `word: word` is also valid YAML, so
    a field name could be a part of the secret.
    """
    return _walk(_plain(root), path, shows_names=False)


def items_of(value: Secret) -> list[str] | None:
    """Return the items of a JSON list as strings, as `extract` returns them; None if the value is not a JSON list."""
    text = value.reveal()
    plain = _load(text) if text.lstrip().startswith("[") else _NOT_JSON
    if not isinstance(plain, list):
        return None
    texts = [_render(item) for item in plain]
    return None if None in texts else [item for item in texts if item is not None]


def _walk(plain: object, path: str, *, shows_names: bool) -> Secret:
    steps: tuple[str | int, ...] | None
    if not path.startswith((".", "[")):
        is_key = isinstance(plain, dict) and path in plain
        steps = (path,) if is_key else parse_path(f".{path}") if path else None
    else:
        steps = parse_path(path)
    if steps is None:
        raise FieldMissing(f"`{path}` is not a path to a field", hint='write `.name`, `.name[0]` or `["any name"]`')
    passed = ""
    for step in steps:
        plain = _step(plain, step, passed, path, shows_names=shows_names)
        passed += f"[{step}]" if isinstance(step, int) else f".{step}"
    text = _render(plain)
    if text is None:
        raise ValueUnusable(
            f"the field `{path}` contains an unpaired UTF-16 surrogate, or is nested too deeply",
            hint="correct the secret: an environment variable can't hold this value",
        )
    return Secret(text)


_SHORTER = "end the path before this step"


def _step(plain: object, step: str | int, passed: str, path: str, *, shows_names: bool) -> object:
    here = f"`{passed}`" if passed else "the value"
    if isinstance(step, str):
        if not isinstance(plain, dict):
            why = f"{here} is {_kind(plain)}, not an object"
            raise FieldMissing(f"there is no field `{path}`", why=why, hint=_SHORTER)
        if step not in plain:
            _raise_missing(path, here, step, list(plain) if shows_names else [])
        return plain[step]
    if not isinstance(plain, list):
        raise FieldMissing(f"there is no field `{path}`", why=f"{here} is {_kind(plain)}, not a list", hint=_SHORTER)
    if not -len(plain) <= step < len(plain):
        why = f"{here} has {len(plain)} items; the first is [0]"
        raise FieldMissing(f"there is no field `{path}`", why=why, hint="count from 0, or from the end with [-1]")
    return plain[step]


def _raise_missing(path: str, here: str, step: str, names: list[str]) -> NoReturn:
    if not names:
        why, hint = f"{here} has no `{step}`", "look at the fields of the secret"
        raise FieldMissing(f"there is no field `{path}`", why=why, hint=hint)
    plain_names = [name for name in names[:1000] if re.match(_NAME, name)]
    meant = nearest(step, plain_names)
    listed_names = plain_names[:_NAMES_SHOWN]
    others = len(names) - len(listed_names)
    if listed_names:
        has = f"{', '.join(listed_names)} and {others} more" if others else ", ".join(listed_names)
    else:
        has = f"{others} other field{'s' if others > 1 else ''}"
    raise FieldMissing(
        f"there is no field `{path}`",
        why=f"{here} has no `{step}`; it has {has}",
        hint=f"did you mean `{meant}`?" if meant else "",
    )


def _plain(node: Node) -> object:
    if isinstance(node, Mapping):
        return {key.text: _plain(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    if node.kind == "null":
        return None
    if node.kind == "boolean" and node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    return _Number(node.text) if node.kind in ("integer", "number") and is_json_number(node.text) else node.text


def _kind(plain: object) -> str:
    if isinstance(plain, dict):
        return "an object"
    if isinstance(plain, list):
        return "a list"
    if plain is None:
        return "null"
    return "a number" if isinstance(plain, _Number) else "a text" if isinstance(plain, str) else "a boolean"


def _load(text: str) -> object:
    try:
        return json.loads(
            text.removeprefix("\ufeff"), parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _render(plain: object) -> str | None:
    """Return the value as text; None if UTF-8 can't encode it, or if it is nested too deeply."""
    try:
        text = "" if plain is None else str(plain) if isinstance(plain, str) else _write(plain)
        text.encode("utf-8", "surrogateescape")
    except (UnicodeEncodeError, RecursionError):
        return None
    return text


def _write(plain: object) -> str:
    if isinstance(plain, _Number):
        return str(plain)
    if isinstance(plain, str):
        return encode_basestring(plain)
    if isinstance(plain, dict):
        return "{" + ",".join([f"{encode_basestring(key)}:{_write(value)}" for key, value in plain.items()]) + "}"
    if isinstance(plain, list):
        return "[" + ",".join([_write(item) for item in plain]) + "]"
    return "null" if plain is None else "true" if plain else "false"


def _unquote(quoted: str) -> str | None:
    if quoted[0] == "'":
        return quoted[1:-1]
    try:
        text = json.loads(quoted)
    except ValueError:
        return None
    return text if isinstance(text, str) else None
