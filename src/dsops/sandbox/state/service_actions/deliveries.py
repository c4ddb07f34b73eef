"""Stop moto's deliveries between services until the sandbox has decided about them.

moto delivers whatever the policies say: SNS to queues and functions, S3 its notifications, EventBridge to the targets
of rules, Lambda from queues. A process has one moto, so it has one `HOOKS`, which each new sandbox takes over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from dsops.arn import parse_arn

# moto ships no types for what is patched here.


class Delivery(NamedTuple):
    """A message that a service wants to deliver to a target."""

    service: str
    """The service principal, such as `sns.amazonaws.com`."""
    target: str
    """The ARN of a queue, topic or function."""
    source_arn: str
    source_account: str
    payload: str = ""
    """The event for a function, in JSON."""
    role: str = ""
    """The role with which EventBridge delivers; "" if the target's policy must allow it."""


class Hooks:
    """What the sandbox does about moto's deliveries."""

    def __init__(self) -> None:
        self.deliver: Callable[[Delivery], bool] | None = None
        """Whether the delivery is allowed. A function is started at once, so moto must deliver to others only."""
        self.queue_filled: Callable[[str], None] | None = None
        """Called with a queue's ARN when a message arrives in a queue that an event source mapping reads."""


HOOKS: Final = Hooks()


def watch_deliveries(service: str) -> None:
    """Patch moto's module of a service so that `HOOKS` decides about its deliveries."""
    watch = _WATCHED.get(service)
    if watch is not None:
        watch()


def _may_deliver(delivery: Delivery) -> bool:
    return HOOKS.deliver is not None and HOOKS.deliver(delivery)


def _watch_buckets() -> None:
    notifications: Any = import_module("moto.s3.notifications")
    send_message, publish = notifications._send_sqs_message, notifications._send_sns_message  # noqa: SLF001

    def to_queue(account: str, event: Any, queue: str, region: str) -> None:
        bucket = _bucket_of(event)
        target = f"{_partition_of(bucket)}:sqs:{region}:{account}:{queue}"
        if _may_deliver(Delivery("s3.amazonaws.com", target, bucket, account)):
            send_message(account, event, queue, region)

    def to_topic(account: str, event: Any, topic: str, region: str) -> None:
        if _may_deliver(Delivery("s3.amazonaws.com", topic, _bucket_of(event), account)):
            publish(account, event, topic, region)

    def to_function(account: str, event: Any, function: str, _region: str) -> None:
        _may_deliver(Delivery("s3.amazonaws.com", function, _bucket_of(event), account, json.dumps(event)))

    notifications._send_sqs_message = to_queue  # noqa: SLF001
    notifications._send_sns_message = to_topic  # noqa: SLF001
    notifications._invoke_awslambda = to_function  # noqa: SLF001


def _bucket_of(event: Mapping[str, Any]) -> str:
    """Return the ARN of the bucket in a notification, or in the test event that S3 sends for a new configuration."""
    records = event.get("Records")
    return str(records[0]["s3"]["bucket"]["arn"]) if records else f"arn:aws:s3:::{event['Bucket']}"


def _partition_of(arn: str) -> str:
    return ":".join(arn.split(":", 2)[:2])


def _watch_topics() -> None:
    subscription: Any = import_module("moto.sns.models").Subscription
    publish = subscription.publish

    def publish_if_allowed(self: Any, message: str, message_id: str, **more: Any) -> None:
        matcher = self._filter_policy_matcher
        if self.protocol not in {"sqs", "lambda"}:
            publish(self, message, message_id, **more)
        elif matcher is None or matcher.matches(more.get("message_attributes"), message):
            event = json.dumps(_topic_event(self, message, message_id, more)) if self.protocol == "lambda" else ""
            delivery = Delivery("sns.amazonaws.com", self.endpoint, self.topic.arn, self.account_id, event)
            if _may_deliver(delivery) and self.protocol == "sqs":
                publish(self, message, message_id, **more)

    subscription.publish = publish_if_allowed


def _topic_event(subscription: Any, message: str, message_id: str, more: Mapping[str, Any]) -> dict[str, object]:
    """Return the event of a function that is subscribed to a topic (Lambda Developer Guide, "Using SNS")."""
    attributes = more.get("message_attributes") or {}
    if more.get("message_structure") == "json":
        texts = json.loads(message)
        message = str(texts.get("lambda", texts.get("default", "")))
    notification = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic.arn,
        "Subject": more.get("subject"),
        "Message": message,
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": str(value["Value"])} for name, value in attributes.items()
        },
    }
    record = {"EventVersion": "1.0", "EventSource": "aws:sns", "EventSubscriptionArn": subscription.arn}
    return {"Records": [{**record, "Sns": notification}]}


def _watch_rules() -> None:
    rule: Any = import_module("moto.events.models").Rule
    parser: Any = import_module("moto.events.models").EventTemplateParser
    send = rule.send_to_targets

    def send_if_allowed(self: Any, original_event: Any, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002
        if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
            return
        targets = self.targets
        try:
            for target in targets:
                if _is_moto_to_send(self, target, original_event, parser):
                    self.targets = [target]
                    send(self, original_event, transform_input)
        finally:
            self.targets = targets

    rule.send_to_targets = send_if_allowed


def _is_moto_to_send(rule: Any, target: Mapping[str, Any], event: Any, parser: Any) -> bool:
    """Whether moto must send the event: not if it is refused, and not to functions and topics."""
    arn = parse_arn(str(target["Arn"]))
    if arn is None or arn.service not in {"lambda", "sns", "sqs"}:
        return True
    text = str(target.get("Input") or json.dumps(_rule_event(target, event, parser)))
    role = str(target.get("RoleArn") or "")
    if not _may_deliver(Delivery("events.amazonaws.com", str(target["Arn"]), rule.arn, rule.account_id, text, role)):
        return False
    if arn.service == "sns":
        import_module("moto.sns.models").sns_backends[arn.account][arn.region].publish(arn=target["Arn"], message=text)
    return arn.service == "sqs"


def _rule_event(target: Mapping[str, Any], event: Any, parser: Any) -> Any:
    """Return the event for a target, with the time as text as EventBridge sends it."""
    transformer = target.get("InputTransformer", {})
    changed = parser.parse(
        input_template=transformer.get("InputTemplate"),
        input_paths_map=transformer.get("InputPathsMap", {}),
        event=event,
    )
    if isinstance(changed, dict) and isinstance(changed.get("time"), (int, float)):
        from dsops.request.context import iso_time

        changed = {**changed, "time": iso_time(float(changed["time"]))}
    return changed


def _watch_queues() -> None:
    queue: Any = import_module("moto.sqs.models").Queue
    add = queue.add_message

    def add_and_tell(self: Any, message: Any) -> None:
        # With mappings, moto would call the function while the sender waits.
        mappings, self.lambda_event_source_mappings = self.lambda_event_source_mappings, {}
        try:
            add(self, message)
        finally:
            self.lambda_event_source_mappings = mappings
        if mappings and HOOKS.queue_filled is not None:
            HOOKS.queue_filled(str(self.queue_arn))

    queue.add_message = add_and_tell


_WATCHED: Final[Mapping[str, Callable[[], None]]] = {
    "events": _watch_rules,
    "s3": _watch_buckets,
    "sns": _watch_topics,
    "sqs": _watch_queues,
}
