"""Verify AWS Signature Version 4 in the Authorization header or in the query string.

Written from the documentation and compared with botocore's signer in the tests:
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html. Messages are those of live AWS where they
were measured; the order of checks follows the findings of dacut/scratchstack-aws-signature (MIT).
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.s3_payload import UNSIGNED, ChunkSigner, opened, stated_payload, valid_hash

ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_FIELDS = ("Credential", "Signature", "SignedHeaders")
_EMPTY_SHA256 = sha256(b"").hexdigest()
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})", re.DOTALL)
_TIMESTAMP = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z", re.ASCII)
_REGION = re.compile(r"(aws-global|[a-z]{2,4}(-[a-z]+){1,2}-\d{1,2})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
UNSIGNED_BODIES = frozenset({"ebs", "mediastore"})
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600


class Claim(NamedTuple):
    """The identity that a request claims, which is unverified until `check_signature` succeeds."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    signed_headers: str
    """The names of the signed headers as sent: in lower case, joined by `;`."""
    signature: str
    timestamp: str
    session_token: str
    """The session token; "" for a long-term key."""
    is_presigned: bool


class SignedHead(NamedTuple):
    """A request whose signature is valid, before its body has arrived."""

    payload: str
    """The hash of the body that the signature covers, or a word such as `UNSIGNED-PAYLOAD`."""
    chunk_signer: ChunkSigner
    """Computes the signatures of the body's chunks."""


def read_claim(
    request: HttpRequest, now: float, window_minutes: int, algorithms: Collection[str] = (ALGORITHM,)
) -> Claim:
    """Parse the signature and check its form and time. `now` is the machine's time, not the sandbox's.

    `algorithms` are the signature algorithms that the Authorization header may name.
    """
    bad = _BAD_ESCAPE.search(request.query)
    if bad:
        raise _malformed_escape(bad)
    header = request.headers.get("authorization")
    if header is not None:
        return _from_header(request, header, now, window_minutes, algorithms)
    query = _parameters(request.query)
    if "X-Amz-Algorithm" in query:
        return _from_query(request, query, now, window_minutes)
    raise refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)


def check_scope(claim: Claim, service: str) -> None:
    """Refuse a signature that is for another service, for an invalid region or for another day."""
    wrong = ""
    if not _REGION.fullmatch(claim.region):
        wrong += "Credential should be scoped to a valid region. "
    if claim.service != service:
        wrong += f"Credential should be scoped to correct service: '{service}'. "
    if claim.terminator != _TERMINATOR:
        wrong += f"Credential should be scoped with a valid terminator: '{_TERMINATOR}', not '{claim.terminator}'."
    if claim.date != claim.timestamp[:8]:
        wrong += (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )
    if wrong:
        raise _mismatch(wrong)


def check_signature(request: HttpRequest, claim: Claim, secret: str) -> HttpRequest:
    """Refuse a request that was not signed with this secret key or was changed after signing.

    Returns the request; for S3 with its aws-chunked body decoded.
    """
    payload = _payload_hash(request, claim)
    chunk_signer = _check(request, claim, secret, payload)
    return opened(request, payload, chunk_signer) if claim.service == "s3" else request


def check_signed_head(request: HttpRequest, claim: Claim, secret: str) -> SignedHead | None:
    """Check the signature of a request whose body has not arrived.

    Returns None if the signature covers a hash of the body that the headers do not state. Then it can be checked only
    with the body.
    """
    payload = stated_hash(request, claim)
    if payload is None:
        return None
    return SignedHead(payload, _check(request, claim, secret, payload))


def stated_hash(request: HttpRequest, claim: Claim) -> str | None:
    """Return the payload hash that the signature covers, if the head of the request states it."""
    stated = request.headers.get("x-amz-content-sha256")
    if claim.service != "s3":
        is_stated = stated is not None and (_SHA256.fullmatch(stated) or claim.service in UNSIGNED_BODIES)
        return stated if is_stated else None
    if stated is None and claim.is_presigned:
        stated = _parameters(request.query).get("X-Amz-Content-Sha256", UNSIGNED)
    return valid_hash(stated)


def canonical_hash(method: str, path: str, query: str, headers: Mapping[str, str], service: str, payload: str) -> str:
    """Return the SHA-256 of the canonical request in which all of these headers are signed.

    `headers` has names in lower case, in alphabetical order.
    """
    claim = Claim("", "", "", service, "", ";".join(headers), "", "", "", is_presigned=False)
    request = HttpRequest(method, path, query, headers, b"", "")
    return sha256(_canonical_request(request, claim, payload)).hexdigest()


