"""A request and the policies that bear on it -> a Decision, as AWS decides.

AWS IAM User Guide, "Policy evaluation logic" (single account, cross account, the kinds of principal in a
resource-based policy). Trust policies as measured on live AWS in July 2026 (argmin): a user or role that the
trust policy of its own account names needs no permission of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from dsops.policy.evaluation.question import Match, PreparedRequest, Request
from dsops.policy.language.letters import lower_case
from dsops.policy.language.match import split_arn
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.principals import ACCOUNT, DIRECT, UNNAMED, Principal, PrincipalKind, Reach
from dsops.startup import NamedTuple

if TYPE_CHECKING:
    from dsops.policy.evaluation.reasons import Reason

__all__ = ["Decision", "Effect", "Policies", "PolicyType", "Principal", "PrincipalKind", "Request", "evaluate"]

Effect = Literal["Allow", "ExplicitDeny", "ImplicitDeny"]

PolicyType = Literal[
    "identity-based policy",
    "permissions boundary",
    "session policy",
    "resource-based policy",
    "role trust policy",
    "service control policy",
    "resource control policy",
    "no policy",
]
"""As AWS's own sentences call them; `no policy` decides what every valid caller may do."""

_OPEN_ACTIONS: Final = frozenset({"sts:getcalleridentity", "sts:getsessiontoken"})
"""No policy allows or denies them (STS API Reference; IAM User Guide, "Permissions for GetSessionToken")."""


class Policies(NamedTuple):
    """What bears on a request. An absent kind is empty or None."""

    identity: tuple[Policy, ...] = ()
    """A user's own and its groups'; a role's."""
    boundary: Policy | None = None
    session: tuple[tuple[Policy, ...], ...] = ()
    """Layers: each must allow, within a layer any policy may. A role session without any is not limited."""
    resource: Policy | None = None
    """The resource's policy; a role's trust policy for sts:AssumeRole*, TagSession and SetSourceIdentity."""
    service_control: tuple[tuple[Policy, ...], ...] = ()
    """Levels, root to account, each must allow; nothing for a management account."""
    resource_control: tuple[tuple[Policy, ...], ...] = ()
    """The same for the resource's account, RCPFullAWSAccess on each level; for services that have RCPs."""
    must_resource_allow: bool = False
    """The resource's policy must allow in its own account too, as a KMS key's; a trust policy always must."""


class Decision(NamedTuple):
    """The outcome and what decided it."""

    is_allowed: bool
    effect: Effect
    decided_by: PolicyType
    """The type of policy that allowed, or the one refusal that AWS would name."""
    policy: Policy | None
    statement: Statement | None
    """The Allow or Deny that decided; None when nothing allowed."""
    request: Request
    policies: Policies

    def __repr__(self) -> str:
        return f"Decision({self.effect} by {self.decided_by}, {self.request!r})"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Every type of policy that was consulted, what matched in it and what nearly did; made when read."""
        from dsops.policy.evaluation.reasons import explain

        return explain(self.request, self.policies)


class _Answers(NamedTuple):
    """What is left to weigh when no policy denies."""

    refusing_organization: PolicyType | None
    """The control policies of the first level that does not allow."""
    resource: Match | None
    reach: Reach
    identity: Match | None
    refusing_limit: PolicyType | None
    """The boundary or the session policy, whichever does not allow."""


def evaluate(request: Request, policies: Policies) -> Decision:
    """Whether AWS would let that request through, and which policy decides."""
    if lower_case(request.action) in _OPEN_ACTIONS:
        return Decision(True, "Allow", "no policy", None, None, request, policies)
    answers = _ask_all(request, policies)
    if isinstance(answers, _Denial):
        policy, statement = answers.match
        return Decision(False, "ExplicitDeny", answers.by, policy, statement, request, policies)
    refusing = _refusing(request, policies, answers)
    if refusing is not None:
        return Decision(False, "ImplicitDeny", refusing, None, None, request, policies)
    if answers.resource is not None and not needs_identity(request, answers.reach):
        policy, statement = answers.resource
        return Decision(True, "Allow", resource_type(policies), policy, statement, request, policies)
    if answers.identity is not None:
        policy, statement = answers.identity
        return Decision(True, "Allow", "identity-based policy", policy, statement, request, policies)
    return Decision(True, "Allow", "no policy", None, None, request, policies)  # a root user


class _Denial(NamedTuple):
    by: PolicyType
    match: Match


def _ask_all(request: Request, policies: Policies) -> _Answers | _Denial:
    """Every policy asked, in AWS's order; the first explicit Deny ends it."""
    question = PreparedRequest(request, has_boundary=has_boundary(request, policies))
    denial, refusing_organization = _ask_each(question, organization_levels(request, policies))
    if denial is not None:
        return denial
    resource, reach = None, UNNAMED
    if policies.resource is not None:
        deny, resource, reach = question.ask_resource(policies.resource)
        if deny is not None:
            return _Denial(resource_type(policies), deny)
    deny, identity = question.ask(identity_policies(request, policies))
    if deny is not None:
        return _Denial("identity-based policy", deny)
    denial, refusing_limit = _ask_each(question, limits(request, policies))
    return denial or _Answers(refusing_organization, resource, reach, identity, refusing_limit)


