"""The operations that wait for something to come: moto is asked without waiting, and the server does the waiting.

moto sleeps inside the call, under the sandbox's lock: no other client is served, and nothing can come then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from dsops.sandbox.http.messages import HttpAnswer, Wait
from dsops.sandbox.state import fence
from dsops.sandbox.state.fence import MotoCall
from dsops.sandbox.wire.cbor import decode
from dsops.sandbox.wire.models import Protocol

_FOUND: Mapping[tuple[str, str], str] = {
    ("sqs", "ReceiveMessage"): "Messages",
    ("swf", "PollForActivityTask"): "taskToken",
    ("swf", "PollForDecisionTask"): "taskToken",
}
"""Operations that wait, and the member of their answer that is there when something has come."""
_SWF_SECONDS = 60
"""API reference, PollForDecisionTask: "If no decision task is available in the specified task list before the timeout
of 60 seconds expires, an empty result is returned."""
_LONGEST_SECONDS = 20
"""API reference, ReceiveMessage; moto refuses more without waiting."""


def perform(call: MotoCall, protocol: Protocol, lock: AbstractContextManager[object]) -> HttpAnswer:
    """The answer to an operation; one that waits and finds nothing says how to go on waiting.

    Called while the lock is held; what it returns takes the lock for each look.
    """

    def ask_moto(one: MotoCall) -> HttpAnswer:
        return fence.perform(one, protocol)

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
    """How long the client wants to wait, and the call that does not."""
    if call.service == "swf":
        return _SWF_SECONDS, call
    wished = call.parameters.get("WaitTimeSeconds")
    if wished is None:
        wished = _wait_of_queue(call)
    seconds = int(str(wished))
    if not 0 <= seconds <= _LONGEST_SECONDS:
        return 0, call
    return seconds, call._replace(parameters={**call.parameters, "WaitTimeSeconds": 0})


def _wait_of_queue(call: MotoCall) -> str:
    """`ReceiveMessageWaitTimeSeconds` of the queue; "0" for a queue that is not there."""
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
        return b"<Message>" not in answer.body  # SQS's query protocol: of a value, `<` is written `&lt;`
    content: Any = decode(answer.body) if kind == "application/cbor" else json.loads(answer.body)
    return not content.get(member)


def _source(call: MotoCall) -> str:
    parts = [call.service, call.operation, call.account, call.region]
    names = ("QueueUrl", "domain", "taskList")
    return json.dumps([*parts, *(call.parameters.get(name) for name in names)], default=str)
