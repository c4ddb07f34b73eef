"""The resource types of SQS, SNS and EventBridge.

The calls are those of AWS's handlers (`handlers.*.permissions` in the types' schemas).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, as_text, chosen, words

_NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_NO_TOPIC: Final = frozenset({"NotFound", "NotFoundException"})
_NO_RULE: Final = frozenset({"ResourceNotFoundException"})
_QUEUE: Final = """
    ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit
    KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod
    ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled VisibilityTimeout
"""


def _attributes(properties: Properties, names: str) -> dict[str, str | None]:
    texts = ((name, value) for name, value in chosen(properties, names).items())
    return {
        name: str(value).lower()
        if isinstance(value, bool)
        else as_text(value if isinstance(value, dict) else str(value))
        for name, value in texts
    }


def _create_queue(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "QueueName", 80)
    tags = handler.all_tags(properties) or None
    attributes = _attributes(properties, _QUEUE)
    answer = handler.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": attributes, "tags": tags})
    url = str(answer["QueueUrl"])
    return Made(url, {"Arn": handler.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _update_queue(handler: Handler, made: Made, _old: Properties, new: Properties) -> Made:
    attributes = {name: value for name, value in _attributes(new, _QUEUE).items() if name != "FifoQueue"}
    handler.call("sqs", "SetQueueAttributes", {"QueueUrl": made.id, "Attributes": attributes})
    return made


def _put_queue_policy(handler: Handler, properties: Properties) -> Made:
    for url in properties.get("Queues") or []:
        policy = {"Policy": as_text(properties.get("PolicyDocument"))}
        handler.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": policy})
    return Made(handler.name({}, "", 128))


def _delete_queue_policy(handler: Handler, _made: Made, properties: Properties) -> None:
    for url in properties.get("Queues") or []:
        handler.unless(_NO_QUEUE, "sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": ""}})


def _update_queue_policy(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    """Set the policy of the new queues, and take it away from queues that are no longer listed."""
    _put_queue_policy(handler, new)
    kept = new.get("Queues") or []
    _delete_queue_policy(handler, made, {"Queues": [url for url in old.get("Queues") or [] if url not in kept]})
    return made


def _create_topic(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "TopicName", 256)
    attributes = _attributes(properties, "DisplayName KmsMasterKeyId FifoTopic ContentBasedDeduplication") or None
    parameters = {"Name": name, "Attributes": attributes, "Tags": handler.tag_list(properties)}
    arn = str(handler.call("sns", "CreateTopic", parameters)["TopicArn"])
    made = handler.keep(Made(arn, {"TopicArn": arn, "TopicName": name}))
    for subscription in properties.get("Subscription") or []:
        handler.call("sns", "Subscribe", {"TopicArn": arn, **subscription})
    return made


def _subscribe(handler: Handler, properties: Properties) -> Made:
    parameters = chosen(properties, "TopicArn Protocol Endpoint")
    attributes = _attributes(properties, "FilterPolicy FilterPolicyScope RawMessageDelivery RedrivePolicy")
    parameters |= {"Attributes": attributes or None, "ReturnSubscriptionArn": True}
    arn = str(handler.call("sns", "Subscribe", parameters)["SubscriptionArn"])
    return Made(arn, {"Arn": arn})


def _put_topic_policy(handler: Handler, properties: Properties) -> Made:
    for arn in properties.get("Topics") or []:
        policy = as_text(properties.get("PolicyDocument"))
        parameters = {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy}
        handler.call("sns", "SetTopicAttributes", parameters)
    return Made(handler.name({}, "", 128))


def _target_ids(properties: Properties) -> list[str]:
    return [str(target["Id"]) for target in properties.get("Targets") or []]


def _put_rule(handler: Handler, properties: Properties) -> Made:
    _target_ids(properties)  # raises an error before the rule exists
    name = handler.name(properties, "Name", 64)
    pattern = as_text(properties.get("EventPattern"))
    parameters = chosen(properties, "Description EventBusName RoleArn ScheduleExpression State")
    answer = handler.call("events", "PutRule", {"Name": name, "EventPattern": pattern, **parameters})
    made = handler.keep(Made(name, {"Arn": answer["RuleArn"]}))
    if properties.get("Targets"):
        bus = chosen(properties, "EventBusName")
        handler.call("events", "PutTargets", {"Rule": name, "Targets": properties["Targets"], **bus})
    return made


def _update_rule(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    kept = _target_ids(new)
    ids = [name for name in _target_ids(old) if name not in kept]
    if ids:
        parameters = {"Rule": made.id, "Ids": ids, **chosen(new, "EventBusName")}
        handler.unless(_NO_RULE, "events", "RemoveTargets", parameters)
    return _put_rule(handler, {**new, "Name": made.id})


def _delete_rule(handler: Handler, made: Made, properties: Properties) -> None:
    bus = chosen(properties, "EventBusName")
    ids = _target_ids(properties)
    if ids:
        handler.unless(_NO_RULE, "events", "RemoveTargets", {"Rule": made.id, "Ids": ids, **bus})
    handler.unless(_NO_RULE, "events", "DeleteRule", {"Name": made.id, **bus})


MESSAGE_TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::SQS::Queue": ResourceType(
        words(f"QueueName Tags {_QUEUE}"),
        _create_queue,
        lambda handler, made, _: handler.unless(_NO_QUEUE, "sqs", "DeleteQueue", {"QueueUrl": made.id}),
        _update_queue,
        words("QueueName FifoQueue Tags"),
    ),
    "AWS::SQS::QueuePolicy": ResourceType(
        words("Queues PolicyDocument"), _put_queue_policy, _delete_queue_policy, _update_queue_policy
    ),
    "AWS::SNS::Topic": ResourceType(
        words("TopicName DisplayName KmsMasterKeyId FifoTopic ContentBasedDeduplication Subscription Tags"),
        _create_topic,
        lambda handler, made, _: handler.unless(_NO_TOPIC, "sns", "DeleteTopic", {"TopicArn": made.id}),
    ),
    "AWS::SNS::Subscription": ResourceType(
        words("TopicArn Protocol Endpoint FilterPolicy FilterPolicyScope RawMessageDelivery RedrivePolicy"),
        _subscribe,
        lambda handler, made, _: handler.unless(_NO_TOPIC, "sns", "Unsubscribe", {"SubscriptionArn": made.id}),
    ),
    # A topic always has a policy. The handler of AWS restores the default one, which the topic's deletion removes too.
    "AWS::SNS::TopicPolicy": ResourceType(
        words("Topics PolicyDocument"), _put_topic_policy, lambda _handler, _made, _properties: None
    ),
    "AWS::Events::Rule": ResourceType(
        words("Name Description EventBusName EventPattern RoleArn ScheduleExpression State Targets"),
        _put_rule,
        _delete_rule,
        _update_rule,
        words("Name EventBusName"),
    ),
}
