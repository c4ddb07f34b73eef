"""Parse the fields of the query protocol, such as `Tags.member.1.Key=k`, into parameters.

Two services differ from this format. EC2 writes `Filter.1.Value.1=v`. In SQS requests, the parameter names
(`Attribute.1.Name=k`) differ from the names in the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from dsops.request.wire.scalars import scalar
from dsops.request.wire.sqs_query_names import entry_names, written_name

# botocore ships no type hints, so its shapes are annotated as Any in this module.
_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_DEEPEST_NAME = 21
"""Maximum number of parts, separated by dots, in a field's name."""


def structure_from_query(shape: Any, fields: Mapping[str, str], service: str = "") -> dict[str, object]:
    """Return the parameters that the model defines. Raises MalformedInput."""
    return _DIALECTS.get(service, _Query)().structure(shape, _tree(fields))


class _Query:
    """Reads the standard dialect of AWS's query protocol."""

    def structure(self, shape: Any, node: Mapping[str, Any]) -> dict[str, object]:
        members = self.members(shape)
        return {name: self.value(member, node[wire_name]) for name, member, wire_name in members if wire_name in node}

    @classmethod
    @cache
    def members(cls, shape: Any) -> tuple[tuple[str, Any, str], ...]:
        """Return (member name, shape, name on the wire) for each member.

        The result is cached, because it depends only on the model.
        """
        return tuple((name, member, cls.written(name, member)) for name, member in shape.members.items())

    @staticmethod
    def written(name: str, member: Any) -> str:
        """Return a member's name on the wire; for a flattened list this is the name of its items."""
        if member.type_name == "list" and member.serialization.get("flattened"):
            name = member.member.serialization.get("name", name)
        own: str = member.serialization.get("name", name)
        return name if member.type_name == "list" and member.serialization.get("flattened") else own

    def value(self, shape: Any, node: dict[str, Any]) -> object:
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, node)
        if kind == "list":
            items = self.items(shape, node)
            return [self.value(shape.member, items[index]) for index in _indices(items)]
        if kind == "map":
            entries = node if shape.serialization.get("flattened") else node.get("entry", {})
            key, value = self.entry(shape)
            pairs = (entries[index] for index in _indices(entries))
            return {
                str(self.value(shape.key, pair.get(key, {}))): self.value(shape.value, pair.get(value, {}))
                for pair in pairs
            }
        return scalar(kind, node.get("", ""))

    @staticmethod
    def entry(shape: Any) -> tuple[str, str]:
        """Return the names on the wire of the key and the value in a map entry."""
        return shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:
        if shape.serialization.get("flattened"):
            return node
        list_items: dict[str, Any] = node.get(shape.member.serialization.get("name", "member"), {})
        return list_items


class _Ec2(_Query):
    """Reads EC2's dialect: names begin with a capital letter, and lists are always flat."""

    @staticmethod
    def written(name: str, member: Any) -> str:
        serialization = member.serialization
        if "queryName" in serialization:
            return str(serialization["queryName"])
        serialized_name = str(serialization.get("name", ""))
        return serialized_name[:1].upper() + serialized_name[1:] if serialized_name else name

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base class's signature
        return node


class _Sqs(_Query):
    """Reads SQS's dialect: lists and maps are flat, and the index of a single value may be omitted."""

    @staticmethod
    def written(name: str, member: Any) -> str:
        return written_name(name, member)

    @staticmethod
    def entry(shape: Any) -> tuple[str, str]:
        return entry_names(shape)

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base class's signature
        return {"1": {"": node[""]}, **node} if "" in node else node


_DIALECTS = {"ec2": _Ec2, "sqs": _Sqs}
"""Service -> its own dialect of the query protocol. Other services use the standard dialect."""


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    """Convert dotted names to nested dicts. The value of a name is stored under the key "" in the name's dict."""
    root: dict[str, Any] = {}
    for name, value in fields.items():
        if name and "." not in name:
            root.setdefault(name, {}).setdefault("", value)
            continue
        parts = name.split(".")
        if len(parts) > _DEEPEST_NAME or "" in parts:
            continue  # Not a parameter's name: an empty part would collide with the key "" of values.
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node.setdefault("", value)
    return root


def _indices(items: Mapping[str, Any]) -> list[str]:
    return sorted((name for name in items if _INDEX.fullmatch(name)), key=int)
