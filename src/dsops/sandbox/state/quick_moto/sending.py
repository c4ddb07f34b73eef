"""Let moto send a message without counting the queue's messages, and keep a queue's policy."""

from __future__ import annotations

from typing import Any


def send_without_counting(models: Any) -> None:  # Any: a module of moto, which has no static type
    """Make the duration of SendMessage in moto's SQS independent of the number of messages in the queue.

    moto needs only `ContentBasedDeduplication` (an attribute of FIFO queues), but it computes all attributes of the
    queue. Three of the base attributes are counts of the queue's messages.
    """
    backend_class = models.SQSBackend
    send = backend_class.send_message
    if hasattr(send, "counts_nothing"):
        return

    def send_message(self: Any, queue_name: str, *arguments: Any, **named: Any) -> Any:
        receiver = self.get_queue(queue_name)
        receiver.BASE_ATTRIBUTES = ()  # shadows the class's list while the message is sent
        try:
            return send(self, queue_name, *arguments, **named)
        finally:
            del receiver.BASE_ATTRIBUTES

    send_message.counts_nothing = True  # type: ignore[attr-defined]
    backend_class.send_message = send_message


def keep_queue_policies(models: Any) -> None:
    """Let SetQueueAttributes without a policy keep the queue's policy, which moto would remove."""
    queue_class = models.Queue
    set_attributes = queue_class._set_attributes  # noqa: SLF001 - private to moto
    if hasattr(set_attributes, "keeps_policy"):
        return

    def set_and_keep(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        if "Policy" not in attributes and self.policy is not None:
            attributes = {**attributes, "Policy": self.policy}
        set_attributes(self, attributes, now)

    set_and_keep.keeps_policy = True  # type: ignore[attr-defined]
    queue_class._set_attributes = set_and_keep  # noqa: SLF001
