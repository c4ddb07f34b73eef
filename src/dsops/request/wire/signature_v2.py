"""Verify presigned S3 URLs with Signature Version 2, which boto3 still generates by default.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html. AWS accepts this version in regions older
than 2014; the sandbox accepts it only in the query string.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1
from urllib.parse import parse_qsl

from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.s3_requests import bucket_in_host
from dsops.request.wire.signature import Claim

_REGION = "us-east-1"
# Query parameters that the signature covers: they select a subresource or change the answer.
_SIGNED_QUERY = frozenset(
    """
    accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics
    notification object-lock partNumber policy replication requestPayment response-cache-control
    response-content-disposition response-content-encoding response-content-language response-content-type
    response-expires restore select select-type storageClass tagging torrent uploadId uploads versionId versioning
    versions website
    """.split()
)
_INCOMPLETE = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
# Query parameters that are allowed although the signature does not cover them. Any other parameter is refused.
_OWN_QUERY = frozenset({"awsaccesskeyid", "signature", "expires", "content-type", "content-md5", "x-id"})


def is_signed_so(request: HttpRequest) -> bool:
    """Whether a request has a version 2 signature in its query string, and no signature in a header."""
    return "authorization" not in request.headers and "AWSAccessKeyId=" in request.query


def read_query_claim(request: HttpRequest, now: float) -> Claim:
    """Parse the signature in a URL. Raises AccessDenied if the URL expired. `now` is the machine's time."""
    query = _query(request)
    expires, key_id = query.get("Expires", ""), query.get("AWSAccessKeyId", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12 and query.get("Signature")):
        raise refusal("AccessDenied", _INCOMPLETE, 403)
    if int(expires) < now:
        raise refusal("AccessDenied", "Request has expired", 403)
    for name in query:
        if name.lower() not in _OWN_QUERY and name not in _SIGNED_QUERY and not name.lower().startswith("x-amz-"):
            raise refusal("AccessDenied", f"The parameter {name} is not covered by a signature of version 2.", 403)
    token = query.get("x-amz-security-token", "")
    return Claim(key_id, "", _REGION, "s3", "aws4_request", "", query["Signature"], "", token, is_presigned=True)


def check_query_signature(request: HttpRequest, claim: Claim, secret: str) -> HttpRequest:
    """Return the request; refuse a URL that was not signed with this secret key or was changed afterwards."""
    query = _query(request)
    header = {name: value for name, value in request.headers.items() if _is_signed_header(name)}
    header |= {name.lower(): value for name, value in query.items() if _is_signed_header(name.lower())}
    amz = "".join(f"{name}:{value.strip()}\n" for name, value in sorted(header.items()) if name.startswith("x-amz-"))
    lines = (request.method, header.get("content-md5", ""), header.get("content-type", ""), query["Expires"])
    text = "\n".join(lines) + "\n" + amz + _resource(request, query)
    expected = b64encode(hmac.new(secret.encode(), text.encode("utf-8", "surrogateescape"), sha1).digest())
    if not hmac.compare_digest(expected, claim.signature.encode("utf-8", "surrogateescape")):
        raise refusal("SignatureDoesNotMatch", "", 403)
    return request


def _is_signed_header(name: str) -> bool:
    return name.startswith("x-amz-") or name in {"content-md5", "content-type"}


def _query(request: HttpRequest) -> dict[str, str]:
    """Return the decoded query parameters.

    If a parameter is repeated, the first value is used. The later steps do the same.
    """
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True, errors="surrogateescape"):
        parameters.setdefault(name, value)
    return parameters


def _resource(request: HttpRequest, query: Mapping[str, str]) -> str:
    bucket = bucket_in_host(request)
    path = f"/{bucket}{request.path}" if bucket else request.path
    signed = [f"{name}={query[name]}" if query[name] else name for name in sorted(query) if name in _SIGNED_QUERY]
    return f"{path}?{'&'.join(signed)}" if signed else path
