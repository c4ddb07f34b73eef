"""Replace resources that are not ARNs in a queue policy.

SQS accepts such policies (observed with `$sqs_queue_arn`), but such a resource matches no queue.
"""

from __future__ import annotations

import json
from typing import Any, Final

_NO_QUEUE: Final = "arn:aws:sqs:::-"


def readable_queue_policy(text: str) -> str:
    """Replace each resource in a queue policy that is not an ARN, so that access is never extended.

    It is unknown to which queues AWS applies such a resource. The replacement depends on the effect:

    - If the resource restricts access (the Resource of a Deny, or the NotResource of an Allow), it becomes `*`.
    - Otherwise it becomes an ARN that matches no queue.

    Text that is not JSON is returned unchanged.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    changed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in {"Resource", "NotResource"} & (statement.keys() if isinstance(statement, dict) else set()):
            original = statement[element]
            limits = (element == "Resource") is (statement.get("Effect") == "Deny")
            instead = "*" if limits else _NO_QUEUE
            listed = [_arn(resource, instead) for resource in (original if isinstance(original, list) else [original])]
            readable = listed if isinstance(original, list) else listed[0]
            if readable != original:
                statement[element] = readable
                changed = True
    return json.dumps(document) if changed else text


# Any: `resource` may be any JSON value; only the policy validation refuses other types than strings
def _arn(resource: Any, instead: str) -> Any:
    return instead if isinstance(resource, str) and resource != "*" and not resource.startswith("arn:") else resource
