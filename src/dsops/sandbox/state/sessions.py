"""Issue and look up temporary credentials; drop expired sessions.

A session's secret key and token are derived from its key id with a random key of this sandbox. This has two
advantages: 100,000 sessions take little memory, and an expired session is recognized as expired even after it was
dropped.
"""

from __future__ import annotations

import base64
import hmac
import os
import zlib
from collections.abc import Iterator
from hashlib import shake_256
from typing import Literal, NamedTuple

from dsops.sandbox.state import identifiers

SessionKind = Literal["role", "user", "federated", "root", "assumed-root"]
_TOKEN_PREFIX = "SANDBOX"
_MAC_BYTES = 128
_TOKEN_LENGTH = len(_TOKEN_PREFIX) + 184  # base64 of the expiry time and the MAC
_SWEEP_AT = 1024
MAX_TOKEN = 4096
"""Maximum length of a session token. AWS publishes no maximum; MinimumSessionTokenSize allows up to 4096."""


class PolicyLayer(NamedTuple):
    """Session policies that were passed when a session was issued, and that limit the session's permissions."""

    inline: str
    """The inline session policy; "" if there is none."""
    managed_arns: tuple[str, ...]


class Session(NamedTuple):
    """The data that the sandbox stores for a session."""

    kind: SessionKind
    account: str
    issuer_id: str
    """The role's AROA id, the user's AIDA id, or the account of a root user. AWS never reuses ids, unlike names."""
    name: str
    """The name of the role session or of the federated user; "" for a GetSessionToken session."""
    issued_at: float
    expires_at: float
    mfa_at: float | None = None
    """The time at which the user signed in with MFA; None without MFA.

    The session of an assumed role also has None.
    """
    tags: tuple[tuple[str, str], ...] = ()
    """The session tags: those in the request and those inherited."""
    transitive_keys: tuple[str, ...] = ()
    source_identity: str = ""
    policy: PolicyLayer | None = None
    source_ip: str = ""
    """The source address to assume for the session's requests; "" for the actual address."""
    federation: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Condition keys of the federated identity (`aws:FederatedProvider`, `HOST:sub`) or the provided context."""
    scopes: tuple[PolicyLayer, ...] = ()
    """The policies that GetScopedCredentials added, in order."""
    on_behalf_of: tuple[str, str] | None = None
    """The IAM Identity Center user that the session acts for: (user id, ARN of the identity store)."""


class Issued(NamedTuple):
    """The credentials that the client receives for a session."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


class SessionTable:
    """All sessions except those that were dropped after their expiry.

    Not thread-safe: callers must hold the sandbox's lock.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._sessions: dict[str, Session] = {}
        self._sweep_at = _SWEEP_AT

    def __len__(self) -> int:
        return len(self._sessions)

    def issue(self, session: Session, minimum_size: int = 0) -> Issued:
        """Issue credentials for a session; the token has at least `minimum_size` bytes."""
        if len(self._sessions) >= self._sweep_at:
            self._forget_expired(session.issued_at)
        key_id = identifiers.access_key_id("ASIA", session.account)
        self._sessions[key_id] = session
        size = min(max(session_token_size(session), minimum_size), MAX_TOKEN)
        token = self._token(key_id, session.expires_at, size)
        return Issued(key_id, self.secret_of(key_id), token, session.expires_at)

    def get(self, key_id: str) -> Session | None:
        """Return the session with that key id, expired or not; None if it is unknown or was dropped."""
        return self._sessions.get(key_id)

    def live(self, now: float) -> Iterator[Session]:
        """Yield the sessions that have not expired."""
        return (session for session in self._sessions.values() if session.expires_at > now)

    def secret_of(self, key_id: str) -> str:
        """Return the 40-character secret access key, derived from a session's key id."""
        return base64.b64encode(shake_256(self._key + key_id.encode()).digest(30)).decode()

    def token_expiry(self, key_id: str, token: str) -> float | None:
        """Return the expiry encoded in the token; None if the token does not belong to that key id."""
        if not _TOKEN_LENGTH <= len(token) <= MAX_TOKEN or not token.startswith(_TOKEN_PREFIX):
            return None
        try:
            raw = base64.b64decode(token[len(_TOKEN_PREFIX) : _TOKEN_LENGTH], validate=True)
        except ValueError:
            return None
        expires_at = float(int.from_bytes(raw[:8], "big"))
        expected = self._token(key_id, expires_at, len(token))
        # Encode first: `compare_digest` refuses str with non-ASCII characters.
        return expires_at if hmac.compare_digest(expected.encode(), token.encode()) else None

    def _token(self, key_id: str, expires_at: float, size: int) -> str:
        """Return a token of `size` characters, derived from the key id and expiry."""
        expiry = int(expires_at).to_bytes(8, "big")
        signed = key_id.encode() + expiry + size.to_bytes(2, "big")
        rest = size - _TOKEN_LENGTH
        # SHAKE needs no HMAC: its state is not part of its output, so a longer text can't be signed without the key.
        mac = shake_256(self._key + signed).digest(_MAC_BYTES + rest)
        token = _TOKEN_PREFIX + base64.b64encode(expiry + mac[:_MAC_BYTES]).decode()
        return token + base64.b64encode(mac[_MAC_BYTES:]).decode()[:rest]

    def _forget_expired(self, now: float) -> None:
        self._sessions = {key: session for key, session in self._sessions.items() if session.expires_at > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._sessions))


def session_token_size(session: Session) -> int:
    """Return the length of a session's token, which grows with its policies and tags.

    AWS packs policies and tags into tokens in an undocumented format; the sandbox uses their zlib-compressed size.
    """
    layers = session.scopes if session.policy is None else (session.policy, *session.scopes)
    if not layers and not session.tags:
        return _TOKEN_LENGTH
    texts = [text for layer in layers for text in (layer.inline, *layer.managed_arns)]
    texts += [text for tag in session.tags for text in tag]
    return _TOKEN_LENGTH - (-len(zlib.compress("\n".join(texts).encode(), 1)) * 4 // 3)
