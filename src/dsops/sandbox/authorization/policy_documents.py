"""Validate resource policies when they are written, as AWS does. moto accepts any string as a policy.

Error codes are from the services' API references. Where AWS's message is unknown, the sandbox uses its own message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dsops.document import parse_json
from dsops.policy import Policy, check_policy
from dsops.request.parameter_values import Parameters, inside, text
from dsops.request.wire.errors import refusal
from dsops.sandbox.resource_policies.principals import principals_of
from dsops.sandbox.resource_policies.queue_policy import readable_queue_policy


class _Written(NamedTuple):
    """The parameter that contains a policy, and the service's error for an invalid policy."""

    parameter: str
    code: str
    message: str


_WRITES: Final[Mapping[tuple[str, str], _Written]] = {
    ("dynamodb", "PutResourcePolicy"): _Written("Policy", "ValidationException", "Policy is not valid: {}"),
    ("dynamodb", "CreateTable"): _Written("ResourcePolicy", "ValidationException", "Policy is not valid: {}"),
    ("ecr", "SetRepositoryPolicy"): _Written(
        "policyText",
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided': {}",
    ),
    ("events", "PutPermission"): _Written("Policy", "ValidationException", "Policy is not valid: {}"),
    ("kms", "CreateKey"): _Written("Policy", "MalformedPolicyDocumentException", "{}"),
    ("kms", "PutKeyPolicy"): _Written("Policy", "MalformedPolicyDocumentException", "{}"),
    ("s3", "PutBucketPolicy"): _Written("Policy", "MalformedPolicy", "{}"),
    ("sns", "CreateTopic"): _Written("Attributes.Policy", "InvalidParameter", "Invalid parameter: Policy Error: {}"),
    ("sns", "SetTopicAttributes"): _Written(
        "AttributeValue", "InvalidParameter", "Invalid parameter: Policy Error: {}"
    ),
    ("sqs", "CreateQueue"): _Written(
        "Attributes.Policy", "InvalidAttributeValue", "Invalid value for the parameter Policy: {}"
    ),
    ("sqs", "SetQueueAttributes"): _Written(
        "Attributes.Policy", "InvalidAttributeValue", "Invalid value for the parameter Policy: {}"
    ),
}
"""(service, operation) -> the parameter with the policy that the operation writes."""
_NO_PRINCIPAL: Final[Mapping[str, str]] = {
    "kms": "Policy contains a statement with one or more invalid principals.",
    "sns": "Invalid parameter: Policy Error: PrincipalNotFound",
    "sqs": "Invalid value for the parameter Policy.",
}
"""Service -> its message for a missing principal, if that differs from IAM's message."""


def check_written_policy(
    service: str, operation: str, parameters: Parameters, has_principal: Callable[[str], bool]
) -> None:
    """Raise SandboxRefusal if the operation writes an invalid policy, or one with a principal that does not exist.

    AWS stores the unique id of each user and role in a policy, so the principals must exist.
    """
    if (service, operation) == ("lambda", "AddPermission") and not has_principal(text(parameters, "Principal")):
        message = "The provided principal was invalid. Please check the principal and try again."
        raise refusal("InvalidParameterValueException", message)
    policy_write = _WRITES.get((service, operation))
    if policy_write is None or (operation == "SetTopicAttributes" and text(parameters, "AttributeName") != "Policy"):
        return
    outer, dot, inner = policy_write.parameter.partition(".")
    document = text(inside(parameters, outer), inner) if dot else text(parameters, outer)
    if not document:
        # The policy is absent or is removed: SQS deletes a queue's policy if the text is empty.
        return
    if service == "sqs":
        document = readable_queue_policy(document)
    checked = check_policy(parse_json(document, "policy"), "resource", name="policy")
    if checked.policy is None:
        raise refusal(policy_write.code, policy_write.message.format(checked.aws_message))
    if not all(has_principal(arn) for arn in principals_of(document)):
        words = _NO_PRINCIPAL.get(service) or policy_write.message.format("Invalid principal in policy")
        raise refusal(policy_write.code, words)
    if operation == "PutBucketPolicy":
        _check_bucket(checked.policy, text(parameters, "Bucket"))


def _check_bucket(policy: Policy, bucket: str) -> None:
    """Refuse a bucket policy whose resources belong to another bucket. ARNs with wildcards are not checked here."""
    for statement in policy.statements:
        for resource_text in statement.resources.written if statement.resources is not None else ():
            named = resource_text.split(":", 5)[-1].partition("/")[0]
            if named != bucket and not set("*?$") & set(named):
                raise refusal("MalformedPolicy", "Policy has invalid resource")