def string_to_sign(request: HttpRequest, claim: Claim, algorithm: str) -> str:
    """Return the text that the signature of a request covers, for services other than S3.

    Raises SignatureDoesNotMatch if the request states a wrong hash of its body.
    """
    return _string_to_sign(request, claim, _payload_hash(request, claim), algorithm)


def _string_to_sign(request: HttpRequest, claim: Claim, payload: str, algorithm: str) -> str:
    scope = f"{claim.date}/{claim.region}/{claim.service}/{claim.terminator}"
    canonical = _canonical_request(request, claim, payload)
    return f"{algorithm}\n{claim.timestamp}\n{scope}\n{sha256(canonical).hexdigest()}"


def _check(request: HttpRequest, claim: Claim, secret: str, payload: str) -> ChunkSigner:
    """Refuse a request that was not signed with this key; return the signer of its body's chunks."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/{claim.terminator}"
    text = _string_to_sign(request, claim, payload, ALGORITHM)
    key = signing_key(secret, claim.date, claim.region, claim.service)
    expected = hmac.digest(key, text.encode(), sha256).hex()
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "surrogateescape")):
        raise _does_not_match()
    return ChunkSigner(key, claim.timestamp, scope, expected)


def _from_header(
    request: HttpRequest, header: str, now: float, window_minutes: int, algorithms: Collection[str]
) -> Claim:
    algorithm, _, rest = header.partition(" ")
    if algorithm not in algorithms:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip(" ").partition("=")
        if not equals:
            raise _incomplete(
                f"'{name}' not a valid key=value pair (missing equal-sign) in Authorization header: '{header}'."
            )
        fields[name] = value
    timestamp = request.headers.get("x-amz-date") or request.headers.get("date", "")
    if not (timestamp and all(map(fields.get, _FIELDS))):
        raise _incomplete_header(fields, timestamp)
    _check_signed_headers(request.headers, fields["SignedHeaders"])
    _check_time(timestamp, now, window_minutes)
    token = request.headers.get("x-amz-security-token", "")
    return _claim(
        fields["Credential"], fields["SignedHeaders"], fields["Signature"], timestamp, token, is_presigned=False
    )


def _incomplete_header(fields: Mapping[str, str], timestamp: str) -> SandboxRefusal:
    missing = [f"Authorization header requires '{name}' parameter." for name in _FIELDS if not fields.get(name)]
    if not timestamp:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    return _incomplete(f"{' '.join(missing)} Authorization={ALGORITHM}")


def _from_query(request: HttpRequest, query: Mapping[str, str], now: float, window_minutes: int) -> Claim:
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{query['X-Amz-Algorithm']}'.")
    needed = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = [f"AWS query-string parameters must include '{name}'." for name in needed if not query.get(name)]
    if missing:
        raise _incomplete(" ".join(missing))
    signed = query["X-Amz-SignedHeaders"]
    _check_signed_headers(request.headers, signed)
    timestamp = query["X-Amz-Date"]
    expires = query.get("X-Amz-Expires", str(window_minutes * 60))
    if not (expires.isascii() and expires.isdigit() and 1 <= int(expires) <= _LONGEST_PRESIGNED_SECONDS):
        raise _incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800.")
    if _moment(timestamp) + int(expires) < now:
        raise refusal("RequestExpired", "Request has expired.", 400)
    if _moment(timestamp) > now + window_minutes * 60:
        raise _not_yet(timestamp, now, window_minutes)
    token = query.get("X-Amz-Security-Token", "")
    return _claim(query["X-Amz-Credential"], signed, query["X-Amz-Signature"], timestamp, token, is_presigned=True)


def _claim(
    credential: str, signed_headers: str, signature: str, timestamp: str, token: str, *, is_presigned: bool
) -> Claim:
    parts = credential.split("/")
    if len(parts) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential}'"
        )
    key_id, date, region, service, terminator = parts
    return Claim(key_id, date, region, service, terminator, signed_headers, signature, timestamp, token, is_presigned)


def _check_signed_headers(headers: Mapping[str, str], signed: str) -> None:
    names = signed.split(";")
    if "host" not in names:
        raise _mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name in headers:
        if name.startswith("x-amz-") and name not in names:
            raise _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_time(timestamp: str, now: float, window_minutes: int) -> None:
    moment = _moment(timestamp)
    window = window_minutes * 60
    if moment < now - window:
        raise _mismatch(
            f"Signature expired: {timestamp} is now earlier than {_stamp(now - window)} "
            f"({_stamp(now)} - {window_minutes} min.)"
        )
    if moment > now + window:
        raise _not_yet(timestamp, now, window_minutes)


@lru_cache(maxsize=256)
def _moment(timestamp: str) -> int:
    """Parse a time such as `20260713T100000Z` to seconds since 1970."""
    match = _TIMESTAMP.fullmatch(timestamp)
    if match:
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        if 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61:
            return timegm((year, month, day, hour, minute, second))
    raise _incomplete(
        f"Date must be in ISO-8601 'basic format'. Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _stamp(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y%m%dT%H%M%SZ")


def _payload_hash(request: HttpRequest, claim: Claim) -> str:
    """Return the payload hash that the signature must cover.

    Refuses a body that does not match the hash in the request. `UNSIGNED-PAYLOAD` is refused, too (measured on live
    STS). If a presigned request states no hash, its signature covers an empty body.

    There are two exceptions: S3 has its own rules, and two services have operations whose bodies are never signed.
    """
    stated = request.headers.get("x-amz-content-sha256")
    is_s3 = claim.service == "s3"
    if stated is None and claim.is_presigned:
        stated = _parameters(request.query).get("X-Amz-Content-Sha256", UNSIGNED if is_s3 else _EMPTY_SHA256)
    if is_s3:
        return stated_payload(request, stated)
    if stated == UNSIGNED and claim.service in UNSIGNED_BODIES:
        return stated
    actual = sha256(request.body).hexdigest()
    if stated is not None and stated != actual:
        raise _does_not_match()
    return actual


def _canonical_request(request: HttpRequest, claim: Claim, payload: str) -> bytes:
    headers = request.headers
    path = _encoded_once(request.path) if claim.service == "s3" else _canonical_path(request.path)
    lines = [request.method, path, _canonical_query(request.query, claim)]
    for name in claim.signed_headers.split(";"):
        value = headers.get(name, "")
        if "  " in value:
            value = re.sub(" +", " ", value)
        lines.append(f"{name}:{value}")
    lines += ["", claim.signed_headers, payload]
    return "\n".join(lines).encode("latin-1", "replace")


def _canonical_path(path: str) -> str:
    """Return the path with dot segments resolved, and percent-encoded once more.

    All services except S3 sign the path in this form.
    """
    if path == "/":
        return path
    segments_kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments_kept:
                segments_kept.pop()
        elif segment not in {"", "."}:
            segments_kept.append(segment)
    normal = "/" + "/".join(segments_kept) + ("/" if segments_kept and path.endswith("/") else "")
    return quote(normal, safe="/~")


def _encoded_once(path: str) -> str:
    """Return the path encoded once, as S3 signs it. Dots and slashes are part of an object's key."""
    return quote(unquote_to_bytes(path), safe="/-_.~")


