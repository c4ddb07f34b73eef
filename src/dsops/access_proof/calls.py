"""The calls that carry out the requests of a rule."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from dsops.access.escalations.find import Escalation
from dsops.arn import parse_arn
from dsops.policy import lower_case

ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)
_NAME: Final = "dsops-proof"
_PASSWORD: Final = "Proof-0-of-dsops"  # noqa: S105 - of a user in a sandbox that ends with the proof
Parameters = Mapping[str, Any]


class PlannedCall(NamedTuple):
    """One call to AWS, with the parameters as boto3 takes them."""

    action: str
    parameters: Parameters
    region: str = ""
    """The region of the resource; "" for the sandbox's."""


def _named(arn: str) -> str:
    return arn.rpartition("/")[2].rpartition(":")[2]


def _code() -> bytes:
    """Return a zip file with a handler that does nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("index.py", "def handler(event, context):\n    return None\n")
    return packed.getvalue()


def _put(owner: str) -> Callable[[str, Escalation], Parameters]:
    return lambda arn, _: {f"{owner}Name": _named(arn), "PolicyName": _NAME, "PolicyDocument": EVERYTHING}


def _attach(owner: str) -> Callable[[str, Escalation], Parameters]:
    return lambda arn, _: {f"{owner}Name": _named(arn), "PolicyArn": ADMINISTRATOR}


def _trust(arn: str, escalation: Escalation) -> Parameters:
    statement = {"Effect": "Allow", "Principal": {"AWS": escalation.caller.name}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return {"RoleName": _named(arn), "PolicyDocument": document}


def new_function(arn: str, role: str) -> Parameters:
    """Return the parameters of CreateFunction."""
    return {
        "FunctionName": _named(arn),
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": role,
        "Code": {"ZipFile": _code()},
    }


_CALLS: Final[Mapping[str, Callable[[str, Escalation], Parameters]]] = {
    "iam:CreatePolicyVersion": lambda arn, _: {"PolicyArn": arn, "PolicyDocument": EVERYTHING, "SetAsDefault": True},
    "iam:AttachUserPolicy": _attach("User"),
    "iam:AttachRolePolicy": _attach("Role"),
    "iam:AttachGroupPolicy": _attach("Group"),
    "iam:PutUserPolicy": _put("User"),
    "iam:PutRolePolicy": _put("Role"),
    "iam:PutGroupPolicy": _put("Group"),
    "iam:AddUserToGroup": lambda arn, escalation: {
        "GroupName": _named(arn),
        "UserName": _named(escalation.caller.name),
    },
    "iam:UpdateAssumeRolePolicy": _trust,
    "iam:CreateAccessKey": lambda arn, _: {"UserName": _named(arn)},
    "iam:CreateLoginProfile": lambda arn, _: {"UserName": _named(arn), "Password": _PASSWORD},
    "lambda:CreateFunction": lambda arn, escalation: new_function(arn, escalation.target),
    "lambda:UpdateFunctionCode": lambda arn, _: {"FunctionName": _named(arn), "ZipFile": _code()},
    "lambda:AddPermission": lambda arn, escalation: {
        "FunctionName": _named(arn),
        "StatementId": _NAME,
        "Action": "lambda:InvokeFunction",
        "Principal": escalation.caller.principal.account,
    },
}
"""Maps actions to the parameters of their calls, in the order in which the calls are made."""

WITHOUT_CALL: Final = frozenset({"iam:PassRole", "sts:AssumeRole", "lambda:InvokeFunction"})
"""Actions without a call of their own here: PassRole is a part of other calls, AssumeRole is the end of a proof.

InvokeFunction runs code, which the sandbox does not do.
"""


def unproven_actions(escalation: Escalation) -> tuple[str, ...]:
    """Return the actions of an escalation for which there is no call."""
    actions = (request.action for request in escalation.requests)
    return tuple(action for action in dict.fromkeys(actions) if action not in _CALLS and action not in WITHOUT_CALL)


def calls_of(escalation: Escalation) -> tuple[PlannedCall, ...]:
    """Return the calls of an escalation in their order."""
    order = [*_CALLS]
    requests = [request for request in escalation.requests if request.action in _CALLS]
    requests.sort(key=lambda request: order.index(request.action))
    return tuple(
        PlannedCall(request.action, _CALLS[request.action](request.resource, escalation), region_of(request.resource))
        for request in requests
    )


def region_of(arn: str) -> str:
    """Return the region in an ARN; "" if it has none."""
    parsed = parse_arn(arn)
    return parsed.region if parsed is not None else ""


PROBES: Final = (
    PlannedCall("iam:CreateGroup", {"GroupName": _NAME}),
    PlannedCall("sqs:CreateQueue", {"QueueName": _NAME}),
    PlannedCall("sns:CreateTopic", {"Name": _NAME}),
    PlannedCall("secretsmanager:CreateSecret", {"Name": _NAME, "SecretString": "proof"}),
)
"""Calls that an administrator may make. One that is denied before the escalation has to succeed after it."""


def operation_of(action: str) -> tuple[str, str]:
    """Return the name of the service in boto3, and of the operation."""
    service, _, operation = action.partition(":")
    return lower_case(service), operation
