"""Which calls a trail leaves out unless it is told otherwise: what CloudTrail calls data events.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html. There would be a
record for each message and object, and those that matter would drown in them.
"""

from __future__ import annotations

from collections.abc import Mapping

_OPERATIONS: Mapping[str, frozenset[str]] = {
    "cloudwatch": frozenset({"GetMetricData", "GetMetricStatistics", "GetMetricWidgetImage", "ListMetrics",
                             "PutMetricData"}),
    "dynamodb": frozenset({"BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "DeleteItem", "ExecuteStatement",
                           "ExecuteTransaction", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems",
                           "TransactWriteItems", "UpdateItem"}),
    "dynamodbstreams": frozenset({"GetRecords", "GetShardIterator"}),
    "events": frozenset({"PutEvents"}),
    "firehose": frozenset({"PutRecord", "PutRecordBatch"}),
    "iot-data": frozenset({"Publish"}),
    "kinesis": frozenset({"GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"}),
    "lambda": frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"}),
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "PutLogEvents"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset({"ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage", "DeleteMessageBatch",
                      "ReceiveMessage", "SendMessage", "SendMessageBatch"}),
    "xray": frozenset({"PutTelemetryRecords", "PutTraceSegments"}),
}  # fmt: skip
_ABOUT_BUCKETS = frozenset({"GetObjectLockConfiguration", "PutObjectLockConfiguration"})


def is_data_event(service: str, operation: str) -> bool:
    """Whether a call is none that manages anything."""
    if service == "s3":
        is_about_objects = any(part in operation for part in ("Object", "Part", "Upload")) or operation == "HeadBucket"
        return is_about_objects and operation not in _ABOUT_BUCKETS
    return operation in _OPERATIONS.get(service, ())
