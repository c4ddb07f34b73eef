"""Two accounts: a policy that one request stores affects the next request."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory

REGION = "us-east-1"
THEM = {"AWS": f"arn:aws:iam::{OTHER}:root"}
SEED = f"""
accounts:
  "{ACCOUNT}":
    users: {{nobody: {{}}}}
    roles:
      Runner:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}},
                 Action: "sts:AssumeRole"}}}}
  "{OTHER}": {{users: {{stranger: {{}}}}}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """Two accounts, each with an administrator and a user without permissions."""
    return make_lab(SEED)


def policy(resource: str, *actions: str) -> str:
    """Return a resource policy that allows the other account."""
    statement = {"Effect": "Allow", "Principal": THEM, "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_bucket_is_opened_by_its_policy(lab: Lab) -> None:
    """A bucket policy gives access to permitted callers of another account."""
    mine, theirs, stranger = lab.user("admin"), lab.user("admin", OTHER), lab.user("stranger", OTHER)
    mine.call("s3", "CreateBucket", Bucket="shelf")
    mine.call("s3", "PutObject", Bucket="shelf", Key="a/b c", Body=b"text")

    assert theirs.refused("s3", "GetObject", Bucket="shelf", Key="a/b c").code == "AccessDenied"
    mine.call("s3", "PutBucketPolicy", Bucket="shelf", Policy=policy("arn:aws:s3:::shelf/*", "s3:GetObject"))
    assert theirs.answer("s3", "GetObject", Bucket="shelf", Key="a/b c").body == b"text"
    assert stranger.refused("s3", "GetObject", Bucket="shelf", Key="a/b c").code == "AccessDenied"
    assert theirs.refused("s3", "PutObject", Bucket="shelf", Key="a/b c", Body=b"x").code == "AccessDenied"
    assert mine.answer("s3", "GetObject", Bucket="shelf", Key="a/b c").body == b"text"


def test_copying_across_accounts_needs_read_permission(lab: Lab) -> None:
    """Copying an object across accounts needs read permission on it; the copy belongs to the target's owner."""
    mine, theirs = lab.user("admin"), lab.user("admin", OTHER)
    mine.call("s3", "CreateBucket", Bucket="shelf")
    mine.call("s3", "PutObject", Bucket="shelf", Key="book", Body=b"text")
    theirs.call("s3", "CreateBucket", Bucket="copies")
    parameters = {"Bucket": "copies", "Key": "book", "CopySource": "shelf/book"}

    assert theirs.refused("s3", "CopyObject", **parameters).code == "AccessDenied"
    mine.call("s3", "PutBucketPolicy", Bucket="shelf", Policy=policy("arn:aws:s3:::shelf/*", "s3:GetObject"))
    theirs.call("s3", "CopyObject", **parameters)
    assert theirs.answer("s3", "GetObject", Bucket="copies", Key="book").body == b"text"
    assert mine.refused("s3", "GetObject", Bucket="copies", Key="book").code == "AccessDenied"


def test_a_queue_is_opened_by_its_policy(lab: Lab) -> None:
    """A queue policy gives permitted callers of another account access to the queue's URL."""
    mine, theirs, stranger = lab.user("admin"), lab.user("admin", OTHER), lab.user("stranger", OTHER)
    url = mine.call("sqs", "CreateQueue", QueueName="jobs")["QueueUrl"]
    message = {"QueueUrl": url, "MessageBody": "text"}

    assert theirs.refused("sqs", "SendMessage", **message).code.startswith("AccessDenied")
    opened = policy(f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs", "sqs:SendMessage")
    mine.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": opened})
    theirs.call("sqs", "SendMessage", **message)
    assert stranger.refused("sqs", "SendMessage", **message).code.startswith("AccessDenied")
    assert theirs.refused("sqs", "ReceiveMessage", QueueUrl=url).code.startswith("AccessDenied")
    assert mine.call("sqs", "ReceiveMessage", QueueUrl=url)["Messages"][0]["Body"] == "text"


def test_a_topic_is_opened_by_a_permission(lab: Lab) -> None:
    """AddPermission on a topic gives access to permitted callers of another account."""
    mine, theirs, stranger = lab.user("admin"), lab.user("admin", OTHER), lab.user("stranger", OTHER)
    topic = mine.call("sns", "CreateTopic", Name="news")["TopicArn"]

    assert theirs.refused("sns", "Publish", TopicArn=topic, Message="x").status == 403
    mine.call("sns", "AddPermission", TopicArn=topic, Label="them", AWSAccountId=[OTHER], ActionName=["Publish"])
    theirs.call("sns", "Publish", TopicArn=topic, Message="x")
    assert stranger.refused("sns", "Publish", TopicArn=topic, Message="x").status == 403
    assert theirs.refused("sns", "GetTopicAttributes", TopicArn=topic).status == 403


def test_a_key_is_opened_by_its_policy_and_by_grants(lab: Lab) -> None:
    """A key policy and grants give access to a key; the key policy can exclude the key's own account."""
    mine, theirs, nobody = lab.user("admin"), lab.user("admin", OTHER), lab.user("nobody")
    key = mine.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    text = {"KeyId": key, "Plaintext": b"text"}

    assert theirs.refused("kms", "Encrypt", **text).code == "AccessDeniedException"
    assert nobody.refused("kms", "Encrypt", **text).code == "AccessDeniedException"
    mine.call("kms", "CreateGrant", KeyId=key, GranteePrincipal=nobody.arn, Operations=["Encrypt"])
    blob = nobody.call("kms", "Encrypt", **text)["CiphertextBlob"]
    assert mine.call("kms", "Decrypt", CiphertextBlob=blob)["Plaintext"] == b"text"
    assert nobody.refused("kms", "Decrypt", CiphertextBlob=blob).code == "AccessDeniedException"
    opened = policy("*", "kms:Encrypt", "kms:Decrypt")
    mine.call("kms", "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=opened)
    assert theirs.call("kms", "Encrypt", **text)["KeyId"] == key
    assert theirs.call("kms", "Decrypt", CiphertextBlob=blob, KeyId=key)["Plaintext"] == b"text"
    assert mine.refused("kms", "Decrypt", CiphertextBlob=blob).code == "AccessDeniedException"


def test_a_table_is_opened_by_its_policy(lab: Lab) -> None:
    """A table policy gives access by the table's ARN; the table's name means the caller's own table."""
    mine, theirs, stranger = lab.user("admin"), lab.user("admin", OTHER), lab.user("stranger", OTHER)
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/games"
    mine.call(
        "dynamodb",
        "CreateTable",
        TableName="games",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    item = {"id": {"S": "x"}}
    mine.call("dynamodb", "PutItem", TableName="games", Item=item)

    assert theirs.refused("dynamodb", "GetItem", TableName=table, Key=item).code == "AccessDeniedException"
    mine.call("dynamodb", "PutResourcePolicy", ResourceArn=table, Policy=policy(table, "dynamodb:GetItem"))
    assert theirs.call("dynamodb", "GetItem", TableName=table, Key=item)["Item"] == item
    assert stranger.refused("dynamodb", "GetItem", TableName=table, Key=item).code == "AccessDeniedException"
    assert theirs.refused("dynamodb", "PutItem", TableName=table, Item=item).code == "AccessDeniedException"
    assert theirs.refused("dynamodb", "GetItem", TableName="games", Key=item).code == "ResourceNotFoundException"


def test_a_function_is_opened_by_a_permission(lab: Lab) -> None:
    """AddPermission on a function gives access for the named action only."""
    mine, theirs = lab.user("admin"), lab.user("admin", OTHER)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "")
    function = mine.call(
        "lambda",
        "CreateFunction",
        FunctionName="work",
        Runtime="python3.11",
        Handler="main.run",
        Role=f"arn:aws:iam::{ACCOUNT}:role/Runner",
        Code={"ZipFile": packed.getvalue()},
    )
    arn = function["FunctionArn"]

    assert theirs.refused("lambda", "GetFunction", FunctionName=arn).code == "AccessDeniedException"
    mine.call(
        "lambda", "AddPermission", FunctionName="work", StatementId="s", Action="lambda:GetFunction", Principal=OTHER
    )
    assert theirs.call("lambda", "GetFunction", FunctionName=arn)["Configuration"]["FunctionArn"] == arn
    assert theirs.refused("lambda", "DeleteFunction", FunctionName=arn).code == "AccessDeniedException"


def test_resources_of_the_same_name_are_separate(lab: Lab) -> None:
    """Resources of the same name in two accounts are separate."""
    for account in (ACCOUNT, OTHER):
        admin = lab.user("admin", account)
        admin.call("sqs", "CreateQueue", QueueName="jobs", tags={"of": account})
        admin.call("logs", "CreateLogGroup", logGroupName="/app")
        admin.call("kinesis", "CreateStream", StreamName="clicks", ShardCount=1)
    for account in (ACCOUNT, OTHER):
        admin = lab.user("admin", account)
        assert [account] == [url.split("/")[-2] for url in admin.call("sqs", "ListQueues")["QueueUrls"]]
        (group,) = admin.call("logs", "DescribeLogGroups")["logGroups"]
        assert f":{account}:" in group["arn"]
        stream = admin.call("kinesis", "DescribeStreamSummary", StreamName="clicks")["StreamDescriptionSummary"]
        assert f":{account}:" in stream["StreamARN"]
