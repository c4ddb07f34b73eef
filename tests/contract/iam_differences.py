"""For each difference from iam-simulate, the smallest world that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.iam_alphabet import FEDERATED, ROOT, SESSION, USER, WORKFLOW, Json
from tests.contract.iam_generated import World
from tests.contract.iam_readings import ALLOW_ALL
from tests.unit.policy.policies import ACCOUNT, OTHER, allow, deny

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "arn:aws:s3:::bucket/logs/a.txt"
ROLE = "arn:aws:iam::{}:role/Target"


def document(*statements: Json, version: str = "2012-10-17") -> Json:
    """A policy document."""
    return {"Version": version, "Statement": list(statements)}


def reading(*statements: Json, version: str = "2012-10-17", context: Mapping[str, str] | None = None) -> World:
    """A user who reads a file, with these statements in an identity policy."""
    identity = [document(*statements, version=version)]
    values = {key: [value] for key, value in (context or {}).items()}
    return World(USER, "s3:GetObject", KEY, ACCOUNT, identity, [], [], [], [], [], [values])


def under(operator: str, key: str, value: str, **context: list[str]) -> World:
    """A user who may read a file under this one condition. In the context, `__` stands for a key's colon."""
    values = {name.replace("__", ":"): listed for name, listed in context.items()}
    return reading(allow(Condition={operator: {key: value}}))._replace(contexts=[values])


def trusting(principal: Json) -> list[Json]:
    """A role's trust policy."""
    return [document(allow("sts:*", None, Principal=principal))]


EXAMPLES: dict[str, World] = {
    "the root user": reading(allow("sqs:*"))._replace(
        caller=ROOT, resource_policy=[document(allow(Principal="*"))], account=OTHER
    ),
    "callers of an identity provider": World(
        WORKFLOW, "sts:AssumeRoleWithWebIdentity", ROLE.format(OTHER), OTHER, [], [], [], trusting("*"), [], [], [{}]
    ),
    "federated sessions without a session policy": reading(allow())._replace(caller=FEDERATED),
    "AssumeRole without a trust policy": World(
        USER, "sts:AssumeRole", ROLE.format(ACCOUNT), ACCOUNT, [ALLOW_ALL], [], [], [], [], [], [{}]
    ),
    "variables in version 2008-10-17": reading(
        allow(resource="arn:aws:s3:::bucket/logs/${aws:username}.txt"),
        version="2008-10-17",
        context={"aws:username": "a"},
    ),
    "IfExists with ForAnyValue": under("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a"),
    "keys without values": under("Null", "aws:TagKeys", "false", aws__TagKeys=[]),
    "moments in epoch seconds": under("DateEquals", "aws:CurrentTime", "2026-01-01", aws__CurrentTime=["1767225600"]),
    "the range 0.0.0.0/0": under("IpAddress", "aws:SourceIp", "0.0.0.0/0", aws__SourceIp=["192.0.2.7"]),
    "NotIpAddress and the other version": under(
        "NotIpAddress", "aws:SourceIp", "10.0.0.1", aws__SourceIp=["2001:db8::1"]
    ),
    "operators without a set operator on several values": under("StringEquals", "aws:TagKeys", "a", aws__TagKeys=["a"]),
    "variables that begin a resource": reading(
        allow(resource="arn:aws:sqs:*:*:${aws:username}-queue"), context={"aws:username": "a"}
    )._replace(action="sqs:SendMessage", resource=f"arn:aws:sqs:us-east-1:{ACCOUNT}:a-queue"),
    "empty variables": reading(
        allow(resource=None, NotResource="arn:aws:s3:::bucket/${aws:PrincipalTag/Team}"),
        context={"aws:PrincipalTag/Team": ""},
    ),
    "unset variables under a negation": under(
        "StringNotEquals", "aws:UserAgent", "${aws:username}", aws__UserAgent=["a"]
    ),
    "sets of empty text": under("ForAnyValue:StringNotEquals", "aws:TagKeys", "a", aws__TagKeys=[""]),
    "session policies and grants to a session": reading()._replace(
        caller=SESSION,
        identity=[],
        session=[document(allow("sqs:*"))],
        resource_policy=[document(allow(Principal="*"))],
    ),
    "Deny with NotPrincipal": reading(allow())._replace(
        resource_policy=[document(deny(NotPrincipal={"AWS": USER.arn}))]
    ),
}
"""The name of the reading -> a world that shows it."""
