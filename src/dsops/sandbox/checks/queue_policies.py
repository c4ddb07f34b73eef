"""SQS takes any text as the Resource of a queue's policy; what is no ARN names no queue.

`$sqs_queue_arn` was seen to be taken by AWS.
"""

from __future__ import annotations

import json
from typing import Any, Final

_NO_QUEUE: Final = "arn:aws:sqs:::-"


def readable_queue_policy(text: str) -> str:
    """The policy with an ARN of no queue for each resource that is none; what is no JSON stays as it is."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    changed = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        for element in ("Resource", "NotResource"):
            written = statement.get(element) if isinstance(statement, dict) else None
            readable = [_arn(each) for each in written] if isinstance(written, list) else _arn(written)
            if readable != written:
                statement[element] = readable
                changed = True
    return json.dumps(document) if changed else text


def _arn(resource: Any) -> Any:  # any JSON: what is no text is left for the policy's own check
    return _NO_QUEUE if isinstance(resource, str) and resource != "*" and not resource.startswith("arn:") else resource
