"""Random parameters for botocore's shapes, and the requests that botocore serializes from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.serialize import create_serializer

from dsops.request.messages import HttpRequest
from dsops.request.wire.models import operation_model, signing_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from dsops.request.wire.models import Protocol

BOTOCORES_NAME = {"cbor": "smithy-rpc-v2-cbor"}
_TEXTS = ("a", "two words", "a&b=c", "x/y", "\u00e9\u03b1", "<b>", "100%", "a+b", "'\"", ".", "..", "a.b:c@d")
_DEEPEST = 4


class ShapeMaker:
    """Makes values that can be serialized in the given protocol without loss."""

    def __init__(self, random: Random, protocol: Protocol) -> None:
        self._random = random
        self._is_query = protocol in {"query", "ec2"}

    def parameters(self, shape: Any) -> dict[str, object]:  # botocore ships no types
        """All required members of an operation's input, and about half of the optional members."""
        found = self._structure(shape, 0, ())
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            if location in {"header", "headers"} and name in found:
                found[name] = self._header(member)
            if member.serialization.get("hostLabel"):
                found[name] = "111111111111"
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].serialization.get("eventstream"):
            found.pop(payload, None)
        return found

    def _header(self, shape: Any) -> object:
        """A header value: ASCII without leading or trailing spaces."""
        if shape.type_name == "map":
            return {"one": "1", "two-b": "two words"}
        if shape.type_name == "list":
            return [self._ascii(shape.member), self._ascii(shape.member)]
        if shape.type_name == "string" and not shape.serialization.get("jsonvalue"):
            return self._ascii(shape)
        return {"json": ["value"]} if shape.serialization.get("jsonvalue") else self._value(shape, 0, ())

    def _ascii(self, shape: Any) -> str:
        allowed = shape.metadata.get("enum")
        return str(self._random.choice(allowed)) if allowed else "two words"

    def _structure(self, shape: Any, depth: int, above: tuple[str, ...]) -> dict[str, object]:
        members = list(shape.members.items())
        if getattr(shape, "is_tagged_union", False):
            members = [self._random.choice(members)]
        collected = {}
        for name, member in members:
            is_needed = name in shape.required_members or getattr(shape, "is_tagged_union", False)
            is_loop = member.name in above or depth > _DEEPEST
            if is_needed or (not is_loop and self._random.random() < 0.5):
                collected[name] = self._value(member, depth + 1, above)
        if self._is_query and members and not collected:
            # The query protocols cannot express an empty value.
            name, member = min(members, key=lambda item: item[1].type_name in {"structure", "list", "map"})
            collected[name] = self._value(member, depth + 1, above)
        return collected

    def _value(self, shape: Any, depth: int, above: tuple[str, ...]) -> object:
        kind = shape.type_name
        is_over = depth > _DEEPEST + 8 or shape.name in above
        above = (*above, shape.name)
        if kind == "structure":
            return {"any": [1, "x"]} if shape.is_document_type else self._structure(shape, depth, above)
        if kind == "list":
            count = 0 if is_over and shape.name in above[:-1] else self._random.choice((1, 2, 11))
            return [self._value(shape.member, depth + 1, above) for _ in range(1 if depth > 2 else count)]
        if kind == "map":
            return (
                {}
                if is_over
                else {str(key): self._value(shape.value, depth + 1, above) for key in self._keys(shape.key)}
            )
        return self._scalar(shape)

    def _keys(self, shape: Any) -> list[str]:
        allowed = shape.metadata.get("enum")
        return list(allowed[:2]) if allowed else ["k", "k two"]

    def _scalar(self, shape: Any) -> object:
        kind = shape.type_name
        if kind == "string" and shape.metadata.get("enum"):
            return self._random.choice(shape.metadata["enum"])
        made = {
            "string": self._random.choice(_TEXTS),
            "integer": self._random.randint(-5, 2**31 - 1),
            "long": self._random.randint(-5, 2**60),
            "boolean": self._random.random() < 0.5,
            "float": self._random.choice((0.5, -2.25, 3.0)),
            "double": self._random.choice((0.5, -2.25, 1e9)),
            "blob": self._random.choice((b"\x00\xff&=", b"Action=DeleteEverything&x=y")),
            "timestamp": datetime(2026, 7, 13, 10, self._random.randint(0, 59), tzinfo=UTC),
        }
        return made[kind]


def written_request(
    service: str,
    operation: str,
    parameters: Mapping[str, object],
    protocol: Protocol,
    region: str = "us-east-1",
    signed_as: str = "",
) -> HttpRequest:
    """Serialize a request with botocore, with a dummy signature for the service, or for `signed_as`."""
    serializer = create_serializer(BOTOCORES_NAME.get(protocol, protocol), include_validation=False)
    serialized = serializer.serialize_to_request(dict(parameters), operation_model(service, operation))
    path, _, query = serialized["url_path"].partition("?")
    given = serialized["query_string"]
    if given:
        more = given if isinstance(given, str) else urlencode(given, doseq=True)
        query = f"{query}&{more}" if query else more
    body = serialized["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True).encode()
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = {name.lower(): _text(value) for name, value in dict(serialized["headers"]).items()}
    scope = f"AKIAIOSFODNN7EXAMPLE/20260713/{region}/{signed_as or signing_name(service)}/aws4_request"
    headers |= {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "host": "127.0.0.1:4566",
    }
    return HttpRequest(serialized["method"], path, query, headers, body, "203.0.113.7")


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
