"""Parse a JSON or CBOR object into the operation's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.request.wire.scalars import bytes_of, fraction, moment

# botocore ships no type hints, so its shapes are annotated as Any in this module.


def structure_from_json(shape: Any, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that the model defines, without fields that are null. Raises SerializationException."""
    if shape.is_document_type:
        return dict(fields)
    parameters = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        if fields.get(wire_name) is not None:
            parameters[name] = value_from_json(member, fields[wire_name])
    return parameters


def value_from_json(shape: Any, value: object) -> object:
    """Convert a JSON value to the shape's type. Raises SerializationException."""
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return value
        return structure_from_json(shape, _of_type(value, dict))
    if kind == "list":
        return [value_from_json(shape.member, item) for item in _of_type(value, list)]
    if kind == "map":
        items = _of_type(value, dict).items()
        return {str(key): value_from_json(shape.value, item) for key, item in items if item is not None}
    return _SCALARS.get(kind, _text)(value)


def _text(value: object) -> object:
    return _of_type(value, str)


def _blob(value: object) -> bytes:
    # CBOR has a type for bytes; JSON has base64 text instead.
    return value if isinstance(value, bytes) else bytes_of(_of_type(value, str))


def _whole(value: object) -> object:
    number = _number(value)
    if isinstance(number, str) or not isfinite(number) or number != int(number):
        raise _unreadable()
    return int(number)


def _fraction(value: object) -> object:
    number = _number(value)
    return fraction(number) if isinstance(number, str) else number


def _moment(value: object) -> object:
    return value if isinstance(value, datetime) else moment(_number(value))


def _number(value: object) -> int | float | str:
    """Return a number, or a timestamp's text. Raises SerializationException for other types."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _unreadable()
    return value


_SCALARS: Mapping[str, Callable[[object], object]] = {
    "blob": _blob,
    "boolean": lambda value: _of_type(value, bool),
    "integer": _whole,
    "long": _whole,
    "float": _fraction,
    "double": _fraction,
    "timestamp": _moment,
}


def _of_type(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _unreadable()
    return value


def _unreadable() -> SandboxRefusal:
    return refusal("SerializationException", "")
