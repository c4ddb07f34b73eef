"""Find the service and operation of an HTTP request.

Parameters stay text, and no signature is verified yet. All services share one address, so the request itself must
identify the service. Depending on the protocol, the service is identified by:

- X-Amz-Target
- Version
- the path of a CBOR request
- the signing name, for REST services

A signature for another service is refused later. The query protocol is described at
https://docs.aws.amazon.com/STS/latest/APIReference/; the unusual answers (302, the message of InvalidAction) were
measured on live AWS.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote_plus

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.cbor import decode
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import SIGNED_AS, TARGETS, VERSIONS, Protocol, operation_names, protocols, signing_name
from dsops.request.wire.rest_routes import find_operation
from dsops.request.wire.s3_requests import bucket_in_host, with_hoisted_headers
from dsops.request.wire.service_table import ALSO_SIGNED_AS, SERVED

MAX_BODY = 10_000_000
"""Maximum number of bytes in a request to STS. A larger request gets status 413 with an empty body."""
MAX_OBJECT = 256 * 1024 * 1024
"""Maximum number of bytes for services that accept files. AWS allows 5 GiB; the sandbox keeps copies in memory.
"""

_FORM = "application/x-www-form-urlencoded"
_UNKNOWN = HttpAnswer(404, (("Content-Type", "text/xml"),), b"<UnknownOperationException/>\n")
_MAX_FIELDS = 10_000
_LONGEST_CACHED = 256
_SMALL_BODIES = frozenset({"", "sts", "iam", "secretsmanager", "ssm"})
"""Signing names of requests with the limit MAX_BODY. "" means an unsigned request."""
_CBOR_PATH = re.compile(r"/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)")
_QUEUE = re.compile(r"/\d{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?")
_S3_CONTROL_PATH = "/v20180820/"

_REST: Mapping[str, tuple[str, ...]] = {
    name: found
    for name, services in SIGNED_AS.items()
    if (found := tuple(service for service in services if not (SERVED[service].target or SERVED[service].version)))
}
"""Signing name -> the REST services that use it."""


class Route(NamedTuple):
    """The service and operation of a request, and its fields or document."""

    service: str
    operation: str
    protocol: Protocol
    wants_json: bool
    """Whether the client of a query-protocol service accepts an answer in JSON."""
    fields: Mapping[str, str]
    """The fields of the query protocol. If a field is repeated, the first value is used."""
    document: Mapping[str, object]
    """The object in the body, for JSON and CBOR."""
    labels: Mapping[str, str] = {}
    """The decoded labels of the path, for REST."""
    request: HttpRequest | None = None
    """The whole request, for REST, because its parameters are read later."""


def find_route(request: HttpRequest) -> Route | HttpAnswer:
    """Return the operation, or an answer for a request that calls no operation.

    Raises SandboxRefusal for an unknown operation.
    """
    name = signed_for(request)
    services = _REST.get(name)
    if services is not None and not _is_rpc_of(request, name):
        return _rest_route(request, services)
    if not name and is_for_a_bucket(request):
        return _rest_route(request, ("s3",))
    if len(request.body) > (MAX_BODY if name in _SMALL_BODIES else MAX_OBJECT):
        return HttpAnswer(413, (), b"")
    return _rpc_route(request)


def _rpc_route(request: HttpRequest) -> Route | HttpAnswer:
    if request.headers.get("content-encoding") == "gzip":
        # CloudWatch's clients compress long bodies. The signature covers the compressed body, so the body is
        # decompressed after routing.
        request = request._replace(body=unpacked(request.body))
    if "smithy-protocol" in request.headers:
        return _cbor_route(request)
    if request.path not in {"/", ""} and not _is_for_a_queue(request):
        name = signed_for(request)
        if _may_be_of_no_backend(name):
            raise _not_served(request, name)
        return _UNKNOWN
    target = request.headers.get("x-amz-target")
    return _query_route(request) if target is None else _json_route(request, target)


def unpacked(body: bytes) -> bytes:
    """Decompress a gzip body; refuse a body that is larger than the limit when decompressed (zip bomb).

    Data after the end of the compressed body is refused, too: another reader may take it for a second part.
    """
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = unpacker.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise refusal("SerializationException", "") from error
    if unpacker.unconsumed_tail or unpacker.unused_data or not unpacker.eof:
        raise refusal("SerializationException", "")
    return text


def guess_protocol(request: HttpRequest) -> Protocol:
    """Return the protocol in which to answer a request whose route is unknown."""
    if "smithy-protocol" in request.headers:
        return "cbor"
    if "x-amz-target" in request.headers:
        return "json"
    name = signed_for(request)
    if name in _REST and not _is_rpc_of(request, name):
        return protocols(_REST[name][0])[0]
    if name == "ec2":
        return "ec2"
    if not name and is_for_a_bucket(request):
        return "rest-xml"
    return _guess_by_body(request, name)


def _guess_by_body(request: HttpRequest, name: str) -> Protocol:
    if _may_be_of_no_backend(name) and not _is_form(request):
        # The service is unknown. Nearly all services without a target header or a form use REST-JSON.
        return "rest-json"
    return "json" if "json" in request.headers.get("content-type", "") else "query"


def _may_be_of_no_backend(name: str) -> bool:
    """Whether the signing name can belong to a service that moto lacks."""
    return bool(name) and (name not in SIGNED_AS or name in ALSO_SIGNED_AS)


def signed_for(request: HttpRequest) -> str:
    """Return the service name in the credential scope, not yet verified; "" if the request has none."""
    header = request.headers.get("authorization")
    if header is not None:
        _, account_part, rest = header.partition("Credential=")
        parts = rest.split(",", 1)[0].split("/")
    elif "X-Amz-Credential=" in request.query:
        text = next((value for name, value in parse_qsl(request.query) if name == "X-Amz-Credential"), "")
        account_part, parts = text, text.split("/")
    else:
        return "s3" if "AWSAccessKeyId=" in request.query else ""
    return parts[3] if account_part and len(parts) == 5 else ""


def is_for_a_bucket(request: HttpRequest) -> bool:
    """Whether an unsigned request can only be for S3."""
    if {"x-amz-target", "smithy-protocol"} & request.headers.keys():
        return False
    # An STS request can have any host name of this machine: in `sts.localhost`, `sts` is not a bucket.
    return request.path not in {"/", ""} or (bool(bucket_in_host(request)) and not _is_form(request))


def _is_for_a_queue(request: HttpRequest) -> bool:
    """Whether an SQS request was sent to a queue's URL."""
    is_of_sqs = request.headers.get("x-amz-target", "").startswith("AmazonSQS.") or signed_for(request) == "sqs"
    return is_of_sqs and bool(_QUEUE.fullmatch(request.path))


