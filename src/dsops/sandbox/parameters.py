"""A route's text -> the operation's parameters, typed and checked against botocore's model, in AWS's words.

Unknown parameters are left out: what comes out of here is all that an operation ever sees.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any

from dsops.errors import SandboxRefusal
from dsops.sandbox.models import operation_model
from dsops.sandbox.refusals import refusal, validation
from dsops.sandbox.route import Route

# botocore ships no types: its shapes are Any in here.
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_DEEPEST_NAME = 20
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_UNICODE_CLASS = r"\p{L}\p{Z}\p{N}"


def read_parameters(route: Route) -> dict[str, object]:
    """The parameters with Python's types (blobs as bytes, timestamps as sent).

    Raises MalformedInput, SerializationException or ValidationError.
    """
    shape = operation_model(route.service, route.operation).input_shape
    if shape is None:
        return {}
    if route.protocol == "query":
        parameters = _structure_from_tree(shape, _tree(route.fields))
    else:
        parameters = _structure_from_json(shape, route.document)
    clauses = list(_clauses(shape, parameters, ""))
    if clauses:
        raise validation_errors(clauses)
    return parameters


def check_member(service: str, operation: str, name: str, value: object) -> None:
    """What came another way than as a parameter is held to the same model. Raises ValidationError."""
    shape = operation_model(service, operation).input_shape.members[name]
    clauses = list(_clauses(shape, value, name[:1].lower() + name[1:]))
    if clauses:
        raise validation_errors(clauses)


def validation_errors(clauses: list[str]) -> SandboxRefusal:
    """400 ValidationError of all clauses."""
    plural = "" if len(clauses) == 1 else "s"
    return validation(f"{len(clauses)} validation error{plural} detected: {'; '.join(clauses)}")


# --- query protocol: `Tags.member.1.Key=k` ---------------------------------------------------------------------


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    """Dotted names as nested dicts; a node's own value stands under ""."""
    root: dict[str, Any] = {}
    for name, value in fields.items():
        if name.count(".") > _DEEPEST_NAME:
            continue
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {})
        node.setdefault("", value)
    return root


def _from_tree(shape: Any, node: dict[str, Any]) -> object:
    kind = shape.type_name
    if kind == "structure":
        return _structure_from_tree(shape, node)
    if kind == "list":
        items = node if shape.serialization.get("flattened") else node.get(_item_name(shape), {})
        return [_from_tree(shape.member, items[index]) for index in _indices(items)]
    if kind == "map":
        entries = node.get("entry", {})
        pairs = (entries[index] for index in _indices(entries))
        return {
            str(_from_tree(shape.key, pair.get("key", {}))): _from_tree(shape.value, pair.get("value", {}))
            for pair in pairs
        }
    return _scalar(kind, node.get("", ""))


def _structure_from_tree(shape: Any, node: Mapping[str, Any]) -> dict[str, object]:
    members = ((name, member, member.serialization.get("name", name)) for name, member in shape.members.items())
    return {name: _from_tree(member, node[written]) for name, member, written in members if written in node}


def _item_name(shape: Any) -> str:
    name: str = shape.member.serialization.get("name", "member")
    return name


def _indices(items: Mapping[str, Any]) -> list[str]:
    return sorted((name for name in items if _INDEX.fullmatch(name)), key=int)


def _scalar(kind: str, text: str) -> object:
    """Measured on live STS: no Message for a number that is none, but one for an empty text."""
    if kind in {"integer", "long"}:
        if not text:
            raise refusal("MalformedInput", "missing value for decimal type")
        if not _INTEGER.fullmatch(text) or len(text) > 20 or int(text) not in (_INT32 if kind == "integer" else _INT64):
            raise refusal("MalformedInput", None)
        return int(text)
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise refusal("MalformedInput", None)
        return text.lower() == "true"
    if kind == "blob":
        return _bytes(text)
    return text


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("MalformedInput", None) from error


# --- JSON protocol -----------------------------------------------------------------------------------------------


def _from_json(shape: Any, value: object) -> object:
    kind = shape.type_name
    if kind == "structure":
        return _structure_from_json(shape, _of_type(value, dict))
    if kind == "list":
        return [_from_json(shape.member, item) for item in _of_type(value, list)]
    if kind == "map":
        return {str(key): _from_json(shape.value, item) for key, item in _of_type(value, dict).items()}
    return _JSON_SCALARS.get(kind, _text)(value)


def _structure_from_json(shape: Any, fields: Mapping[str, object]) -> dict[str, object]:
    members = shape.members.items()
    return {name: _from_json(member, fields[name]) for name, member in members if fields.get(name) is not None}


def _text(value: object) -> object:
    return _of_type(value, str)


def _whole(value: object) -> object:
    number = _number(value)
    if isinstance(number, str) or not isfinite(number) or number != int(number):
        raise refusal("SerializationException", "")
    return int(number)


def _number(value: object) -> int | float | str:
    """A number or, for a timestamp, its text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refusal("SerializationException", "")
    return value


_JSON_SCALARS: Mapping[str, Callable[[object], object]] = {
    "blob": lambda value: _bytes(_of_type(value, str)),
    "boolean": lambda value: _of_type(value, bool),
    "integer": _whole,
    "long": _whole,
    "float": _number,
    "double": _number,
    "timestamp": _number,
}


def _of_type(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise refusal("SerializationException", "")
    return value


# --- the model's constraints -------------------------------------------------------------------------------------


def _clauses(shape: Any, value: object, path: str) -> Iterator[str]:
    """`Value 'x' at 'roleSessionName' failed to satisfy constraint: ...` for everything that the model refuses."""
    if isinstance(value, dict) and shape.type_name == "structure":
        for name, member in shape.members.items():
            inner = _join(path, name)
            if name in value:
                yield from _clauses(member, value[name], inner)
            elif name in shape.required_members:
                yield f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"
        return
    for constraint in _broken(shape, value):
        shown = value if isinstance(value, str | int) else "[...]" if value else "[]"
        yield f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must {constraint}"
    if isinstance(value, list):
        for position, item in enumerate(value, 1):
            yield from _clauses(shape.member, item, f"{path}.{position}.member")


def _join(path: str, name: str) -> str:
    own = name[:1].lower() + name[1:]
    return f"{path}.{own}" if path else own


def _broken(shape: Any, value: object) -> Iterator[str]:
    limits = shape.metadata
    if isinstance(value, int):
        yield from _outside(limits, value, "value")
    elif isinstance(value, str | bytes | list | dict):
        yield from _outside(limits, len(value), "length")
    if isinstance(value, str):
        if limits.get("enum") and value not in limits["enum"]:
            yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"
        if "pattern" in limits and not _matcher(limits["pattern"])(value):
            yield f"satisfy regular expression pattern: {limits['pattern']}"


def _outside(limits: Mapping[str, int], number: int, what: str) -> Iterator[str]:
    if "min" in limits and number < limits["min"]:
        yield f"have {what} greater than or equal to {limits['min']}"
    if "max" in limits and number > limits["max"]:
        yield f"have {what} less than or equal to {limits['max']}"


@cache
def _matcher(pattern: str) -> Callable[[str], object]:
    """What a text must satisfy. The patterns are Java's: word characters and digits are ASCII there."""
    if _UNICODE_CLASS in pattern:
        return _matches_tag_class
    try:
        return re.compile(pattern, re.ASCII).fullmatch
    except re.error:
        return lambda _: True


def _matches_tag_class(text: str) -> bool:
    return all(unicodedata.category(letter)[0] in "LZN" or letter in "_.:/=+-@" for letter in text)
