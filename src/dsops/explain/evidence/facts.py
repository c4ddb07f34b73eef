"""Describes unread policies and condition keys as missing facts.

A fact says who can look it up, and which command shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, assert_never

from dsops.arn import parse_arn
from dsops.explain.evidence.keys import UNKNOWN_KEY, describe_command
from dsops.explain.finding import Fact
from dsops.explain.questions.refused_call import RefusedCall, owner_text
from dsops.policy import Unread, is_kms_key

_POLICY_TYPES_OF_ORGANIZATIONS: Final = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}
_TRAIL: Final = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue="


def facts_of(unread: Sequence[Unread], about: RefusedCall) -> Iterator[Fact]:
    """Yield one fact for each policy or condition key that could not be read."""
    seen = set()
    for unread_part in unread:
        fact = _fact(unread_part, about)
        if fact.what not in seen:
            seen.add(fact.what)
            yield fact


def _fact(unread: Unread, about: RefusedCall) -> Fact:
    request = about.request
    place = unread.place
    is_callers = place in ("identity", "boundary", "scp") or (place == "context" and bool(request.principal.account))
    who = f"an administrator of account {request.principal.account if is_callers else request.resource_account}"
    if place in _POLICY_TYPES_OF_ORGANIZATIONS:
        who = "the organization's management account"
    elif place == "session":
        who = "the issuer of the session"
    looked_up, command = _looked_up(unread, about)
    # The rest of the reason is a hint for `policy simulate`, so it is cut off.
    return Fact(looked_up, re.split("[;:] give ", unread.why)[0], who, command)


def _looked_up(unread: Unread, about: RefusedCall) -> tuple[str, str]:
    """Return a description of the fact, and the command that shows it."""
    request, caller, resource = about.request, about.caller, about.request.resource
    kind, name = "user" if ":user/" in caller else "role", _name(caller)
    match unread.place:
        case "scp" | "rcp":
            looked_up, command = _of_organization(unread.place, about)
        case "context":
            keys = ", ".join(key.rstrip("/") for key in unread.keys[:3])
            looked_up, command = f"the call's {keys}", f"{_TRAIL}{request.action.partition(':')[2]}"
        case "trust":
            role = _name(resource)
            command = f"aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument > {role}.json"
            looked_up = f"the trust policy of {resource}"
        case "identity":
            looked_up, command = f"the policies of {owner_text(caller)}", _listing(kind, name)
        case "boundary":
            query = f"{kind.capitalize()}.PermissionsBoundary"
            command = f"aws iam get-{kind} --{kind}-name {name} --query {query}"
            looked_up = f"the permissions boundary of {owner_text(caller)}"
        case "session":
            looked_up, command = f"whether {request.principal.arn} has a session policy", ""
        case "resource":
            looked_up, command = _of_resource(about)
        case _:
            assert_never(unread.place)
    return looked_up, command


def _of_organization(place: Literal["scp", "rcp"], about: RefusedCall) -> tuple[str, str]:
    """Return a description of an organization's control policies, and the command that lists them.

    These are the SCPs above the caller's account, or the RCPs above the resource's account.
    """
    request = about.request
    account = request.principal.account if place == "scp" else request.resource_account
    kind = _POLICY_TYPES_OF_ORGANIZATIONS[place]
    words = "service" if place == "scp" else "resource"
    looked_up = f"the {words} control policies above account {account}"
    return looked_up, f"aws organizations list-policies-for-target --target-id {account} --filter {kind}"


def _listing(kind: str, name: str) -> str:
    whose = f"--{kind}-name {name}"
    return f"aws iam list-attached-{kind}-policies {whose}; aws iam list-{kind}-policies {whose}"


def _of_resource(about: RefusedCall) -> tuple[str, str]:
    """Return a description of a resource's policy, and the command that shows it.

    If the resource's KMS key is unknown, both are about the key.
    """
    resource = about.request.resource
    secret = next(iter(about.request.context.get("kms:EncryptionContext:SecretARN", ())), "")
    if resource.endswith(UNKNOWN_KEY):
        return f"the KMS key of {secret}, and its policy", describe_command(secret)
    return f"the policy of {resource}", _resource_command(resource)


def _resource_command(resource: str) -> str:
    arn = parse_arn(resource)
    if arn is not None and is_kms_key(resource):
        return f"aws kms get-key-policy --key-id {resource} --region {arn.region} --query Policy --output text"
    if arn is None or arn.service != "secretsmanager":
        return ""
    return f"aws secretsmanager get-resource-policy --secret-id {resource} --region {arn.region}"


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
