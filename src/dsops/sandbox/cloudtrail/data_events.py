"""Which calls a trail leaves out unless it is told otherwise: what CloudTrail calls data events.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html. There would be a
record for each message and object, and those that matter would drown in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.arn import Arn, parse_arn
from dsops.sandbox.authorization.request import StsRequest

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
    """Whether a call is none that manages anything."""
    if service == "s3":
        is_about_objects = any(part in operation for part in ("Object", "Part", "Upload")) or operation == "HeadBucket"
        return is_about_objects and operation not in _ABOUT_BUCKETS
    return operation in _OPERATIONS.get(service, ())


def resources_of_data(service: str, turn: StsRequest) -> Iterator[dict[str, str]]:
    """What the call was about, as far as its parameters say it: object and bucket, or table."""
    partition, account, region = turn.caller.partition, turn.caller.account, turn.caller.region
    bucket, key, table = turn.text("Bucket"), turn.text("Key"), turn.text("TableName")
    if service == "s3" and bucket:
        # Whose bucket it is stands in no request, so its account is left out.
        if key:
            yield {"type": "AWS::S3::Object", "ARN": f"arn:{partition}:s3:::{bucket}/{key}"}
        yield {"type": "AWS::S3::Bucket", "ARN": f"arn:{partition}:s3:::{bucket}"}
    if service == "dynamodb" and table:
        named = parse_arn(table) or Arn(partition, "dynamodb", region, account, f"table/{table}")
        yield {"type": "AWS::DynamoDB::Table", "ARN": str(named), "accountId": named.account}
