"""Find the role to revoke and the cutoff time, and attach the policy to the role."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from dsops.arn import Arn, is_session_of, parse_arn, partition_named
from dsops.aws.apis.iam import Iam, get_role_policy, put_role_policy
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import Client
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
        raise UsageError(
            f"`{arn}` is not the ARN of a role", hint="write an ARN such as arn:aws:iam::ACCOUNT:role/NAME"
        )
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
            f"the role of store `{name}` belongs to a permission set and can't be changed in IAM",
            why="IAM Identity Center manages the role",
            hint="put the statement that `dsops revoke arn:aws:iam::ACCOUNT:role/ANY` prints into the permission set, "
            "or remove the assignment",
            where=step.where,
        )
    return RevocationRefused(
        f"store `{name}` assumes no role",
        why="the store uses a user's own key, a session of a user, or the credentials of a profile",
        hint="name a role: `dsops revoke arn:aws:iam::ACCOUNT:role/NAME`; to revoke a user's "
        "sessions, attach the policy that this command prints to the user",
        where=step.where,
    )


async def time_of_aws(client: Client, endpoint: Endpoint) -> datetime | None:
    """Return AWS's current time, from the date of a response; None if the endpoint does not respond within 5 s."""
    return await time_at(client._replace(connect_timeout_ms=5_000), endpoint)


def cutoff(
    requested: datetime | None, aws_time: datetime | None, endpoint: Endpoint, runtime: Runtime, *, applies: bool
) -> datetime:
    """Return the time before which sessions are denied: the requested time, or else AWS's current time.

    Raises UsageError for a time in the future. Raises ServiceError if AWS's time is needed but unknown: with
    `applies`, and without a requested time.
    """
    if aws_time is None and applies and requested is None:
        raise ServiceError(
            f"could not read the time of {endpoint.short}",
            why="this machine's clock may be slow, and then the newest sessions would stay valid",
            hint="try again, or set the time with `--before`",
        )
    # AWS records times in seconds. One second is added so that sessions of the current second are denied as well.
    now = (aws_time or runtime.now().replace(microsecond=0)) + timedelta(seconds=1)
    if requested is not None and requested > now:
        raise UsageError(
            f"`--before {time_text(requested)}` is in the future: the time of AWS is {time_text(now)}",
            why="new sessions would be denied, too, until that time",
            hint="leave out `--before`; to lock a role, change its trust policy",
        )
    return requested or now


async def check_caller(role: Arn, before: datetime, caller: PolicyCaller, client: Client, *, is_named: bool) -> str:
    """Return the caller's ARN if the caller's own session is one of the role's sessions, otherwise "".

    In that case the policy could also deny the caller's session. `is_named` says whether the user set `before`. Raises
    UsageError if the caller is in another account, or if `before` is earlier than the time in the present policy.
    """
    identity = await get_caller_identity(client, caller.credentials, caller.sts)
    if identity.account != role.account:
        # PutRolePolicy takes a role name, not an ARN. So it would change a role with that name in the caller's account.
        raise UsageError(
            f"{caller.shown} can't revoke sessions of {role}",
            why=f"its account is {identity.account}, and IAM changes only roles of the caller's own account",
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
            f"could not read the policy {POLICY_NAME} of {role}",
            why="if `--before` is earlier than the time in that policy, revoked sessions would become valid again",
            hint="leave out `--before`, or allow iam:GetRolePolicy",
        )
    if not present:
        return
    earlier = revoked_before(present)
    if earlier is None:
        raise RevocationRefused(
            f"the policy {POLICY_NAME} of {role} was not written by dsops or the console",
            why="the policy would be replaced, with all its other statements",
            hint="give that policy another name, then try again",
        )
    if earlier > before:
        raise UsageError(
            f"sessions of {role} issued before {time_text(earlier)} are revoked already",
            why=f"{time_text(before)} is earlier: sessions issued between the two times would become valid again",
            hint="nothing is left to do; a later `--before` revokes more sessions",
        )
