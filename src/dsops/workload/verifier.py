"""Verify the tokens of one issuer: signature, times, audience and issuer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256
from threading import Lock
from typing import Any, Final

from dsops.errors import TokenInvalid
from dsops.workload.jwt import ALGORITHMS, SIGNING, Jwt, check_signature, moment, parse_jwt
from dsops.workload.key_cache import KeyCache

MOST_CHARACTERS: Final = 8_000
"""The maximum length of a token. Kubernetes' tokens have about 1,200 characters."""

_SKEW_SECONDS: Final = 60
"""How far the issuer's clock may be ahead of ours."""

_MOST_KEPT: Final = 4_096

Claims = Mapping[str, Any]


class TokenVerifier:
    """Verifies tokens with the keys of a `KeyCache`. Thread-safe, and never waits.

    A token's signature is verified once for each version of the keys. Its times are checked at each use.
    """

    def __init__(
        self,
        keys: KeyCache,
        audience: str,
        *,
        issuer: str = "",
        algorithms: Collection[str] = ALGORITHMS,
        use: str = SIGNING,
    ) -> None:
        """Tokens must have the audience, and the issuer unless that is ""."""
        self.keys = keys
        self._audience = audience
        self._issuer = issuer
        self._algorithms = algorithms
        self._use = use
        self._verified: OrderedDict[tuple[int, bytes], Claims] = OrderedDict()
        self._refused: tuple[tuple[int, bytes], TokenInvalid | None] = ((0, b""), None)
        self._lock = Lock()

    def verify(self, text: str, now: datetime) -> Claims:
        """Return the verified claims. Raises TokenInvalid.

        A token with an unknown key id is refused, and makes the keys due for a refresh.
        """
        if len(text) > MOST_CHARACTERS or not text.isascii():
            raise TokenInvalid(
                f"the token is longer than {MOST_CHARACTERS} characters, or has invalid characters", "malformed"
            )
        key_set, version = self.keys.current()
        if key_set is None:
            raise TokenInvalid("the issuer's keys could not be loaded", "no-key")
        mark = (version, sha256(text.encode("ascii")).digest())
        with self._lock:
            claims = self._verified.get(mark)
        if claims is None:
            claims = self._check_once(mark, text, key_set)
            self._keep(mark, claims)
        self._check_times(claims, now.timestamp())
        return claims

    def _check_once(self, mark: tuple[int, bytes], text: str, key_set: Mapping[str, Any]) -> Claims:
        """Verify the token. A node asks once for each of its workloads, so the last refusal is kept."""
        refused, error = self._refused
        if error is not None and refused == mark:
            raise TokenInvalid(error.message, error.kind)
        try:
            return self._check(parse_jwt(text), key_set)
        except TokenInvalid as found:
            self._refused = (mark, found)
            raise

    def _check(self, token: Jwt, key_set: Mapping[str, Any] | None) -> Claims:
        try:
            check_signature(token, key_set, self._algorithms, self._use)
        except TokenInvalid as error:
            if error.kind == "no-key":
                self.keys.want()
            raise
        if self._issuer and token.claims.get("iss") != self._issuer:
            raise TokenInvalid(f"the token was issued by another issuer than {self._issuer}", "claims")
        audience = token.claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenInvalid(f"the token is not for the audience {self._audience}", "claims")
        return token.claims

    def _check_times(self, claims: Claims, now: float) -> None:
        if moment(claims, "exp") <= now:
            raise TokenInvalid("the token has expired", "expired")
        for name in ("nbf", "iat"):
            if name in claims and moment(claims, name) > now + _SKEW_SECONDS:
                raise TokenInvalid("the token is not yet valid", "expired")

    def _keep(self, mark: tuple[int, bytes], claims: Claims) -> None:
        with self._lock:
            self._verified[mark] = claims
            while len(self._verified) > _MOST_KEPT:
                self._verified.popitem(last=False)
