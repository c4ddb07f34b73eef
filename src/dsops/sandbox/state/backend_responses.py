"""Convert moto's response to the response of AWS: with AWS's headers only, in the client's protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dsops.request.messages import HttpAnswer
from dsops.request.wire.cbor import encode
from dsops.request.wire.json_reader import value_from_json
from dsops.request.wire.models import Protocol, operation_model, service_model
from dsops.request.wire.responses import amz_json
from dsops.request.wire.sqs_query_responses import corrected_error, queue_answer

# moto includes an error's message twice, in the elements `Message` and `message`.
_SECOND_MESSAGE = re.compile(rb"(?<=</Message>)<message>[^<]*</message>")
_KEPT = frozenset(
    """
    accept-ranges cache-control content-disposition content-encoding content-language content-range content-type
    etag expires last-modified location
    """.split()
)
_KEPT_PREFIXES = ("x-amz-", "x-amzn-")
# moto's request ids are dropped, because the server adds request ids of its own.
_IDS = frozenset({"x-amz-request-id", "x-amzn-requestid", "x-amz-id-2", "x-amz-sts-extended-request-id"})
_XML: Mapping[Protocol, str] = {"query": "text/xml", "ec2": "text/xml;charset=UTF-8"}


def read_answer(
    service: str,
    operation: str,
    spoken: Protocol,
    protocol: Protocol,
    status: int,
    headers: Mapping[str, Any],
    content: str | bytes,
) -> HttpAnswer:
    """Return the HTTP answer in the client's protocol; `spoken` is the protocol that was used with moto."""
    body = content.encode() if isinstance(content, str) else bytes(content)
    if spoken in _XML:
        body = _SECOND_MESSAGE.sub(b"", body) if status >= 400 else body
        return HttpAnswer(status, (("Content-Type", _XML[spoken]),), body)
    if spoken == "json":
        if 400 < status < 500 and "awsQueryCompatible" not in service_model(service).metadata:
            # moto's JSON services answer 404 where AWS answers 400. Services that migrated from the query protocol
            # still use the status codes of that protocol.
            status = 400
        if service == "sqs" and status >= 400:
            headers, body = corrected_error(headers, body)
        if protocol == "query":
            return queue_answer(operation, status, headers, body)
        return HttpAnswer(status, (amz_json(service), *_aws_headers(headers, without={"content-type"})), body)
    kept_headers = _aws_headers(headers, without=set())
    if operation == "HeadObject":
        kept_headers += tuple((name, str(value)) for name, value in headers.items() if name.lower() == "content-length")
        return HttpAnswer(status, kept_headers, b"")
    if body and not any(name.lower() == "content-type" for name, _ in kept_headers):
        kept_headers += (("Content-Type", "application/json" if spoken == "rest-json" else "application/xml"),)
    return HttpAnswer(status, kept_headers, body)


def in_cbor(service: str, operation: str, answer: HttpAnswer) -> HttpAnswer:
    """Convert an answer in JSON to an answer in CBOR."""
    content = json.loads(answer.body or b"{}") or {}
    shape = operation_model(service, operation).output_shape
    if answer.status < 400 and shape is not None:
        content = _plain(value_from_json(shape, content))
    other_headers = (header for header in answer.headers if header[0].lower() != "content-type")
    headers = (("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"), *other_headers)
    return answer._replace(headers=headers, body=encode(content))


def _aws_headers(headers: Mapping[str, Any], without: set[str]) -> tuple[tuple[str, str], ...]:
    """Return those of moto's headers that AWS also sends. Line breaks in values become spaces."""
    kept_headers = []
    for name, value in headers.items():
        lower = name.lower()
        if lower in without or lower in _IDS or not (lower in _KEPT or lower.startswith(_KEPT_PREFIXES)):
            continue
        if value is not None:
            # moto spells header names as WSGI does (`X-Amz-Meta-Name`); the names of user metadata must be lower case.
            name = lower if lower.startswith("x-amz-meta-") else name  # noqa: PLW2901
            kept_headers.append((name, re.sub(r"[\r\n\0]", " ", str(value))))
    return tuple(kept_headers)


def _plain(value: object) -> object:
    """Convert all values in the structure to strings, except datetimes, bytes and JSON types."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, datetime | bytes | str | int | float) or value is None else str(value)
