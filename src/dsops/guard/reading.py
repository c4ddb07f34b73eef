"""Convert the head and body of a request to the form that `request.wire` reads, and refuse what has two meanings.

Another reader of the same bytes (AWS) must not find another operation, resource or value in them. So a request is
refused if a header, a query parameter or a member of a JSON object is repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from dsops.errors import SandboxRefusal
from dsops.guard.exchange import RequestHead
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model
from dsops.request.wire.route import Route, query_pairs, unpacked
from dsops.request.wire.unknown_members import unknown_member

_TOKEN: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_TARGET: Final = re.compile(r"(?:[A-Za-z0-9/\-._~!$&'()*+,;=:@?]|%[0-9A-Fa-f]{2})*")
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
_JOINED: Final = frozenset(("accept", "accept-encoding", "cache-control", "te", "via", "x-forwarded-for"))
"""Headers whose values may be sent in several lines. All others are sent once."""
_OVERRIDES: Final = frozenset(("x-http-method", "x-http-method-override", "x-method-override"))
_OPERATION_HINT: Final = "x-id"
"""A query parameter with the operation's name, which SDKs add."""
_GZIP_FLAGS: Final = 3
"""The byte of a gzip header that says which optional fields follow."""
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = re.compile(r"application/(?:x-amz-)?json(?:-1\.[01])?")
_QUEUE: Final = re.compile(r"(?:https?://[^/?#]+(?:/queue)?/[0-9]{12}/)?[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
_SIGNATURE_PARAMETERS: Final = frozenset(
    """
    x-amz-algorithm x-amz-credential x-amz-date x-amz-expires x-amz-security-token x-amz-signature
    x-amz-signedheaders
    """.split()
)


def as_request(head: RequestHead, body: bytes | None) -> HttpRequest:
    """Return the request with its headers as a mapping. Raises SandboxRefusal."""
    headers = _mapping(head.headers)
    if not head.path.startswith("/") or not _TARGET.fullmatch(head.path) or "?" in head.path:
        raise ambiguous("the path has characters that must be percent-encoded")
    if not _TARGET.fullmatch(head.query):
        raise ambiguous("the query has characters that must be percent-encoded")
    return HttpRequest(head.method, head.path, head.query, headers, body or b"", head.peer)


def _mapping(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the headers as a mapping. Raises SandboxRefusal for invalid and for repeated ones."""
    headers = {name: value.strip(" \t") for name, value in pairs}
    # Both patterns describe a single character, so all names, or all values, can be checked with one match.
    if (
        len(headers) == len(pairs)
        and "" not in headers
        and _TOKEN.fullmatch("".join(headers))
        and _VALUE.fullmatch("".join([value for _, value in pairs]))
        and _OVERRIDES.isdisjoint(headers)
    ):
        return headers
    headers.clear()
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value) or name in _OVERRIDES:
            raise ambiguous(f"the header `{name[:64]}` is not valid here")
        if name in headers:
            if name not in _JOINED:
                raise ambiguous(f"the header `{name}` is repeated")
            value = f"{headers[name]}, {value}"  # noqa: PLW2901 - the joined value takes the place of the last one
        headers[name] = value.strip(" \t")
    return headers


def check_unambiguous(route: Route, request: HttpRequest) -> None:
    """Refuse a request whose query, form or JSON body has repeated or unknown members. Raises SandboxRefusal."""
    _check_protocol(route, request)
    request = _opened(route, request)
    names = [name for name, _ in query_pairs(request.query)]
    if route.protocol in {"query", "ec2"}:
        if request.method == "POST":
            if names:
                raise ambiguous("a form has no query string")
            names = [name for name, _ in query_pairs(request.body.decode("utf-8", "replace"))]
        _check_once(name.lower() for name in names)
        return
    if route.request is None:
        if names:
            raise ambiguous("a JSON or CBOR request has no query string")
        if route.protocol == "json":
            _check_json(request.body)
        _check_members(route)
        _check_nested(route, route.document)
        return
    if route.service == "s3":
        _check_no_hidden_headers(request, names)
    elif _DOTS.search(unquote(unquote(request.path))):
        raise ambiguous("the path has a segment `.` or `..`")
    _check_once(_single(route, names))
    # A presigned URL contains its signature and signed headers as query parameters. If the signature is in a header, no
    # such parameter is allowed.
    is_presigned = "authorization" not in request.headers
    _check_query(route, [name for name in names if not (is_presigned and name.lower().startswith("x-amz-"))])
    if route.protocol == "rest-json" and request.body and not _has_opaque_body(route):
        _check_nested(route, _check_json(request.body))


def _check_protocol(route: Route, request: HttpRequest) -> None:
    """Refuse a request that a server of several protocols could read in another one than the route's."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = kind == _FORM
    has_target, has_smithy = "x-amz-target" in request.headers, "smithy-protocol" in request.headers
    protocol = route.protocol
    if protocol in {"query", "ec2"}:
        is_own = not (has_target or has_smithy) and (is_form if request.method == "POST" else not request.body)
    elif protocol == "cbor":
        is_own = not has_target and request.method == "POST" and kind in {"", "application/cbor"}
    elif protocol == "json":
        is_own = not has_smithy and request.method == "POST" and _JSON.fullmatch(kind) is not None
    else:
        is_own = not (has_target or has_smithy) and not (is_form and route.service != "s3")
    if not is_own:
        raise ambiguous(f"its headers do not fit the protocol {protocol}")
    if route.service == "sqs":
        _check_queue(route, request.path)


def _opened(route: Route, request: HttpRequest) -> HttpRequest:
    """Return the request with its body decompressed. The original bytes are sent.

    AWS decompresses the bodies of the operations whose model says so. For others, it might read the compressed bytes.
    A file name or comment in the header of gzip would be text that only such a reader sees (RFC 1952).
    """
    coding = request.headers.get("content-encoding")
    if route.request is not None or coding is None:
        return request
    is_expected = coding == "gzip" and bool(operation_model(route.service, route.operation).request_compression)
    if not is_expected or request.body[_GZIP_FLAGS : _GZIP_FLAGS + 1] != b"\0":
        raise ambiguous("its body is compressed")
    return request._replace(body=unpacked(request.body))


def _check_queue(route: Route, path: str) -> None:
    """Refuse an address of a queue that AWS may read in another way, and another queue in the request's path."""
    url = str(route.document.get("QueueUrl") or route.fields.get("QueueUrl", ""))
    if (url and not _QUEUE.fullmatch(url)) or (path not in {"", "/"} and urlsplit(url).path != path):
        raise ambiguous("its path and its parameters do not name one queue")


def _check_no_hidden_headers(request: HttpRequest, names: Iterable[str]) -> None:
    """Refuse parameters such as `x-amz-acl` in the query, which only a presigned URL has there."""
    if "authorization" in request.headers and any(name.lower().startswith("x-amz-") for name in names):
        raise ambiguous("it has headers in its query")


def _single(route: Route, names: Iterable[str]) -> list[str]:
    """Return the names of query parameters that may be sent only once: all except lists and maps of the model."""
    shape = operation_model(route.service, route.operation).input_shape
    members = () if shape is None else shape.members.values()
    in_query = [member for member in members if member.serialization.get("location") == "querystring"]
    if any(member.type_name == "map" for member in in_query):
        return []
    lists = {member.serialization.get("name") for member in in_query if member.type_name == "list"}
    return [name for name in names if name not in lists]


def _check_query(route: Route, names: Iterable[str]) -> None:
    """Refuse query parameters that the operation's model lacks: they may stand for another operation at AWS."""
    model = operation_model(route.service, route.operation)
    members = () if model.input_shape is None else model.input_shape.members.items()
    in_query = [(name, member) for name, member in members if member.serialization.get("location") == "querystring"]
    if any(member.type_name == "map" for _, member in in_query):
        return
    known = {str(member.serialization.get("name", name)) for name, member in in_query}
    known |= {name for name, _ in parse_qsl(model.http["requestUri"].partition("?")[2], keep_blank_values=True)}
    for name in names:
        if name not in known and name != _OPERATION_HINT:
            raise ambiguous(
                f"{route.service}:{route.operation} has no query parameter `{name[:64]}` in botocore's model"
            )


def _check_members(route: Route) -> None:
    """Refuse parameters that the operation's model lacks: what they do is unknown."""
    known = _member_names(route.service, route.operation)
    for name in route.document:
        if name not in known and name != "__type":
            raise ambiguous(f"{route.service}:{route.operation} has no parameter `{name[:64]}` in botocore's model")


@cache
def _member_names(service: str, operation: str) -> frozenset[str]:
    """Return the names that the operation's parameters have in a JSON object."""
    shape = operation_model(service, operation).input_shape
    members = () if shape is None else shape.members.items()
    return frozenset(str(member.serialization.get("name", name)) for name, member in members)


def _check_nested(route: Route, document: object) -> None:
    """Refuse a member at any depth that the model lacks, if it may name a resource or a role."""
    shape = operation_model(route.service, route.operation).input_shape
    payload = None if shape is None else shape.serialization.get("payload")
    name = (
        "" if shape is None else unknown_member(route.service, shape.members[payload] if payload else shape, document)
    )
    if name:
        raise ambiguous(f"{route.service}:{route.operation} has no parameter `{name[:64]}` in botocore's model")


def _has_opaque_body(route: Route) -> bool:
    shape = operation_model(route.service, route.operation).input_shape
    payload = None if shape is None else shape.serialization.get("payload")
    return payload is not None and shape.members[payload].type_name in {"blob", "string"}


def _check_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ambiguous(f"the parameter `{name[:64]}` is repeated")
        seen.add(name)


def _check_json(body: bytes) -> object:
    """Return a JSON body. Refuses one with a repeated name. Bodies that are not JSON were refused before."""
    # Decodes like `json.loads`, but uses one decoder for all calls.
    return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass")) if body else {}


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _check_once(name for name, _ in pairs)
    return members


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_distinct)


def without_signature(query: str) -> str:
    """Return the query without the parameters of a presigned URL's signature."""
    parts = [part for part in query.split("&") if part.partition("=")[0].lower() not in _SIGNATURE_PARAMETERS]
    return "&".join(parts)


def ambiguous(why: str) -> SandboxRefusal:
    """Return the error for a request that the guard does not read in only one way."""
    return refusal("InvalidRequest", f"dsops guard: not sent, because {why}.")
