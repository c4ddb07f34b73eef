"""The condition keys that every request has: who, from where, when, with what.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html. An absent key means something
else than an empty one, so keys that AWS leaves out are left out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from dsops.sandbox.caller import Caller
from dsops.sandbox.clock import iso_time
from dsops.sandbox.organizations import Membership
from dsops.sandbox.world import World

Context = dict[str, tuple[str, ...]]

_TYPES: Mapping[str, Literal["Account", "User", "FederatedUser", "AssumedRole"]] = {
    "root": "Account",
    "user": "User",
    "federated-session": "FederatedUser",
    "role-session": "AssumedRole",
}


def request_context(world: World, caller: Caller, peer: str, user_agent: str, now: float) -> Context:
    """The keys that don't depend on the operation; `now` is the sandbox's time."""
    principal = caller.principal
    context = unsigned_context(caller.region, source_ip(world, caller) or peer, user_agent, now)
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


def unsigned_context(region: str, peer: str, user_agent: str, now: float) -> Context:
    """The keys that a request has whoever sends it."""
    context: Context = {
        "aws:SourceIp": (peer,),
        "aws:CurrentTime": (iso_time(now),),
        "aws:EpochTime": (str(int(now)),),
        # The sandbox stands in for an https endpoint; that it is reached without TLS on loopback is not the client's.
        "aws:SecureTransport": ("true",),
        "aws:RequestedRegion": (region,),
        "aws:ViaAWSService": ("false",),
    }
    if user_agent:
        context["aws:UserAgent"] = (user_agent,)
    return context


def source_ip(world: World, caller: Caller) -> str:
    """The address that the seed gives this principal, or that its session was issued to; "" for the real one."""
    own = world.source_ips.get(caller.unique_id, "")
    return own or ("" if caller.session is None else caller.session.source_ip)


def membership_keys(membership: Membership | None, whose: Literal["Principal", "Resource"]) -> Context:
    """`aws:PrincipalOrgID` and `aws:PrincipalOrgPaths`, or the resource's; none outside of an organization."""
    if membership is None:
        return {}
    return {f"aws:{whose}OrgID": (membership.organization_id,), f"aws:{whose}OrgPaths": (membership.path,)}


def tag_keys(prefixes: Iterable[str], tags: Iterable[tuple[str, str]]) -> Context:
    """`PREFIX/KEY` for each tag and prefix."""
    return {f"{prefix}/{key}": (value,) for key, value in tags for prefix in prefixes}


def request_tags(tags: Iterable[tuple[str, str]]) -> Context:
    """`aws:RequestTag/KEY` and `aws:TagKeys` of the tags passed with a request; nothing when there are none."""
    passed = tuple(tags)
    if not passed:
        return {}
    return {"aws:TagKeys": tuple(key for key, _ in passed), **tag_keys(("aws:RequestTag",), passed)}


def _principal_arn(caller: Caller) -> str:
    """For a role session the role's ARN, path included, never the session's (measured)."""
    principal = caller.principal
    return principal.issuer_arn if principal.kind == "role-session" else principal.arn


def _add_session(context: Context, caller: Caller, now: float) -> None:
    """MultiFactorAuthPresent is there, "false", for sessions without MFA, and absent for long-term keys."""
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
