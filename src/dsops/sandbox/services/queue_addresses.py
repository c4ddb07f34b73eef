"""Addresses and attributes of SQS's queues: what the client sends and gets, and what moto is given."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.arn import parse_arn
from dsops.sandbox.http.messages import HttpAnswer

_WITH_URLS = frozenset({"CreateQueue", "GetQueueUrl", "ListDeadLetterSourceQueues", "ListQueues"})
_REDRIVE_KEY = re.compile(rb'(, )?(\\?"(?:deadLetterTargetArn|maxReceiveCount)\\?"): ')
"""A key of a RedrivePolicy as moto spaces it, in JSON or XML, where Terraform's plan would see a change."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-f:]+\](:\d{1,5})?")


def ready(parameters: Mapping[str, object], resource: str) -> dict[str, object]:
    """The parameters, their queue named by the ARN that was asked about: moto reads the end of a URL only."""
    found = dict(parameters)
    arn = parse_arn(resource)
    if "QueueUrl" in found and arn is not None:
        found["QueueUrl"] = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
    return found


def with_compact_redrive(answer: HttpAnswer, operation: str) -> HttpAnswer:
    """The answer whose RedrivePolicy has no spaces, as most clients write it and AWS gives it back."""
    if operation != "GetQueueAttributes":
        return answer
    body = _REDRIVE_KEY.sub(lambda match: (b"," if match[1] else b"") + match[2] + b":", answer.body)
    return answer._replace(body=body)


def with_host(answer: HttpAnswer, operation: str, region: str, host: str) -> HttpAnswer:
    """The answer whose URLs lead to this sandbox: some SDKs send a queue's requests to its URL."""
    if operation not in _WITH_URLS or not _HOST.fullmatch(host):
        return answer
    body = answer.body.replace(f"https://sqs.{region}.amazonaws.com/".encode(), f"http://{host}/".encode())
    return answer._replace(body=body)
