"""Fields of the query protocols -> parameters: `Tags.member.1.Key=k`, in EC2's dialect `Filter.1.Value.1=v`.

SQS's names (`Attribute.1.Name=k`) are not those of its model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from dsops.sandbox.wire.scalars import scalar
from dsops.sandbox.wire.sqs_query_names import entry_names, written_name

# botocore ships no types: its shapes are Any in here.
_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_DEEPEST_NAME = 21
"""Parts of a name between dots."""


def structure_from_query(shape: Any, fields: Mapping[str, str], service: str = "") -> dict[str, object]:
    """What the model knows of the fields. Raises MalformedInput."""
    return _DIALECTS.get(service, _Query)().structure(shape, _tree(fields))


class _Query:
    """AWS's query protocol."""

    def structure(self, shape: Any, node: Mapping[str, Any]) -> dict[str, object]:
        members = self.members(shape)
        return {name: self.value(member, node[written]) for name, member, written in members if written in node}

    @classmethod
    @cache
    def members(cls, shape: Any) -> tuple[tuple[str, Any, str], ...]:
        """Each member with its name on the wire: the model's, so asked once."""
        return tuple((name, member, cls.written(name, member)) for name, member in shape.members.items())

    @staticmethod
    def written(name: str, member: Any) -> str:
        """What a member is called on the wire; a flattened list goes by the name of its items."""
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
        """What key and value of a map's entry are called."""
        return shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:
        if shape.serialization.get("flattened"):
            return node
        found: dict[str, Any] = node.get(shape.member.serialization.get("name", "member"), {})
        return found


class _Ec2(_Query):
    """EC2's: names begin with a capital letter, lists are always flat."""

    @staticmethod
    def written(name: str, member: Any) -> str:
        given = member.serialization
        if "queryName" in given:
            return str(given["queryName"])
        written = str(given.get("name", ""))
        return written[:1].upper() + written[1:] if written else name

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - EC2 asks no shape
        return node


class _Sqs(_Query):
    """SQS's: every list and map is flat; of a list with one value the number may be left out."""

    @staticmethod
    def written(name: str, member: Any) -> str:
        return written_name(name, member)

    @staticmethod
    def entry(shape: Any) -> tuple[str, str]:
        return entry_names(shape)

    def items(self, shape: Any, node: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - SQS asks no shape
        return {"1": {"": node[""]}, **node} if "" in node else node


_DIALECTS = {"ec2": _Ec2, "sqs": _Sqs}
"""Services that write the query protocol otherwise than others do."""


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    """Dotted names as nested dicts; a node's own value stands under ""."""
    root: dict[str, Any] = {}
    for name, value in fields.items():
        parts = name.split(".")
        if len(parts) > _DEEPEST_NAME or "" in parts:
            continue  # no parameter is called that; an empty part would stand where a value is expected
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node.setdefault("", value)
    return root


def _indices(items: Mapping[str, Any]) -> list[str]:
    return sorted((name for name in items if _INDEX.fullmatch(name)), key=int)
