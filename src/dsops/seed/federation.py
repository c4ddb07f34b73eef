"""The identity providers that stores with a web identity token need, and the trust that lets such tokens in.

The sandbox signs as any issuer, so a token for it is minted: `dsops sandbox token`, or GitHub's own variables out of
`dsops sandbox env --github-repository`. A real token at hand says what such a one has to look like.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.grants.federation import ISSUERS
from dsops.grants.trust import trust_in_assertions, trust_in_tokens
from dsops.plan import Step
from dsops.sandbox.seed.model import SeedOidcProvider, SeedSamlProvider
from dsops.seed.holders import PlannedRole, arn_of
from dsops.stores.web_identity import AUDIENCE

_ISSUERS = {
    **ISSUERS,
    "circleci": "https://oidc.circleci.com/org/00000000-0000-0000-0000-000000000000",
    "kubernetes": "https://oidc.eks.us-east-1.amazonaws.com/id/00000000000000000000000000000000",
}
_ANY_ISSUER = "https://oidc.example.com"
_ANY_COMPANY = "Company"


class Providers:
    """The OpenID Connect providers of all accounts in the making."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._audiences: dict[str, dict[str, dict[str, None]]] = {}

    def trust(self, role: PlannedRole, step: Step) -> None:
        """Lets tokens like the step's in: of its issuer, for its audience, about its subject where that is known."""
        arn = arn_of(role.arn)
        known = step.proof.speaks_of if step.proof is not None else None
        platform = str(step.settings.get("web_identity", ""))
        url = known[0] if known is not None and known[0].startswith("https://") else _ISSUERS.get(platform, _ANY_ISSUER)
        audience = str(step.settings.get("web_identity_audience", "")) or (known[2] if known else "") or AUDIENCE
        self._audiences.setdefault(arn.account, {}).setdefault(url, {})[audience] = None
        subject = known[1] if known is not None else self._subject(platform)
        statement = trust_in_tokens(arn, url, audience, subject, is_pattern=True)
        if statement not in role.trust:
            role.trust.append(statement)

    def of(self, account: str) -> tuple[SeedOidcProvider, ...]:
        """Those of an account."""
        return tuple(
            SeedOidcProvider(url, tuple(audiences), is_issued_by_sandbox=True)
            for url, audiences in self._audiences.get(account, {}).items()
        )

    def _subject(self, platform: str) -> str:
        if platform != "github":
            return "*"
        return f"repo:{self._environ.get('GITHUB_REPOSITORY') or '*'}:*"


class Companies:
    """The SAML providers of all accounts in the making, each the sandbox's own: `dsops sandbox saml` signs for it."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def trust(self, role: PlannedRole, step: Step) -> None:
        """Lets whoever a response speaks of in, by the step's provider, or one that is made up."""
        arn = arn_of(role.arn)
        named = step.settings.get("principal_arn")
        provider = arn_of(named) if named is not None else arn._replace(resource=f"saml-provider/{_ANY_COMPANY}")
        self._names.setdefault(arn.account, {})[provider.resource_name] = None
        # Whether a response brings tags, only whoever signs it knows.
        actions = ["sts:AssumeRoleWithSAML", "sts:TagSession"]
        statement = {**trust_in_assertions(arn, str(provider)), "Action": actions}
        if statement not in role.trust:
            role.trust.append(statement)

    def of(self, account: str) -> tuple[SeedSamlProvider, ...]:
        """Those of an account."""
        return tuple(SeedSamlProvider(name, "") for name in self._names.get(account, {}))
