"""Evaluate a request against policies as AWS does, giving a Decision.

Source: AWS IAM User Guide, "Policy evaluation logic" (single account, cross account, the kinds of principal in a
resource-based policy). Trust policies behave as measured on live AWS in July 2026 (argmin). If a role's trust policy
names a user or role in the role's own account, this user or role needs no permission in its identity policies.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsops.policy.evaluation.consulted import (
    HAS_IDENTITY,
    Effect,
    Group,
    Policies,
    PolicyType,
    has_boundary,
    identity_policies,
    limits,
    must_resource_allow,
    needs_identity,
    organization_levels,
    resource_type,
)
from dsops.policy.evaluation.question import Match, PreparedRequest, Request
from dsops.policy.evaluation.reasons import Reason, explain
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.principals import DIRECT, UNNAMED, Reach
from dsops.policy.language.session_actions import UNDECIDED_ACTIONS
from dsops.startup import NamedTuple


class Decision(NamedTuple):
    """The result of an evaluation: the effect, and the policy and statement that decided."""

    is_allowed: bool
    effect: Effect
    decided_by: PolicyType
    """The type of policy that allowed the request. For a denial, the type that AWS's error message would name."""
    policy: Policy | None
    statement: Statement | None
    """The Allow or Deny statement that decided the request; None when no statement allowed it."""
    request: Request
    policies: Policies

    def __repr__(self) -> str:
        return f"Decision({self.effect} by {self.decided_by}, {self.request!r})"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """A `Reason` for each type of policy consulted, with the statements that matched or nearly matched."""
        return explain(self.request, self.policies)


class _Answers(NamedTuple):
    """The results of all types of policy, for a request that no statement denies explicitly."""

    refusing_organization: PolicyType | None
    """The type (SCP or RCP) of the first level that does not allow the request; None if all levels allow it."""
    resource: Match | None
    reach: Reach
    identity: Match | None
    refusing_limit: PolicyType | None
    """`permissions boundary` or `session policy` if that type does not allow the request; otherwise None."""


def evaluate(request: Request, policies: Policies) -> Decision:
    """Decide the request as AWS does: an explicit Deny wins, then every required type of policy must allow.

    Raises nothing for parsed policies. Source: AWS IAM User Guide, "Policy evaluation logic".
    """
    if lower_case(request.action) in UNDECIDED_ACTIONS:
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
    # the root user is allowed without a policy
    return Decision(True, "Allow", "no policy", None, None, request, policies)


class _Denial(NamedTuple):
    by: PolicyType
    match: Match


def _ask_all(request: Request, policies: Policies) -> _Answers | _Denial:
    """Test every policy in AWS's order; the first explicit Deny ends the evaluation."""
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
    """Return the first explicit Deny, and the type of the first group in which no policy allows the request."""
    refusing: PolicyType | None = None
    for by, policies in groups:
        deny, allow = question.ask(policies)
        if deny is not None:
            return _Denial(by, deny), None
        if allow is None and refusing is None:
            refusing = by
    return None, refusing


def _refusing(request: Request, policies: Policies, answers: _Answers) -> PolicyType | None:
    """Return the first policy type, in AWS's order, that does not allow the request; None if all types allow it."""
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