def _is_rpc_of(request: HttpRequest, name: str) -> bool:
    """Whether a request is for an RPC service that shares its signing name with a REST service (SES)."""
    if len(_REST[name]) == len(SIGNED_AS[name]):
        return False
    if {"x-amz-target", "smithy-protocol"} & request.headers.keys():
        return True
    return request.path in {"/", ""} and _is_form(request)


def _is_form(request: HttpRequest) -> bool:
    return request.headers.get("content-type", "").startswith(_FORM) or "Action=" in request.query


# Routes for REST services:


def _rest_route(request: HttpRequest, services: tuple[str, ...]) -> Route:
    if len(request.body) > MAX_OBJECT:
        raise refusal("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 413)
    path = request.path or "/"
    if "s3" in services:
        is_control = path.startswith(_S3_CONTROL_PATH) and "x-amz-account-id" in request.headers
        services = ("s3control",) if is_control else ("s3",)
        bucket = "" if is_control else bucket_in_host(request)
        if bucket:
            path = f"/{quote(bucket)}{path}"
        request = with_hoisted_headers(request)
    for service in services:
        try:
            route = rest_route(service, request, path)
        except ValueError as error:
            raise refusal("InvalidURI", "Couldn't parse the specified URI.") from error
        if route is not None:
            return route
    if services == ("s3",):
        if request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data"):
            message = "The dsops sandbox does not serve uploads from forms. Nothing was done."
            raise refusal("NotImplemented", message, 501)
        raise refusal("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    name = signed_for(request)
    if _may_be_of_no_backend(name):
        raise _not_served(request, name)
    raise refusal("UnknownOperationException", "", 404)


def rest_route(service: str, request: HttpRequest, path: str) -> Route | None:
    """Return the route of a REST service; None if the service has no such operation.

    Raises ValueError for a path whose escapes are not valid UTF-8.
    """
    match = find_operation(service, request.method, path, query_pairs(request.query), request.headers)
    if match is None:
        return None
    protocol = protocols(service)[0]
    operation, labels = match.operation, match.labels
    return Route(service, operation, protocol, wants_json=False, fields={}, document={}, labels=labels, request=request)


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return the decoded query parameters as (name, value) pairs in the order sent, as `parse_qsl` does."""
    if query.count("&") >= _MAX_FIELDS:
        raise refusal("MalformedInput", None)
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(_decoded(name), _decoded(value)) for name, _, value in parts]


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return _short_decoded(text) if len(text) <= _LONGEST_CACHED else unquote_plus(text)


@lru_cache(maxsize=1024)
def _short_decoded(text: str) -> str:
    """Return the decoded text. The result is cached, because ARNs recur."""
    return unquote_plus(text)


# Routes for services that use JSON or CBOR:


def _json_route(request: HttpRequest, target: str) -> Route:
    prefix, _, operation = target.rpartition(".")
    service = _service_with(TARGETS.get(prefix, ()), operation)
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


def _cbor_route(request: HttpRequest) -> Route:
    match = _CBOR_PATH.fullmatch(request.path)
    prefix, operation = match.groups() if match else ("", "")
    service = _service_with(TARGETS.get(prefix, ()), operation)
    if service is None:
        raise _not_served(request, prefix)
    if operation not in operation_names(service) or request.headers["smithy-protocol"] != "rpc-v2-cbor":
        raise refusal("UnknownOperationException", "")
    try:
        document = decode(request.body) if request.body else {}
    except ValueError as error:
        raise refusal("SerializationException", "") from error
    if not isinstance(document, dict):
        raise refusal("SerializationException", "Start of structure or map found where not expected.")
    return Route(service, operation, "cbor", wants_json=False, fields={}, document=document)


def _service_with(services: tuple[str, ...], operation: str) -> str | None:
    """Return which of the services with the same target prefix has the operation.

    If both Timestream services have it, timestream-write is returned.
    """
    if len(services) > 1:
        return next((service for service in reversed(services) if operation in operation_names(service)), services[0])
    return services[0] if services else None


# Routes for services that use the query protocol:


def _query_route(request: HttpRequest) -> Route | HttpAnswer:
    fields = _fields(request)
    if "Action" not in fields:
        return _homepage(request)
    action = fields["Action"]
    version = fields.get("Version")
    services = VERSIONS.get(version or "")
    signed_name = signed_for(request)
    if signed_name == "sqs" and (version is None or services == ("sqs",)):
        return _queue_route(request, action, fields)
    if services is None:
        if signed_name not in _SMALL_BODIES:
            raise _not_served(request, signed_name)
        raise _no_operation(action, "NO_VERSION_SPECIFIED" if version is None else version)
    service = next((service for service in services if signing_name(service) == signed_name), services[0])
    if action not in operation_names(service):
        raise _no_operation(action, version or "")
    wants_json = service == "sts" and "application/json" in request.headers.get("accept", "")
    protocol: Protocol = "ec2" if service == "ec2" else "query"
    return Route(service, action, protocol, wants_json, fields, {})


def _queue_route(request: HttpRequest, action: str, fields: dict[str, str]) -> Route:
    """Route an SQS form, which may omit Version. A queue's URL accepts only operations on one queue."""
    names = operation_names("sqs")
    if _QUEUE.fullmatch(request.path):
        fields.setdefault("QueueUrl", f"https://sqs.amazonaws.com{request.path}")
        names -= {"CreateQueue", "ListQueues"}
    if action not in names:
        raise refusal("InvalidAction", f"The action {action} is not valid for this endpoint.")
    return Route("sqs", action, "query", wants_json=False, fields=fields, document={})


def _fields(request: HttpRequest) -> dict[str, str]:
    text = request.query
    if request.method == "POST":
        if not request.headers.get("content-type", "").startswith(_FORM):
            return {}
        text = request.body.decode("utf-8", "replace") + ("&" + request.query if request.query else "")
    fields: dict[str, str] = {}
    for name, value in query_pairs(text):
        fields.setdefault(name, value)
    return fields


def _homepage(request: HttpRequest) -> HttpAnswer:
    """Answer a request without an Action: STS redirects to a page about IAM, other services return an error."""
    service = signed_for(request)
    if service == "sqs":
        return _UNKNOWN
    if service not in _SMALL_BODIES:
        raise _not_served(request, service)
    query = f"?{request.query}" if request.method == "GET" and request.query else ""
    return HttpAnswer(302, (("Location", f"https://aws.amazon.com/iam{query}"),), b"")


def _no_operation(action: str, version: str) -> SandboxRefusal:
    return refusal("InvalidAction", f"Could not find operation {action} for version {version}")


def _not_served(request: HttpRequest, service: str) -> SandboxRefusal:
    name = signed_for(request) or service
    if name in SIGNED_AS:
        why = "in the protocol of this request, or at its path"
    else:
        why = "because moto, which holds its state, has no such service"
    return refusal("NotImplemented", f"The dsops sandbox does not serve {name} {why}. Nothing was done.", 501)
