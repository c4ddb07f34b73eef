"""Convert SQS's queue URLs and attributes between the client's and moto's format."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.arn import parse_arn
from dsops.request.messages import HttpAnswer

_WITH_URLS = frozenset({"CreateQueue", "GetQueueUrl", "ListDeadLetterSourceQueues", "ListQueues"})
_REDRIVE_KEY = re.compile(rb'(, )?(\\?"(?:deadLetterTargetArn|maxReceiveCount)\\?"): ')
"""Matches a RedrivePolicy key in JSON or XML, together with the extra space that moto adds after it.

Terraform's plan would show this space as a difference.
"""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-f:]+\](:\d{1,5})?")


def ready(parameters: Mapping[str, object], resource: str) -> dict[str, object]:
    """Return the parameters with a QueueUrl built from the authorized ARN.

    The client's URL is replaced because moto reads only its end.
    """
    result = dict(parameters)
    arn = parse_arn(resource)
    if "QueueUrl" in result and arn is not None:
        result["QueueUrl"] = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
    return result


def with_compact_redrive(answer: HttpAnswer, operation: str) -> HttpAnswer:
    """Remove moto's extra spaces from RedrivePolicy. AWS returns the text as sent, usually without spaces."""
    if operation != "GetQueueAttributes":
        return answer
    body = _REDRIVE_KEY.sub(lambda match: (b"," if match[1] else b"") + match[2] + b":", answer.body)
    return answer._replace(body=body)


def with_host(answer: HttpAnswer, operation: str, region: str, host: str) -> HttpAnswer:
    """Replace AWS's host in queue URLs with `host`, because some SDKs send requests for a queue to its URL."""
    if operation not in _WITH_URLS or not _HOST.fullmatch(host):
        return answer
    body = answer.body.replace(f"https://sqs.{region}.amazonaws.com/".encode(), f"http://{host}/".encode())
    return answer._replace(body=body)
