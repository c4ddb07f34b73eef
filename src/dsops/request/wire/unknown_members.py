"""Find members of a JSON body that the operation's model lacks, and that may change what the request is allowed to do.

A newer API can have members that the installed models lack. Most of them change neither the resource nor the conditions
of a request, so they are ignored. Those that may name a resource or a role must be read, or the request refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

_RESOLVED: Final = frozenset({"dynamodb", "dynamodbstreams", "events"})
"""Services whose nested members name the tables, buses and conditions of a request."""
_NAMING: Final = ("role", "profile")
_LEAVES: Final = frozenset({"AttributeValue"})
"""Shapes whose members are data of the caller."""


# botocore ships no type hints, so its shapes are annotated as Any.
def unknown_member(service: str, shape: Any, document: object) -> str:
    """Return the name of an unknown member that may name a resource or role, at any depth; "" if there is none."""
    return next(
        (
            name
            for name, value in _unknown(shape, document)
            if service in _RESOLVED or _is_naming(name) or _has_arn(value)
        ),
        "",
    )


def _unknown(shape: Any, value: object) -> Iterator[tuple[str, object]]:
    """Yield the members at any depth that the shape lacks, and their values."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping) and not shape.is_document_type and shape.name not in _LEAVES:
        known = _members(shape)
        for name, inner in value.items():
            if name in known:
                if isinstance(inner, Mapping | list):
                    yield from _unknown(known[name], inner)
            elif name != "__type":
                yield name, inner
    elif kind == "list" and isinstance(value, list) and _has_structure(shape.member):
        for item in value:
            yield from _unknown(shape.member, item)
    elif kind == "map" and isinstance(value, Mapping) and _has_structure(shape.value):
        for item in value.values():
            yield from _unknown(shape.value, item)


@cache
def _members(shape: Any) -> Mapping[str, Any]:
    """Return the members of a structure by their names in JSON. Shapes are as long-lived as the models."""
    return {str(member.serialization.get("name", name)): member for name, member in shape.members.items()}


def _has_structure(shape: Any) -> bool:
    return shape.type_name in {"structure", "list", "map"}


def _is_naming(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(("arn", "arns")) or any(word in lower for word in _NAMING)


def _has_arn(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("arn:")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    names = value if isinstance(value, Mapping) else ()
    return any(_is_naming(str(name)) for name in names) or any(map(_has_arn, inner))
