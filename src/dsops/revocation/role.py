"""Find the role to revoke and the cutoff time, and attach the policy to the role."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from dsops.arn import Arn, is_session_of, parse_arn, partition_named
from dsops.aws.apis.iam import Iam, get_role_policy, put_role_policy
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.client import Client
from dsops.aws.http.clock import time_at
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AccessDenied, EntityNotFound, RevocationRefused, ServiceError, UsageError
from dsops.plan import Plan, Step
from dsops.revocation.policy import POLICY_NAME, revocation_policy, revoked_before, time_text
from dsops.runtime import Runtime


class RoleToRevoke(NamedTuple):
    """The role whose sessions are revoked, and a region of its partition."""

    arn: Arn
    region: str


class PolicyCaller(NamedTuple):
    """The credentials that attach the policy, and the STS and IAM endpoints for them."""

    credentials: Credentials
    sts: Endpoint
    iam: Endpoint
    shown: str
    """The caller's name in messages: `the base credentials`, or "store `admin`"."""


def role_of_arn(arn: Arn) -> RoleToRevoke:
    """Return the role that an ARN names. Raises UsageError if the ARN does not name a role."""
    partition = partition_named(arn.partition)
    if arn.service != "iam" or arn.resource_type != "role" or partition is None:
        raise UsageError(f"`{arn}` is no role's ARN", hint="it is arn:aws:iam::ACCOUNT:role/NAME")
    return RoleToRevoke(arn, partition.global_region)


def role_of_store(plan: Plan, name: str) -> RoleToRevoke:
    """Return the role of the store's last hop. Raises RevocationRefused if there is none or it can't be changed."""
    step = plan.steps[name]
    while "role_arn" not in step.settings and step.credentials_from:
        step = plan.steps[step.credentials_from]
    arn = parse_arn(str(step.settings.get("role_arn", "")))
    if arn is None:
        raise _without_role(name, step)
    return RoleToRevoke(arn, step.region)


def _without_role(name: str, step: Step) -> RevocationRefused:
    if step.type.service == "sso":
        return RevocationRefused(
            f"the role of store `{name}` is a permission set's, and can't be changed in IAM",
            why="IAM Identity Center keeps it",
            hint="put the statement that `dsops revoke arn:aws:iam::ACCOUNT:role/ANY` prints into the permission set, "
            "or take the assignment away",
            where=step.where,
        )
    return RevocationRefused(
        f"store `{name}` assumes no role",
        why="what it works with is a user's own key, or a session of one, or another profile's",
        hint="name a role: `dsops revoke arn:aws:iam::ACCOUNT:role/NAME`; for a user's sessions, what this prints "
        "becomes a policy of the user",
        where=step.where,
    )


async def time_of_aws(client: Client, endpoint: Endpoint) -> datetime | None:
    """Return AWS's current time, from the date of a response; None if the endpoint does not respond within 5 s."""
    return await time_at(client._replace(connect_timeout_ms=5_000), endpoint)


def cutoff(
    requested: datetime | None, aws_time: datetime | None, endpoint: Endpoint, runtime: Runtime, *, applies: bool
) -> datetime:
    """Return the time before which sessions are denied: the requested time, or else AWS's current time.

    Raises UsageError for a time in the future. Raises ServiceError if no time is requested, the policy is to be
    attached and AWS's time is unknown.
    """
    if aws_time is None and applies and requested is None:
        raise ServiceError(
            f"{endpoint.short} could not be asked for the time",
            why="this machine's clock may be behind, and sessions would slip through",
            hint="try again, or name the moment with `--before`",
        )
    # AWS records times in seconds. One second is added so that sessions of the current second are denied as well.
    now = (aws_time or runtime.now().replace(microsecond=0)) + timedelta(seconds=1)
    if requested is not None and requested > now:
        raise UsageError(
            f"`--before` can't be {time_text(requested)}: for AWS it is {time_text(now)}",
            why="until then every new session would be denied as well",
            hint="leave it out; to lock a role, change its trust policy",
        )
    return requested or now


async def check_caller(role: Arn, before: datetime, caller: PolicyCaller, client: Client, *, is_named: bool) -> str:
    """Return the caller's ARN if the policy would also deny the caller's own session, else "".

    `is_named`: whether the user set `before`. Raises UsageError if the caller is in another account, or if `before`
    is earlier than the time in the present policy.
    """
    identity = await get_caller_identity(client, caller.credentials, caller.sts)
    if identity.account != role.account:
        # PutRolePolicy takes a role name, not an ARN. So it would change a role with that name in the caller's account.
        raise UsageError(
            f"{caller.shown} can't revoke sessions of {role}",
            why=f"they belong to account {identity.account}, and IAM only changes roles of the caller's own account",
            hint=f"name a store whose role is in account {role.account}: `--with STORE`",
        )
    present = await _present_policy(Iam(client, caller.credentials, caller.iam), role)
    _refuse_earlier(role, before, present, is_named=is_named)
    return identity.arn if is_session_of(identity.arn, role) else ""


async def attach(role: Arn, before: datetime, caller: PolicyCaller, client: Client) -> None:
    """Attach the policy to the role. Raises AccessDenied with a hint that names the missing permission."""
    iam = Iam(client, caller.credentials, caller.iam)
    try:
        await put_role_policy(iam, role.resource_name, POLICY_NAME, revocation_policy(before))
    except AccessDenied as error:
        error.retell(error.message, hint=f"name who may, with `--with STORE`, or allow iam:PutRolePolicy on {role}")
        raise


async def _present_policy(iam: Iam, role: Arn) -> str | None:
    """Return the role's revocation policy; "" if there is none, None if the caller may not read it."""
    try:
        return await get_role_policy(iam, role.resource_name, POLICY_NAME)
    except EntityNotFound:
        return ""
    except AccessDenied:
        return None


def _refuse_earlier(role: Arn, before: datetime, present: str | None, *, is_named: bool) -> None:
    """Raise an error if the new policy would allow sessions that the present policy denies."""
    if present is None and is_named:
        raise AccessDenied(
            f"the policy {POLICY_NAME} that {role} may have can't be read",
            why="a time that is named could be earlier than that policy's, and bring sessions back",
            hint="leave out `--before`, or allow iam:GetRolePolicy",
        )
    if not present:
        return
    earlier = revoked_before(present)
    if earlier is None:
        raise RevocationRefused(
            f"{role} has a policy {POLICY_NAME} that neither dsops nor the console wrote",
            why="it would be replaced, with what else it says",
            hint="give it another name, then try again",
        )
    if earlier > before:
        raise UsageError(
            f"sessions of {role} are denied already when they were issued before {time_text(earlier)}",
            why=f"{time_text(before)} is earlier: what lies between would work again",
            hint="nothing is left to do; a later `--before` denies more",
        )
