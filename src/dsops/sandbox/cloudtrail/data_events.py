"""Data events: the calls that a trail records only if it is configured to record them.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html. If every access to
a message or object were recorded, the important records would be hard to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.arn import Arn, parse_arn
from dsops.sandbox.authorization.request import AuthenticatedRequest

_OPERATIONS: Mapping[str, frozenset[str]] = {
    "cloudwatch": frozenset(
        {"GetMetricData", "GetMetricStatistics", "GetMetricWidgetImage", "ListMetrics", "PutMetricData"}
    ),
    "dynamodb": frozenset(
        """
        BatchExecuteStatement BatchGetItem BatchWriteItem DeleteItem ExecuteStatement ExecuteTransaction GetItem
        PutItem Query Scan TransactGetItems TransactWriteItems UpdateItem
        """.split()
    ),
    "dynamodbstreams": frozenset({"GetRecords", "GetShardIterator"}),
    "events": frozenset({"PutEvents"}),
    "firehose": frozenset({"PutRecord", "PutRecordBatch"}),
    "iot-data": frozenset({"Publish"}),
    "kinesis": frozenset({"GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"}),
    "lambda": frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"}),
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "PutLogEvents"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset(
        """
        ChangeMessageVisibility ChangeMessageVisibilityBatch DeleteMessage DeleteMessageBatch ReceiveMessage
        SendMessage SendMessageBatch
        """.split()
    ),
    "xray": frozenset({"PutTelemetryRecords", "PutTraceSegments"}),
}
_ABOUT_BUCKETS = frozenset({"GetObjectLockConfiguration", "PutObjectLockConfiguration"})


def is_data_event(service: str, operation: str) -> bool:
    """Whether CloudTrail classifies the call as a data event rather than a management event."""
    if service == "s3":
        is_about_objects = any(part in operation for part in ("Object", "Part", "Upload")) or operation == "HeadBucket"
        return is_about_objects and operation not in _ABOUT_BUCKETS
    return operation in _OPERATIONS.get(service, ())


def resources_of_data(service: str, turn: AuthenticatedRequest) -> Iterator[dict[str, str]]:
    """Yield the resources that the call's parameters name: an object and its bucket, or a table."""
    partition, account, region = turn.caller.partition, turn.caller.account, turn.caller.region
    bucket, key, table = turn.text("Bucket"), turn.text("Key"), turn.text("TableName")
    if service == "s3" and bucket:
        # The request does not say which account owns the bucket, so the record has no account.
        if key:
            yield {"type": "AWS::S3::Object", "ARN": f"arn:{partition}:s3:::{bucket}/{key}"}
        yield {"type": "AWS::S3::Bucket", "ARN": f"arn:{partition}:s3:::{bucket}"}
    if service == "dynamodb" and table:
        named = parse_arn(table) or Arn(partition, "dynamodb", region, account, f"table/{table}")
        yield {"type": "AWS::DynamoDB::Table", "ARN": str(named), "accountId": named.account}
