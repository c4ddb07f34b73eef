"""Read from moto what deliveries depend on: event source mappings of queues, and keys of queues and topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dsops.arn import parse_arn


class EventSource(NamedTuple):
    """An event source mapping: a function that Lambda invokes with the messages of a queue."""

    queue_arn: str
    function_arn: str
    batch_size: int
    reports_failures: bool
    """Whether the function's response names the messages that failed (ReportBatchItemFailures)."""


def event_sources() -> Iterator[EventSource]:
    """Yield the enabled event source mappings of queues, of all accounts and regions."""
    from moto.awslambda_simple.models import lambda_simple_backends

    for _, _, found in lambda_simple_backends.iter_backends():
        backend: Any = found
        for mapping in backend.list_event_source_mappings(None, None):
            if mapping.enabled and ":sqs:" in mapping.event_source_arn:
                yield EventSource(
                    mapping.event_source_arn,
                    mapping.function_arn,
                    int(mapping.batch_size),
                    "ReportBatchItemFailures" in (mapping.function_response_types or ()),
                )


def encryption_key(arn: str) -> str:
    """Return the ARN of the KMS key with which a queue or topic is encrypted; "" without a key."""
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    parts = parse_arn(arn)
    if parts is None:
        return ""
    key: str | None = ""
    if parts.service == "sqs":
        queue: Any = sqs_backends[parts.account][parts.region].queues.get(parts.resource)
        key = None if queue is None else queue.kms_master_key_id
    elif parts.service == "sns":
        topic = sns_backends[parts.account][parts.region].topics.get(arn)
        key = None if topic is None else topic.kms_master_key_id
    if not key or key.startswith("arn:"):
        return key or ""
    resource = key if key.startswith("alias/") else f"key/{key}"
    return f"arn:{parts.partition}:kms:{parts.region}:{parts.account}:{resource}"
