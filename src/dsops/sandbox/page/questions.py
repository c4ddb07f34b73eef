"""A question asked on the page: whether a principal may perform an action on a resource, with the policies as they are.

The decision is made as for a call, but without parameters: condition keys that a call would take from them are given
with the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.errors import SandboxRefusal
from dsops.policy import lower_case
from dsops.request.context import tag_keys
from dsops.request.messages import HttpRequest
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.authorization.authorizer import NO_ROLE, Authorizer, RecordedDecision
from dsops.sandbox.authorization.caller import Caller, role_caller, root_caller, session_caller, user_caller
from dsops.sandbox.authorization.context import request_context
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.state.estate import Estate
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.sessions import Session, SessionTable
from dsops.sandbox.state.world import World

_SESSION_NAME = "asked-on-the-page"
_HOUR = 3600
_PROBES = {
    "dynamodb": "DescribeTable",
    "kms": "DescribeKey",
    "s3": "GetObject",
    "secretsmanager": "DescribeSecret",
    "sns": "GetTopicAttributes",
    "sqs": "GetQueueAttributes",
}
"""Service -> an operation on a resource whose check also stands for actions that are no operation."""


class PageQuestion(NamedTuple):
    """A question as the user wrote it."""

    caller: str
    """The ARN of a user, role, live session or root user."""
    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]]
    """Condition key -> values. They replace those that a call would have; () means that the request lacks the key."""


def decide(
    world: World, judge: Authorizer, caller: Caller, asked: PageQuestion, request: HttpRequest, now: float
) -> RecordedDecision:
    """Return the decision without recording it.

    `request` is the page's HTTP request. Its source address and user agent are those of the simulated call.
    """
    service, _, name = asked.action.partition(":")
    action = f"{service.lower()}:{name}"
    question = _question(world, action, asked.resource, caller)
    context = request_context(world, caller, request, now) | {"aws:ResourceAccount": (question.account,)}
    context = _with_given({**context, **question.context}, asked.context)
    decision, consulted = judge.weigh(caller, question._replace(action=action, context=context))
    return RecordedDecision("", now, decision, consulted)


def caller_at(world: World, sessions: SessionTable, arn: str, now: float) -> Caller | None:
    """Return the caller with this ARN, a role as a new session of it; None if the sandbox has no such principal."""
    user, role, parts = world.user_at(arn), world.role_at(arn), parse_arn(arn)
    region = "us-east-1"
    if user is not None:
        return user_caller(world, user, "", region, None)
    if role is not None:
        session = Session("role", role.account, role.unique_id, _SESSION_NAME, now, now + _HOUR)
        return role_caller(world, role, session, "", region)
    if parts is None or world.partitions.get(parts.account) != parts.partition:
        return None
    if (parts.service, parts.resource) == ("iam", "root"):
        return root_caller(world, parts.account, "", region, None)
    name = arn.rpartition("/")[2]
    live = (each for each in sessions.live(now) if (each.account, each.name) == (parts.account, name))
    callers = (session_caller(world, session, "", region) for session in live)
    return next((caller for caller in callers if caller is not None and caller.arn == arn), None)


def _with_given(own: Context, given: Mapping[str, tuple[str, ...]]) -> Context:
    replaced = {lower_case(key) for key in given}
    kept = {key: values for key, values in own.items() if lower_case(key) not in replaced}
    return kept | {key: values for key, values in given.items() if values}


def _question(world: World, action: str, resource: str, caller: Caller) -> AuthorizationQuestion:
    """Return the check for the resource, with its owner, policy and tags."""
    arn = parse_arn(resource)
    if arn is None:
        return AuthorizationQuestion(action, resource, caller.account, {})
    if action.startswith("sts:") and arn.service == "iam":
        return _assuming(world, action, resource, arn)
    for operation in (action.partition(":")[2], _PROBES.get(arn.service, "")):
        found = _of_operation(world, operation, resource, arn, caller)
        if found is not None:
            return found
    held = Estate(world).held_at(resource)
    tags = held.tags or Estate(world).tags_of(resource, arn.account, arn.region)
    keys = tag_keys(("aws:ResourceTag",), tags)
    return AuthorizationQuestion(action, resource, arn.account or caller.account, keys, held.policy)


def _assuming(world: World, action: str, resource: str, arn: Arn) -> AuthorizationQuestion:
    role = world.role_at(resource)
    keys: Context = {"sts:RoleSessionName": (_SESSION_NAME,)}
    if role is None:
        return AuthorizationQuestion(action, resource, arn.account, keys, NO_ROLE)
    keys |= tag_keys(("aws:ResourceTag", "iam:ResourceTag"), role.tags)
    return AuthorizationQuestion(
        action, resource, arn.account, keys, StoredPolicy("the role's trust policy", role.trust)
    )


def _of_operation(
    world: World, operation: str, resource: str, arn: Arn, caller: Caller
) -> AuthorizationQuestion | None:
    """Return the check that a call of the operation on this resource has; None if it has none."""
    parameters = _parameters(resource, arn)
    if not operation or not parameters:
        return None
    there = caller._replace(region=arn.region or caller.region)
    checks = StoredResources(world, SecretStorage(world)).questions(arn.service, operation, parameters, there)
    try:
        return next((check for check in checks if check.resource == resource), None)
    except SandboxRefusal:
        return None


def _parameters(resource: str, arn: Arn) -> Mapping[str, str]:
    """Return the parameters with which a call names the resource; {} for a service without resource policies."""
    bucket, _, key = arn.resource.partition("/")
    return {
        "dynamodb": {"TableName": resource},
        "kms": {"KeyId": resource},
        "s3": {"Bucket": bucket, "Key": key} if key else {"Bucket": bucket},
        "secretsmanager": {"SecretId": resource},
        "sns": {"TopicArn": resource},
        "sqs": {"QueueUrl": f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"},
    }.get(arn.service, {})
