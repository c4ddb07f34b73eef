"""Recorded calls -> the permissions that they need: actions, resources, and the conditions that narrow usefully.

A condition is used if its key has the same value in each run and excludes other calls: the service through which a key
is used, the service to which a role is passed, the listed prefix. Keys for times, addresses, clients and tags are not
used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from dsops.arn import parse_arn
from dsops.policy import Policies, Principal, Request, evaluate, lower_case
from dsops.recording.call import RecordedCall
from dsops.service_reference import ActionUse

_OPERATORS = {
    "ec2:createaction": ("StringEquals", "ec2:CreateAction"),
    "iam:awsservicename": ("StringEquals", "iam:AWSServiceName"),
    "iam:passedtoservice": ("StringEquals", "iam:PassedToService"),
    "iam:permissionsboundary": ("ArnEquals", "iam:PermissionsBoundary"),
    "iam:policyarn": ("ArnEquals", "iam:PolicyARN"),
    "kms:grantisforawsresource": ("Bool", "kms:GrantIsForAWSResource"),
    "kms:viaservice": ("StringEquals", "kms:ViaService"),
    "lambda:principal": ("StringEquals", "lambda:Principal"),
    "s3:prefix": ("StringEquals", "s3:prefix"),
    "sns:protocol": ("StringEquals", "sns:Protocol"),
}
"""Condition key in lower case -> the operator and the key's name in a policy."""

REGION_KEY = "aws:RequestedRegion"

_GLOBAL = frozenset(
    """
    account billing budgets ce cloudfront globalaccelerator health iam organizations route53 route53domains sts support
    """.split()
)
"""Services with one endpoint for all regions. A condition on their region would not narrow anything."""


class KeyCondition(NamedTuple):
    """A condition on one key of a request. The values are literal, not yet escaped for a policy."""

    operator: str
    key: str
    values: tuple[str, ...]


class NeededPermission(NamedTuple):
    """An action on one resource under conditions. The resource is literal, not yet escaped for a policy."""

    action: str
    resource: str
    conditions: tuple[KeyCondition, ...] = ()

    @property
    def service(self) -> str:
        """The prefix of the action."""
        return self.action.partition(":")[0]


class ActionUses(Protocol):
    """AWS's facts about actions, as `ServiceReference` has them."""

    def use_of(self, prefix: str, action: str) -> ActionUse | None:
        """Return the resources and condition keys of an action, which is given in lower case."""


class Permissions(NamedTuple):
    """Permissions without repetition, and notes about calls for which a policy is wider than the calls."""

    needed: tuple[NeededPermission, ...]
    notes: tuple[str, ...]


def permissions_of(calls: Iterable[RecordedCall], uses: ActionUses | None) -> Permissions:
    """Return the permissions for calls. Actions that every caller may use, such as GetCallerIdentity, need none."""
    needed: dict[NeededPermission, None] = {}
    notes: dict[str, None] = {}
    for call in calls:
        if not _needs_permission(call):
            continue
        service, _, name = lower_case(call.action).partition(":")
        use = uses.use_of(service, name) if uses is not None else None
        action = f"{service}:{use.name}" if use is not None else call.action
        resource = call.resource
        if use is not None and not use.kinds:
            resource = "*"
        elif resource == "*" and use is not None:
            notes[f"{action} is allowed on every resource, because the recorded request named none"] = None
        elif uses is not None and use is None:
            notes[f"{action} is not in AWS's service reference: check that the action exists"] = None
        needed[NeededPermission(action, resource, tuple(_conditions(call, resource, use)))] = None
    return Permissions(tuple(needed), tuple(notes))


def account_of(call: RecordedCall) -> str:
    """Return the account of the caller, else of the resource; "" if both are unknown."""
    arns = [arn for text in (call.caller, call.resource) if (arn := parse_arn(text)) is not None]
    return next((arn.account for arn in arns if arn.account), "")


def _needs_permission(call: RecordedCall) -> bool:
    account = "000000000000"
    caller = Principal("role-session", account, f"arn:aws:sts::{account}:assumed-role/any/any")
    request = Request(caller, call.action, call.resource, account, {})
    return not evaluate(request, Policies()).is_allowed


def _conditions(call: RecordedCall, resource: str, use: ActionUse | None) -> list[KeyCondition]:
    known = {lower_case(key) for key in use.keys} if use is not None else None
    conditions = []
    for key, values in call.context.items():
        lower = lower_case(key)
        is_usable = lower in _OPERATORS and (known is None or lower in known) and len(values) == 1
        if is_usable and (lower != "kms:grantisforawsresource" or values == ("true",)):
            conditions.append(KeyCondition(*_OPERATORS[lower], values))
        elif lower == lower_case(REGION_KEY) and resource == "*" and call.service not in _GLOBAL and len(values) == 1:
            conditions.append(KeyCondition("StringEquals", REGION_KEY, values))
    return sorted(conditions)
