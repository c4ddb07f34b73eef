"""Which principal can assume which role in the sandbox, decided by its own authorizer as a call of AssumeRole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, NamedTuple

from dsops.policy import Decision, Reason, UnmetElement, lower_case
from dsops.request.context import unsigned_context
from dsops.request.messages import HttpRequest
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import request_context
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.page.principals import (
    SESSION_NAME,
    OtherPrincipal,
    Subject,
    caller_of,
    identities,
    kind_of,
    providers,
)
from dsops.sandbox.page.trust import TRUST_POLICY, NamedRoles
from dsops.sandbox.state.world import Role, User, World
from dsops.sandbox.sts.assume_role import assume_context
from dsops.sandbox.sts.session_policy import PassedTags

_MOST_LISTED = 200
_ACTIONS = {"oidc": "AssumeRoleWithWebIdentity", "saml": "AssumeRoleWithSAML"}
_MFA_PRESENT = "aws:MultiFactorAuthPresent"
_MFA = frozenset(("aws:multifactorauthpresent", "aws:multifactorauthage"))
_LIMITS = frozenset(("service control policy", "resource control policy", "permissions boundary"))
"""Types of policy that limit what others allow: without an Allow in them, a request is denied."""

LinkState = Literal["allowed", "conditional", "denied"]


class TrustLink(NamedTuple):
    """A principal whose AssumeRole call for a role is allowed, lacks only conditions, or is refused only by limits."""

    source: str
    target: str
    state: LinkState
    why: tuple[str, ...]
    """For `conditional` the condition keys that the request lacks, for `denied` the types of policy that refuse.

    `MFA` is among the latter if the request needs MFA, which the session of a role never has.
    """
    conditions: tuple[str, ...] = ()
    """The open conditions as in the policy: `Bool aws:MultiFactorAuthPresent true`. Secret values are masked."""

    def record(self) -> dict[str, object]:
        """Return the link as JSON types."""
        return {
            "from": self.source,
            "to": self.target,
            "state": self.state,
            "why": [*self.why],
            "conditions": [*self.conditions],
        }


class AssumeQuestions:
    """Questions about AssumeRole in one world, at one moment. They are not kept as calls."""

    def __init__(self, world: World, judge: Authorizer, request: HttpRequest, now: float) -> None:
        """`request` is the page's request: its address and client count as those of the call."""
        self.world = world
        self.asked = 0
        """How many decisions were made."""
        self.now = now
        self._judge = judge
        self._request = request

    def links(self, subjects: Iterable[Subject], roles: NamedRoles) -> Iterator[TrustLink]:
        """Yield the links from the principals to the roles."""
        for subject in subjects:
            caller, context = caller_of(self.world, subject, self.now), None
            for role in roles.naming(caller, subject):
                context = context or self._context(caller, subject)
                link = self._link(subject, caller, context, role)
                if link is not None:
                    yield link

    def decision(self, subject: Subject, role: Role) -> Decision:
        """Return how the principal's call would be decided."""
        caller = caller_of(self.world, subject, self.now)
        return self._decision(subject, caller, self._context(caller, subject), role)

    def _context(self, caller: Caller, subject: Subject) -> Context:
        if isinstance(subject, OtherPrincipal) and subject.kind != "outside":
            return unsigned_context(caller.region, self._request, self.now)
        return request_context(self.world, caller, self._request, self.now)

    def _link(self, subject: Subject, caller: Caller, context: Context, role: Role) -> TrustLink | None:
        link = _link(subject, role, self._decision(subject, caller, context, role))
        if link is None or link.state != "denied" or not isinstance(subject, User):
            return link
        # Many policies deny requests without MFA, which a user can add.
        other = _link(subject, role, self._decision(subject, caller, context, role, mfa_at=self.now))
        if other is None or other.state == "denied":
            return link
        why, conditions = (_MFA_PRESENT, *other.why), (f"Bool {_MFA_PRESENT} true", *other.conditions)
        return other._replace(state="conditional", why=why, conditions=conditions)

    def _decision(
        self, subject: Subject, caller: Caller, context: Context, role: Role, mfa_at: float | None = None
    ) -> Decision:
        self.asked += 1
        operation = _ACTIONS.get(kind_of(subject), "AssumeRole")
        parameters = {"RoleArn": role.arn, "RoleSessionName": SESSION_NAME}
        turn = AuthenticatedRequest(caller, operation, parameters, context, self.now, "")
        trust = StoredPolicy(TRUST_POLICY, role.trust)
        keys = assume_context(turn, role, PassedTags((), (), ()), "", mfa_at)
        question = AuthorizationQuestion(f"sts:{operation}", role.arn, role.account, keys, trust)
        return self._judge.weigh(caller, question)[0]


def links_of(questions: AssumeQuestions, chosen: Subject) -> dict[str, list[dict[str, object]]]:
    """Return which roles the principal can assume (`to`), and who can assume it (`from`), at most 200 of each."""
    everyone = [*identities(questions.world), *providers(questions.world)]
    to = questions.links([chosen], NamedRoles(each for each in everyone if isinstance(each, Role)))
    come = questions.links(everyone, NamedRoles([chosen])) if isinstance(chosen, Role) else ()
    return {
        "to": [link.record() for link in islice(to, _MOST_LISTED)],
        "from": [link.record() for link in islice(come, _MOST_LISTED)],
    }


def _link(subject: Subject, role: Role, decision: Decision) -> TrustLink | None:
    if decision.is_allowed:
        return TrustLink(subject.arn, role.arn, "allowed", ())
    open_conditions: list[UnmetElement] = []
    denying: list[str] = []
    for reason in known_reasons(subject, decision):
        if is_denying(reason):
            denying.append(reason.policy_type)
        elif reason.effect == "ImplicitDeny" and reason.is_needed:
            missing = _missing_conditions(reason)
            if missing is None:
                return None
            open_conditions += missing
    if isinstance(subject, Role) and any(lower_case(each.key) in _MFA for each in open_conditions):
        denying.append("MFA")  # The session of a role never has it.
    shown = tuple(dict.fromkeys(f"{each.operator} {each.key} {' or '.join(each.wanted)}" for each in open_conditions))
    if denying:
        return TrustLink(subject.arn, role.arn, "denied", tuple(dict.fromkeys(denying)), shown)
    keys = tuple(dict.fromkeys(each.key for each in open_conditions))
    return TrustLink(subject.arn, role.arn, "conditional" if keys else "allowed", keys, shown)


def known_reasons(subject: Subject, decision: Decision) -> tuple[Reason, ...]:
    """Return the reasons without the permissions of a principal outside, which the sandbox does not know."""
    if kind_of(subject) != "outside":
        return decision.reasons
    return tuple(reason for reason in decision.reasons if reason.policy_type != "identity-based policy")


def is_denying(reason: Reason) -> bool:
    """Whether these policies refuse the request, whatever the caller's own policies and the trust policy allow."""
    is_limit = reason.policy_type in _LIMITS and reason.is_needed
    return reason.effect == "ExplicitDeny" or (reason.effect == "ImplicitDeny" and is_limit)


def _missing_conditions(reason: Reason) -> tuple[UnmetElement, ...] | None:
    """Return the unmet conditions of the Allow statement that fits otherwise; None if there is none."""
    for candidate in reason.near:
        if candidate.statement.effect == "Allow" and {each.element for each in candidate.failures} == {"Condition"}:
            return candidate.failures
    return None
