"""Parse the `transform` of a variable, which has several notations."""

from __future__ import annotations

import re

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import Problem, Where, nearest
from dsops.model import Transform
from dsops.startup import Literal, NamedTuple
from dsops.transform.extract import parse_path

_Argument = Literal["none", "path", "separator", "replacement"]

STEPS: dict[str, _Argument] = {
    "trim": "none",
    "base64_encode": "none",
    "base64_decode": "none",
    "json_extract": "path",
    "yaml_extract": "path",
    "replace": "replacement",
    "join": "separator",
    "multiline_to_single": "none",
}
"""Step name -> the kind of argument that the step takes."""

MAX_STEPS = 32
"""The maximum number of steps in one chain."""

_KEYS: dict[_Argument, tuple[str, ...]] = {
    "none": (),
    "path": ("path",),
    "separator": ("separator",),
    "replacement": ("from", "to"),
}
_FORMS: dict[_Argument, str] = {
    "none": "{name}",
    "path": "{name}:.field",
    "separator": "{name}:,",
    "replacement": "{name}:old:new",
}

# Patterns are compiled at their first use, because most configurations contain no transforms.
_QUOTED = r""""(?:[^"\\]|\\.)*"|'[^']*'"""
_FOLLOWING_STEP = rf"\s*(?:{'|'.join(STEPS)})\s*(?:$|[:|,])"
_ESCAPE = r"(?s)\\(.)"
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class _Step(NamedTuple):
    """A step as written: its name, and its arguments as texts."""

    name: str
    arguments: tuple[str, ...]


class _Wrong(NamedTuple):
    """Why a step is not valid, with a hint."""

    message: str
    hint: str = ""


def parse_transforms(node: Node, file: str, path: str) -> tuple[tuple[Transform, ...], tuple[Problem, ...]]:
    """Return the steps in the order of application, and the problems. An empty `transform` has no steps."""
    transforms: list[Transform] = []
    problems: list[Problem] = []
    for item in node.items if isinstance(node, Sequence) else (node,):
        where = Where(file, item.line)
        for step in _steps(item, is_item=isinstance(node, Sequence)):
            if len(transforms) + len(problems) == MAX_STEPS:
                problems.append(Problem(where, path, f"a chain has at most {MAX_STEPS} steps", "shorten it"))
                return tuple(transforms), tuple(problems)
            wrong = step if isinstance(step, _Wrong) else _check(step)
            if wrong:
                problems.append(Problem(where, path, wrong.message, wrong.hint))
            elif isinstance(step, _Step):
                argument, replacement = (*step.arguments, "", "")[:2]
                transforms.append(Transform(step.name, argument, where, replacement))
    return tuple(transforms), tuple(problems)


def describe(transform: Transform) -> str:
    """Return the step as text for messages: `replace:,:;`."""
    argument = STEPS[transform.name]
    if argument == "none":
        return transform.name
    if argument == "replacement":
        return f"{transform.name}:{transform.argument}:{transform.replacement}"
    return f"{transform.name}:{transform.argument}"


def _steps(item: Node, *, is_item: bool) -> list[_Step | _Wrong]:
    if isinstance(item, Mapping):
        return [_step_of_mapping(item)]
    if isinstance(item, Sequence):
        return [_Wrong("a step is a text or a mapping, not a list", "write each step as an item of its own")]
    if item.kind == "null":
        return [_Wrong("an empty step", "remove it")] if is_item else []
    if is_item:
        return [_step_of_item(item.text)]
    return [_step_of_text(part) for part in _split(item.text)] if item.text.strip() else []


def _check(step: _Step) -> _Wrong | None:
    """Return the problem with a step's arguments; None if they are valid."""
    kind = STEPS[step.name]
    form = _FORMS[kind].format(name=step.name)
    if kind == "none":
        return _Wrong(f"`{step.name}` takes no argument", "separate steps by `|`") if any(step.arguments) else None
    if not step.arguments or not step.arguments[0]:
        hint = f"write `{form}`; put an argument of separators or spaces in quotes"
        return _Wrong(f"`{step.name}` needs an argument", hint)
    if kind == "path":
        path = step.arguments[0]
        readable = parse_path(path if path.startswith((".", "[")) else f".{path}") is not None
        hint = 'write `.name`, `.name[0]`, `."any name"`'
        return None if readable else _Wrong(f"`{path}` is not a path to a field", hint)
    if kind == "replacement" and len(step.arguments) != 2:
        return _Wrong("`replace` needs the new text", f"write `{form}`; `replace:old:` removes `old`")
    return None


