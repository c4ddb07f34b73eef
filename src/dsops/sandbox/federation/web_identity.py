"""Verify web identity tokens, and refuse invalid tokens with STS's error messages.

STS API Reference, AssumeRoleWithWebIdentity; IAM User Guide, "Create an OpenID Connect (OIDC) identity provider"
(algorithms) and "Available keys for AWS OIDC federation" (claims and their condition keys). AWS documents neither the
wording nor the order of its errors; the messages in this module were seen on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from dsops.errors import SandboxRefusal, TokenInvalid
from dsops.request.wire.errors import refusal
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.federation.oidc_keys import provider_of_all, session_keys, trust_keys
from dsops.sandbox.state.world import OidcProvider, World
from dsops.sandbox.sts.verified_identity import IdentityProof
from dsops.workload.jwt import Jwt, check_signature, moment, parse_jwt

_TAGS_CLAIM: Final = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY_CLAIM: Final = "https://aws.amazon.com/source_identity"
_NOT_A_JWT: Final = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
_NO_KEY: Final = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
_BAD_SIGNATURE: Final = "Token signature invalid"
_MAX_SUBJECT: Final = 255


def verify(token: str, account: str, world: World, issuers: Issuers, now: float) -> IdentityProof:
    """Verify a token for assuming a role in the account, and return the proven identity.

    Raises SandboxRefusal for an invalid token.
    """
    # Guides of CI services write the token with `echo $TOKEN > file`, and AWS accepts the trailing line break.
    token = token.strip()
    parsed = _read(token)
    claims = parsed.claims
    issuer = _issuer(claims)
    provider = world.oidc_provider(account, issuer) or provider_of_all(issuer)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    _check_signature(parsed, issuers.key_set(issuer))
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


def _read(token: str) -> Jwt:
    """Parse the token's header and claims without verifying the signature."""
    try:
        return parse_jwt(token)
    except TokenInvalid as error:
        raise _invalid(_NOT_A_JWT) from error


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


def _check_signature(token: Jwt, key_set: Mapping[str, Any] | None) -> None:
    """Verify the signature with the key that the header names."""
    try:
        check_signature(token, key_set)
    except TokenInvalid as error:
        raise _invalid(_NO_KEY if error.kind == "no-key" else _BAD_SIGNATURE) from error


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
    try:
        return moment(claims, name)
    except TokenInvalid as error:
        raise _invalid(_NOT_A_JWT) from error


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
