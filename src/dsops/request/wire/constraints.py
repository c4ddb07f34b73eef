"""Check values against the constraints of botocore's model, with AWS's validation messages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import validation

# botocore ships no type hints, so its shapes are annotated as Any in this module.
_UNICODE_CLASS = r"\p{L}\p{Z}\p{N}"


def check_parameters(shape: Any, parameters: Mapping[str, object]) -> None:
    """Refuse parameters that violate a constraint of the model. Raises ValidationError."""
    clauses = list(_clauses(shape, parameters, ""))
    if clauses:
        raise validation_errors(clauses)


def check_presence(shape: Any, parameters: object) -> None:
    """Refuse parameters that lack a required member, without other checks. Raises ValidationError."""
    clauses = list(_absent(shape, parameters, ""))
    if clauses:
        raise validation_errors(clauses)


def check_value(shape: Any, value: object, path: str) -> None:
    """Refuse a value that violates a constraint. Raises ValidationError, which names the value by `path`."""
    clauses = list(_clauses(shape, value, path))
    if clauses:
        raise validation_errors(clauses)


def validation_errors(clauses: list[str]) -> SandboxRefusal:
    """Return a ValidationError (400) that lists all violated constraints."""
    plural = "" if len(clauses) == 1 else "s"
    return validation(f"{len(clauses)} validation error{plural} detected: {'; '.join(clauses)}")


def _absent(shape: Any, value: object, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and shape.is_document_type:
        return
    if isinstance(value, dict) and shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield _null(_join(path, name))
        for name, inner in value.items():
            yield from _absent(shape.members[name], inner, _join(path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value, 1):
            yield from _absent(shape.member, item, f"{path}.{position}.member")
    elif isinstance(value, dict) and shape.type_name == "map":
        for key, item in value.items():
            yield from _absent(shape.value, item, f"{path}.{key}.member")


def _null(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _clauses(shape: Any, value: object, path: str) -> Iterator[str]:
    """Yield a message for each violated constraint: `Value 'x' at 'roleSessionName' failed to satisfy ...`."""
    if isinstance(value, dict) and shape.type_name == "structure":
        for name, own, member, is_required in _members(shape):
            if name in value:
                yield from _clauses(member, value[name], f"{path}.{own}" if path else own)
            elif is_required:
                yield _null(_join(path, name))
        return
    for constraint in _broken(shape, value):
        value_text = value if isinstance(value, str | int) else "[...]" if value else "[]"
        yield f"Value '{value_text}' at '{path}' failed to satisfy constraint: Member must {constraint}"
    if isinstance(value, list):
        for position, item in enumerate(value, 1):
            yield from _clauses(shape.member, item, f"{path}.{position}.member")


@cache
def _members(shape: Any) -> tuple[tuple[str, str, Any, bool], ...]:
    """Return (name, name in messages, shape, whether it is required) for each member of a structure."""
    required = frozenset(shape.required_members)
    return tuple((name, _join("", name), member, name in required) for name, member in shape.members.items())


def _join(path: str, name: str) -> str:
    own = name[:1].lower() + name[1:]
    return f"{path}.{own}" if path else own


def _broken(shape: Any, value: object) -> list[str]:
    limits = shape.metadata
    broken: list[str] = []
    if isinstance(value, int):
        broken += _outside(limits, value, "value")
    elif isinstance(value, (str, bytes, list, dict)):
        broken += _outside(limits, len(value), "length")
    if isinstance(value, str):
        if limits.get("enum") and value not in limits["enum"]:
            broken.append(f"satisfy enum value set: [{', '.join(limits['enum'])}]")
        if "pattern" in limits and not _matcher(limits["pattern"])(value):
            broken.append(f"satisfy regular expression pattern: {limits['pattern']}")
    return broken


def _outside(limits: Mapping[str, int], number: int, noun: str) -> list[str]:
    outside = []
    if "min" in limits and number < limits["min"]:
        outside.append(f"have {noun} greater than or equal to {limits['min']}")
    if "max" in limits and number > limits["max"]:
        outside.append(f"have {noun} less than or equal to {limits['max']}")
    return outside


@cache
def _matcher(pattern: str) -> Callable[[str], object]:
    r"""Return a function that matches the model's pattern. Java's \w and \d match only ASCII characters."""
    if _UNICODE_CLASS in pattern:
        return _matches_tag_class
    try:
        return re.compile(pattern, re.ASCII).fullmatch
    except re.error:
        return lambda _: True


def _matches_tag_class(text: str) -> bool:
    """Whether all characters are allowed in a tag.

    AWS treats a letter beyond U+FFFF as two UTF-16 units, neither of which is a letter (measured, July 2026).
    """
    return all(
        (letter <= "\uffff" and unicodedata.category(letter)[0] in "LZN") or letter in "_.:/=+-@" for letter in text
    )
