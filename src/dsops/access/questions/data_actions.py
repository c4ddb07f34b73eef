"""The actions that read, change or use the content of resources, by type of resource.

Source: AWS Service Authorization Reference, actions of these resource types with access level Read or Write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.arn import parse_arn

_ACTIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("secretsmanager", "secret"): (
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:DeleteSecret",
    ),
    ("ssm", "parameter"): ("ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"),
    ("kms", "key"): ("kms:Decrypt", "kms:Encrypt", "kms:Sign", "kms:CreateGrant", "kms:PutKeyPolicy"),
    ("s3", ""): ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy"),
    ("sqs", ""): ("sqs:ReceiveMessage", "sqs:SendMessage", "sqs:SetQueueAttributes"),
    ("sns", ""): ("sns:Publish", "sns:Subscribe", "sns:SetTopicAttributes"),
    ("lambda", "function"): ("lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:AddPermission"),
    ("dynamodb", "table"): ("dynamodb:GetItem", "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:DeleteItem"),
}
_OF_OBJECTS: Final = frozenset({"s3:GetObject", "s3:PutObject", "s3:DeleteObject"})
_OBJECT: Final = "any-object"


def data_requests(resource: str) -> tuple[tuple[str, str], ...]:
    """Return the data actions of a resource with the ARN that each is asked for; () for an unknown type.

    An action on objects is asked for an object of the bucket.
    """
    arn = parse_arn(resource)
    if arn is None:
        return ()
    actions = _ACTIONS.get((arn.service, arn.resource_type)) or _ACTIONS.get((arn.service, ""), ())
    return tuple((action, f"{resource}/{_OBJECT}" if action in _OF_OBJECTS else resource) for action in actions)
