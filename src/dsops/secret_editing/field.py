"""Sets one field of a JSON object in its text, so that all other fields keep their order and notation."""

from __future__ import annotations

import json

from dsops.errors import FieldMissing, UsageError
from dsops.secret import Secret
from dsops.startup import NamedTuple

_SPACE = " \t\r\n"


class _Member(NamedTuple):
    """The position of a member's value in the text of an object."""

    name: str
    start: int
    end: int
    is_text: bool
    """Whether the value is a JSON string."""


def with_field(value: Secret, name: str, field: Secret, subject: str) -> Secret:
    """Return the JSON object with the field set, at its existing position or, if it is new, at the end.

    `field` is stored as a string if the existing field is a string or does not exist. Otherwise (a number, an object)
    it is stored as the JSON value that it contains. `subject` names the secret in errors, which never contain its
    content.
    """
    text = value.reveal()
    members = _members(text)
    if members is None:
        raise FieldMissing(
            f"the field `{name}` of {subject} can't be set: the value is not a JSON object",
            hint="leave out `--field` to replace the whole value",
        )
    same = [member for member in members if member.name == name]
    if len(same) > 1:
        raise FieldMissing(f"{subject} has the field `{name}` {len(same)} times", hint="remove one with `dsops edit`")
    new = _json_value(field, name) if same and not same[0].is_text else _json_text(field)
    if same:
        return Secret(f"{text[: same[0].start]}{new}{text[same[0].end :]}")
    return Secret(_appended(text, members, f"{json.dumps(name)}: {new}"))


def _members(text: str) -> list[_Member] | None:
    """Return the members of a JSON object; None if the text is not a JSON object."""
    try:
        if not isinstance(json.loads(text), dict):
            return None
    except (ValueError, RecursionError):
        return None
    members: list[_Member] = []
    decoder = json.JSONDecoder()
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = decoder.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)
        found, end = decoder.raw_decode(text, start)
        members.append(_Member(name, start, end, isinstance(found, str)))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members


def _skip(text: str, position: int) -> int:
    while text[position] in _SPACE:
        position += 1
    return position


def _appended(text: str, members: list[_Member], member: str) -> str:
    """Return the object with one more member at the end.

    The new member is on a line of its own if the last member is.
    """
    if not members:
        brace = text.index("{") + 1
        return f"{text[:brace]}{member}{text[brace:]}"
    last = members[-1]
    before = text[members[-2].end : last.start] if len(members) > 1 else text[text.index("{") + 1 : last.start]
    space = before.lstrip(",")
    indent = space[: len(space) - len(space.lstrip(_SPACE))]
    is_compact = not indent and len(members) > 1
    return f"{text[: last.end]},{indent or ('' if is_compact else ' ')}{member}{text[last.end :]}"


def _json_value(field: Secret, name: str) -> str:
    """Return the text of a JSON value. Raises UsageError if it is not valid JSON."""
    text = field.reveal()
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        # The error is raised `from None`, because the original error contains the value.
        raise UsageError(
            f"the new value of the field `{name}` is not JSON",
            why="the current value is not a JSON string, so the new value must be JSON, such as 5432, true or null",
            hint="write a JSON string in double quotes",
        ) from None
    return text.strip()


def _json_text(field: Secret) -> str:
    text = field.reveal()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the new value is not UTF-8, but a JSON string must be", hint="encode it as Base64") from None
    return json.dumps(text, ensure_ascii=False)
