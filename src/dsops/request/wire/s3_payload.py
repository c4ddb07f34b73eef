"""Check the signed payload hash of an S3 request, and decode its aws-chunked body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.checksums import PREFIX
from dsops.request.wire.errors import refusal

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_STREAMING = frozenset({SIGNED_CHUNKS, SIGNED_WITH_TRAILER, _UNSIGNED_WITH_TRAILER})
_EMPTY = sha256(b"").hexdigest()
_HASH = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?")
_LONGEST_LINE = 4096


class ChunkSigner(NamedTuple):
    """Computes the signatures of chunks. Each signature also covers the signature of the previous chunk."""

    key: bytes
    timestamp: str
    scope: str
    seed: str
    """The signature in the request's headers, which the first chunk's signature covers."""

    def signature(self, kind: str, before: str, *hashes: str) -> str:
        """Return the signature of a chunk or of the trailer."""
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.timestamp, self.scope, before, *hashes))
        return hmac.new(self.key, text.encode(), sha256).hexdigest()


def stated_payload(request: HttpRequest, stated: str | None) -> str:
    """Return the payload hash for the canonical request. Raises XAmzContentSHA256Mismatch, InvalidRequest."""
    stated = valid_hash(stated)
    if stated == UNSIGNED or stated in _STREAMING:
        return stated
    if not hmac.compare_digest(stated, sha256(request.body).hexdigest()):
        raise refusal(
            "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."
        )
    return stated


def valid_hash(stated: str | None) -> str:
    """Return the value of x-amz-content-sha256 if its form is valid. Raises InvalidArgument, InvalidRequest."""
    if stated is None:
        raise refusal("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if stated != UNSIGNED and stated not in _STREAMING and not _HASH.fullmatch(stated):
        words = f"x-amz-content-sha256 must be {UNSIGNED}, {', '.join(sorted(_STREAMING))}, or a valid sha256 value."
        raise refusal("InvalidArgument", words)
    return stated


def unsigned_body(request: HttpRequest, stated: str | None) -> HttpRequest:
    """Decode the body of a request that is not signed."""
    return opened(request, stated_payload(request, stated or UNSIGNED), None)


def opened(request: HttpRequest, payload: str, signer: ChunkSigner | None) -> HttpRequest:
    """Decode an aws-chunked body and add its trailer to the headers; return other requests unchanged.

    Raises SignatureDoesNotMatch, IncompleteBody or MalformedTrailerError.
    """
    if payload not in _STREAMING:
        return request
    is_signed = payload != _UNSIGNED_WITH_TRAILER
    if is_signed and signer is None:
        raise _mismatch()
    data, rest, last = _chunks(request.body, signer if is_signed else None)
    trailer: Mapping[str, str] = {}
    if payload == SIGNED_CHUNKS:
        if rest not in {b"", b"\r\n"}:
            raise _incomplete()
    else:
        trailer = _trailer(request, rest, signer if is_signed else None, last)
    if request.headers.get("x-amz-decoded-content-length") != str(len(data)):
        raise _incomplete()
    headers = {name: value for name, value in request.headers.items() if name != "x-amz-decoded-content-length"}
    encodings = [part.strip() for part in headers.pop("content-encoding", "").split(",")]
    other_encodings = ",".join(part for part in encodings if part and part != "aws-chunked")
    if other_encodings:
        headers["content-encoding"] = other_encodings
    return request._replace(headers={**headers, **trailer, "content-length": str(len(data))}, body=data)


def _chunks(body: bytes, signer: ChunkSigner | None) -> tuple[bytes, bytes, str]:
    """Split an aws-chunked body.

    Returns the decoded data, the bytes after the last chunk's size line, and the last chunk's signature.
    """
    parts: list[bytes] = []
    position, before = 0, "" if signer is None else signer.seed
    while True:
        end = body.find(b"\r\n", position, position + _LONGEST_LINE)
        match = _SIZE.fullmatch(body, position, end) if end >= 0 else None
        if match is None:
            raise _incomplete()
        size = int(match[1], 16)
        chunk = body[end + 2 : end + 2 + size]
        if signer is not None:
            signature = signer.signature("PAYLOAD", before, _EMPTY, sha256(chunk).hexdigest())
            if match[2] is None or not hmac.compare_digest(signature.encode(), match[2]):
                raise _mismatch()
            before = signature
        if size == 0:
            return b"".join(parts), body[end + 2 :], before
        position = end + 2 + size
        if len(chunk) != size or body[position : position + 2] != b"\r\n":
            raise _incomplete()
        parts.append(chunk)
        position += 2


def _trailer(request: HttpRequest, data: bytes, signer: ChunkSigner | None, before: str) -> dict[str, str]:
    """Return the checksums in the trailer, whose names must be exactly those that the headers announced."""
    fields: dict[str, str] = {}
    for line in data.split(b"\r\n"):
        if line:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name.lower() in fields:
                raise _malformed_trailer()
            fields[name.lower()] = value.strip()
    stated = fields.pop("x-amz-trailer-signature", None)
    announced = {name.strip().lower() for name in request.headers.get("x-amz-trailer", "").split(",")} - {""}
    if announced != fields.keys() or not all(name.startswith(PREFIX) for name in fields):
        raise _malformed_trailer()
    if signer is not None:
        text = "".join(f"{name}:{value}\n" for name, value in fields.items())
        signature = signer.signature("TRAILER", before, sha256(text.encode("latin-1")).hexdigest())
        if stated is None or not hmac.compare_digest(signature.encode(), stated.encode("latin-1")):
            raise _mismatch()
    return fields


def _mismatch() -> SandboxRefusal:
    return refusal("SignatureDoesNotMatch", "", 403)


def _incomplete() -> SandboxRefusal:
    return refusal(
        "IncompleteBody", "The request body terminated unexpectedly, or is not in the form that its headers announce."
    )


def _malformed_trailer() -> SandboxRefusal:
    return refusal("MalformedTrailerError", "The request contained trailing data that was not well-formed.")
