"""Compute the global condition keys of a request: principal, source, time, client.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html. Policies distinguish
an absent key from a key with an empty value. So keys that AWS omits are omitted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl

from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.clock import iso_time
from dsops.sandbox.http.messages import HttpRequest
from dsops.sandbox.state.organizations import Membership
from dsops.sandbox.state.world import World

Context = dict[str, tuple[str, ...]]

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


def unsigned_context(region: str, request: HttpRequest, now: float) -> Context:
    """Return the condition keys that depend neither on the caller nor on the operation."""
    context: Context = {
        "aws:SourceIp": (request.peer,),
        "aws:CurrentTime": (iso_time(now),),
        "aws:EpochTime": (str(int(now)),),
        # Always true: the sandbox stands for an https endpoint, although it does not serve TLS itself.
        "aws:SecureTransport": ("true",),
        "aws:RequestedRegion": (region,),
        "aws:ViaAWSService": ("false",),
    }
    for header, key in (("user-agent", "aws:UserAgent"), ("referer", "aws:Referer")):
        if request.headers.get(header):
            context[key] = (request.headers[header],)
    return context


def s3_context(request: HttpRequest, now: float) -> Context:
    """Return the condition keys about the signature of an S3 request.

    Amazon S3 API Reference, "Amazon S3 Signature Version 4 ... policy keys".
    """
    # Always 1.3: the sandbox stands for an https endpoint, although it does not serve TLS itself.
    context: Context = {"s3:TlsVersion": ("1.3",)}
    query = dict(parse_qsl(request.query))
    if "authorization" in request.headers:
        is_v4 = request.headers["authorization"].startswith("AWS4-")
        context |= {"s3:authType": ("REST-HEADER",), "s3:signatureversion": ("AWS4-HMAC-SHA256" if is_v4 else "AWS",)}
    elif "X-Amz-Signature" in query or "Signature" in query:
        is_v4 = "X-Amz-Signature" in query
        context |= {
            "s3:authType": ("REST-QUERY-STRING",),
            "s3:signatureversion": ("AWS4-HMAC-SHA256" if is_v4 else "AWS",),
        }
    signed_at = _signed_at(request.headers.get("x-amz-date", "") or query.get("X-Amz-Date", ""))
    if signed_at is not None:
        context["s3:signatureAge"] = (str(max(0, int((now - signed_at) * 1000))),)
    return context


@lru_cache(maxsize=256)
def _signed_at(stamp: str) -> float | None:
    """Parse a time such as `20261128T120000Z` to seconds since 1970; None for other text."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


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


def tag_keys(prefixes: Iterable[str], tags: Iterable[tuple[str, str]]) -> Context:
    """Return the key `PREFIX/KEY` for each combination of a prefix and a tag."""
    return {f"{prefix}/{key}": (value,) for key, value in tags for prefix in prefixes}


def request_tags(tags: Iterable[tuple[str, str]]) -> Context:
    """Return `aws:RequestTag/KEY` and `aws:TagKeys` for the tags in a request; {} without tags."""
    passed = tuple(tags)
    if not passed:
        return {}
    return {"aws:TagKeys": tuple(key for key, _ in passed), **tag_keys(("aws:RequestTag",), passed)}


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
