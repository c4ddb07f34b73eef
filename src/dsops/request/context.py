"""Compute the condition keys of a request that depend neither on the caller's account nor on stored resources.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html. Policies distinguish
an absent key from a key with an empty value. So keys that AWS omits are omitted here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from dsops.request.messages import HttpRequest
from dsops.request.question import Context


def unsigned_context(region: str, request: HttpRequest, now: float) -> Context:
    """Return the condition keys that depend neither on the caller nor on the operation."""
    context: Context = {
        "aws:SourceIp": (request.peer,),
        "aws:CurrentTime": (iso_time(now),),
        "aws:EpochTime": (str(int(now)),),
        # Always true: the sandbox imitates an https endpoint, although it does not serve TLS itself.
        "aws:SecureTransport": ("true",),
        "aws:RequestedRegion": (region,),
        "aws:ViaAWSService": ("false",),
    }
    for header, key in (("user-agent", "aws:UserAgent"), ("referer", "aws:Referer")):
        if request.headers.get(header):
            context[key] = (request.headers[header],)
    return context


def s3_context(request: HttpRequest, now: float) -> Context:
    """Return the condition keys about the signature of an S3 request.

    Amazon S3 API Reference, "Amazon S3 Signature Version 4 ... policy keys".
    """
    # Always 1.3: the sandbox imitates an https endpoint, although it does not serve TLS itself.
    context: Context = {"s3:TlsVersion": ("1.3",)}
    query = dict(parse_qsl(request.query))
    if "authorization" in request.headers:
        is_v4 = request.headers["authorization"].startswith("AWS4-")
        context |= {"s3:authType": ("REST-HEADER",), "s3:signatureversion": ("AWS4-HMAC-SHA256" if is_v4 else "AWS",)}
    elif "X-Amz-Signature" in query or "Signature" in query:
        is_v4 = "X-Amz-Signature" in query
        context |= {
            "s3:authType": ("REST-QUERY-STRING",),
            "s3:signatureversion": ("AWS4-HMAC-SHA256" if is_v4 else "AWS",),
        }
    return context | signature_age(request.headers.get("x-amz-date", "") or query.get("X-Amz-Date", ""), now)


def signature_age(stamp: str, now: float) -> Context:
    """Return `s3:signatureAge` in milliseconds; {} if the signature has no valid time."""
    signed_at = _signed_at(stamp)
    return {} if signed_at is None else {"s3:signatureAge": (str(max(0, int((now - signed_at) * 1000))),)}


@lru_cache(maxsize=256)
def _signed_at(stamp: str) -> float | None:
    """Parse a time such as `20261128T120000Z` to seconds since 1970; None for other text."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def tag_keys(prefixes: Iterable[str], tags: Iterable[tuple[str, str]]) -> Context:
    """Return the key `PREFIX/KEY` for each combination of a prefix and a tag."""
    return {f"{prefix}/{key}": (value,) for key, value in tags for prefix in prefixes}


def request_tags(tags: Iterable[tuple[str, str]]) -> Context:
    """Return `aws:RequestTag/KEY` and `aws:TagKeys` for the tags in a request; {} without tags."""
    passed = tuple(tags)
    if not passed:
        return {}
    return {"aws:TagKeys": tuple(key for key, _ in passed), **tag_keys(("aws:RequestTag",), passed)}


def iso_time(seconds: float) -> str:
    """Format a time as AWS does, such as `2026-07-13T10:00:00Z`, without fractions of a second."""
    return _iso_time(int(seconds))


@lru_cache(maxsize=256)
def _iso_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
