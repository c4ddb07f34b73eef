"""Compute the global condition keys of a request: principal, source, time, client.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html. Policies distinguish
an absent key from a key with an empty value. So keys that AWS omits are omitted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dsops.request.context import iso_time, unsigned_context
from dsops.request.messages import HttpRequest
from dsops.request.question import Context
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.state.organizations import Membership
from dsops.sandbox.state.world import World

_TYPES: Mapping[str, Literal["Account", "User", "FederatedUser", "AssumedRole"]] = {
    "root": "Account",
    "user": "User",
    "federated-session": "FederatedUser",
    "role-session": "AssumedRole",
}


def request_context(world: World, caller: Caller, request: HttpRequest, now: float) -> Context:
    """Return the condition keys that do not depend on the operation. `now` is the sandbox's time."""
    principal = caller.principal
    context = unsigned_context(caller.region, request, now)
    own_address = source_ip(world, caller)
    if own_address:
        context["aws:SourceIp"] = (own_address,)
    context["aws:PrincipalArn"] = (_principal_arn(caller),)
    context["aws:PrincipalAccount"] = (caller.account,)
    context["aws:PrincipalType"] = (_TYPES[principal.kind],)
    context["aws:userid"] = (caller.user_id,)
    context["aws:PrincipalIsAWSService"] = ("false",)
    if principal.kind == "user" and caller.user is not None:
        context["aws:username"] = (caller.user.name,)
    for key, value in caller.tags.items():
        context[f"aws:PrincipalTag/{key}"] = (value,)
    if world.organizations.are_used:
        context |= membership_keys(world.organizations.membership(caller.account), "Principal")
    _add_session(context, caller, now)
    return context


def source_ip(world: World, caller: Caller) -> str:
    """Return the source address that the seed or the session sets for the caller; "" for the actual address."""
    own = world.source_ips.get(caller.unique_id, "")
    return own or ("" if caller.session is None else caller.session.source_ip)


def membership_keys(membership: Membership | None, whose: Literal["Principal", "Resource", "Source"]) -> Context:
    """Return the keys `aws:PrincipalOrgID` and `aws:PrincipalOrgPaths`; {} outside an organization.

    With another value of `whose`, such as `Resource`, the keys are `aws:ResourceOrgID` and `aws:ResourceOrgPaths`.
    """
    if membership is None:
        return {}
    return {f"aws:{whose}OrgID": (membership.organization_id,), f"aws:{whose}OrgPaths": (membership.path,)}


def _principal_arn(caller: Caller) -> str:
    """Return the principal's ARN. For a role session, this is the role's ARN with its path (measured on AWS)."""
    principal = caller.principal
    return principal.issuer_arn if principal.kind == "role-session" else principal.arn


def _add_session(context: Context, caller: Caller, now: float) -> None:
    """Add the condition keys of the session.

    MultiFactorAuthPresent is "false" for sessions without MFA, and absent for long-term keys.
    """
    session = caller.session
    if session is None:
        return
    context["aws:TokenIssueTime"] = (iso_time(session.issued_at),)
    if session.kind == "assumed-root":
        context["aws:AssumedRoot"] = ("true",)
    context["aws:MultiFactorAuthPresent"] = ("false" if session.mfa_at is None else "true",)
    if session.mfa_at is not None:
        context["aws:MultiFactorAuthAge"] = (str(max(0, int(now - session.mfa_at))),)
    if session.source_identity:
        context["aws:SourceIdentity"] = (session.source_identity,)
    context.update(session.federation)