def _split(text: str) -> list[str]:
    """Split a chain into its steps. A separator inside quotes or directly after a `:` does not split."""
    parts: list[str] = []
    start = at = 0
    before = ""
    while at < len(text):
        character = text[at]
        quoted = re.compile(_QUOTED).match(text, at) if character in "\"'" and before in (":", ".", "[") else None
        if quoted:
            at = quoted.end()
            before = character
            continue
        is_pipe = character == "|" and before != ":"
        if is_pipe or (character == "," and before != ":" and re.compile(_FOLLOWING_STEP).match(text, at + 1)):
            parts.append(text[start:at])
            start = at + 1
        if not character.isspace():
            before = character
        at += 1
    return [*parts, text[start:]]


def _step_of_text(text: str) -> _Step | _Wrong:
    """Parse a step of a chain. Surrounding white space is removed, and arguments may be quoted."""
    name, colon, rest = text.strip().partition(":")
    name = name.strip()
    if not name:
        return _Wrong("an empty step", 'put an argument that holds `|` in quotes: `join:"|"`')
    if name not in STEPS:
        return _unknown(name)
    if STEPS[name] == "path":
        return _Step(name, (rest.strip(),))
    if STEPS[name] != "replacement":
        return _Step(name, (_unquote(rest),) if colon else ())
    quoted = re.match(_QUOTED, rest.lstrip())
    if quoted is None:
        old, second, new = rest.partition(":")
    else:
        old, (_, second, new) = quoted.group(), rest.lstrip()[quoted.end() :].partition(":")
    return _Step(name, (_unquote(old), _unquote(new)) if second else (_unquote(old),))


def _step_of_item(text: str) -> _Step | _Wrong:
    """Parse a step of a list. Everything after the first `:` is its argument, unchanged."""
    name, colon, rest = text.partition(":")
    name = name.strip()
    if name not in STEPS:
        return _unknown(name)
    if STEPS[name] == "replacement":
        old, second, new = rest.partition(":")
        return _Step(name, (old, new) if second else (old,))
    return _Step(name, (rest,) if colon else ())


def _step_of_mapping(mapping: Mapping) -> _Step | _Wrong:
    """Parse a step: `{type: NAME, KEY: ARGUMENT}`, `{NAME: ARGUMENT}` or `{replace: {from: OLD, to: NEW}}`."""
    kind = mapping.get("type")
    present: Node
    if kind is not None:
        name = kind.text if isinstance(kind, Scalar) else ""
        present = Mapping(tuple(entry for entry in mapping.entries if entry[0].text != "type"), mapping.line)
    elif len(mapping.entries) == 1:
        key, present = mapping.entries[0]
        name = key.text
    else:
        return _Wrong("a step names one transform", "write `{type: NAME, ...}` or `{NAME: ARGUMENT}`")
    if name not in STEPS:
        return _unknown(name)
    keys = _KEYS[STEPS[name]]
    if isinstance(present, Mapping):
        return _step_of_keys(name, keys, present)
    items = (
        present.items if isinstance(present, Sequence) else () if present.kind == "null" and not keys else (present,)
    )
    texts = [item.text for item in items if isinstance(item, Scalar)]
    if len(texts) != len(keys) or len(texts) != len(items):
        hint = f"write `{{{name}: {{{', '.join(f'{key}: ...' for key in keys)}}}}}`" if keys else f"write `{name}`"
        return _Wrong(f"`{name}` takes {len(keys) or 'no'} argument{'' if len(keys) == 1 else 's'}", hint)
    return _Step(name, tuple(texts))


def _step_of_keys(name: str, keys: tuple[str, ...], step_node: Mapping) -> _Step | _Wrong:
    texts: dict[str, str] = {}
    for key, value in step_node.entries:
        if key.text not in keys:
            hint = f"it takes {', '.join(f'`{keys_of_step}`' for keys_of_step in keys)}" if keys else "it takes none"
            return _Wrong(f"`{name}` has no argument `{key.text}`", hint)
        if not isinstance(value, Scalar):
            return _Wrong(f"`{key.text}` of `{name}` is a text")
        texts[key.text] = value.text
    missing = [key for key in keys if key not in texts]
    if missing:
        return _Wrong(f"`{name}` needs `{missing[0]}`")
    return _Step(name, tuple(texts[key] for key in keys))


def _unknown(name: str) -> _Wrong:
    meant = nearest(name, STEPS)
    if any(mark in name for mark in "|,"):
        return _Wrong(f"`{name}` is no transform", "in a list, each item is one step")
    step_names = ", ".join(STEPS)
    return _Wrong(f"there is no transform `{name}`", f"did you mean `{meant}`?" if meant else f"there are {step_names}")


def _unquote(text: str) -> str:
    """Return the text between quotes, with escapes in double quotes resolved. Text without quotes is unchanged."""
    stripped = text.strip()
    if not re.fullmatch(_QUOTED, stripped):
        return text
    if stripped[0] == "'":
        return stripped[1:-1]
    return re.sub(_ESCAPE, lambda match: _ESCAPED.get(match.group(1), match.group(1)), stripped[1:-1])
