"""Map claims of a web identity token to condition keys, as AWS does for each issuer.

Tokens of every issuer provide keys for `aud`, `sub` and `amr` (IAM User Guide, "Available keys for AWS OIDC
federation"). Tokens of the issuers listed in this module provide further keys, which only the role's trust policy can
use. The first of these keys appeared in January 2026 (Service Authorization Reference, AWS Security Token Service).
Other claims are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dsops.sandbox.state.world import OidcProvider

Keys = dict[str, tuple[str, ...]]

_GOOGLE: Final = "accounts.google.com"
KNOWN_TO_ALL: Final = frozenset({_GOOGLE, "cognito-identity.amazonaws.com"})
"""Issuers that every account trusts without creating a provider, by the names that trust policies use.

AWS has two more, Facebook and Login with Amazon. They are omitted because they issue access tokens, which only
Facebook's and Amazon's own servers can verify.
"""

_GITHUB: Final = tuple(
    """
    actor actor_id enterprise_id environment job_workflow_ref ref repository repository_id repository_owner_id workflow
    """.split()
)
_BUILDKITE: Final = tuple(
    """
    build_branch cluster_id cluster_name organization_id organization_slug pipeline_id pipeline_slug
    """.split()
)
_CLAIMS: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    (re.compile(r"token\.actions\.githubusercontent\.com(/.+)?"), _GITHUB),
    (re.compile(r"token\.actions\.[a-z0-9-]+\.ghe\.com"), _GITHUB),
    (re.compile(r"github\.com/enterprises/[^/]+"), _GITHUB),
    (re.compile(r"agent\.buildkite\.com|agent\.[a-z0-9-]+\.buildkite\.(dev|site)"), _BUILDKITE),
    (
        re.compile(r"gitlab\.com"),
        tuple(
            """
            namespace_id pipeline_source project_id ref_protected runner_environment user_access_level user_email
            user_id user_login
            """.split()
        ),
    ),
    (re.compile(r"oidc\.circleci\.com/org/[^/]+"), ("oidc.circleci.com/project-id",)),
    (re.compile(r"idcs-[a-z0-9]+\.identity\.oraclecloud\.com"), ("rpst_id",)),
    (re.compile(r"accounts\.google\.com"), ("google/organization_number",)),
)
"""Issuer without `https://` -> names of the claims that become condition keys of the same name."""


def provider_of_all(issuer: str) -> OidcProvider | None:
    """Return the built-in OIDC provider for that issuer, or None if the issuer is not built in.

    A built-in provider exists in every account.
    """
    name = issuer.removeprefix("https://")
    return OidcProvider(name, name, ()) if name in KNOWN_TO_ALL else None


def session_keys(host: str, claims: Mapping[str, Any], audience: str, subject: str) -> Keys:
    """Return the condition keys that remain in effect for the whole session."""
    session_values: Keys = {f"{host}:aud": (audience,), f"{host}:sub": (subject,)}
    methods = claims.get("amr")
    if isinstance(methods, list) and methods and all(isinstance(method, str) for method in methods):
        session_values[f"{host}:amr"] = tuple(methods)
    return session_values


def trust_keys(host: str, claims: Mapping[str, Any]) -> Keys:
    """Return the condition keys that are only available while the trust policy is evaluated."""
    keys: Keys = {}
    # The IAM User Guide does not list the claim `email`, but it was seen to work for any issuer.
    names = ("email", *(name for pattern, names in _CLAIMS if pattern.fullmatch(host) for name in names))
    for name in names:
        value = _text(_claim(claims, name))
        if value is not None:
            keys[f"{host}:{name}"] = (value,)
    intended = claims["aud"]
    # If the token has an authorized party (`azp`), the condition key `aud` contains that party, and the key `oaud`
    # contains the token's audience.
    if isinstance(intended, str) and (claims.get("azp") is not None or host == _GOOGLE):
        keys[f"{host}:oaud"] = (intended,)
    return keys


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """Return a claim by name or path, or None.

    A path such as `google/organization_number` also finds a member of the claim `google`.
    """
    if name in claims:
        return claims[name]
    outer, _, inner = name.partition("/")
    holder = claims.get(outer)
    return holder.get(inner) if inner and isinstance(holder, Mapping) else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None
