"""Perform long polls: call moto without a wait time, and let the server wait and poll again.

moto itself would sleep while the sandbox's lock is held. During that time the server could serve no other client, so
no message could arrive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from dsops.request.messages import HttpAnswer, Wait
from dsops.request.wire.cbor import decode
from dsops.request.wire.models import Protocol
from dsops.sandbox.state import fence
from dsops.sandbox.state.fence import MotoCall

_FOUND: Mapping[tuple[str, str], str] = {
    ("sqs", "ReceiveMessage"): "Messages",
    ("swf", "PollForActivityTask"): "taskToken",
    ("swf", "PollForDecisionTask"): "taskToken",
}
"""Operation that supports long polling -> the response member that a non-empty response contains."""
_SWF_SECONDS = 60
"""How long an SWF poll waits before it returns an empty result (API reference, PollForDecisionTask)."""
_LONGEST_SECONDS = 20
"""The maximum wait (API reference, ReceiveMessage). moto refuses longer waits at once."""


def perform(call: MotoCall, protocol: Protocol, lock: AbstractContextManager[object]) -> HttpAnswer:
    """Perform an operation, which can be a long poll.

    The empty answer to a long poll has a `wait` with a function that polls again. The caller must hold the lock for
    the first call; the function takes the lock for each later call.
    """

    def ask_moto(moto_call: MotoCall) -> HttpAnswer:
        return fence.perform(moto_call, protocol)

    member = _FOUND.get((call.service, call.operation))
    if member is None:
        return ask_moto(call)
    seconds, call = _without_wait(call)
    answer = ask_moto(call)
    if not seconds or not _is_empty(answer, member):
        return answer

    def ask() -> HttpAnswer | None:
        with lock:
            later = ask_moto(call)
        return None if _is_empty(later, member) else later

    return answer._replace(wait=Wait(seconds, _source(call), ask))


def _without_wait(call: MotoCall) -> tuple[int, MotoCall]:
    """Return the seconds that the client wants to wait, and the call with a wait of 0 seconds."""
    if call.service == "swf":
        return _SWF_SECONDS, call
    wait_seconds = call.parameters.get("WaitTimeSeconds")
    if wait_seconds is None:
        wait_seconds = _wait_of_queue(call)
    seconds = int(str(wait_seconds))
    if not 0 <= seconds <= _LONGEST_SECONDS:
        return 0, call
    return seconds, call._replace(parameters={**call.parameters, "WaitTimeSeconds": 0})


def _wait_of_queue(call: MotoCall) -> str:
    """Return the queue's `ReceiveMessageWaitTimeSeconds`; "0" if the queue does not exist."""
    name = "ReceiveMessageWaitTimeSeconds"
    parameters = {"QueueUrl": call.parameters.get("QueueUrl", ""), "AttributeNames": [name]}
    answer = fence.perform(call._replace(operation="GetQueueAttributes", parameters=parameters), "json")
    attributes = json.loads(answer.body).get("Attributes", {}) if answer.status == 200 else {}
    return str(attributes.get(name, 0))


def _is_empty(answer: HttpAnswer, member: str) -> bool:
    if answer.status != 200:
        return False
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    if "xml" in kind:
        return b"<Message>" not in answer.body  # in SQS's query protocol, XML escapes `<` in values
    content: Any = decode(answer.body) if kind == "application/cbor" else json.loads(answer.body)
    return not content.get(member)


def _source(call: MotoCall) -> str:
    parts = [call.service, call.operation, call.account, call.region]
    names = ("QueueUrl", "domain", "taskList")
    return json.dumps([*parts, *(call.parameters.get(name) for name in names)], default=str)
