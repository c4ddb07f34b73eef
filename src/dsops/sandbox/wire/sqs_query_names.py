"""The names of SQS's members in the query protocol (SQS API reference, sample requests and answers).

A list or map has the name of a single value: `Attribute.1.Name=...`, `SendMessageBatchRequestEntry.1.Id=...`.
"""

from __future__ import annotations

from typing import Any, Final

NAMESPACE: Final = "http://queue.amazonaws.com/doc/2012-11-05/"

_SINGULARS: Final = {
    "Actions": "ActionName",
    "Attributes": "Attribute",
    "AttributeNames": "AttributeName",
    "AWSAccountIds": "AWSAccountId",
    "BinaryListValues": "BinaryListValue",
    "MessageAttributeNames": "MessageAttributeName",
    "MessageAttributes": "MessageAttribute",
    "Messages": "Message",
    "MessageSystemAttributeNames": "MessageSystemAttributeName",
    "MessageSystemAttributes": "MessageSystemAttribute",
    "QueueUrls": "QueueUrl",
    "queueUrls": "QueueUrl",
    "StringListValues": "StringListValue",
    "TagKeys": "TagKey",
    "Tags": "Tag",
    "tags": "Tag",
}
"""Member -> the name of a single value."""


def written_name(name: str, shape: Any) -> str:  # botocore ships no types
    """Return a member's name on the wire; a list of structures has theirs (`SendMessageBatchRequestEntry`)."""
    if name in _SINGULARS:
        return _SINGULARS[name]
    return str(shape.member.name) if shape.type_name == "list" else name


def entry_names(shape: Any) -> tuple[str, str]:  # botocore ships no types
    """Return the names of key and value in a map's entry."""
    return ("Key" if shape.name == "TagMap" else "Name"), "Value"
