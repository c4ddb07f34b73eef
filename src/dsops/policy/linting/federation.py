"""Rules about trust in OIDC and SAML providers: whether the policy restricts the tokens that it accepts.

Many customers share one provider: every GitHub workflow can get a token from GitHub. AWS's list of shared providers
states which claim identifies the customer. Since June 2025 IAM refuses a trust policy without a condition on this
claim.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.policy.language.letters import lower_case
from dsops.policy.linting.document_view import Clause, DocumentView, Named, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.guards import is_pattern, narrows

_GUIDE: Final = "AWS IAM User Guide, Identity-provider controls for shared OIDC providers"

NO_TENANT: Final = LintRule(
    "oidc.no-tenant",
    "error",
    "every customer of a shared OIDC provider may assume the role",
    why="The provider issues tokens to all its customers. Without a condition on the claim that names the "
    "customer, an attacker's workflow or app can assume the role. IAM refuses such a policy for the providers "
    "on its list (since June 2025), but older roles still have one.",
    cure="add a condition on the claim that names your organization or project",
    source=_GUIDE,
)
ANY_TENANT: Final = LintRule(
    "oidc.any-tenant",
    "error",
    "the condition on a shared OIDC provider's claim also matches other customers",
    why="The wildcard is inside the name of the customer, organization or project, which has to be complete. "
    "`repo:octo*` also matches a repository of `octopus`, and an attacker can register such a name.",
    cure="write the full name and the separator after it: `repo:octo-org/octo-repo:*`",
    source=f"{_GUIDE}; GitHub Docs, OpenID Connect reference",
)
WIDE_SUBJECT: Final = LintRule(
    "oidc.wide-subject",
    "note",
    "every branch, or every repository, of an owner may assume the role",
    why="A user who can push a branch, open a pull request from within the repository or create a repository "
    "can use the role. Such a wide subject may be intended.",
    cure="name the branch or environment that deploys: `repo:octo-org/octo-repo:environment:production` or "
    "`...:ref:refs/heads/main`",
    source="GitHub Docs, OpenID Connect reference",
)
NO_SUBJECT: Final = LintRule(
    "oidc.no-subject",
    "warning",
    "every token of the OIDC provider can assume the role",
    why="The statement does not test the token's subject; only the provider's list of audiences limits it. "
    "With the provider of an EKS cluster, every service account can assume the role.",
    cure="add a condition on the provider's `sub`",
    source="AWS IAM User Guide, Create a role for OpenID Connect federation; Amazon EKS User Guide, IAM roles for "
    "service accounts",
)
NO_AUDIENCE: Final = LintRule(
    "oidc.no-audience",
    "note",
    "the statement does not test the token's audience",
    why="Only the list of audiences in the IAM provider limits the tokens. If an audience is added to this list, "
    "the role accepts the tokens for that audience, too.",
    cure="add a condition StringEquals on the provider's `aud`, such as sts.amazonaws.com",
    source="AWS IAM User Guide, Create a role for OpenID Connect federation",
)
OTHER_HOST: Final = LintRule(
    "oidc.other-provider",
    "warning",
    "a condition tests a claim of another provider than the trusted one",
    why="A request has only the claims of the provider that issued its token. With a positive operator the "
    "statement allows no caller; with a negated one the condition always matches.",
    cure="write the host of the provider, with its path, before the colon",
    source="AWS IAM User Guide, IAM and AWS STS condition context keys, Available keys for AWS OIDC federation",
)
NO_SAML_AUDIENCE: Final = LintRule(
    "saml.no-audience",
    "note",
    "the statement does not test the SAML assertion's recipient",
    why="SAML:aud is the URL to which the assertion was sent. A condition on SAML:aud excludes assertions "
    "that the provider issued for another recipient.",
    cure="add a condition StringEquals on SAML:aud with https://signin.aws.amazon.com/saml",
    source="AWS IAM User Guide, Create a role for SAML 2.0 federation",
)


class _Shared(NamedTuple):
    """An OIDC provider that many customers share, and the claim that identifies the customer."""

    name: str
    claim: str = "sub"
    """The name of the claim, or a complete condition key."""


SHARED: Final = {
    "token.actions.githubusercontent.com": _Shared("GitHub Actions"),
    "vstoken.actions.githubusercontent.com": _Shared("GitHub Actions"),
    "oidc-configuration.audit-log.githubusercontent.com": _Shared("GitHub's audit log"),
    "gitlab.com": _Shared("GitLab"),
    "agent.buildkite.com": _Shared("Buildkite"),
    "app.terraform.io": _Shared("HCP Terraform"),
    "oidc.codefresh.io": _Shared("Codefresh"),
    "studio.datachain.ai/api": _Shared("DVC Studio"),
    "scalr.io": _Shared("Scalr"),
    "tokens.cloud.shisho.dev": _Shared("Shisho Cloud"),
    "proidc.upbound.io": _Shared("Upbound"),
    "oidc.vercel.com": _Shared("Vercel", "aud"),
    "api.pulumi.com/oidc": _Shared("Pulumi Cloud", "aud"),
    "sandboxes.cloud": _Shared("sandboxes.cloud", "aud"),
    "cognito-identity.amazonaws.com": _Shared("Amazon Cognito", "aud"),
    "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d": _Shared("Microsoft Sentinel", "sts:RoleSessionName"),
    # These providers are built into IAM, so no list of audiences is configured for them.
    "accounts.google.com": _Shared("Google", "aud"),
    "graph.facebook.com": _Shared("Facebook", "app_id"),
    "www.amazon.com": _Shared("Login with Amazon", "app_id"),
}
"""The shared providers: those on AWS's list, and those built into IAM."""


