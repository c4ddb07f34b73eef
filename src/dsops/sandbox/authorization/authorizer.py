"""Evaluate the policies that apply to a request, and keep the latest decisions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from dsops.policy import Decision, Policies, Policy, PolicyKind, Request, evaluate
from dsops.request.question import AuthorizationQuestion
from dsops.request.stored_policies import StoredPolicy, compiled
from dsops.request.wire.errors import denied
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import membership_keys
from dsops.sandbox.state.organizations import Levels
from dsops.sandbox.state.sessions import PolicyLayer, Session
from dsops.sandbox.state.world import PrincipalGrants, World

_KEPT_DECISIONS = 1000
FULL_RIGHTS = StoredPolicy(
    "the root user's rights",
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
)
"""A placeholder policy that stands for the root user's permissions."""
NO_ROLE = StoredPolicy(
    "no role has this ARN",
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "no-service.invalid"}, '
    '"Action": "sts:AssumeRole"}}',
)
"""A placeholder trust policy that is used if no role has the requested ARN. It allows no caller."""
SESSION_POLICY = "the session policy"


class Consulted(NamedTuple):
    """The stored policies that apply to a request. A field is empty or None for a kind that does not apply."""

    identity: tuple[StoredPolicy, ...] = ()
    boundary: StoredPolicy | None = None
    session: Levels = ()
    """Layers of session policies. Every layer must allow the request."""
    resource: StoredPolicy | None = None
    service_control: Levels = ()
    resource_control: Levels = ()

    def policies(self, resource_kind: PolicyKind, *, must_resource_allow: bool) -> Policies:
        """Return the policies in parsed form."""
        boundary, resource = self.boundary, self.resource
        return Policies(
            _all_compiled(self.identity, "identity"),
            None if boundary is None else compiled(boundary.text, "boundary", boundary.name),
            _all_levels(self.session, "session"),
            None if resource is None else compiled(resource.text, resource_kind, resource.name),
            _all_levels(self.service_control, "scp"),
            _all_levels(self.resource_control, "rcp"),
            must_resource_allow,
        )


class RecordedDecision(NamedTuple):
    """An authorization decision with its request id, time and policies."""

    request_id: str
    at: float
    decision: Decision
    consulted: Consulted


class Authorizer:
    """Makes authorization decisions and keeps the latest of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.decisions: deque[RecordedDecision] = deque(maxlen=_KEPT_DECISIONS)
        self.made = 0
        """How many decisions were made and kept since the start, of which `decisions` has the latest."""

    def require(self, caller: Caller, question: AuthorizationQuestion, request_id: str, now: float) -> None:
        """Raise AccessDenied with AWS's message unless the caller is allowed to perform the action."""
        decision = self.decide(caller, question, request_id, now)
        if not decision.is_allowed:
            raise denied(decision, question.shown)

    def decide(
        self,
        caller: Caller,
        question: AuthorizationQuestion,
        request_id: str,
        now: float,
        *,
        is_kept_when_allowed: bool = True,
    ) -> Decision:
        """Return the decision that AWS would make on an authorization check, and keep it."""
        decision, consulted = self.weigh(caller, question)
        if is_kept_when_allowed or not decision.is_allowed:
            self.decisions.append(RecordedDecision(request_id, now, decision, consulted))
            self.made += 1
        return decision

    def weigh(self, caller: Caller, question: AuthorizationQuestion) -> tuple[Decision, Consulted]:
        """Return the decision that AWS would make, and the policies that apply, without keeping them."""
        kind: PolicyKind = "trust" if question.action.startswith("sts:") else "resource"
        consulted = self._consulted(caller, question)
        context = question.context
        organizations = self._world.organizations
        if organizations.are_used:
            context = {**context, **membership_keys(organizations.membership(question.account), "Resource")}
        request = Request(caller.principal, question.action, question.resource, question.account, context)
        return evaluate(request, consulted.policies(kind, must_resource_allow=question.must_policy_allow)), consulted

    def decisions_of(self, request_id: str) -> list[RecordedDecision]:
        """Return the decisions made so far for the current request, in order."""
        decisions: list[RecordedDecision] = []
        for entry in reversed(self.decisions):
            if entry.request_id != request_id:
                break
            decisions.append(entry)
        return decisions[::-1]

    def _consulted(self, caller: Caller, question: AuthorizationQuestion) -> Consulted:
        grants = self._grants(caller)
        consulted = Consulted(
            grants.identity,
            grants.boundary,
            () if caller.session is None else self._session_layers(caller.account, caller.session),
            question.resource_policy,
        )
        organizations = self._world.organizations
        if not organizations.are_used:
            return consulted
        return consulted._replace(
            service_control=organizations.service_control(caller.account),
            resource_control=organizations.resource_control(question.account, question.action),
        )

    def _grants(self, caller: Caller) -> PrincipalGrants:
        """Return the caller's identity policies and permissions boundary."""
        if caller.role is not None:
            return self._world.grants_of_role(caller.role)
        if caller.user is not None:
            return self._world.grants_of_user(caller.user)
        if caller.principal.kind == "federated-session":
            # The root user, who has all permissions, issued the session.
            return PrincipalGrants((FULL_RIGHTS,), None)
        return PrincipalGrants((), None)

    def _session_layers(self, account: str, session: Session) -> Levels:
        """Return the session policies in layers. Each scope that GetScopedCredentials added is a layer of its own."""
        if session.policy is None and not session.scopes:
            return ()
        layers = [self._session_policies(account, layer) for layer in session.scopes]
        if session.policy is not None:
            first = self._session_policies(account, session.policy)
            # The task policies of AssumeRoot contain only denials: they limit the root user's full permissions.
            layers.insert(0, (FULL_RIGHTS, *first) if session.kind == "assumed-root" else first)
        elif session.kind == "federated":
            # A federated session without a session policy has no permissions, and scopes can't add any.
            layers.insert(0, ())
        return tuple(layers)

    def _session_policies(self, account: str, layer: PolicyLayer) -> tuple[StoredPolicy, ...]:
        texts = [StoredPolicy(SESSION_POLICY, layer.inline)] if layer.inline else []
        managed_policies = (self._world.managed_policy(account, arn) for arn in layer.managed_arns)
        # A policy that was deleted after the session was issued allows nothing, but its layer still applies.
        return (*texts, *(policy for policy in managed_policies if policy is not None))


def _all_levels(levels: Levels, kind: PolicyKind) -> tuple[tuple[Policy, ...], ...]:
    return tuple([_all_compiled(level, kind) for level in levels]) if levels else ()


def _all_compiled(texts: Iterable[StoredPolicy], kind: PolicyKind) -> tuple[Policy, ...]:
    return tuple([compiled(policy.text, kind, policy.name) for policy in texts])
