"""Find the operation of a request to a service that the sandbox does not serve.

`services.tsv` lists these services: botocore's name, signing name, prefix of X-Amz-Target, and `Version` of the query
protocol. `DSOPS_UPDATE_GOLDEN=1 pytest tests/unit/guard/test_every_service.py` generates it from botocore's models.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.guard.endpoints import is_endpoint_of
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.cbor import decode
from dsops.request.wire.errors import access_denied, answer_of, refusal
from dsops.request.wire.models import Protocol, operation_names, protocols, signing_name
from dsops.request.wire.rest_routes import find_operation
from dsops.request.wire.route import Route, find_route, query_pairs, signed_for

_CBOR_PATH: Final = re.compile(r"/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)")


class OtherService(NamedTuple):
    """What identifies the requests of a service."""

    signing_name: str
    target: str = ""
    version: str = ""


@cache
def other_services() -> Mapping[str, OtherService]:
    """Return the services that the sandbox does not serve, by their names in botocore."""
    with open(os.path.join(os.path.dirname(__file__), "services.tsv"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {service: OtherService(*columns) for service, *columns in rows}


@cache
def _signed_as(name: str) -> tuple[str, ...]:
    return tuple(service for service, facts in other_services().items() if facts.signing_name == name)


def scope_name(service: str) -> str:
    """Return a service's name in the credential scope of its signatures."""
    other = other_services().get(service)
    return signing_name(service) if other is None else other.signing_name


def find_any_route(request: HttpRequest, host: str, region: str) -> Route:
    """Return the operation of a request to any service. Raises SandboxRefusal.

    `host` is the host to which the request goes, "" if it is unknown. It decides between services that share a signing
    name.
    """
    others = list(_other_routes(request))
    served: Route | HttpAnswer | SandboxRefusal
    try:
        served = find_route(request)
    except SandboxRefusal as refused:
        served = refused
    if not others:
        return _served(served)
    routes = [*others, *([served] if isinstance(served, Route) else [])]
    if len(routes) > 1 and host:
        routes = [route for route in routes if is_endpoint_of(host, route.service, region)]
    if not routes or any(route.operation != routes[0].operation for route in routes):
        names = " or ".join(sorted(f"`{route.service}:{route.operation}`" for route in routes))
        raise access_denied(
            f"dsops guard: cannot tell whether the request calls {names or 'a known service'}; not sent"
        )
    # If services share a signing name and an operation (Wisdom and Q in Connect), they also share the IAM action.
    return routes[0]


def _served(served: Route | HttpAnswer | SandboxRefusal) -> Route:
    if isinstance(served, Route):
        return served
    if isinstance(served, SandboxRefusal) and answer_of(served).status != 501:
        raise served
    text = "dsops guard: cannot tell which operation of which AWS service this request calls; not sent"
    raise access_denied(text)


def _other_routes(request: HttpRequest) -> Iterator[Route]:
    """Yield the operations of other services with the request's signing name that the request may call."""
    for service in _signed_as(signed_for(request)):
        facts = other_services()[service]
        if not (facts.target or facts.version):
            yield from _rest(request, service)
        elif "smithy-protocol" in request.headers:
            yield from _cbor(request, service, facts)
        elif "x-amz-target" in request.headers:
            yield from _json(request, service, facts)
        elif facts.version:
            yield from _query(request, service, facts)


def _rest(request: HttpRequest, service: str) -> Iterator[Route]:
    if {"x-amz-target", "smithy-protocol"} & request.headers.keys():
        return
    query = query_pairs(request.query)
    try:
        match = find_operation(service, request.method, request.path or "/", query, request.headers)
    except ValueError as error:
        raise refusal("InvalidURI", "Couldn't parse the specified URI.") from error
    if match is not None:
        protocol = protocols(service)[0]
        yield Route(service, match.operation, protocol, False, {}, {}, match.labels, request)


def _json(request: HttpRequest, service: str, facts: OtherService) -> Iterator[Route]:
    prefix, _, operation = request.headers["x-amz-target"].rpartition(".")
    if not _is_prefix(prefix, facts) or operation not in operation_names(service) or request.path not in {"", "/"}:
        return
    try:
        document = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise refusal("SerializationException", "") from error
    yield _with_document(service, operation, "json", document)


def _cbor(request: HttpRequest, service: str, facts: OtherService) -> Iterator[Route]:
    match = _CBOR_PATH.fullmatch(request.path)
    if match is None or not _is_prefix(match[1], facts) or match[2] not in operation_names(service):
        return
    try:
        document = decode(request.body) if request.body else {}
    except ValueError as error:
        raise refusal("SerializationException", "") from error
    yield _with_document(service, match[2], "cbor", document)


def _is_prefix(prefix: str, facts: OtherService) -> bool:
    """Whether a target's prefix is the service's: botocore's, or the part after its last dot (as in Smithy models)."""
    return bool(facts.target) and prefix in {facts.target, facts.target.rpartition(".")[2]}


def _with_document(service: str, operation: str, protocol: Protocol, document: object) -> Route:
    if not isinstance(document, dict):
        raise refusal("SerializationException", "Start of structure or map found where not expected.")
    return Route(service, operation, protocol, False, {}, document)


def _query(request: HttpRequest, service: str, facts: OtherService) -> Iterator[Route]:
    text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
    fields: dict[str, str] = {}
    for name, value in query_pairs(text):
        fields.setdefault(name, value)
    if fields.get("Version") == facts.version and fields.get("Action") in operation_names(service):
        yield Route(service, fields["Action"], "query", False, fields, {})