def _canonical_query(query: str, claim: Claim) -> str:
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name, errors="surrogateescape")
        if name and not (claim.is_presigned and name == "X-Amz-Signature"):
            value = unquote_plus(value, errors="surrogateescape")
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="-_.~")


def _parameters(query: str) -> dict[str, str]:
    """Return the decoded query parameters. If a parameter is repeated, the first value is used."""
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        parameters.setdefault(unquote_plus(name), unquote_plus(value))
    return parameters


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key that signs the requests of one day, region and service."""
    key = hmac.digest(f"AWS4{secret}".encode(), date.encode(), sha256)
    for part in (region, service, _TERMINATOR):
        key = hmac.digest(key, part.encode(), sha256)
    return key


def _does_not_match() -> SandboxRefusal:
    return _mismatch(
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )


def _mismatch(message: str) -> SandboxRefusal:
    return refusal("SignatureDoesNotMatch", message, 403)


def _not_yet(timestamp: str, now: float, window_minutes: int) -> SandboxRefusal:
    return _mismatch(
        f"Signature not yet current: {timestamp} is still later than {_stamp(now + window_minutes * 60)} "
        f"({_stamp(now)} + {window_minutes} min.)"
    )


def _incomplete(message: str) -> SandboxRefusal:
    return refusal("IncompleteSignature", message, 400)


def _malformed_escape(bad: re.Match[str]) -> SandboxRefusal:
    if len(bad.group(1)) < 2:
        return refusal("MalformedQueryString", "Incomplete trailing escape % sequence")
    return refusal("MalformedQueryString", f"Illegal hex character in escape % pattern: %{bad.group(1)}")