def _ask_each(question: PreparedRequest, groups: Sequence[Group]) -> tuple[_Denial | None, PolicyType | None]:
    """The first explicit Deny, and the first group in which nothing allows."""
    refusing: PolicyType | None = None
    for by, policies in groups:
        deny, allow = question.ask(policies)
        if deny is not None:
            return _Denial(by, deny), None
        if allow is None and refusing is None:
            refusing = by
    return None, refusing


def _refusing(request: Request, policies: Policies, answers: _Answers) -> PolicyType | None:
    """The policy type whose missing Allow refuses the request: the first in AWS's order."""
    if answers.refusing_organization is not None:
        return answers.refusing_organization
    if request.principal.kind not in HAS_IDENTITY:
        return None if answers.reach == DIRECT else resource_type(policies)
    if answers.reach == UNNAMED and must_resource_allow(request, policies):
        return resource_type(policies)
    if answers.reach == DIRECT and not request.is_cross_account:
        return None
    is_identity_needed = needs_identity(request, answers.reach) and request.principal.kind != "root"
    if is_identity_needed and answers.identity is None:
        return "identity-based policy"
    return answers.refusing_limit


# --- what applies to whom (reasons.py tells by the same rules) ----------------------------------------------

HAS_IDENTITY: Final = frozenset({"user", "role-session", "federated-session", "root"})
"""The kinds of principal with policies of their own. For all others the resource's policy decides alone."""

_WITH_IDENTITY_POLICIES: Final = HAS_IDENTITY - {"root"}

Group = tuple[PolicyType, tuple[Policy, ...]]
"""Policies of one type of which one must allow."""


def organization_levels(request: Request, policies: Policies) -> list[Group]:
    """RCPs, then SCPs, by level. They don't bind service-linked roles (AWS Organizations User Guide)."""
    if not (policies.resource_control or policies.service_control):
        return []
    issuer = split_arn(request.principal.issuer_arn)
    if issuer is not None and issuer[5].startswith("role/aws-service-role/"):
        return []
    groups: list[Group] = [("resource control policy", level) for level in policies.resource_control]
    groups.extend(("service control policy", level) for level in policies.service_control)
    return groups


def identity_policies(request: Request, policies: Policies) -> tuple[Policy, ...]:
    """The identity-based policies that bind: none for a root user or for whoever has no account."""
    return policies.identity if request.principal.kind in _WITH_IDENTITY_POLICIES else ()


def has_boundary(request: Request, policies: Policies) -> bool:
    """A permissions boundary binds the caller."""
    return policies.boundary is not None and request.principal.kind in _WITH_IDENTITY_POLICIES


def limits(request: Request, policies: Policies) -> list[Group]:
    """The boundary, which does not bind a root user, and the session's layers."""
    kind = request.principal.kind
    if kind not in HAS_IDENTITY:
        return []
    groups: list[Group] = []
    if policies.boundary is not None and has_boundary(request, policies):
        groups.append(("permissions boundary", (policies.boundary,)))
    groups.extend(("session policy", layer) for layer in policies.session)
    if not policies.session and kind == "federated-session":
        # GetFederationToken without a session policy gives none of the user's permissions: nothing allows.
        groups.append(("session policy", ()))
    return groups


def resource_type(policies: Policies) -> PolicyType:
    """What the policy in the place of the resource's is called."""
    is_trust = policies.resource is not None and policies.resource.kind == "trust"
    return "role trust policy" if is_trust else "resource-based policy"


def must_resource_allow(request: Request, policies: Policies) -> bool:
    """The resource's own policy must name the caller: from outside its account, for a role's trust, a KMS key."""
    return (
        policies.must_resource_allow
        or request.is_cross_account
        or request.principal.kind not in HAS_IDENTITY
        or (policies.resource is not None and policies.resource.kind == "trust")
        or lower_case(request.action).startswith("sts:assumerole")
    )


def needs_identity(request: Request, reach: Reach) -> bool:
    """The caller's own policies must allow as well, given how the resource's policy names it."""
    return request.is_cross_account or reach in (UNNAMED, ACCOUNT)
