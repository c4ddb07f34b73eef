"""Parse a REST request's path, query, headers and body into parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.json_reader import structure_from_json, value_from_json
from dsops.request.wire.route import query_pairs
from dsops.request.wire.scalars import bytes_of, malformed, scalar
from dsops.request.wire.xml_reader import read_xml, structure_from_xml, value_from_xml

# botocore ships no type hints, so its shapes are annotated as Any in this module.


def structure_from_request(
    shape: Any, uri: str, labels: Mapping[str, str], request: HttpRequest, *, is_xml: bool
) -> dict[str, object]:
    """Return the parameters that the model defines. `uri` is the operation's URI template.

    Raises MalformedInput, SerializationException or MalformedXML.
    """
    query, headers = query_pairs(request.query), request.headers
    members = _located_members(shape)
    named = frozenset[str]()
    if query:
        named = frozenset(located.wire_name for located in members if located.location == "querystring")
        named |= {name for name, _ in query_pairs(uri.partition("?")[2])}
    from_envelope: dict[str, object] = {}
    # Most operations of S3 have dozens of headers, of which a request has a few.
    present = [located for located in members if located.location != "header" or located.wire_name in headers]
    for name, location, wire_name, member in present:
        value: object
        if location == "header":
            value = _from_header(member, headers[wire_name])
        elif location == "querystring":
            value = _from_query(member, wire_name, query, named) if query else None
        elif location == "uri":
            value = _scalar_or_none(member, labels.get(wire_name))
        else:
            value = _with_prefix(wire_name, headers)
        if value is not None:
            from_envelope[name] = value
    return from_envelope | _from_body(shape, request, is_xml=is_xml)


class _LocatedMember(NamedTuple):
    """A parameter that a request has outside of its body."""

    name: str
    location: str
    wire_name: str
    """The name in the request, in lower case for headers."""
    shape: Any


@cache
def _located_members(shape: Any) -> tuple[_LocatedMember, ...]:
    """Return the parameters in path, query and headers, in the order of the model."""
    located = []
    for name, member in shape.members.items():
        location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if location in {"header", "headers"}:
            wire_name = wire_name.lower()
        if location in {"uri", "querystring", "header", "headers"}:
            located.append(_LocatedMember(name, location, wire_name, member))
    return tuple(located)


def _scalar_or_none(shape: Any, text: str | None) -> object:
    return None if text is None else scalar(shape.type_name, text)


def _from_query(shape: Any, name: str, query: Sequence[tuple[str, str]], named: Iterable[str]) -> object:
    if shape.type_name == "map":
        # A map member receives all query parameters that belong to no other member. A list collects the values of
        # repeated parameters.
        values: dict[str, list[str]] = {}
        for key, value in query:
            if key not in named:
                values.setdefault(key, []).append(value)
        if shape.value.type_name == "list":
            return values or None
        return {key: texts[0] for key, texts in values.items()} or None
    matching_values = [value for key, value in query if key == name]
    if shape.type_name == "list":
        return [scalar(shape.member.type_name, value) for value in matching_values] or None
    return _scalar_or_none(shape, matching_values[0]) if matching_values else None


def _from_header(shape: Any, text: str | None) -> object:
    if text is None:
        return None
    text = _unicode(text)
    if shape.serialization.get("jsonvalue"):
        try:
            return json.loads(bytes_of(text))
        except (ValueError, RecursionError) as error:
            raise malformed() from error
    if shape.type_name == "list":
        return [scalar(shape.member.type_name, part.strip()) for part in text.split(",")]
    return scalar(shape.type_name, text)


def _with_prefix(prefix: str, headers: Mapping[str, str]) -> object:
    names = (name for name in headers if name.startswith(prefix))
    return {name[len(prefix) :]: _unicode(headers[name]) for name in names} or None


def _unicode(text: str) -> str:
    """Decode UTF-8 whose bytes arrived as Latin-1 characters (PEP 3333); return other text unchanged."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _from_body(shape: Any, request: HttpRequest, *, is_xml: bool) -> dict[str, object]:
    payload = shape.serialization.get("payload")
    if not request.body or (payload and shape.members[payload].serialization.get("eventstream")):
        return {}
    if payload:
        return {payload: _payload(shape.members[payload], request.body, is_xml=is_xml)}
    in_body = [name for name, member in shape.members.items() if "location" not in member.serialization]
    if not in_body:
        return {}
    parsed = structure_from_xml(shape, read_xml(request.body)) if is_xml else _json(shape, request.body)
    return {name: parsed[name] for name in in_body if name in parsed}


def _payload(shape: Any, body: bytes, *, is_xml: bool) -> object:
    """Return the value of the member that is stored as the whole body."""
    if shape.type_name == "blob":
        return body
    if shape.type_name == "string":
        return body.decode("utf-8", "replace")
    return value_from_xml(shape, read_xml(body)) if is_xml else value_from_json(shape, _object(body))


def _json(shape: Any, body: bytes) -> dict[str, object]:
    return structure_from_json(shape, _object(body))


def _object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refusal("SerializationException", "") from error
    if not isinstance(document, dict):
        raise refusal("SerializationException", "Start of structure or map found where not expected.")
    return document
