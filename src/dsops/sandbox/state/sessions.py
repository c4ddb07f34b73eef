"""Temporary credentials: issued, looked up, forgotten when they expire.

A session's secret key and token are computed from its key id under a key of this sandbox, so that a hundred thousand
sessions cost little memory, and an expired one is still recognised as expired after it was forgotten.
"""

from __future__ import annotations

import base64
import hmac
import os
import zlib
from hashlib import sha256, sha512, shake_256
from typing import Literal, NamedTuple

from dsops.sandbox.state import identifiers

SessionKind = Literal["role", "user", "federated", "root", "assumed-root"]
_TOKEN_PREFIX = "SANDBOX"
_TOKEN_LENGTH = len(_TOKEN_PREFIX) + 184
_SWEEP_AT = 1024
MAX_TOKEN = 4096
"""Bytes of a session token. AWS does not tell its own limit, and asks for no more with MinimumSessionTokenSize."""


class PolicyLayer(NamedTuple):
    """What was passed along when a session was issued: it may do only what this allows too."""

    inline: str
    """Empty for none."""
    managed_arns: tuple[str, ...]


class Session(NamedTuple):
    """What the sandbox remembers of one set of temporary credentials."""

    kind: SessionKind
    account: str
    issuer_id: str
    """AROA of the role, AIDA of the user, the account for its root: a re-created namesake is another issuer."""
    name: str
    """The role session's or federated user's name; "" for a GetSessionToken session."""
    issued_at: float
    expires_at: float
    mfa_at: float | None = None
    """When the caller showed a code; None without MFA. It is not handed on to an assumed role."""
    tags: tuple[tuple[str, str], ...] = ()
    """Passed and inherited session tags."""
    transitive_keys: tuple[str, ...] = ()
    source_identity: str = ""
    policy: PolicyLayer | None = None
    source_ip: str = ""
    """Stands in for the address that the session's requests come from; "" for the real one."""
    federation: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Condition keys that say who federated (`aws:FederatedProvider`, `HOST:sub`) or in which context."""
    scopes: tuple[PolicyLayer, ...] = ()
    """What GetScopedCredentials narrowed it to, one after the other."""
    on_behalf_of: tuple[str, str] | None = None
    """Id and identity store's ARN of IAM Identity Center's user whose session it is."""


class Issued(NamedTuple):
    """The three parts that the client gets."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


class SessionTable:
    """All sessions that are valid. Not safe for several threads: the sandbox's lock is held around it."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._sessions: dict[str, Session] = {}
        self._sweep_at = _SWEEP_AT
        self._moments = (0.0, 0.0)

    def __len__(self) -> int:
        return len(self._sessions)

    def issue(self, session: Session, minimum_size: int = 0) -> Issued:
        """New credentials for it; the token has at least so many bytes."""
        if len(self._sessions) >= self._sweep_at:
            self._forget_expired(session.issued_at)
        key_id = identifiers.access_key_id("ASIA", session.account)
        self._sessions[key_id] = self._with_shared_moments(session)
        size = min(max(session_token_size(session), minimum_size), MAX_TOKEN)
        token = self._token(key_id, session.expires_at, size)
        return Issued(key_id, self.secret_of(key_id), token, session.expires_at)

    def get(self, key_id: str) -> Session | None:
        """The session of that key, expired or not; None when it is unknown or forgotten."""
        return self._sessions.get(key_id)

    def secret_of(self, key_id: str) -> str:
        """The secret access key that belongs to a session's key id: 40 characters."""
        return base64.b64encode(hmac.digest(self._key, key_id.encode(), sha256)[:30]).decode()

    def token_expiry(self, key_id: str, token: str) -> float | None:
        """When a token that this sandbox made for that key expires; None when the token is not that key's."""
        if not _TOKEN_LENGTH <= len(token) <= MAX_TOKEN or not token.startswith(_TOKEN_PREFIX):
            return None
        try:
            raw = base64.b64decode(token[len(_TOKEN_PREFIX) : _TOKEN_LENGTH], validate=True)
        except ValueError:
            return None
        expires_at = float(int.from_bytes(raw[:8], "big"))
        expected = self._token(key_id, expires_at, len(token))
        # A character that is not ASCII is no token's, and `compare_digest` takes none in a text.
        return expires_at if hmac.compare_digest(expected.encode(), token.encode()) else None

    def _token(self, key_id: str, expires_at: float, size: int) -> str:
        """A token of that many characters."""
        expiry = int(expires_at).to_bytes(8, "big")
        signed = key_id.encode() + expiry + size.to_bytes(2, "big")
        first = hmac.digest(self._key, b"1" + signed, sha512)
        second = hmac.digest(self._key, b"2" + signed, sha512)
        token = _TOKEN_PREFIX + base64.b64encode(expiry + first + second).decode()
        if size == _TOKEN_LENGTH:
            return token
        rest = size - _TOKEN_LENGTH
        return token + base64.b64encode(shake_256(self._key + signed).digest(rest)).decode()[:rest]

    def _with_shared_moments(self, session: Session) -> Session:
        """The same; sessions of one second share their moments, which would be 64 of 440 bytes each."""
        moments = self._moments
        if moments != (session.issued_at, session.expires_at):
            self._moments = (session.issued_at, session.expires_at)
            return session
        return session._replace(issued_at=moments[0], expires_at=moments[1])

    def _forget_expired(self, now: float) -> None:
        self._sessions = {key: session for key, session in self._sessions.items() if session.expires_at > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._sessions))


def session_token_size(session: Session) -> int:
    """Characters of its token: AWS's carries policies and tags, packed in a way that it does not tell."""
    layers = session.scopes if session.policy is None else (session.policy, *session.scopes)
    if not layers and not session.tags:
        return _TOKEN_LENGTH
    texts = [text for layer in layers for text in (layer.inline, *layer.managed_arns)]
    texts += [text for tag in session.tags for text in tag]
    return _TOKEN_LENGTH - (-len(zlib.compress("\n".join(texts).encode(), 1)) * 4 // 3)
