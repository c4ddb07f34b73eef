"""Issuer, audience and subject of the web identity tokens that a store sends, as far as the configuration tells."""

from __future__ import annotations

from typing import NamedTuple

from dsops.errors import PolicyIncomplete
from dsops.grants.blank import blank
from dsops.plan import Step
from dsops.schema import DEFAULT_AUDIENCE

ISSUERS = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "buildkite": "https://agent.buildkite.com",
}
"""Platforms with one issuer for all customers; other platforms have an issuer per customer."""

_SUBJECTS = {
    "github": "repo:OWNER/REPOSITORY:environment:NAME, or another form that GitHub's tokens have",
    "gitlab": "project_path:GROUP/PROJECT:ref_type:branch:ref:NAME",
    "kubernetes": "system:serviceaccount:NAMESPACE:NAME",
    "buildkite": "organization:ORGANIZATION:pipeline:PIPELINE:ref:REF:commit:COMMIT:step:STEP",
    "circleci": "org/ORGANIZATION/project/PROJECT/user/USER",
}
_OWN_AUDIENCE = ("github", "buildkite", "kubernetes")
"""Platforms whose tokens have STS as audience by default."""


class TokenClaims(NamedTuple):
    """The claims that a trust policy checks; a Blank for an unknown one."""

    issuer: str
    audience: object
    subject: object


def tokens_of(step: Step, issuer: str) -> TokenClaims:
    """The claims of the tokens that the step sends. `issuer` is the user's, "" when not given.

    Raises PolicyIncomplete for an unknown issuer: it is part of names in the policy, so it can't be left open.
    """
    platform = str(step.settings.get("web_identity", ""))
    claims = step.proof.speaks_of if step.proof is not None else None
    issuer_url = issuer or (claims[0] if claims is not None else ISSUERS.get(platform, ""))
    if not issuer_url.startswith("https://"):
        raise PolicyIncomplete(
            f"whose tokens store `{step.name}` sends is not known here",
            why=f"the issuer is `{issuer_url}`, and IAM takes those with https://"
            if issuer_url
            else "no token is at hand",
            hint="name it with --issuer https://...: it is the claim `iss` of the tokens",
            where=step.where,
        )
    audience: object = str(step.settings.get("web_identity_audience", "")) or (claims[2] if claims is not None else "")
    if not audience:
        meaning = f"The audience of the tokens that store `{step.name}` sends: their claim `aud`."
        audience = DEFAULT_AUDIENCE if platform in _OWN_AUDIENCE else blank("audience", step.name, meaning)
    if claims is not None:
        return TokenClaims(issuer_url, audience, claims[1])
    form = f", such as {_SUBJECTS[platform]}" if platform in _SUBJECTS else ""
    meaning = f"Whose tokens store `{step.name}` sends: their claim `sub`{form}."
    return TokenClaims(issuer_url, audience, blank("subject", step.name, meaning))
