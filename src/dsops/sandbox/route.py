"""HTTP request -> the one operation that it asks for, its parameters still as text; nothing is believed yet.

https://docs.aws.amazon.com/STS/latest/APIReference/ for the query protocol; the odd answers (302, the words of
InvalidAction) were measured on live AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from dsops.errors import SandboxRefusal
from dsops.sandbox.models import SERVED, TARGETS, VERSIONS, operation_names
from dsops.sandbox.refusals import refusal
from dsops.sandbox.wire import HttpAnswer, HttpRequest

Protocol = Literal["query", "json"]

MAX_BODY = 10_000_000
"""Bytes that STS takes in one request; one more is a 413 with an empty body."""

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 10_000


class Route(NamedTuple):
    """Which operation of which service, and the fields or JSON text that came with it."""

    service: str
    operation: str
    protocol: Protocol
    wants_json: bool
    """Whether a query-protocol client asked for a JSON answer."""
    fields: Mapping[str, str]
    """Query protocol: of a repeated field the first one on the wire."""
    document: Mapping[str, object]
    """JSON protocol: the object that was sent."""


def find_route(request: HttpRequest) -> Route | HttpAnswer:
    """The operation, or the answer to what is none. Raises SandboxRefusal."""
    if len(request.body) > MAX_BODY:
        return HttpAnswer(413, (), b"")
    if request.path not in {"/", ""}:
        return HttpAnswer(404, (("Content-Type", "text/xml"),), b"<UnknownOperationException/>\n")
    target = request.headers.get("x-amz-target")
    if target is not None:
        return _json_route(request, target)
    return _query_route(request)


def wants_json_error(request: HttpRequest) -> bool:
    """Whether a request that has no route yet is answered in JSON."""
    return "x-amz-target" in request.headers or "json" in request.headers.get("content-type", "")


def _json_route(request: HttpRequest, target: str) -> Route:
    prefix, _, operation = target.partition(".")
    service = TARGETS.get(prefix)
    if service is None:
        raise _not_served(request, prefix)
    if operation not in operation_names(service):
        raise refusal("UnknownOperationException", "")
    try:
        document = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise refusal("SerializationException", "") from error
    if not isinstance(document, dict):
        raise refusal("SerializationException", "Start of structure or map found where not expected.")
    return Route(service, operation, "json", wants_json=False, fields={}, document=document)


def _query_route(request: HttpRequest) -> Route | HttpAnswer:
    fields = _fields(request)
    if "Action" not in fields:
        return _homepage(request)
    action = fields["Action"]
    version = fields.get("Version")
    service = VERSIONS.get(version or "")
    if service is None:
        signed_for = _service_signed_for(request)
        if signed_for and signed_for not in SERVED:
            raise _not_served(request, signed_for)
        raise _no_operation(action, "NO_VERSION_SPECIFIED" if version is None else version)
    if action not in operation_names(service):
        raise _no_operation(action, version or "")
    wants_json = service == "sts" and "application/json" in request.headers.get("accept", "")
    return Route(service, action, "query", wants_json, fields, {})


def _fields(request: HttpRequest) -> dict[str, str]:
    text = request.query
    if request.method == "POST":
        if not request.headers.get("content-type", "").startswith(_FORM):
            return {}
        text = request.body.decode("utf-8", "replace") + ("&" + request.query if request.query else "")
    fields: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise refusal("MalformedInput", None) from error
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def _homepage(request: HttpRequest) -> HttpAnswer:
    """STS sends whoever asks for nothing to a page about IAM. Another service's request is told so instead."""
    service = _service_signed_for(request)
    if service and service not in SERVED:
        raise _not_served(request, service)
    query = f"?{request.query}" if request.method == "GET" and request.query else ""
    return HttpAnswer(302, (("Location", f"https://aws.amazon.com/iam{query}"),), b"")


def _service_signed_for(request: HttpRequest) -> str:
    """The service in the credential scope; "" when there is none. A hint for the answer, nothing more."""
    _, found, rest = request.headers.get("authorization", "").partition("Credential=")
    parts = rest.split(",", 1)[0].split("/")
    return parts[3] if found and len(parts) == 5 else ""


def _no_operation(action: str, version: str) -> SandboxRefusal:
    return refusal("InvalidAction", f"Could not find operation {action} for version {version}")


def _not_served(request: HttpRequest, service: str) -> SandboxRefusal:
    name = _service_signed_for(request) or service
    return refusal(
        "NotImplemented", f"The dsops sandbox serves {', '.join(SERVED)}, and not {name}. Nothing was done.", 501
    )
