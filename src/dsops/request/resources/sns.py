"""Determine the authorization checks of SNS.

The topic is found by its ARN or by a subscription's ARN. The check includes the topic's policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.arn import parse_arn
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import ResourceLookup
from dsops.request.parameter_values import Parameters, key_if_given, listed_tags, text, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context

_NAMES_A_TOPIC: Final = ("TopicArn", "ResourceArn", "TargetArn")
_PUSH: Final = ("PlatformApplicationArn", "EndpointArn")
"""Parameters of mobile push. AWS lists no resource type for them, but their ARNs determine the account."""


class SnsResources:
    """Yields the authorization checks of SNS in one sandbox."""

    def __init__(self, stored: ResourceLookup) -> None:
        self._stored = stored

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an SNS operation."""
        tags = tuple(listed_tags(parameters.get("Tags")))
        context: Context = request_tags(tags)
        if "TagKeys" in parameters:
            context["aws:TagKeys"] = texts(parameters, "TagKeys")
        context |= key_if_given("sns:Endpoint", parameters, "Endpoint")
        context |= key_if_given("sns:Protocol", parameters, "Protocol")
        action = "Publish" if operation == "PublishBatch" else operation
        if operation == "CreateTopic":
            arn = f"arn:{caller.partition}:sns:{caller.region}:{caller.account}:{text(parameters, 'Name')}"
            yield self._of_topic(action, arn, caller, context)
            if tags:
                yield self._of_topic("TagResource", arn, caller, context)
            return
        # Every topic in the request is checked; otherwise a client could choose which topic is authorized.
        named = [text(parameters, name) for name in _NAMES_A_TOPIC if name in parameters]
        if "SubscriptionArn" in parameters:
            # A subscription's ARN has the form `TOPIC:ID`.
            named.append(text(parameters, "SubscriptionArn").rpartition(":")[0])
        for arn in named:
            yield self._of_topic(action, arn, caller, context)
        if not named or "PhoneNumber" in parameters:
            yield AuthorizationQuestion(f"sns:{action}", "*", _account_of_push(parameters, caller), context)

    def _of_topic(self, action: str, arn: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
        parts = parse_arn(arn)
        if parts is None or parts.service != "sns":
            return AuthorizationQuestion(f"sns:{action}", "*", caller.account, context)
        topic = self._stored.topic(arn)
        if topic is None:
            return AuthorizationQuestion(f"sns:{action}", arn, parts.account, context)
        own = tag_keys(("aws:ResourceTag",), topic.tags)
        return AuthorizationQuestion(f"sns:{action}", arn, parts.account, context | own, topic.policy)


def _account_of_push(parameters: Parameters, caller: CallerView) -> str:
    for name in _PUSH:
        arn = parse_arn(text(parameters, name))
        if arn is not None:
            return arn.account
    return caller.account
