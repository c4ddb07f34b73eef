"""The names of SQS's members in the query protocol (SQS API reference, sample requests and answers).

A list or map is named like one of its values: `Attribute.1.Name=...`, `SendMessageBatchRequestEntry.1.Id=...`.
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
"""Member in the model -> the member's name on the wire, in the singular."""


def written_name(name: str, shape: Any) -> str:  # Any: botocore has no type hints
    """Return a member's name on the wire; for a list of structures this is the structure's name."""
    if name in _SINGULARS:
        return _SINGULARS[name]
    return str(shape.member.name) if shape.type_name == "list" else name


def entry_names(shape: Any) -> tuple[str, str]:  # Any: botocore has no type hints
    """Return the names on the wire of the key and the value in a map entry."""
    return ("Key" if shape.name == "TagMap" else "Name"), "Value"
