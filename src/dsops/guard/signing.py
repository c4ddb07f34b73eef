"""Sign requests with the real session, after their placeholder signature has been checked."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from dsops.credentials import Credentials
from dsops.request.wire.s3_payload import ChunkSigner
from dsops.request.wire.signature import ALGORITHM, canonical_hash, signing_key

_NOT_SIGNED: Final = frozenset("accept accept-encoding user-agent x-amzn-trace-id x-forwarded-for".split())
"""Headers that are signed only if the client signed them: the way to AWS may change them."""
_DROPPED: Final = frozenset(
    """
    authorization connection content-length date expect host keep-alive proxy-authenticate proxy-authorization
    proxy-connection te trailer transfer-encoding upgrade x-amz-date x-amz-security-token
    """.split()
)
"""Headers that the guard writes itself, and headers about the connection to the guard."""


class SignedRequest(NamedTuple):
    """The headers of a signed request, and what signs the chunks of its body."""

    headers: tuple[tuple[str, str], ...]
    chunk_signer: ChunkSigner


class Scope(NamedTuple):
    """The region and service for which a request is signed."""

    region: str
    service: str


def sign(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    host: str,
    payload: str,
    scope: Scope,
    also_signed: frozenset[str],
    credentials: Credentials,
    now: datetime,
) -> SignedRequest:
    """Return the headers to send: the client's, with a new signature of all that AWS may depend on.

    `payload` is the hash of the body, or a word such as `UNSIGNED-PAYLOAD`. `also_signed` has the headers that the
    client signed.
    """
    timestamp = _timestamp(now.replace(microsecond=0))
    sent = {name: value for name, value in headers.items() if name not in _DROPPED}
    added = {"host": host, "x-amz-date": timestamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token.reveal()
    if scope.service == "s3" or "x-amz-content-sha256" in sent:
        added["x-amz-content-sha256"] = payload
    sent |= added
    signed = {name: sent[name] for name in sorted(sent) if name in also_signed or name not in _NOT_SIGNED}
    digest = canonical_hash(method, path, query, signed, scope.service, payload)
    day = timestamp[:8]
    key = signing_key(credentials.secret_access_key.reveal(), day, scope.region, scope.service)
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    signature = hmac.digest(key, f"{ALGORITHM}\n{timestamp}\n{place}\n{digest}".encode(), "sha256").hex()
    sent["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{place}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return SignedRequest(tuple(sent.items()), ChunkSigner(key, timestamp, place, signature))


@lru_cache(maxsize=4)
def _timestamp(now: datetime) -> str:
    """Return a time as signatures have it. Requests of one second share the text."""
    return now.strftime("%Y%m%dT%H%M%SZ")
