"""Read a request of the guarded command: its placeholder signature, its operation and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from dsops.guard.every_service import find_any_route, scope_name
from dsops.guard.exchange import RequestHead
from dsops.guard.placeholder import PlaceholderKeys
from dsops.guard.reading import ambiguous, without_signature
from dsops.request.messages import HttpRequest
from dsops.request.wire.constraints import check_presence
from dsops.request.wire.errors import access_denied
from dsops.request.wire.models import operation_model
from dsops.request.wire.parameters import read_parameters, unchecked_parameters
from dsops.request.wire.route import Route
from dsops.request.wire.s3_requests import with_hoisted_headers
from dsops.request.wire.signature import (
    ALGORITHM,
    Claim,
    SignedHead,
    check_scope,
    check_signature,
    check_signed_head,
    read_claim,
)

_WINDOW_MINUTES: Final = {"secretsmanager": 5, "ssm": 5}
_DEFAULT_WINDOW_MINUTES: Final = 15


class Received(NamedTuple):
    """A request with a valid placeholder signature."""

    request: HttpRequest
    """The request, with an aws-chunked body decoded if the body was read."""
    route: Route
    claim: Claim
    parameters: Mapping[str, object]
    signed_head: SignedHead | None
    """What the signature says about the body, if the body is streamed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers to send, with those that a presigned URL has in its query."""
        return with_hoisted_headers(self.request).headers if self.route.service == "s3" else self.request.headers

    @property
    def query(self) -> str:
        """The query to send: without the signature and the headers of a presigned URL."""
        query = self.request.query
        if not self.claim.is_presigned:
            return query
        query = without_signature(query)
        if self.route.service != "s3":
            return query
        parts = query.split("&")
        return "&".join(part for part in parts if not part.lower().startswith("x-amz-"))


def may_be_streamed(head: RequestHead) -> bool:
    """Whether a request may have a body that `has_streamed_body` is true for, by its method and signature."""
    if head.method not in {"PUT", "POST"}:
        return False
    return "X-Amz-Signature=" in head.query or any(name == "x-amz-content-sha256" for name, _ in head.headers)


def has_streamed_body(request: HttpRequest, host: str) -> bool:
    """Whether the operation can be decided by the head: it takes a file, and the signature does not need the body.

    The request is one that `may_be_streamed`.
    """
    headers = request.headers
    route = find_any_route(request, host, _scope_region(request))
    if route.request is None:
        return False
    shape = operation_model(route.service, route.operation).input_shape
    payload = None if shape is None else shape.serialization.get("payload")
    if payload is None or shape.members[payload].type_name != "blob":
        return False
    return route.service == "s3" or "x-amz-content-sha256" in headers


def read_whole(request: HttpRequest, keys: PlaceholderKeys, now: float, host: str) -> Received:
    """Read a request with its body. Raises SandboxRefusal.

    `now` is in seconds since 1970, `host` is the host that the command named, "" for a request to the guard itself.
    """
    route = _route(request, host)
    claim = _claim(request, route, keys, now)
    opened = check_signature(request, claim, keys.secret_access_key.reveal())
    if opened is not request:
        headers = {name: value for name, value in opened.headers.items() if name != "x-amz-trailer"}
        opened = opened._replace(headers=headers)
    route = _with_request(route, opened)
    return Received(opened, route, claim, read_parameters(route), None)


def read_head(request: HttpRequest, keys: PlaceholderKeys, now: float, host: str) -> Received:
    """Read the head of a request whose body is streamed, as `read_whole` does. Raises SandboxRefusal."""
    route = _route(request, host)
    claim = _claim(request, route, keys, now)
    signed_head = check_signed_head(request, claim, keys.secret_access_key.reveal())
    if signed_head is None:
        raise ambiguous("its signature covers a body that the guard does not read")
    route = _with_request(route, request)
    shape = operation_model(route.service, route.operation).input_shape
    parameters = {**unchecked_parameters(route), str(shape.serialization["payload"]): b""}
    check_presence(shape, parameters)
    return Received(request, route, claim, parameters, signed_head)


def _route(request: HttpRequest, host: str) -> Route:
    _check_signed(request)
    region = _scope_region(request)
    return find_any_route(request, host, region)


def _scope_region(request: HttpRequest) -> str:
    """Return the region in the credential scope, which is not checked yet."""
    text = request.headers.get("authorization", "") or unquote(request.query)
    parts = text.partition("Credential=")[2].split("/", 3)
    return parts[2] if len(parts) > 3 else ""


def _with_request(route: Route, request: HttpRequest) -> Route:
    if route.request is None:
        return route
    return route._replace(request=with_hoisted_headers(request) if route.service == "s3" else request)


def _check_signed(request: HttpRequest) -> None:
    """Refuse requests that have no signature of the kind that the guard can check."""
    header = request.headers.get("authorization", "")
    algorithm = header.partition(" ")[0]
    names = {part.partition("=")[0] for part in request.query.split("&")}
    if algorithm and algorithm != ALGORITHM:
        raise access_denied(_unusable(algorithm))
    if algorithm and "X-Amz-Signature" in names:
        raise ambiguous("it has two signatures")
    if algorithm or "X-Amz-Signature" in names:
        return
    if "AWSAccessKeyId" in names:
        raise access_denied(_unusable("AWS"))
    raise access_denied(
        "dsops guard: the request is not signed, so the guard can't tell that it is the command's; not sent"
    )


def _unusable(algorithm: str) -> str:
    kind = {"AWS": "Signature Version 2", "Bearer": "a bearer token"}.get(algorithm, algorithm[:64])
    if algorithm.startswith("AWS4-ECDSA"):
        kind = "Signature Version 4A"
    return f"dsops guard: the request is signed with {kind}, and the guard checks only {ALGORITHM}; not sent"


def _claim(request: HttpRequest, route: Route, keys: PlaceholderKeys, now: float) -> Claim:
    service = scope_name(route.service)
    claim = read_claim(request, now, _WINDOW_MINUTES.get(service, _DEFAULT_WINDOW_MINUTES))
    if claim.access_key_id != keys.access_key_id or not keys.has_token(claim.session_token):
        raise access_denied(
            "dsops guard: the request is signed with other keys than those that the guard gave to the command; not sent"
        )
    check_scope(claim, service)
    return claim
