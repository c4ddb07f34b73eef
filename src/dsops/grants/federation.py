"""Derive issuer, audience and subject of the web identity tokens that a store sends."""

from __future__ import annotations

from typing import NamedTuple

from dsops.errors import PolicyIncomplete
from dsops.grants.placeholders import blank
from dsops.plan import Step
from dsops.schema import DEFAULT_AUDIENCE

ISSUERS = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "buildkite": "https://agent.buildkite.com",
}
"""Maps each platform with a single issuer for all customers to that issuer.

Other platforms have a separate issuer for each customer.
"""

_SUBJECTS = {
    "github": "repo:OWNER/REPOSITORY:environment:NAME, or another form that GitHub's tokens have",
    "gitlab": "project_path:GROUP/PROJECT:ref_type:branch:ref:NAME",
    "kubernetes": "system:serviceaccount:NAMESPACE:NAME",
    "buildkite": "organization:ORGANIZATION:pipeline:PIPELINE:ref:REF:commit:COMMIT:step:STEP",
    "circleci": "org/ORGANIZATION/project/PROJECT/user/USER",
    "spiffe": "spiffe://TRUST-DOMAIN/PATH",
}
_OWN_AUDIENCE = ("github", "buildkite", "kubernetes", "spiffe")
"""Platforms whose tokens have AWS STS as their audience, unless the configuration sets another audience."""


class TokenClaims(NamedTuple):
    """The token claims that a trust policy tests. An unknown claim is a Placeholder."""

    issuer: str
    audience: object
    subject: object


def tokens_of(step: Step, issuer: str) -> TokenClaims:
    """Return the claims of the tokens that the step sends. `issuer` is the user's `--issuer`, or "".

    Raises PolicyIncomplete if the issuer is unknown. A placeholder can't replace the issuer, because condition keys
    and the provider's ARN contain it.
    """
    platform = str(step.settings.get("web_identity", ""))
    speaks_of = step.proof.speaks_of if step.proof is not None else None
    issuer_found = issuer or (speaks_of[0] if speaks_of is not None else ISSUERS.get(platform, ""))
    if not issuer_found.startswith("https://"):
        raise PolicyIncomplete(
            f"the issuer of the tokens of store `{step.name}` is unknown",
            why=f"the issuer is `{issuer_found}`, but IAM accepts only https:// issuers"
            if issuer_found
            else "there is no token to read the issuer from",
            hint="set `--issuer https://...` to the claim `iss` of the tokens",
            where=step.where,
        )
    audience: object = str(step.settings.get("web_identity_audience", "")) or (
        speaks_of[2] if speaks_of is not None else ""
    )
    if not audience:
        meaning = f"The audience of the tokens that store `{step.name}` sends: their claim `aud`."
        audience = DEFAULT_AUDIENCE if platform in _OWN_AUDIENCE else blank("audience", step.name, meaning)
    if speaks_of is not None:
        return TokenClaims(issuer_found, audience, speaks_of[1])
    form = f", such as {_SUBJECTS[platform]}" if platform in _SUBJECTS else ""
    meaning = f"The subject of the tokens that store `{step.name}` sends: their claim `sub`{form}."
    return TokenClaims(issuer_found, audience, blank("subject", step.name, meaning))
