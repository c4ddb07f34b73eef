"""Serialize results and errors in the query and JSON protocols as AWS does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.context import iso_time
from dsops.request.messages import HttpAnswer
from dsops.request.wire.errors import answer_of
from dsops.request.wire.models import service_model

_XML = ("Content-Type", "text/xml")
_AMZ_JSON = ("Content-Type", "application/x-amz-json-1.1")
_JSON = ("Content-Type", "application/json")
_DISPATCH_NAMESPACE = "http://webservices.amazon.com/AWSFault/2005-15-09"

_REQUEST_ID = re.compile(r"<(RequestId|requestId|RequestID)>[^<]*(?=</\1>)")
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_NEEDS_NO_ESCAPE = re.compile("[ -%'-;=?-~]*").fullmatch

# Maps STS's error code to the code of the same error in JSON services, where all these errors have status 400.
_JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MalformedInput": "SerializationException",
    "MissingParameter": "MissingRequiredParameterException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "RequestExpired": "InvalidSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
    "ValidationError": "ValidationException",
}
# Errors of AWS's shared authentication front end, which has `message` in lower case. Other errors have `Message`.
_SMALL_LETTER = frozenset(
    """
    IncompleteSignatureException InvalidSignatureException MissingAuthenticationTokenException
    UnrecognizedClientException SerializationException UnknownOperationException ValidationException
    ThrottlingException
    """.split()
)


class Moment(NamedTuple):
    """A point in time in an answer, serialized as ISO text in XML and as a number in JSON."""

    seconds: float


Value = str | int | Moment | Mapping[str, "Value"] | Sequence["Value"]


def query_answer(
    service: str, operation: str, result: Mapping[str, Value], request_id: str, *, as_json: bool = False
) -> HttpAnswer:
    """Serialize a result in the query protocol, with elements in the order of `result`."""
    if as_json:
        content = {
            f"{operation}Response": {
                f"{operation}Result": _plain(result),
                "ResponseMetadata": {"RequestId": request_id},
            }
        }
        return HttpAnswer(200, (_JSON,), json.dumps(content).encode())
    namespace = service_model(service).metadata["xmlNamespace"]
    lines = [f'<{operation}Response xmlns="{namespace}">']
    if result:
        lines += [f"  <{operation}Result>", *_elements(result, "    "), f"  </{operation}Result>"]
    elif service_model(service).operation_model(operation).output_shape is not None:
        lines.append(f"  <{operation}Result/>")
    lines += ["  <ResponseMetadata>", f"    <RequestId>{request_id}</RequestId>", "  </ResponseMetadata>"]
    lines += [f"</{operation}Response>", ""]
    return HttpAnswer(200, (_XML,), "\n".join(lines).encode())


def json_answer(result: Mapping[str, Value]) -> HttpAnswer:
    """Serialize a result in a JSON protocol."""
    return HttpAnswer(200, (_AMZ_JSON,), json.dumps(_plain(result)).encode())


def query_refusal(service: str, refused: SandboxRefusal, request_id: str, *, as_json: bool = False) -> HttpAnswer:
    """Serialize an error in the query protocol. `service` is "" if the request named no service."""
    code, message, status, _, _ = answer_of(refused)
    kind = "Sender" if status < 500 else "Receiver"
    if as_json:
        content = {"Error": {"Code": code, "Message": message, "Type": kind}, "RequestId": request_id}
        return HttpAnswer(status, (_JSON,), json.dumps(content).encode())
    is_dispatch = code == "InvalidAction" or not service
    namespace = _DISPATCH_NAMESPACE if is_dispatch else service_model(service).metadata.get("xmlNamespace", "")
    error: dict[str, Value] = {"Type": kind, "Code": code}
    if message:
        error["Message"] = message
    inner: dict[str, Value] = {"Error": error, "RequestId": request_id}
    lines = [f'<ErrorResponse xmlns="{namespace}">', *_elements(inner, "  "), "</ErrorResponse>", ""]
    return HttpAnswer(status, (_XML,), "\n".join(lines).encode())


def json_code(code: str) -> str:
    """Return the error code that JSON services use for an STS error code. Most codes are the same."""
    return _JSON_CODES.get(code, code)


def json_refusal(refused: SandboxRefusal, service: str = "") -> HttpAnswer:
    """Serialize an error in a JSON protocol. `service` is "" if the service is unknown."""
    aws = answer_of(refused)
    code = json_code(aws.code)
    content = {"__type": code}
    if aws.message:
        message = aws.message
        # JSON services end this message without a period.
        if code == "ExpiredTokenException":
            message = message.rstrip(".")
        content[_message_name(service, code)] = message
    status = aws.status if aws.status >= 500 else 400
    return HttpAnswer(status, (amz_json(service),), json.dumps(content).encode())


@cache
def _message_name(service: str, code: str) -> str:
    """Return `message` or `Message`, whichever the service's model uses for the message of this error."""
    if code in _SMALL_LETTER:
        return "message"
    shapes = service_model(service).error_shapes if service else ()
    names = (str(name) for shape in shapes if shape.name == code for name in shape.members)
    return next((name for name in names if name.lower() == "message"), "Message")


def amz_json(service: str) -> tuple[str, str]:
    """Return a JSON service's Content-Type header, which contains the protocol version 1.0 or 1.1."""
    version = service_model(service).metadata.get("jsonVersion", "1.1") if service else "1.1"
    return ("Content-Type", f"application/x-amz-json-{version}")


def _elements(values: Mapping[str, Value], indent: str) -> list[str]:
    lines = []
    for name, value in values.items():
        # The most frequent types come first, because isinstance with Mapping alone takes a microsecond.
        if isinstance(value, (str, int)):
            text = value if isinstance(value, str) else str(value)
            lines.append(f"{indent}<{name}>{text if _NEEDS_NO_ESCAPE(text) else escaped(text)}</{name}>")
        elif isinstance(value, Moment):
            lines.append(f"{indent}<{name}>{iso_time(value.seconds)}</{name}>")
        elif isinstance(value, (dict, Mapping)):
            lines += [f"{indent}<{name}>", *_elements(value, indent + "  "), f"{indent}</{name}>"]
        else:
            lines.append(f"{indent}<{name}>")
            for item in value:
                lines += _elements({"member": item}, indent + "  ")
            lines.append(f"{indent}</{name}>")
    return lines


def escaped(text: str) -> str:
    """Escape text for XML. Characters that XML 1.0 does not allow become question marks."""
    return escape(text if text.isascii() and text.isprintable() else _NOT_XML.sub("?", text), quote=False)


def _plain(value: Value) -> object:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Moment):
        return value.seconds
    if isinstance(value, (dict, Mapping)):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(item) for item in value]


def with_request_id(body: bytes, request_id: str) -> bytes:
    """Return the XML with its request id replaced."""
    return _REQUEST_ID.sub(rf"<\1>{request_id}", body.decode()).encode()
