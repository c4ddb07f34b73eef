"""SQS takes any text as the Resource of a queue's policy; what is no ARN names no queue.

`$sqs_queue_arn` was seen to be taken by AWS.
"""

from __future__ import annotations

import json
from typing import Any, Final

_NO_QUEUE: Final = "arn:aws:sqs:::-"


def readable_queue_policy(text: str) -> str:
    """The policy with an ARN of no queue for each resource that is none; what is no JSON stays as it is.

    Which queues AWS takes such a text for is not known, so where it limits (Deny, or NotResource of Allow) it is all.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    changed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in {"Resource", "NotResource"} & (statement.keys() if isinstance(statement, dict) else set()):
            written = statement[element]
            limits = (element == "Resource") is (statement.get("Effect") == "Deny")
            instead = "*" if limits else _NO_QUEUE
            listed = [_arn(each, instead) for each in (written if isinstance(written, list) else [written])]
            readable = listed if isinstance(written, list) else listed[0]
            if readable != written:
                statement[element] = readable
                changed = True
    return json.dumps(document) if changed else text


def _arn(resource: Any, instead: str) -> Any:  # any JSON: what is no text is left for the policy's own check
    return instead if isinstance(resource, str) and resource != "*" and not resource.startswith("arn:") else resource
