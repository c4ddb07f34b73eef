"""Claims of a web identity token -> condition keys, as AWS takes them from each issuer.

`aud`, `sub` and `amr` of every issuer (IAM User Guide, "Available keys for AWS OIDC federation"), and of those named
here further ones, which only the role's trust policy sees (Service Authorization Reference, AWS Security Token
Service; the first of them since January 2026). Whatever else a token claims is no key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dsops.sandbox.state.world import OidcProvider

Keys = dict[str, tuple[str, ...]]

_GOOGLE: Final = "accounts.google.com"
KNOWN_TO_ALL: Final = frozenset({_GOOGLE, "cognito-identity.amazonaws.com"})
"""Issuers of tokens that every account knows without making a provider; a trust policy names them as they stand here.

Facebook and Login with Amazon are the others: what they give are access tokens, which only their servers can judge.
"""

_GITHUB: Final = (
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
)
_BUILDKITE: Final = (
    "build_branch",
    "cluster_id",
    "cluster_name",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "pipeline_slug",
)
_CLAIMS: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    (re.compile(r"token\.actions\.githubusercontent\.com(/.+)?"), _GITHUB),
    (re.compile(r"token\.actions\.[a-z0-9-]+\.ghe\.com"), _GITHUB),
    (re.compile(r"github\.com/enterprises/[^/]+"), _GITHUB),
    (re.compile(r"agent\.buildkite\.com|agent\.[a-z0-9-]+\.buildkite\.(dev|site)"), _BUILDKITE),
    (
        re.compile(r"gitlab\.com"),
        (
            "namespace_id",
            "pipeline_source",
            "project_id",
            "ref_protected",
            "runner_environment",
            "user_access_level",
            "user_email",
            "user_id",
            "user_login",
        ),
    ),
    (re.compile(r"oidc\.circleci\.com/org/[^/]+"), ("oidc.circleci.com/project-id",)),
    (re.compile(r"idcs-[a-z0-9]+\.identity\.oraclecloud\.com"), ("rpst_id",)),
    (re.compile(r"accounts\.google\.com"), ("google/organization_number",)),
)
"""Issuer without `https://` -> names of claims, which are those of the keys."""


def provider_of_all(issuer: str) -> OidcProvider | None:
    """The provider that every account knows; None for all other issuers."""
    name = issuer.removeprefix("https://")
    return OidcProvider(name, name, ()) if name in KNOWN_TO_ALL else None


def session_keys(host: str, claims: Mapping[str, Any], audience: str, subject: str) -> Keys:
    """The keys that the session keeps."""
    kept: Keys = {f"{host}:aud": (audience,), f"{host}:sub": (subject,)}
    methods = claims.get("amr")
    if isinstance(methods, list) and methods and all(isinstance(method, str) for method in methods):
        kept[f"{host}:amr"] = tuple(methods)
    return kept


def trust_keys(host: str, claims: Mapping[str, Any]) -> Keys:
    """The keys that only the trust policy sees."""
    found: Keys = {}
    # Not in the guide, but seen to work for any issuer.
    names = ("email", *(name for pattern, names in _CLAIMS if pattern.fullmatch(host) for name in names))
    for name in names:
        value = _text(_claim(claims, name))
        if value is not None:
            found[f"{host}:{name}"] = (value,)
    intended = claims["aud"]
    # With an authorised party that one is `aud`, and this is where the token's own goes.
    if isinstance(intended, str) and (claims.get("azp") is not None or host == _GOOGLE):
        found[f"{host}:oaud"] = (intended,)
    return found


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The claim of that name, or of that path: `google/organization_number` may be a claim of the claim `google`."""
    if name in claims:
        return claims[name]
    outer, _, inner = name.partition("/")
    holder = claims.get(outer)
    return holder.get(inner) if inner and isinstance(holder, Mapping) else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None
