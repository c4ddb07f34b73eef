"""What the members of SQS's shapes are called in the query protocol (SQS API reference, sample requests and answers).

A list or map goes by the name of one of its values: `Attribute.1.Name=...`, `SendMessageBatchRequestEntry.1.Id=...`.
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
"""Member -> what one of its values is called."""


def written_name(name: str, shape: Any) -> str:  # botocore ships no types
    """The name of a member on the wire; a list of structures goes by theirs (`SendMessageBatchRequestEntry`)."""
    if name in _SINGULARS:
        return _SINGULARS[name]
    return str(shape.member.name) if shape.type_name == "list" else name


def entry_names(shape: Any) -> tuple[str, str]:  # botocore ships no types
    """What key and value of a map's entry are called."""
    return ("Key" if shape.name == "TagMap" else "Name"), "Value"
