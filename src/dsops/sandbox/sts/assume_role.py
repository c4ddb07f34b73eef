"""AssumeRole, with its checks in AWS's order.

The order of the checks is: schema, role, MaxSessionDuration, role chaining limit. A role that denies the caller and a
role that does not exist cause the same error (measured on live AWS in July 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dsops.arn import parse_arn
from dsops.policy import lower_case
from dsops.request.context import request_tags, tag_keys
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.stored_policies import StoredPolicy
from dsops.request.wire.errors import access_denied, validation
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.authorizer import NO_ROLE
from dsops.sandbox.authorization.caller import overlay
from dsops.sandbox.authorization.context import source_ip
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import Issued, PolicyLayer, Session
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.issuing import HOUR, Issuing, credentials, token_share, token_size
from dsops.sandbox.sts.mfa import check_mfa
from dsops.sandbox.sts.provided_contexts import ProvidedContexts, read_contexts
from dsops.sandbox.sts.sealed_tokens import Seal
from dsops.sandbox.sts.session_policy import PassedTags, packed_size, read_policies, read_tags


class AssumeRole:
    """The AssumeRole operation of one sandbox."""

    def __init__(self, issuing: Issuing, seal: Seal) -> None:
        self._issuing = issuing
        self._seal = seal

    def perform(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        """Assume the role and return the response. Raises SandboxRefusal if AWS would refuse the request."""
        caller, world = turn.caller, self._issuing.world
        role_arn = turn.text("RoleArn")
        if caller.principal.kind == "root":
            raise access_denied("Roles may not be assumed by root accounts.")
        if caller.principal.kind == "federated-session":
            self._issuing.refuse(turn, "sts:AssumeRole", role_arn)
        tags = read_tags(turn)
        source_identity = _source_identity(turn)
        contexts = read_contexts(turn, self._seal)
        role = world.role_at(role_arn)
        layer = read_policies(turn, world, caller.account if role is None else role.account)
        mfa_at = check_mfa(world, turn)
        role = self._authorize(turn, role, tags, source_identity, mfa_at, contexts)
        duration = session_duration(turn, role)
        session = role_session(
            turn,
            role,
            duration,
            tags,
            source_identity=source_identity,
            policy=layer,
            source_ip=source_ip(world, caller),
            federation=tuple((key, (value,)) for key, value in contexts.keys),
        )
        return issue_role_session(self._issuing, turn, role, session)

    def _authorize(
        self,
        turn: AuthenticatedRequest,
        role: Role | None,
        tags: PassedTags,
        source_identity: str,
        mfa_at: float | None,
        contexts: ProvidedContexts,
    ) -> Role:
        """Return the role if the caller may assume it. All required actions are checked with the same context."""
        role_arn = turn.text("RoleArn")
        trust = NO_ROLE if role is None else StoredPolicy(f"the trust policy of role {role.name}", role.trust)
        owner = parse_arn(role_arn)
        account = turn.caller.account if owner is None else owner.account
        context = assume_context(turn, role, tags, source_identity, mfa_at) | contexts.condition_keys()
        actions = ["sts:AssumeRole"]
        if source_identity and role is not None:
            # AWS reports a source identity that the trust policy does not allow as a denial of this action (measured).
            actions.insert(0, "sts:SetSourceIdentity")
        if tags.all:
            actions.append("sts:TagSession")
        if contexts.providers:
            actions.append("sts:SetContext")
        for action in actions:
            self._issuing.require(turn, AuthorizationQuestion(action, role_arn, account, context, trust))
        if role is None:
            self._issuing.refuse(turn, "sts:AssumeRole", role_arn)
        return role


def issue_role_session(issuing: Issuing, turn: AuthenticatedRequest, role: Role, session: Session) -> dict[str, Value]:
    """Issue the role session and return the response.

    The response contains the percentage of the token size that policies and tags use. Raises PackedPolicyTooLarge if
    they do not fit into the token.
    """
    is_sized = packed_size(session.policy, session.tags) is not None
    issued = issuing.issue(turn, session)
    result = role_answer(issuing.world, role, session, issued)
    if is_sized:
        result["PackedPolicySize"] = token_share(issued)
    if session.source_identity:
        result["SourceIdentity"] = session.source_identity
    return result | token_size(issued)


def role_session(
    turn: AuthenticatedRequest,
    role: Role,
    duration: int,
    tags: PassedTags,
    *,
    source_identity: str = "",
    policy: PolicyLayer | None = None,
    source_ip: str = "",
    federation: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Session:
    """Return a new session of the role with the requested session name."""
    issued_at, expires_at = _moments(int(turn.now), duration)
    own = (role.account, role.unique_id, turn.text("RoleSessionName"), issued_at, expires_at, None)
    return Session("role", *own, tags.all, tags.transitive_keys, source_identity, policy, source_ip, federation)


@lru_cache(maxsize=64)
def _moments(now: int, duration: int) -> tuple[int, int]:
    """Return the times at which a session begins and ends.

    The sessions of one second share the cached numbers, which would take 64 of the 440 bytes of each session.
    """
    return now, now + duration


def role_answer(world: World, role: Role, session: Session, issued: Issued) -> dict[str, Value]:
    """Return the response elements `AssumedRoleUser` and `Credentials`."""
    arn = f"arn:{world.partitions[role.account]}:sts::{role.account}:assumed-role/{role.name}/{session.name}"
    return {
        "AssumedRoleUser": {"AssumedRoleId": f"{role.unique_id}:{session.name}", "Arn": arn},
        "Credentials": credentials(issued),
    }


def check_role_arn(fields: Mapping[str, str]) -> None:
    """Raise ValidationError for a malformed RoleArn of valid length.

    AWS checks this before it validates the request against the schema (recorded).
    """
    arn = fields.get("RoleArn", "")
    if 20 <= len(arn) <= 2048 and parse_arn(arn) is None:
        raise validation(f"{arn} is invalid")


def _source_identity(turn: AuthenticatedRequest) -> str:
    """Return the source identity in the request, or else the inherited one.

    The source identity can't be changed in a role chain.
    """
    passed = turn.text("SourceIdentity")
    session = turn.caller.session
    inherited = "" if session is None else session.source_identity
    if passed and inherited and passed != inherited:
        raise validation("The source identity is already set for this assume role session")
    return passed or inherited


def session_duration(turn: AuthenticatedRequest, role: Role) -> int:
    """Return the requested duration in seconds. Raises ValidationError if it exceeds the role's or AWS's limit."""
    duration = turn.number("DurationSeconds", HOUR)
    if duration > role.max_session_duration:
        raise validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if turn.caller.session is not None and duration > HOUR:
        raise validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return duration


def assume_context(
    turn: AuthenticatedRequest, role: Role | None, tags: PassedTags, source_identity: str, mfa_at: float | None
) -> Context:
    """Return the condition keys for evaluating the trust policy, without the keys of the calling principal."""
    context = dict(turn.context)
    context["sts:RoleSessionName"] = (turn.text("RoleSessionName"),)
    for key, value in (("sts:ExternalId", turn.text("ExternalId")), ("sts:SourceIdentity", source_identity)):
        if value:
            context[key] = (value,)
    if mfa_at is not None:
        # The MFA code counts for this call only. The issued session has no MFA.
        context["aws:MultiFactorAuthPresent"] = ("true",)
        context["aws:MultiFactorAuthAge"] = ("0",)
    if tags.passed:
        passed_keys = {lower_case(key) for key, _ in tags.passed}
        transitive = tuple(key for key in tags.transitive_keys if lower_case(key) in passed_keys)
        if transitive:
            context["sts:TransitiveTagKeys"] = transitive
        context |= request_tags(tags.passed)
    if role is not None:
        # While the trust policy is evaluated, inherited transitive tags override the role's own tags.
        own = overlay(dict(role.tags), dict(tags.inherited))
        context |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), own.items())
        context["aws:ResourceAccount"] = (role.account,)
    return context
