"""Collect the identity providers that stores with tokens or SAML responses need; let roles trust them.

The sandbox signs tokens of any issuer: `dsops sandbox token` issues one, and `dsops sandbox env --github-repository`
sets GitHub's own variables. If a real token is available, the trust policy requires its claims.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.grants.federation import ISSUERS
from dsops.grants.trust import trust_in_assertions, trust_in_tokens
from dsops.plan import Step
from dsops.sandbox.seed.model import SeedOidcProvider, SeedSamlProvider
from dsops.seed.planned_identities import PlannedRole, arn_of
from dsops.stores.web_identity import AUDIENCE

_ISSUERS = {
    **ISSUERS,
    "circleci": "https://oidc.circleci.com/org/00000000-0000-0000-0000-000000000000",
    "kubernetes": "https://oidc.eks.us-east-1.amazonaws.com/id/00000000000000000000000000000000",
}
_ANY_ISSUER = "https://oidc.example.com"
_ANY_COMPANY = "Company"


class Providers:
    """Collects the OpenID Connect providers of all accounts."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._audiences: dict[str, dict[str, dict[str, None]]] = {}

    def trust(self, role: PlannedRole, step: Step) -> None:
        """Let the role trust tokens like the one that the step sends.

        The tokens must have the step's issuer and audience, and its subject if that is known.
        """
        arn = arn_of(role.arn)
        token_claims = step.proof.speaks_of if step.proof is not None else None
        platform = str(step.settings.get("web_identity", ""))
        url = (
            token_claims[0]
            if token_claims is not None and token_claims[0].startswith("https://")
            else _ISSUERS.get(platform, _ANY_ISSUER)
        )
        audience = (
            str(step.settings.get("web_identity_audience", "")) or (token_claims[2] if token_claims else "") or AUDIENCE
        )
        self._audiences.setdefault(arn.account, {}).setdefault(url, {})[audience] = None
        subject = token_claims[1] if token_claims is not None else self._subject(platform)
        statement = trust_in_tokens(arn, url, audience, subject, is_pattern=True)
        if statement not in role.trust:
            role.trust.append(statement)

    def of(self, account: str) -> tuple[SeedOidcProvider, ...]:
        """Return the OpenID Connect providers of an account."""
        return tuple(
            SeedOidcProvider(url, tuple(audiences), is_issued_by_sandbox=True)
            for url, audiences in self._audiences.get(account, {}).items()
        )

    def _subject(self, platform: str) -> str:
        if platform != "github":
            return "*"
        return f"repo:{self._environ.get('GITHUB_REPOSITORY') or '*'}:*"


class SamlProvidersByAccount:
    """Collects the SAML providers of all accounts. `dsops sandbox saml` signs responses in their name."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def trust(self, role: PlannedRole, step: Step) -> None:
        """Let the role trust responses of the step's provider. If the step names none, the provider is invented."""
        arn = arn_of(role.arn)
        named = step.settings.get("principal_arn")
        provider = arn_of(named) if named is not None else arn._replace(resource=f"saml-provider/{_ANY_COMPANY}")
        self._names.setdefault(arn.account, {})[provider.resource_name] = None
        # The responses may or may not carry session tags, so tags are allowed.
        actions = ["sts:AssumeRoleWithSAML", "sts:TagSession"]
        statement = {**trust_in_assertions(arn, str(provider)), "Action": actions}
        if statement not in role.trust:
            role.trust.append(statement)

    def of(self, account: str) -> tuple[SeedSamlProvider, ...]:
        """Return the SAML providers of an account."""
        return tuple(SeedSamlProvider(name, "") for name in self._names.get(account, {}))
