"""A resource policy admits the user or role it was written for, never a later one of the same name.

AWS stores a principal by its unique id (IAM User Guide, "AWS JSON policy elements: Principal"), and refuses a policy
that names a missing principal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person

READER = f"arn:aws:iam::{ACCOUNT}:user/reader"
QUEUE_URL = f"http://127.0.0.1:4566/{ACCOUNT}/q"
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
}
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:t"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"

PLACE = "PRINCIPAL"
"""Placeholder for the principal."""

Call = tuple[str, str, dict[str, Any]]


@pytest.fixture
def admin() -> Person:
    """The administrator of the first of two accounts; its user `reader` has no policies."""
    admin = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}, "{OTHER}": {{}}}}').user("admin")
    admin.call("iam", "CreateUser", UserName="reader")
    return admin


def policy(action: str, resource: str = "*", principal: str = READER) -> str:
    """A resource policy that allows one principal one action."""
    statement = {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def key_policy(principal: str = READER) -> str:
    """A key policy that allows the account and one other principal."""
    own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    other = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:DescribeKey", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [own, other]})


def bucket(admin: Person) -> Call:
    """A bucket whose policy lets the reader get an object."""
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", Body=b"x")
    admin.call("s3", "PutBucketPolicy", Bucket="bucket", Policy=policy("s3:GetObject", "arn:aws:s3:::bucket/*"))
    return "s3", "GetObject", {"Bucket": "bucket", "Key": "k"}


def queue(admin: Person) -> Call:
    """A queue whose policy lets the reader send a message."""
    admin.call("sqs", "CreateQueue", QueueName="q", Attributes={"Policy": policy("sqs:SendMessage")})
    return "sqs", "SendMessage", {"QueueUrl": QUEUE_URL, "MessageBody": "m"}


def topic(admin: Person) -> Call:
    """A topic whose policy lets the reader publish."""
    admin.call("sns", "CreateTopic", Name="t", Attributes={"Policy": policy("sns:Publish", TOPIC)})
    return "sns", "Publish", {"TopicArn": TOPIC, "Message": "m"}


def key(admin: Person) -> Call:
    """A key whose policy lets the reader describe it."""
    key_id = admin.call("kms", "CreateKey", Policy=key_policy())["KeyMetadata"]["KeyId"]
    return "kms", "DescribeKey", {"KeyId": key_id}


def grant(admin: Person) -> Call:
    """A key with a grant for the reader."""
    key_id = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    admin.call("kms", "CreateGrant", KeyId=key_id, GranteePrincipal=READER, Operations=["DescribeKey"])
    return "kms", "DescribeKey", {"KeyId": key_id}


def secret(admin: Person) -> Call:
    """A secret whose policy lets the reader read it."""
    admin.call("secretsmanager", "CreateSecret", Name="s", SecretString="invented")
    text = policy("secretsmanager:GetSecretValue")
    admin.call("secretsmanager", "PutResourcePolicy", SecretId="s", ResourcePolicy=text)
    return "secretsmanager", "GetSecretValue", {"SecretId": "s"}


def table(admin: Person) -> Call:
    """A table whose policy lets the reader get an item."""
    admin.call(
        "dynamodb",
        "CreateTable",
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    admin.call("dynamodb", "PutResourcePolicy", ResourceArn=TABLE, Policy=policy("dynamodb:GetItem", TABLE))
    return "dynamodb", "GetItem", {"TableName": "t", "Key": {"k": {"S": "v"}}}


def repository(admin: Person) -> Call:
    """A repository whose policy lets the reader list images."""
    admin.call("ecr", "CreateRepository", repositoryName="r")
    document = json.loads(policy("ecr:ListImages"))
    del document["Statement"][0]["Resource"]
    admin.call("ecr", "SetRepositoryPolicy", repositoryName="r", policyText=json.dumps(document))
    return "ecr", "ListImages", {"repositoryName": "r"}


def function(admin: Person) -> Call:
    """A Lambda function whose policy lets the reader get it."""
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr("h.py", "")
    role = admin.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    admin.call(
        "lambda",
        "CreateFunction",
        FunctionName="f",
        Role=role,
        Runtime="python3.12",
        Handler="h.h",
        Code={"ZipFile": packed.getvalue()},
    )
    admin.call(
        "lambda", "AddPermission", FunctionName="f", StatementId="s", Action="lambda:GetFunction", Principal=READER
    )
    return "lambda", "GetFunction", {"FunctionName": "f"}


def event_bus(admin: Person) -> Call:
    """An event bus whose policy lets the reader describe it."""
    admin.call("events", "CreateEventBus", Name="b")
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b"
    admin.call("events", "PutPermission", EventBusName="b", Policy=policy("events:DescribeEventBus", arn))
    return "events", "DescribeEventBus", {"Name": "b"}


def reader(admin: Person) -> Person:
    """The current user named `reader`."""
    made = admin.call("iam", "CreateAccessKey", UserName="reader")["AccessKey"]
    keys = Keys(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
    return admin.lab.with_keys(keys)


def remake(admin: Person) -> Person:
    """Delete the user `reader` and create a new user of the same name."""
    for held in admin.call("iam", "ListAccessKeys", UserName="reader")["AccessKeyMetadata"]:
        admin.call("iam", "DeleteAccessKey", UserName="reader", AccessKeyId=held["AccessKeyId"])
    admin.call("iam", "DeleteUser", UserName="reader")
    admin.call("iam", "CreateUser", UserName="reader")
    return reader(admin)


RESOURCES = (bucket, queue, topic, key, grant, secret, table, repository, function, event_bus)


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.__name__)
def test_a_namesake_is_not_let_in(admin: Person, make: Callable[[Person], Call]) -> None:
    """A policy that names a deleted user denies a new user of that name, whatever the kind of policy."""
    service, operation, parameters = make(admin)
    before = reader(admin)
    assert before.answer(service, operation, **parameters).status == 200

    after = remake(admin)

    assert after.refused(service, operation, **parameters).code in {"AccessDenied", "AccessDeniedException"}


@pytest.mark.parametrize("written", ["user\\/reader", "user/\\u0072eader"])
def test_a_name_in_escapes_is_the_same_name(admin: Person, written: str) -> None:
    """A principal written with JSON escapes is pinned, too; the policy's text is returned as it was written."""

    def spelled(text: str) -> str:
        return text.replace("user/reader", written)

    bucket(admin)
    secret(admin)
    trust = spelled(policy("sts:AssumeRole").replace(', "Resource": "*"', ""))
    key_id = admin.call("kms", "CreateKey", Policy=spelled(key_policy()))["KeyMetadata"]["KeyId"]
    role = admin.call("iam", "CreateRole", RoleName="trusting", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    text = spelled(policy("s3:GetObject", "arn:aws:s3:::bucket/*"))
    admin.call("s3", "PutBucketPolicy", Bucket="bucket", Policy=text)
    text = spelled(policy("secretsmanager:GetSecretValue"))
    admin.call("secretsmanager", "PutResourcePolicy", SecretId="s", ResourcePolicy=text)
    calls: tuple[Call, ...] = (
        ("s3", "GetObject", {"Bucket": "bucket", "Key": "k"}),
        ("secretsmanager", "GetSecretValue", {"SecretId": "s"}),
        ("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "session"}),
        ("kms", "DescribeKey", {"KeyId": key_id}),
    )
    before = reader(admin)
    assert [200] * len(calls) == [before.answer(*call[:2], **call[2]).status for call in calls]

    after = remake(admin)

    for service, operation, parameters in calls:
        assert after.refused(service, operation, **parameters).code in {"AccessDenied", "AccessDeniedException"}


def test_a_new_policy_lets_the_new_user_in_and_the_old_text_shows_an_id(admin: Person) -> None:
    """A new policy admits the recreated user; the old policy's text shows the deleted user's id."""
    _, operation, parameters = bucket(admin)
    unique_id = admin.call("iam", "GetUser", UserName="reader")["User"]["UserId"]
    after = remake(admin)

    document = json.loads(admin.call("s3", "GetBucketPolicy", Bucket="bucket")["Policy"])
    assert {"AWS": unique_id} == document["Statement"][0]["Principal"]
    text = policy("s3:GetObject", "arn:aws:s3:::bucket/*")
    admin.call("s3", "PutBucketPolicy", Bucket="bucket", Policy=text)
    assert after.answer("s3", operation, **parameters).status == 200


def test_a_renamed_user_stays_the_one_that_is_named(admin: Person) -> None:
    """A renamed user is still admitted, and a new user of the old name is not."""
    _, operation, parameters = bucket(admin)
    before = reader(admin)

    admin.call("iam", "UpdateUser", UserName="reader", NewUserName="renamed")
    admin.call("iam", "CreateUser", UserName="reader")

    assert before.answer("s3", operation, **parameters).status == 200
    assert "AccessDenied" == reader(admin).refused("s3", operation, **parameters).code


def writes(admin: Person, principal: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Service -> a call that writes a policy with this principal, on resources that exist."""
    for make in (bucket, queue, topic, secret, table, repository, function, event_bus):
        make(admin)
    key_id = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    return {
        "s3": (
            "s3",
            "PutBucketPolicy",
            {"Bucket": "bucket", "Policy": policy("s3:GetObject", "arn:aws:s3:::bucket/*", principal)},
        ),
        "sqs": (
            "sqs",
            "SetQueueAttributes",
            {"QueueUrl": QUEUE_URL, "Attributes": {"Policy": policy("sqs:SendMessage", principal=principal)}},
        ),
        "sns": (
            "sns",
            "SetTopicAttributes",
            {"TopicArn": TOPIC, "AttributeName": "Policy", "AttributeValue": policy("sns:Publish", TOPIC, principal)},
        ),
        "kms": ("kms", "PutKeyPolicy", {"KeyId": key_id, "PolicyName": "default", "Policy": key_policy(principal)}),
        "kms grant": (
            "kms",
            "CreateGrant",
            {"KeyId": key_id, "GranteePrincipal": principal, "Operations": ["DescribeKey"]},
        ),
        "secretsmanager": (
            "secretsmanager",
            "PutResourcePolicy",
            {"SecretId": "s", "ResourcePolicy": policy("secretsmanager:GetSecretValue", principal=principal)},
        ),
        "dynamodb": (
            "dynamodb",
            "PutResourcePolicy",
            {"ResourceArn": TABLE, "Policy": policy("dynamodb:GetItem", TABLE, principal)},
        ),
        "lambda": (
            "lambda",
            "AddPermission",
            {"FunctionName": "f", "Action": "lambda:GetFunction", "Principal": principal},
        ),
    }


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("s3", "MalformedPolicy", "Invalid principal in policy"),
        ("sqs", "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        ("sns", "InvalidParameter", "Invalid parameter: Policy Error: PrincipalNotFound"),
        ("kms", "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."),
        ("kms grant", "InvalidArnException", "ARN does not refer to a valid principal: {}"),
        (
            "secretsmanager",
            "MalformedPolicyDocumentException",
            "This resource policy contains an unsupported principal.",
        ),
        ("dynamodb", "ValidationException", "Policy is not valid: Invalid principal in policy"),
        (
            "lambda",
            "InvalidParameterValueException",
            "The provided principal was invalid. Please check the principal and try again.",
        ),
    ],
)
def test_a_principal_that_is_missing_is_refused(admin: Person, kind: str, code: str, message: str) -> None:
    """A policy that names a missing user or role of a sandbox account is refused.

    Accounts outside the sandbox are not checked.
    """
    service, operation, parameters = writes(admin, PLACE)[kind]

    def asked(principal: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(json.dumps(parameters).replace(PLACE, principal))
        return document

    for principal in (
        f"arn:aws:iam::{ACCOUNT}:user/missing",
        f"arn:aws:iam::{OTHER}:role/missing",
        f"arn:aws:iam::{ACCOUNT}:user/path/reader",
    ):
        more = {"StatementId": "x"} if kind == "lambda" else {}
        refused = admin.refused(service, operation, **asked(principal), **more)
        assert (code, message.format(principal)) == (refused.code, refused.message)
    for number, principal in enumerate((READER, f"arn:aws:iam::{OTHER}:root", "arn:aws:iam::333333333333:user/other")):
        more = {"StatementId": f"s{number}x"} if kind == "lambda" else {}
        assert admin.answer(service, operation, **asked(principal), **more).status < 300, principal


def test_a_queues_policy_may_name_any_resource(admin: Person) -> None:
    """A queue policy with a non-ARN resource (`$sqs_queue_arn`) is accepted, but the statement allows nothing."""
    text = json.loads(policy("sqs:SendMessage", "$sqs_queue_arn"))
    admin.call("sqs", "CreateQueue", QueueName="q", Attributes={"Policy": json.dumps(text)})
    sent = ("sqs", "SendMessage", {"QueueUrl": QUEUE_URL, "MessageBody": "m"})
    person = reader(admin)

    assert "AccessDenied" == person.refused(*sent[:2], **sent[2]).code
    fitting = json.loads(policy("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"))
    text["Statement"] += fitting["Statement"]
    admin.call("sqs", "SetQueueAttributes", QueueUrl=QUEUE_URL, Attributes={"Policy": json.dumps(text)})
    assert person.answer(*sent[:2], **sent[2]).status == 200


@pytest.mark.parametrize(
    ("effect", "element", "status"),
    [
        ("Deny", "Resource", 400),
        ("Deny", "NotResource", 400),
        ("Allow", "Resource", 200),
        ("Allow", "NotResource", 200),
    ],
)
def test_a_queues_policy_with_another_resource_never_lets_in_more(
    admin: Person, effect: str, element: str, status: int
) -> None:
    """If a queue policy's resource is not the queue, its Deny denies every caller and its Allow admits none."""
    statement = {"Effect": effect, "Principal": "*", "Action": "sqs:SendMessage", element: "q"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    admin.call("sqs", "CreateQueue", QueueName="q", Attributes={"Policy": text})
    sent = ("sqs", "SendMessage", {"QueueUrl": QUEUE_URL, "MessageBody": "m"})

    assert status == admin.answer(*sent[:2], **sent[2]).status
    assert "AccessDenied" == reader(admin).refused(*sent[:2], **sent[2]).code


@pytest.mark.parametrize("statements", [5, None, True, 1.5, "x", [5], [[]], {}])
def test_a_queues_policy_without_statements_is_refused(admin: Person, statements: object) -> None:
    """A queue policy whose statements are no valid JSON list is refused before it is read further."""
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})

    refused = admin.refused("sqs", "CreateQueue", QueueName="q", Attributes={"Policy": text})

    assert "InvalidAttributeValue" == refused.code


def test_a_condition_about_roots_lets_in_roots_alone(admin: Person) -> None:
    """A condition on root ARNs admits only root users: moto's text for everybody has that meaning only in Principal."""
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b"
    statement = {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "events:DescribeEventBus",
        "Resource": arn,
        "Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
    }
    admin.call("events", "CreateEventBus", Name="b")
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    admin.call("events", "PutPermission", EventBusName="b", Policy=text)

    refused = admin.lab.user("admin", OTHER).refused("events", "DescribeEventBus", Name=arn)

    assert "AccessDeniedException" == refused.code
