"""Caller, action, resource, context -> the policies that bear on them -> dsops.policy's decision, kept for people."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from dsops.errors import PolicyInvalid, SandboxRefusal
from dsops.policy import Decision, Policies, Policy, PolicyKind, Request, denial_sentence, evaluate, parse_policy
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import membership_keys
from dsops.sandbox.organizations.organizations import Levels
from dsops.sandbox.state.backends import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state.world import PrincipalGrants, World
from dsops.sandbox.sts.sessions import PolicyLayer, Session
from dsops.sandbox.wire.refusals import access_denied

_KEPT_DECISIONS = 1000
FULL_RIGHTS = StoredPolicy(
    "the root user's rights",
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
)
"""Nobody wrote this one."""
SESSION_POLICY = "the session policy"
_REFUSES_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "%s"}]}'
_NOTHING_ALLOWED_AS: Mapping[PolicyKind, str] = {"trust": _REFUSES_ALL % "sts:*", "resource": _REFUSES_ALL % "*"}


class AuthorizationQuestion(NamedTuple):
    """Whether the caller may do this."""

    action: str
    resource: str
    """The ARN that policies are matched against; `*` for an action without resources."""
    account: str
    """Who owns the resource."""
    context: Mapping[str, tuple[str, ...]]
    resource_policy: StoredPolicy | None = None
    shown: str = ""
    """The resource as the refusal names it, where that is not its ARN: the id as the client wrote it."""
    must_policy_allow: bool = False
    """Whether nobody may without the resource's policy, its own account included: so it is with a KMS key's."""


class Consulted(NamedTuple):
    """What bears on a request, as texts: empty or None for what there is not."""

    identity: tuple[StoredPolicy, ...] = ()
    boundary: StoredPolicy | None = None
    session: Levels = ()
    """Layers, each of which must allow."""
    resource: StoredPolicy | None = None
    service_control: Levels = ()
    resource_control: Levels = ()

    def policies(self, resource_kind: PolicyKind, *, must_resource_allow: bool) -> Policies:
        """The same, read."""
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


class Kept(NamedTuple):
    """A decision and the request that it was made for."""

    request_id: str
    at: float
    decision: Decision
    consulted: Consulted


class Judge:
    """Decides, and remembers the last decisions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.decisions: deque[Kept] = deque(maxlen=_KEPT_DECISIONS)

    def require(self, caller: Caller, question: AuthorizationQuestion, request_id: str, now: float) -> None:
        """Raises AccessDenied in AWS's words unless the caller may."""
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
        """What AWS would decide."""
        kind: PolicyKind = "trust" if question.action.startswith("sts:") else "resource"
        consulted = self._consulted(caller, question)
        context = question.context
        organizations = self._world.organizations
        if organizations.are_used:
            context = {**context, **membership_keys(organizations.membership(question.account), "Resource")}
        request = Request(caller.principal, question.action, question.resource, question.account, context)
        policies = consulted.policies(kind, must_resource_allow=question.must_policy_allow)
        decision = evaluate(request, policies)
        if is_kept_when_allowed or not decision.is_allowed:
            self.decisions.append(Kept(request_id, now, decision, consulted))
        return decision

    def decisions_of(self, request_id: str) -> list[Kept]:
        """Those of the request that is being answered, in order."""
        found: list[Kept] = []
        for kept in reversed(self.decisions):
            if kept.request_id != request_id:
                break
            found.append(kept)
        return found[::-1]

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
        """What the caller's own account lets him do."""
        if caller.role is not None:
            return self._world.grants_of_role(caller.role)
        if caller.user is not None:
            return self._world.grants_of_user(caller.user)
        if caller.principal.kind == "federated-session":
            # Federated by the root user, who has every right to share.
            return PrincipalGrants((FULL_RIGHTS,), None)
        return PrincipalGrants((), None)

    def _session_layers(self, account: str, session: Session) -> Levels:
        """What was passed when it was issued, and what GetScopedCredentials narrowed it to since."""
        if session.policy is None and not session.scopes:
            return ()
        layers = [self._session_policies(account, layer) for layer in session.scopes]
        if session.policy is not None:
            first = self._session_policies(account, session.policy)
            # The policies of AssumeRoot's tasks only deny: they take from all that a root user may.
            layers.insert(0, (FULL_RIGHTS, *first) if session.kind == "assumed-root" else first)
        elif session.kind == "federated":
            # What was issued without a policy has no permissions, and what narrows it gives it none.
            layers.insert(0, ())
        return tuple(layers)

    def _session_policies(self, account: str, layer: PolicyLayer) -> tuple[StoredPolicy, ...]:
        texts = [StoredPolicy(SESSION_POLICY, layer.inline)] if layer.inline else []
        managed = (self._world.managed_policy(account, arn) for arn in layer.managed_arns)
        # One that was deleted since allows nothing; the layer still limits.
        return (*texts, *(policy for policy in managed if policy is not None))


def denied(decision: Decision, shown: str = "") -> SandboxRefusal:
    """403 AccessDenied with AWS's sentence; `shown` stands for the resource where a service names it otherwise."""
    request = decision.request
    sentence = denial_sentence(request, decision)
    if shown and shown != request.resource:
        named = "" if shown == "*" else f" on resource: {shown}"
        sentence = sentence.replace(f" on resource: {request.resource}", named, 1)
    return access_denied(sentence)


@lru_cache(maxsize=8192)
def compiled(text: str, kind: PolicyKind, name: str) -> Policy:
    """The policy; one that can't be read allows nothing."""
    try:
        return parse_policy(text, kind, name=name)
    except PolicyInvalid:
        if kind == "rcp":
            # No document of its own kind could say that.
            return parse_policy(_REFUSES_ALL % "*", "resource", name=name)._replace(kind=kind)
        return parse_policy(_NOTHING_ALLOWED_AS.get(kind, NOTHING_ALLOWED), kind, name=name)


def _all_levels(levels: Levels, kind: PolicyKind) -> tuple[tuple[Policy, ...], ...]:
    return tuple(_all_compiled(level, kind) for level in levels)


def _all_compiled(texts: Iterable[StoredPolicy], kind: PolicyKind) -> tuple[Policy, ...]:
    return tuple(compiled(policy.text, kind, policy.name) for policy in texts)
