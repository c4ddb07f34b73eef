"""Normalize S3 requests before authorization.

This covers the copy source, the bucket in the host name, headers that a presigned URL contains as query parameters,
and the body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.checksums import check_checksums
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model
from dsops.request.wire.s3_payload import unsigned_body

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_BUCKET_IN_HOST = re.compile(
    r"([a-z0-9][a-z0-9.-]{1,61}?[a-z0-9])\."
    r"(?:localhost|s3\.localhost|s3(?:[.-](?:accelerate|dualstack|fips|[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}))*"
    r"\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov))"
    r"(?::\d+)?"
)
_SIGNATURES = frozenset(
    """
    X-Amz-Algorithm X-Amz-Credential X-Amz-Signature AWSAccessKeyId Signature x-amz-security-token
    X-Amz-Security-Token
    """.split()
)
_ABOUT_SIGNATURES = frozenset(
    """
    x-amz-algorithm x-amz-content-sha256 x-amz-credential x-amz-date x-amz-expires x-amz-security-token
    x-amz-signature x-amz-signedheaders
    """.split()
)


def is_anonymous(request: HttpRequest) -> bool:
    """Whether a request has no credentials."""
    names = {part.partition("=")[0] for part in request.query.split("&")}
    return "authorization" not in request.headers and not names & _SIGNATURES


def bucket_in_host(request: HttpRequest) -> str:
    """Return the bucket in a virtual-hosted-style request (`BUCKET.localhost:4566`); "" for path style."""
    match = _BUCKET_IN_HOST.fullmatch(request.headers.get("host", "").lower())
    return match[1] if match else ""


def with_hoisted_headers(request: HttpRequest) -> HttpRequest:
    """Convert the `x-amz-` query parameters of a presigned URL, such as `x-amz-acl`, back to headers.

    Presigning has moved ("hoisted") these headers into the query string.
    """
    if "authorization" in request.headers or "x-amz-" not in request.query.lower():
        return request
    hoisted: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        if name.lower().startswith("x-amz-") and name.lower() not in _ABOUT_SIGNATURES:
            hoisted.setdefault(name.lower(), value)
    return request._replace(headers={**hoisted, **request.headers}) if hoisted else request


def anonymous_body(request: HttpRequest) -> HttpRequest:
    """Decode an unsigned aws-chunked body. Raises SandboxRefusal if the body is malformed."""
    return unsigned_body(request, request.headers.get("x-amz-content-sha256"))


def ready(operation: str, parameters: Mapping[str, object], request: HttpRequest) -> dict[str, object]:
    """Return the parameters in a normalized, unambiguous form. Raises BadDigest or InvalidArgument."""
    if operation_model("s3", operation).http_checksum.get("requestAlgorithmMember"):
        check_checksums(request)
    # ContentLength is dropped, because it is the length of the body as sent, which may be in chunks.
    result = {name: value for name, value in parameters.items() if name != "ContentLength"}
    if "CopySource" in result:
        result["CopySource"] = _one_source(str(result["CopySource"]))
    return result


def _one_source(text: str) -> str:
    """Return `BUCKET/KEY?versionId=ID` escaped exactly once, so that moto reads the authorized object."""
    path, _, version = text.partition("?versionId=")
    try:
        bucket, slash, key = unquote(path.removeprefix("/"), errors="strict").partition("/")
    except UnicodeError as error:
        raise _bad_source() from error
    if not (slash and key and _BUCKET.fullmatch(bucket)):
        raise _bad_source()
    source = f"{bucket}/{quote(key, safe='')}"
    return f"{source}?versionId={quote(unquote(version), safe='')}" if version else source


def _bad_source() -> SandboxRefusal:
    return refusal("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