def customer_key(provider: str) -> str:
    """Return the condition key that names the customer of a shared OIDC provider, in lower case.

    The provider is given by its ARN or name. The result is "" for a provider with a single customer.
    """
    host = lower_case(provider.partition(":oidc-provider/")[2] or provider)
    shared = SHARED.get(host)
    if shared is None:
        return ""
    return lower_case(shared.claim if ":" in shared.claim else f"{host}:{shared.claim}")


_GITHUB: Final = ("token.actions.githubusercontent.com", "vstoken.actions.githubusercontent.com")


def provider_host(named: Named) -> str:
    """Return the OIDC provider's host, the prefix of its condition keys; "" for any other principal."""
    if named.type != "Federated":
        return ""
    arn = parse_arn(named.text)
    if arn is None:
        return named.text if "." in named.text and ":" not in named.text else ""
    kind, _, host = arn.resource.partition("/")
    return host if arn.service == "iam" and kind == "oidc-provider" else ""


def check_federation(document: DocumentView, findings: FindingCollector) -> None:
    """Check the Allow statements of a trust policy that name OIDC or SAML providers."""
    for view in document.statements:
        if view.effect != "Allow" or view.are_principals_negated:
            continue
        hosts = [(host, named) for named in view.principals if (host := provider_host(named))]
        for host, named in hosts:
            _check_provider(view, host, named, findings)
        if hosts:
            _check_hosts(view, [host for host, _ in hosts], findings)
        _check_saml(view, findings)


def _check_provider(view: View, host: str, named: Named, findings: FindingCollector) -> None:
    shared = SHARED.get(lower_case(host))
    if shared is None:
        _check_own_provider(view, host, named, findings)
        return
    key = shared.claim if ":" in shared.claim else f"{host}:{shared.claim}"
    clauses = [clause for clause in view.clauses if clause.lower == lower_case(key) and not clause.parsed.is_negated]
    if not narrows(view, lower_case(key).__eq__):
        message = f"every customer of {shared.name} may assume the role: nothing is asked of `{key}`"
        hint = f"add a condition on `{key}`" + (
            ", such as repo:octo-org/octo-repo:ref:refs/heads/main" if lower_case(host) in _GITHUB else ""
        )
        # If a condition matches every token, the finding names that condition, because it has to be changed.
        rule = ANY_TENANT if any(is_pattern(clause) for clause in clauses) else NO_TENANT
        place = clauses[0] if rule is ANY_TENANT else named
        findings.add(rule, place.line, place.path, message, hint=hint)
    elif lower_case(host) in _GITHUB:
        for clause in clauses:
            _check_github(clause, findings)
    if shared.claim == "sub" and not narrows(view, lower_case(f"{host}:aud").__eq__):
        findings.add(NO_AUDIENCE, named.line, named.path, f"nothing is asked of `{host}:aud`")


def _check_own_provider(view: View, host: str, named: Named, findings: FindingCollector) -> None:
    """Check that the statement tests `sub` or another claim of a private provider."""
    start = lower_case(f"{host}:")
    if not narrows(view, lambda key: key.startswith(start) and key != f"{start}aud"):
        message = f"everyone with a token of {host} may assume the role: nothing is asked of `{host}:sub`"
        findings.add(NO_SUBJECT, named.line, named.path, message, hint=f"add a condition on `{host}:sub`")
    elif not narrows(view, f"{start}aud".__eq__):
        findings.add(NO_AUDIENCE, named.line, named.path, f"nothing is asked of `{host}:aud`")


def _check_github(clause: Clause, findings: FindingCollector) -> None:
    """Check for wildcards in a GitHub subject such as `repo:OWNER/REPOSITORY:ref:refs/heads/main`."""
    if not is_pattern(clause):
        return
    for value in clause.values:
        wildcard = min(
            (position for position in (value.text.find("*"), value.text.find("?")) if position >= 0), default=-1
        )
        before = value.text[:wildcard]
        # GitHub lets an organization customize subjects: they may begin with any claim, such as
        # repository_owner_id:123456.
        if wildcard < 0 or not "repo:".startswith(before[:5]):
            continue
        if "/" not in before:
            message = f"`{value.text}` also matches repositories of other owners"
            findings.add(ANY_TENANT, value.line, clause.path, message)
        elif before.count(":") == 1:
            which = "every repository" if before.endswith("/") else "every repository whose name begins like this"
            message = f"`{value.text}`: {which} of that owner may assume the role"
            findings.add(WIDE_SUBJECT, value.line, clause.path, message)
        elif before.endswith(":") and before.count(":") == 2:
            message = f"`{value.text}`: every branch, tag, environment and pull request of the repository counts"
            findings.add(WIDE_SUBJECT, value.line, clause.path, message)


def _check_hosts(view: View, hosts: list[str], findings: FindingCollector) -> None:
    """Report condition keys that look like a claim of a provider other than the statement's providers."""
    starts = tuple(lower_case(f"{host}:") for host in hosts)
    for clause in view.clauses:
        host, colon, claim = clause.lower.rpartition(":")
        if colon and "." in host and ":" not in host and "/" not in claim and not clause.lower.startswith(starts):
            message = f"`{clause.key}` is no claim of {' or '.join(hosts)}"
            findings.add(OTHER_HOST, clause.line, clause.path, message, hint=f"write `{hosts[0]}:{claim}`")


def _check_saml(view: View, findings: FindingCollector) -> None:
    for named in view.principals:
        arn = parse_arn(named.text) if named.type == "Federated" else None
        if arn is None or arn.resource_type != "saml-provider":
            continue
        if not narrows(view, ("saml:aud", "saml:recipient").__contains__):
            findings.add(NO_SAML_AUDIENCE, named.line, named.path, "nothing is asked of `SAML:aud`")
