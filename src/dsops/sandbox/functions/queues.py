"""Event source mappings: read queues as the functions' roles, and delete what the functions have processed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dsops.arn import Arn, parse_arn
from dsops.errors import SandboxRefusal
from dsops.request.lookups import SecretLocation
from dsops.request.wire.errors import refusal
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.functions.invocations import Invocations, Powers
from dsops.sandbox.functions.run import FunctionResult
from dsops.sandbox.state.identifiers import new_request_id
from dsops.sandbox.state.service_actions.event_sources import EventSource, event_sources
from dsops.sandbox.state.service_actions.functions import StoredFunction, find_function

_MOST_AT_ONCE = 10
"""The most messages that ReceiveMessage returns."""
_NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What a function's role must be allowed (Lambda Developer Guide, "Using Lambda with Amazon SQS")."""


class QueueReader:
    """Reads the queues of the event source mappings of one sandbox. Callers must hold the lock."""

    def __init__(self, powers: Powers, judge: Authorizer, resources: StoredResources, invocations: Invocations) -> None:
        self._powers = powers
        self._judge = judge
        self._resources = resources
        self._invocations = invocations
        self._filled: set[str] = set()

    def queue_filled(self, queue_arn: str) -> None:
        """Note that a queue has a new message."""
        self._filled.add(queue_arn)

    def read_filled(self) -> None:
        """Read the queues that have new messages, and start their functions."""
        while self._filled and self._invocations.host is not None:
            filled, self._filled = self._filled, set()
            self._read([source for source in event_sources() if source.queue_arn in filled])

    def read_all(self) -> None:
        """Read all queues: messages become visible again, or were there before the mapping."""
        if self._invocations.host is not None:
            self._read([*event_sources()])

    def check(self, function_name: str, queue_arn: str, account: str, region: str) -> None:
        """Raise InvalidParameterValueException if the function's role may not read the queue, as Lambda does."""
        function, queue = _function(function_name, account, region), parse_arn(queue_arn)
        if function is None or queue is None or queue.service != "sqs":
            return
        caller = self._caller(function, region)
        request_id, now = new_request_id(), self._powers.clock.now()
        for operation in _NEEDED:
            for question in self._resources.questions("sqs", operation, {"QueueUrl": _url(queue)}, caller):
                if not self._judge.decide(caller, question, request_id, now).is_allowed:
                    message = f"The provided execution role does not have permissions to call {operation} on SQS"
                    raise refusal("InvalidParameterValueException", message)

    def _caller(self, function: StoredFunction, region: str) -> Caller:
        credentials = self._invocations.check_role(function.role, function.name, region)
        caller = self._invocations.caller(credentials, region)
        if caller is None:
            raise refusal("InvalidParameterValueException", "The role of the function does not exist.")
        return caller

    def _read(self, sources: Sequence[EventSource]) -> None:
        for source in sources:
            queue, arn = parse_arn(source.queue_arn), parse_arn(source.function_arn)
            function = None if arn is None else _function(source.function_arn, arn.account, arn.region)
            if queue is None or function is None or self._invocations.host is None:
                continue
            try:
                caller = self._caller(function, queue.region)
                for messages in self._batches(caller, queue, source.batch_size):
                    self._start(function, source, queue, caller, messages)
            except SandboxRefusal:
                # The decisions and the trail show what was refused. The messages stay in the queue.
                continue

    def _batches(self, caller: Caller, queue: Arn, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield batches of messages until the queue has no more."""
        self._powers.act(caller, "sqs", "GetQueueAttributes", {"QueueUrl": _url(queue), "AttributeNames": ["QueueArn"]})
        wish = {
            "QueueUrl": _url(queue),
            "MaxNumberOfMessages": max(1, min(size, _MOST_AT_ONCE)),
            "WaitTimeSeconds": 0,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        seen: set[str] = set()
        while messages := json.loads(self._powers.act(caller, "sqs", "ReceiveMessage", wish).body).get("Messages"):
            ids = {str(message["MessageId"]) for message in messages}
            if ids & seen:  # its visibility timeout is over already
                return
            seen |= ids
            yield messages

    def _start(
        self,
        function: StoredFunction,
        source: EventSource,
        queue: Arn,
        caller: Caller,
        messages: Sequence[Mapping[str, Any]],
    ) -> None:
        event = json.dumps({"Records": [_record(message, queue) for message in messages]})

        def delete_processed(result: FunctionResult) -> None:
            failed = _failed(result, messages, reports_failures=source.reports_failures)
            for message in messages:
                if message["MessageId"] not in failed:
                    wish = {"QueueUrl": _url(queue), "ReceiptHandle": message["ReceiptHandle"]}
                    self._powers.act(caller, "sqs", "DeleteMessage", wish)

        self._invocations.start(function, source.function_arn, event.encode(), new_request_id(), delete_processed)


def _function(named: str, account: str, region: str) -> StoredFunction | None:
    """Find a function by name or ARN, each with or without a qualifier."""
    name, _, qualifier = named.rpartition(":function:")[2].partition(":")
    return find_function(SecretLocation(account, region), name, qualifier)


def _url(queue: Arn) -> str:
    return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"


def _record(message: Mapping[str, Any], queue: Arn) -> dict[str, object]:
    """Return a message in the form in which Lambda passes it to a function."""
    attributes = {
        name: {
            "stringValue": value.get("StringValue"),
            "binaryValue": value.get("BinaryValue"),
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes") or {},
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": str(queue),
        "awsRegion": queue.region,
    }


def _failed(result: FunctionResult, messages: Sequence[Mapping[str, Any]], *, reports_failures: bool) -> set[str]:
    """Return the ids of the messages that were not processed."""
    every = {str(message["MessageId"]) for message in messages}
    if result.error:
        return every
    if not reports_failures:
        return set()
    try:
        response = json.loads(result.payload)
        failures = [str(item["itemIdentifier"]) for item in (response or {}).get("batchItemFailures") or ()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return every
    # An id that is not in the batch fails the whole batch (Lambda Developer Guide, "Batch item failures").
    return every if set(failures) - every else set(failures)
