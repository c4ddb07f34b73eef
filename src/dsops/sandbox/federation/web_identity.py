"""Verify web identity tokens, and refuse invalid tokens with STS's error messages.

STS API Reference, AssumeRoleWithWebIdentity; IAM User Guide, "Create an OpenID Connect (OIDC) identity provider"
(algorithms) and "Available keys for AWS OIDC federation" (claims and their condition keys). AWS documents neither the
wording nor the order of its errors; the messages in this module were seen on AWS.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.federation.oidc_keys import provider_of_all, session_keys, trust_keys
from dsops.sandbox.state.world import OidcProvider, World
from dsops.sandbox.sts.verified_identity import IdentityProof

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_TAGS_CLAIM: Final = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY_CLAIM: Final = "https://aws.amazon.com/source_identity"
_NOT_A_JWT: Final = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
_NO_KEY: Final = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
_BAD_SIGNATURE: Final = "Token signature invalid"
_MAX_SUBJECT: Final = 255
_LAST_MOMENT: Final = 10**15


def verify(token: str, account: str, world: World, issuers: Issuers, now: float) -> IdentityProof:
    """Verify a token for assuming a role in the account, and return the proven identity.

    Raises SandboxRefusal for an invalid token.
    """
    # Guides of CI services write the token with `echo $TOKEN > file`, and AWS accepts the trailing line break.
    token = token.strip()
    header, claims = _read(token)
    issuer = _issuer(claims)
    provider = world.oidc_provider(account, issuer) or provider_of_all(issuer)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    _check_signature(token, header, issuers.key_set(issuer))
    for name in ("aud", "sub", "exp", "iat"):
        if name not in claims:
            raise _invalid(f"Missing a required claim: {name}")
    _check_times(claims, now)
    audience = _audience(claims, provider)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT:
        raise _invalid(_NOT_A_JWT)
    tags, transitive_keys = _tags(claims.get(_TAGS_CLAIM, {}))
    source_identity = _source_identity(claims)
    host = provider.host_and_path
    return IdentityProof(
        provider.arn,
        issuer,
        subject,
        audience,
        session_keys(host, claims, audience, subject),
        trust_keys(host, claims),
        tags,
        transitive_keys,
        source_identity,
    )


def _read(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Parse the token's header and claims without verifying the signature."""
    import jwt

    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
        for part in token.split(".")[:2]:
            _check_names(part)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise _invalid(_NOT_A_JWT) from error
    header: Mapping[str, Any] = whole["header"]
    # Receivers must understand every header listed in `crit` (RFC 7515, 4.1.11), and STS supports no such extension.
    if "crit" in header or "b64" in header:
        raise _invalid(_NOT_A_JWT)
    return header, whole["payload"]


def _check_names(part: str) -> None:
    """Raise ValueError if a JSON object contains the same name twice (RFC 7519, 4).

    Otherwise, two parsers could use different values.
    """
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    json.loads(raw, object_pairs_hook=_without_repetition)


def _without_repetition(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands there twice")


def _issuer(claims: Mapping[str, Any]) -> str:
    issuer = claims.get("iss")
    if issuer is None:
        raise _invalid("Missing a required claim: iss")
    try:
        is_url = isinstance(issuer, str) and urlsplit(issuer).scheme == "https" and bool(urlsplit(issuer).hostname)
    except ValueError:
        is_url = False
    if not is_url:
        raise _invalid("Issuer must be a valid URL")
    return str(issuer)


def _check_signature(token: str, header: Mapping[str, Any], key_set: Mapping[str, Any] | None) -> None:
    """Verify the signature with the key that the header names. The key's type must match the algorithm."""
    import jwt

    algorithm = header.get("alg")
    if algorithm not in _ALGORITHMS:
        raise _invalid(_BAD_SIGNATURE)
    raw = None if key_set is None else _key_named(header.get("kid"), key_set)
    if raw is None:
        raise _invalid(_NO_KEY)
    if raw.get("alg", algorithm) != algorithm or raw.get("use", "sig") != "sig":
        raise _invalid(_BAD_SIGNATURE)
    nothing_else = {
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_aud": False,
        "verify_iss": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    try:
        # PyJWT rejects a key whose type does not match the algorithm, so an RSA public key is never used as an HMAC
        # secret.
        key = jwt.PyJWK(dict(raw), algorithm=str(algorithm))
        jwt.decode(token, key, algorithms=[str(algorithm)], options=cast("Any", nothing_else))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise _invalid(_BAD_SIGNATURE) from error


def _key_named(key_id: object, key_set: Mapping[str, Any]) -> Mapping[str, Any] | None:
    keys = key_set.get("keys", [])
    matching_keys = (key for key in keys if isinstance(key, Mapping) and key.get("kid") == key_id)
    return next(matching_keys, None) if key_id else None


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Check that `now` is not before `nbf` or `iat`, and is before `exp` (RFC 7519)."""
    expires_at, issued_at = _moment(claims, "exp"), _moment(claims, "iat")
    not_before = _moment(claims, "nbf") if "nbf" in claims else issued_at
    if expires_at <= now:
        message = (
            f"Token expired: current date/time {int(now)} must be before the expiration date/time{int(expires_at)}"
        )
        raise refusal("ExpiredTokenException", message)
    if max(issued_at, not_before) > now:
        raise _invalid("Token is not yet valid")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    # JSON allows integers of any length, and Python's parser accepts NaN, but neither is a valid time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LAST_MOMENT < value < _LAST_MOMENT:
        raise _invalid(_NOT_A_JWT)
    return value


def _audience(claims: Mapping[str, Any], provider: OidcProvider) -> str:
    """Return the token's `azp`, or else the `aud` value that is one of the provider's client ids.

    The providers that are built into every account have no client ids. Only the trust policy restricts their audience.
    """
    party, audience = claims.get("azp"), claims["aud"]
    named = [party] if party is not None else audience if isinstance(audience, list) else [audience]
    for name in named:
        if isinstance(name, str) and (name in provider.client_ids or provider.arn == provider.host_and_path):
            return name
    raise _invalid("Incorrect token audience")


def _tags(claim: object) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Parse the session tags and the transitive tag keys in the token. Each tag's value is a list of one string.

    IAM User Guide, "Pass session tags using AssumeRoleWithWebIdentity".
    """
    bad = _invalid("The session tags in the token are not of the form that STS reads")
    if not isinstance(claim, Mapping):
        raise bad
    tags, transitive_keys = claim.get("principal_tags", {}), claim.get("transitive_tag_keys", [])
    if not isinstance(tags, Mapping) or not isinstance(transitive_keys, list):
        raise bad
    pairs = []
    for key, values in tags.items():
        if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str):
            raise bad
        pairs.append((str(key), values[0]))
    if not all(isinstance(key, str) for key in transitive_keys):
        raise bad
    return tuple(pairs), tuple(transitive_keys)


def _source_identity(claims: Mapping[str, Any]) -> str:
    """Return the source identity in the token, or "" if the token has none."""
    claim = claims.get(_SOURCE_IDENTITY_CLAIM, "")
    if not isinstance(claim, str) or (_SOURCE_IDENTITY_CLAIM in claims and not claim):
        raise _invalid("The source identity in the token is not of the form that STS reads")
    return claim


def _invalid(message: str) -> SandboxRefusal:
    return refusal("InvalidIdentityToken", message)
