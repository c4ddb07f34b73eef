"""A request, and tests of single policy statements against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.policy.language.conditions import fold_context
from dsops.policy.language.letters import lower_case
from dsops.policy.language.match import split_arn
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.principals import DIRECT, UNNAMED, Principal, Reach
from dsops.policy.language.tokens import Context
from dsops.startup import NamedTuple


class Request(NamedTuple):
    """A request to AWS: who calls which action on which resource, with which condition keys."""

    principal: Principal
    action: str
    """The action, such as `sts:AssumeRole`."""
    resource: str
    """The resource's ARN, or `*` for an action without resources."""
    resource_account: str
    """The 12-digit id of the account that owns the resource."""
    context: Mapping[str, tuple[str, ...]]
    """Maps condition keys to the request's values. Keys may have any case. A single-valued key has one value."""

    def __repr__(self) -> str:
        # The representation omits the values, because one of them may be an external ID.
        keys = ", ".join(self.context)
        caller = self.principal.arn or self.principal.kind
        return f"Request({self.action} on {self.resource} by {caller}, with {keys})"

    @property
    def is_cross_account(self) -> bool:
        """Whether caller and resource belong to different accounts. A service principal belongs to no account."""
        return bool(self.principal.account) and self.principal.account != self.resource_account


Match = tuple[Policy, Statement]


class PreparedRequest:
    """A request prepared for tests against many statements."""

    __slots__ = ("_folded", "_raw", "action", "has_boundary", "parts", "principal", "resource", "written_action")

    def __init__(self, request: Request, *, has_boundary: bool) -> None:
        self.has_boundary = has_boundary
        self.action = lower_case(request.action)
        self.written_action = request.action
        self.resource = request.resource
        self.parts = split_arn(request.resource)
        self.principal = request.principal
        self._raw = request.context
        self._folded: Context | None = None

    def context(self) -> Context:
        """The request's context with keys in lower case, computed at the first use."""
        if self._folded is None:
            self._folded = fold_context(self._raw)
        return self._folded

    def is_met(self, statement: Statement) -> bool:
        """Whether all elements of the statement except Principal match the request.

        If a condition can't be evaluated (see `policy.language.conditions`), it counts as met in a Deny, and as not
        met in an Allow.
        """
        if not statement.actions.matches(self.action):
            return False
        resources = statement.resources
        if resources is not None and not resources.matches(self.resource, self.parts, self.context):
            return False
        if statement.conditions:
            context = self.context()
            is_deny = statement.effect == "Deny"
            for condition in statement.conditions:
                answer = condition.test(context)
                if not answer and (answer is not None or not is_deny):
                    return False
        return True

    def reach(self, statement: Statement) -> Reach:
        """Return how specifically a statement names the caller; UNNAMED for a statement without principals.

        A Deny with NotPrincipal denies every principal that has a permissions boundary, even if NotPrincipal lists it
        (AWS IAM User Guide, "Permissions boundaries": resource-based policies).
        """
        principals = statement.principals
        if principals is None:
            return UNNAMED
        if self.has_boundary and principals.is_negated and principals.is_deny:
            return DIRECT
        return principals.reach(self.principal)

    def ask(self, policies: Sequence[Policy]) -> tuple[Match | None, Match | None]:
        """Return the first Deny and the first Allow that apply to the caller."""
        allow: Match | None = None
        for policy in policies:
            for statement in policy.statements:
                if statement.effect == "Allow" and allow is not None:
                    continue
                if self.is_met(statement) and (
                    statement.principals is None or statement.principals.reach(self.principal)
                ):
                    if statement.effect == "Deny":
                        return (policy, statement), allow
                    allow = (policy, statement)
        return None, allow

    def ask_resource(self, policy: Policy) -> tuple[Match | None, Match | None, Reach]:
        """Return the first Deny that applies, the Allow that names the caller most specifically, and its reach."""
        allow: Match | None = None
        closest: Reach = UNNAMED
        for statement in policy.statements:
            # In a resource's policy an Allow without principals grants nothing. A Deny without principals still denies.
            reach = self.reach(statement)
            if statement.effect == "Deny":
                if (reach or statement.principals is None) and self.is_met(statement):
                    return (policy, statement), allow, closest
            elif reach > closest and self.is_met(statement):
                allow, closest = (policy, statement), reach
        return None, allow, closest
