"""Resource policies are validated when they are written, after the caller is authorized."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from dsops.errors import SandboxRefusal
from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT
from tests.unit.sandbox.conftest import LabFactory

SEED = f'accounts: {{"{ACCOUNT}": {{users: {{nobody: {{}}}}}}}}'
GOOD = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "*", "Resource": "*"}],
    }
)
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/games"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
QUEUE = f"http://127.0.0.1:4566/{ACCOUNT}/jobs"
WRITES = [
    ("s3", "PutBucketPolicy", {"Bucket": "shelf", "Policy": "%s"}, "MalformedPolicy"),
    ("sqs", "SetQueueAttributes", {"QueueUrl": QUEUE, "Attributes": {"Policy": "%s"}}, "InvalidAttributeValue"),
    ("sqs", "CreateQueue", {"QueueName": "jobs", "Attributes": {"Policy": "%s"}}, "InvalidAttributeValue"),
    (
        "sns",
        "SetTopicAttributes",
        {"TopicArn": TOPIC, "AttributeName": "Policy", "AttributeValue": "%s"},
        "InvalidParameter",
    ),
    ("kms", "CreateKey", {"Policy": "%s"}, "MalformedPolicyDocumentException"),
    ("dynamodb", "PutResourcePolicy", {"ResourceArn": TABLE, "Policy": "%s"}, "ValidationException"),
    ("ecr", "SetRepositoryPolicy", {"repositoryName": "app", "policyText": "%s"}, "InvalidParameterException"),
]
BAD = ["{", "[]", '{"Statement": []}', GOOD.replace("Allow", "Permit"), GOOD.replace('"Principal"', '"Principle"')]


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of one account."""
    return Desk(make_lab(SEED))


def filled(parameters: Mapping[str, object], policy: str) -> dict[str, object]:
    """Return the parameters with the policy in its place."""
    return {
        name: filled(value, policy) if isinstance(value, dict) else policy if value == "%s" else value
        for name, value in parameters.items()
    }


@pytest.mark.parametrize(("service", "operation", "parameters", "code"), WRITES)
def test_an_invalid_policy_is_refused(
    desk: Desk, service: str, operation: str, parameters: dict[str, object], code: str
) -> None:
    """An invalid resource policy gets the service's own error; an unauthorized caller is denied first."""
    for policy in BAD:
        with pytest.raises(SandboxRefusal) as caught:
            desk.allows(desk.caller("admin"), service, operation, **filled(parameters, policy))
        assert caught.value.aws is not None
        assert caught.value.aws.code == code
        assert desk.refused(desk.caller("nobody"), service, operation, **filled(parameters, policy))
    assert desk.allows(desk.caller("admin"), service, operation, **filled(parameters, GOOD))


@pytest.mark.parametrize("resource", ["arn:aws:s3:::shelf", "arn:aws:s3:::shelf/*", "arn:aws:s3:::sh*/k", "*"])
def test_a_bucket_policy_must_name_the_bucket(desk: Desk, resource: str) -> None:
    """S3 refuses a bucket policy that names another bucket."""
    admin = desk.caller("admin")
    policy = GOOD.replace('"Resource": "*"', f'"Resource": ["{resource}"]')
    assert desk.allows(admin, "s3", "PutBucketPolicy", Bucket="shelf", Policy=policy)
    for other in ("arn:aws:s3:::shelves/*", "arn:aws:s3:::other", "arn:aws:s3:::shelf.old/k"):
        policy = GOOD.replace('"Resource": "*"', f'"Resource": ["{resource}", "{other}"]')
        with pytest.raises(SandboxRefusal, match="Policy has invalid resource") as caught:
            desk.allows(admin, "s3", "PutBucketPolicy", Bucket="shelf", Policy=policy)
        assert caught.value.aws is not None
        assert caught.value.aws.code == "MalformedPolicy"


def test_other_attributes_are_not_checked_as_policies(desk: Desk) -> None:
    """Attributes other than policies are not validated as policies; an empty policy removes a queue's policy."""
    admin = desk.caller("admin")

    assert desk.allows(
        admin, "sns", "SetTopicAttributes", TopicArn=TOPIC, AttributeName="DisplayName", AttributeValue="{"
    )
    assert desk.allows(admin, "sqs", "SetQueueAttributes", QueueUrl=QUEUE, Attributes={"DelaySeconds": "5"})
    assert desk.allows(admin, "sqs", "SetQueueAttributes", QueueUrl=QUEUE, Attributes={"Policy": ""})
