"""Parse JSON Web Tokens and verify their signatures with a JSON Web Key Set (RFC 7515, 7517, 7519).

The sandbox's STS and the node use the same functions. A token's header only selects an algorithm from a fixed list, and
a key by its id.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, cast

from dsops.errors import ExtraMissing, TokenInvalid
from dsops.extras import install_command

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""Signatures with a private key only: `none` and the HMAC algorithms are not accepted anywhere."""

SIGNING: Final = "sig"
"""The `use` of keys that sign tokens (RFC 7517, 4.2), which is also assumed for a key without `use`."""

_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_LAST_MOMENT: Final = 10**15
_UNCHECKED: Final = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)


def require_jwt() -> None:
    """Raise ExtraMissing if the packages that verify tokens are not installed."""
    try:
        import cryptography as _cryptography
        import jwt as _jwt
    except ImportError as error:
        raise ExtraMissing(
            "the package `PyJWT` is not installed", hint=f"install the extra: `{install_command('node')}`"
        ) from error
    del _cryptography, _jwt


class Jwt(NamedTuple):
    """A parsed token. Its claims are not verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Jwt(***)"


def parse_jwt(text: str) -> Jwt:
    """Parse the token's header and claims. Raises TokenInvalid (`malformed`)."""
    import jwt

    try:
        whole = jwt.decode_complete(text, options={"verify_signature": False})
        for part in text.split(".")[:2]:
            _check_names(part)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenInvalid("the text is not a JSON Web Token", "malformed") from error
    header: Mapping[str, Any] = whole["header"]
    # Receivers must understand every header listed in `crit` (RFC 7515, 4.1.11), and we support no such extension.
    if "crit" in header or "b64" in header:
        raise TokenInvalid("the token requires a JWT extension that dsops does not support", "malformed")
    return Jwt(text, header, whole["payload"])


def check_signature(
    token: Jwt, key_set: Mapping[str, Any] | None, algorithms: Collection[str] = ALGORITHMS, use: str = SIGNING
) -> None:
    """Verify the signature with the key that the header names.

    The key's type, curve, `alg` and `use` must match the algorithm. Raises TokenInvalid (`no-key` or `signature`).
    """
    import jwt

    algorithm = token.header.get("alg")
    if algorithm not in algorithms:
        raise TokenInvalid("the token's algorithm is not accepted", "signature")
    raw = None if key_set is None else key_named(token.header.get("kid"), key_set)
    if raw is None:
        raise TokenInvalid("the issuer has no key with the token's key id", "no-key")
    if raw.get("alg", algorithm) != algorithm or raw.get("use", use) != use:
        raise TokenInvalid("the issuer's key is not for this kind of signature", "signature")
    if raw.get("crv") != _CURVES.get(str(algorithm), raw.get("crv")):
        raise TokenInvalid("the elliptic curve of the issuer's key does not match the token's algorithm", "signature")
    try:
        # PyJWT rejects a key whose type does not match the algorithm, so an RSA public key is never used as an HMAC
        # secret.
        key = jwt.PyJWK(dict(raw), algorithm=str(algorithm))
        jwt.decode(token.text, key, algorithms=[str(algorithm)], options=cast("Any", _UNCHECKED))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenInvalid("the token's signature does not match the issuer's key", "signature") from error


def key_named(key_id: object, key_set: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first key with this id; None if there is none, or no id."""
    keys = key_set.get("keys", [])
    matching_keys = (key for key in keys if isinstance(key, Mapping) and key.get("kid") == key_id)
    return next(matching_keys, None) if key_id else None


def moment(claims: Mapping[str, Any], name: str) -> float:
    """Return a claim that is a time, in seconds since 1970. Raises TokenInvalid (`malformed`)."""
    value = claims.get(name)
    # JSON allows integers of any length, and Python's parser accepts NaN, but neither is a valid time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LAST_MOMENT < value < _LAST_MOMENT:
        raise TokenInvalid(f"the token's claim `{name}` is not a time", "malformed")
    return value


def _check_names(part: str) -> None:
    """Raise ValueError if a JSON object contains the same name twice (RFC 7519, 4).

    Otherwise, two parsers could use different values.
    """
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    json.loads(raw, object_pairs_hook=_without_repetition)


def _without_repetition(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands there twice")
