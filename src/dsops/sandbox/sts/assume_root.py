"""AssumeRoot: a session of up to 15 minutes as the root user of a member account, for one task.

IAM User Guide, "Perform a privileged task on an AWS Organizations member account"; STS API Reference, AssumeRoot.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import is_account_id, parse_arn
from dsops.request.question import AuthorizationQuestion
from dsops.request.wire.errors import validation
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.context import source_ip
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.organizations import IAM, Organizations, RootFeature
from dsops.sandbox.state.sessions import PolicyLayer, Session
from dsops.sandbox.sts.issuing import Issuing, credentials, refuse_global_endpoint, token_size

_LONGEST = 900
_TASKS: Mapping[str, RootFeature] = {
    "IAMAuditRootUserCredentials": "RootCredentialsManagement",
    "IAMCreateRootUserPassword": "RootCredentialsManagement",
    "IAMDeleteRootUserCredentials": "RootCredentialsManagement",
    "S3UnlockBucketPolicy": "RootSessions",
    "SQSUnlockQueuePolicy": "RootSessions",
}
"""Name of a task policy -> the feature of centralized root access that must be enabled for this task."""


def assume_root(issuing: Issuing, turn: AuthenticatedRequest) -> dict[str, Value]:
    """Issue a session of the member account's root user, limited by the task policy. Raises SandboxRefusal."""
    refuse_global_endpoint(turn)
    caller, organizations = turn.caller, issuing.world.organizations
    member = _member(turn)
    resource = f"arn:{caller.partition}:iam::{member}:root"
    policy_arn, feature = _task(turn)
    session = caller.session
    if caller.principal.kind == "root" or (session is not None and session.kind != "role"):
        issuing.refuse(turn, "sts:AssumeRoot", resource)
    context = {**turn.context, "sts:TaskPolicyArn": (policy_arn,), "aws:ResourceAccount": (member,)}
    # No policy of the member's root user could allow this, so only the caller's own account decides.
    issuing.require(turn, AuthorizationQuestion("sts:AssumeRoot", resource, caller.account, context))
    if not _may_manage(organizations, caller.account, member, feature):
        issuing.refuse(turn, "sts:AssumeRoot", resource)
    source_identity = "" if session is None else session.source_identity
    issued = issuing.issue(
        turn,
        Session(
            "assumed-root",
            member,
            member,
            "",
            int(turn.now),
            int(turn.now) + turn.number("DurationSeconds", _LONGEST),
            source_identity=source_identity,
            policy=PolicyLayer("", (policy_arn,)),
            source_ip=source_ip(issuing.world, caller),
        ),
    )
    result: dict[str, Value] = {"Credentials": credentials(issued)}
    if source_identity:
        result["SourceIdentity"] = source_identity
    return result | token_size(issued)


def _member(turn: AuthenticatedRequest) -> str:
    """Return the id of the member account, which the request names by id or by its root user's ARN."""
    target = turn.text("TargetPrincipal")
    arn = parse_arn(target)
    if arn is not None and arn.service == "iam" and arn.resource == "root" and arn.partition == turn.caller.partition:
        return arn.account
    if not is_account_id(target):
        raise validation(f"{target} is not an account ID or the ARN of a root user")
    return target


def _task(turn: AuthenticatedRequest) -> tuple[str, RootFeature]:
    """Return the ARN of the requested task policy, and the feature that must be enabled for it."""
    descriptor = turn.parameters.get("TaskPolicyArn")
    arn = str(descriptor.get("arn", "")) if isinstance(descriptor, Mapping) else ""
    prefix = f"arn:{turn.caller.partition}:iam::aws:policy/root-task/"
    feature = _TASKS.get(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
    if feature is None:
        raise validation(f"{arn} is not the policy of a root task: {', '.join(prefix + name for name in _TASKS)}")
    return arn, feature


def _may_manage(organizations: Organizations, account: str, member: str, feature: RootFeature) -> bool:
    """Whether the account may manage the member's root access.

    Both accounts must be in one organization, in which the feature is enabled.
    """
    own, other = organizations.membership(account), organizations.membership(member)
    if own is None or other is None or own.organization_id != other.organization_id:
        return False
    if member == own.management_account or feature not in organizations.root_features(own.organization_id):
        return False
    return account == own.management_account or organizations.is_delegated_administrator(account, IAM)
