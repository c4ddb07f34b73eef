"""Determine the authorization checks of SQS.

The queue is determined from its URL. The check includes the queue's policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsops.arn import is_account_id, parse_arn
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import ResourceLookup, SecretLocation
from dsops.request.parameter_values import Parameters, listed_tags, text, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context

_ACTIONS: Final[Mapping[str, str]] = {
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
    "SendMessageBatch": "SendMessage",
}
_OWNERS_ALONE: Final = frozenset(
    """
    AddPermission CancelMessageMoveTask CreateQueue DeleteQueue ListMessageMoveTasks ListQueues ListQueueTags
    RemovePermission SetQueueAttributes StartMessageMoveTask TagQueue UntagQueue
    """.split()
)
"""Operations that a queue policy can't allow for other accounts (SQS Developer Guide, "Amazon SQS API permissions")."""


class SqsResources:
    """Yields the authorization checks of SQS in one sandbox."""

    def __init__(self, stored: ResourceLookup) -> None:
        self._stored = stored

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an SQS operation."""
        # The parameter is `tags` in CreateQueue and `Tags` in TagQueue.
        tags = tuple(listed_tags(parameters.get("tags") or parameters.get("Tags")))
        context: Context = request_tags(tags)
        if "TagKeys" in parameters:
            context["aws:TagKeys"] = texts(parameters, "TagKeys")
        if operation in {"CreateQueue", "GetQueueUrl"}:
            account = text(parameters, "QueueOwnerAWSAccountId") or caller.account
            name = text(parameters, "QueueName")
        elif "QueueUrl" in parameters:
            account, name = _of_url(text(parameters, "QueueUrl"), caller)
        elif "SourceArn" in parameters:
            yield from self._about_redrive(operation, parameters, caller, context)
            return
        else:
            yield AuthorizationQuestion(f"sqs:{operation}", "*", caller.account, context)
            return
        action = _ACTIONS.get(operation, operation)
        yield self._of_queue(action, account, name, caller, context)
        if operation == "CreateQueue" and tags:
            yield self._of_queue("TagQueue", account, name, caller, context)

    def _about_redrive(
        self, operation: str, parameters: Parameters, caller: CallerView, context: Context
    ) -> Iterator[AuthorizationQuestion]:
        """Yield checks for redriving a dead-letter queue: reading this queue, and sending to the destination."""
        named_actions = [("SourceArn", operation)]
        if operation == "StartMessageMoveTask":
            named_actions += [
                ("SourceArn", read_action) for read_action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
            ]
            named_actions.append(("DestinationArn", "SendMessage"))
        for name, action in named_actions:
            if name not in parameters:
                continue
            arn = parse_arn(text(parameters, name))
            if arn is None or arn.service != "sqs":
                yield AuthorizationQuestion(f"sqs:{action}", "*", caller.account, context)
            else:
                yield self._of_queue(action, arn.account, arn.resource, caller, context)

    def _of_queue(
        self, action: str, account: str, name: str, caller: CallerView, context: Context
    ) -> AuthorizationQuestion:
        queue = self._stored.queue(SecretLocation(account, caller.region), name)
        arn = f"arn:{caller.partition}:sqs:{caller.region}:{account}:{name}"
        if queue is None:
            return AuthorizationQuestion(f"sqs:{action}", arn, account, context)
        is_closed = action in _OWNERS_ALONE and account != caller.account
        policy = None if is_closed else queue.policy
        return AuthorizationQuestion(
            f"sqs:{action}", arn, account, context | tag_keys(("aws:ResourceTag",), queue.tags), policy
        )


def _of_url(url: str, caller: CallerView) -> tuple[str, str]:
    """Return a queue's account and name, parsed as moto does. A bare name means a queue of the caller's account."""
    if not url.startswith(("http://", "https://")):
        return caller.account, url
    parts = url.split("/")
    return (parts[-2] if is_account_id(parts[-2]) else caller.account), parts[-1]
