"""Other services, called with boto3 over HTTP: permissions, other accounts, refused operations."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.state.handlers import load
from tests.sandboxes import ACCOUNT, OTHER, Keys, sign

SEED = """
accounts:
  "111111111111":
    users:
      nobody: {}
      reader:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*", Action: [
           "s3:Get*", "dynamodb:GetItem", "sqs:ReceiveMessage", "sns:ListTopics", "kms:Decrypt", "ec2:Describe*",
           "cloudwatch:ListMetrics", "lambda:ListFunctions", "lambda:InvokeFunction"]}}
  "222222222222": {}
"""


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
)


class ClientOf(Protocol):
    """Creates boto3 clients for the sandbox."""

    def __call__(self, service: str, name: str = "admin", account: str = ACCOUNT, region: str = "us-east-1") -> Any:
        """Return a client of that service with a user's keys."""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server with two accounts, a reader and a user without permissions."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@pytest.fixture
def client(server: SandboxServer) -> ClientOf:
    """A function that creates boto3 clients, configured with the sandbox's endpoint only."""

    def make(service: str, name: str = "admin", account: str = ACCOUNT, region: str = "us-east-1") -> Any:
        keys = identity_variables(server, f"{name}@{account}")
        return boto3.client(
            service,
            endpoint_url=server.url,
            region_name=region,
            config=Config(retries={"max_attempts": 0}),
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    return make


def refused(call: Callable[[], object]) -> str:
    """Call the function; return the error code of its ClientError."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def message_of(call: Callable[[], object]) -> str:
    """Call the function; return the error message of its ClientError."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Message"])


def reading(bucket: str) -> str:
    """Return a bucket policy that lets the other account read the objects."""
    allow = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "s3:GetObject"}
    allow |= {"Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": allow})


def test_objects_are_put_and_read(client: ClientOf) -> None:
    """Objects with unusual keys and with bodies like forms are returned unchanged, also by range."""
    s3 = client("s3")
    key, body = "a b/\u00fc/../x%2F&y=z", b"Action=x&key=other&file=1"
    s3.create_bucket(Bucket="bucket")

    s3.put_object(
        Bucket="bucket", Key=key, Body=body, ContentType="application/x-www-form-urlencoded", Metadata={"m": "v"}
    )

    found = s3.get_object(Bucket="bucket", Key=key)
    assert (body, {"m": "v"}) == (found["Body"].read(), found["Metadata"])
    assert body[2:5] == s3.get_object(Bucket="bucket", Key=key, Range="bytes=2-4")["Body"].read()
    assert len(body) == s3.head_object(Bucket="bucket", Key=key)["ContentLength"]
    assert [key] == [held["Key"] for held in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert refused(lambda: s3.get_object(Bucket="bucket", Key=key, IfNoneMatch=found["ETag"])) == "304"


def test_large_objects_are_uploaded_in_parts(client: ClientOf) -> None:
    """boto3 can upload a large object in parallel parts."""
    s3, body = client("s3"), os.urandom(9_000_000)
    s3.create_bucket(Bucket="bucket")

    s3.upload_fileobj(BytesIO(body), "bucket", "large")

    received = BytesIO()
    s3.download_fileobj("bucket", "large", received)
    assert body == received.getvalue()
    assert s3.head_object(Bucket="bucket", Key="large")["ETag"].endswith('-2"')


def test_expect_100_continue_is_answered(client: ClientOf, server: SandboxServer) -> None:
    """`Expect: 100-continue` gets a 100 response before the client sends the body."""
    client("s3").create_bucket(Bucket="bucket")
    keys = identity_variables(server, "admin")
    given = Keys(access_key_id=keys["AWS_ACCESS_KEY_ID"], secret_access_key=keys["AWS_SECRET_ACCESS_KEY"])
    headers = sign(given, "s3", "us-east-1", "PUT", "/bucket/k", {"Host": f"127.0.0.1:{server.port}"}, b"text").headers
    lines = [f"{name}: {value}" for name, value in {**headers, "content-length": "4"}.items()]
    head = "\r\n".join(["PUT /bucket/k HTTP/1.1", *lines, "Expect: 100-continue", "Connection: close", "", ""])

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"text")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_items_are_put_and_read(client: ClientOf) -> None:
    """DynamoDB items whose values look like forms are stored unchanged; other users are denied."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="T",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    item = {"k": {"S": "a&TableName=U&Action=DeleteTable"}, "b": {"B": b"\x00\xff"}}

    dynamodb.put_item(TableName="T", Item=item)

    assert item == dynamodb.get_item(TableName="T", Key={"k": item["k"]})["Item"]
    assert item == client("dynamodb", "reader").get_item(TableName="T", Key={"k": item["k"]})["Item"]
    put = lambda: client("dynamodb", "reader").put_item(TableName="T", Item=item)  # noqa: E731
    assert refused(put) == "AccessDeniedException"


def test_messages_are_sent_through_topics_and_queues(client: ClientOf) -> None:
    """A message published to a topic arrives in the subscribed queue, if the queue's policy allows SNS to send."""
    sqs, sns = client("sqs"), client("sns")
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Resource": "*"}})
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": policy})["QueueUrl"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")

    sns.publish(TopicArn=topic, Message="hello & <goodbye>")

    found = client("sqs", "reader").receive_message(QueueUrl=url)["Messages"]
    assert ["hello & <goodbye>"] == [json.loads(held["Body"])["Message"] for held in found]
    # Services that once used the query protocol keep its error codes.
    assert refused(lambda: client("sqs", "reader").send_message(QueueUrl=url, MessageBody="x")) == "AccessDenied"


def test_queue_urls_point_to_the_sandbox(client: ClientOf, server: SandboxServer) -> None:
    """Queue URLs point at the sandbox, because some SDKs send requests to them."""
    sqs = client("sqs")

    url = sqs.create_queue(QueueName="q")["QueueUrl"]

    assert f"{server.url}/{ACCOUNT}/q" == url
    assert [url] == sqs.list_queues()["QueueUrls"]
    at_the_url = boto3.client(
        "sqs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=sqs._request_signer._credentials.access_key,
        aws_secret_access_key=sqs._request_signer._credentials.secret_key,
    )
    assert at_the_url.send_message(QueueUrl=url, MessageBody="x")["MessageId"]


def test_keys_encrypt_and_decrypt(client: ClientOf) -> None:
    """KMS encrypts and decrypts for permitted users."""
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]

    assert client("kms", "reader").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
    assert refused(lambda: client("kms", "reader").encrypt(KeyId=key, Plaintext=b"x")) == "AccessDeniedException"


def test_ec2_has_its_own_protocol(client: ClientOf) -> None:
    """The sandbox accepts EC2's flat lists and returns errors in EC2's own format."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(
        CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "k", "Value": "v&w"}]}]
    )["Vpc"]["VpcId"]

    found = client("ec2", "reader").describe_vpcs(Filters=[{"Name": "tag:k", "Values": ["v&w"]}])["Vpcs"]

    assert [vpc] == [held["VpcId"] for held in found]
    assert refused(lambda: client("ec2", "reader").create_vpc(CidrBlock="10.1.0.0/16")) == "UnauthorizedOperation"
    assert refused(lambda: client("ec2", "nobody").describe_vpcs()) == "UnauthorizedOperation"


def test_ec2_denials_have_an_encoded_message(client: ClientOf) -> None:
    """EC2 denials have an encoded message that can be decoded, except those of Describe operations."""
    text = message_of(lambda: client("ec2", "reader").create_vpc(CidrBlock="10.1.0.0/16"))
    encoded = text.partition("Encoded authorization failure message: ")[2]

    decoded = client("sts").decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"]

    assert json.loads(decoded)["context"]["action"] == "ec2:CreateVpc"
    assert "Encoded" not in message_of(lambda: client("ec2", "nobody").describe_vpcs())


def test_cbor_is_answered_in_cbor(client: ClientOf) -> None:
    """CloudWatch's CBOR requests get CBOR responses, although the sandbox calls moto in JSON."""
    cloudwatch = client("cloudwatch")
    assert cloudwatch.meta.service_model.metadata["protocol"] == "smithy-rpc-v2-cbor"

    cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.5}])

    found = client("cloudwatch", "reader").list_metrics()["Metrics"]
    assert [("n", "m")] == [(held["Namespace"], held["MetricName"]) for held in found]
    assert refused(lambda: client("cloudwatch", "nobody").list_metrics()) == "AccessDenied"


ASKED = {
    "acm": "list_certificates",
    "athena": "list_work_groups",
    "autoscaling": "describe_auto_scaling_groups",
    "cloudfront": "list_distributions",
    "config": "describe_configuration_recorders",
    "ecr": "describe_repositories",
    "ecs": "list_clusters",
    "efs": "describe_file_systems",
    "eks": "list_clusters",
    "elb": "describe_load_balancers",
    "elbv2": "describe_load_balancers",
    "events": "list_rules",
    "firehose": "list_delivery_streams",
    "iot": "list_things",
    "kinesis": "list_streams",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "opensearch": "list_domain_names",
    "rds": "describe_db_instances",
    "route53": "list_hosted_zones",
    "ses": "list_identities",
    "sesv2": "list_contact_lists",
    "stepfunctions": "list_state_machines",
}


@pytest.mark.parametrize("service", ASKED)
def test_other_services_are_served_and_authorized(client: ClientOf, service: str) -> None:
    """Services of each protocol serve an administrator and deny a user without permissions."""
    assert getattr(client(service), ASKED[service])()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert refused(getattr(client(service, "nobody"), ASKED[service])) in {"AccessDenied", "AccessDeniedException"}


# --- accounts and regions ------------------------------------------------------------------------------------------


def test_accounts_and_regions_are_separate(client: ClientOf) -> None:
    """Resources of one account or region do not exist in others."""
    client("sqs").create_queue(QueueName="q")
    client("dynamodb").create_table(
        TableName="T",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    client("s3").create_bucket(Bucket="bucket")

    assert client("sqs", account=OTHER).list_queues().get("QueueUrls", []) == []
    assert client("sqs", region="eu-west-1").list_queues().get("QueueUrls", []) == []
    assert client("dynamodb", account=OTHER).list_tables()["TableNames"] == []
    assert client("dynamodb", region="eu-west-1").list_tables()["TableNames"] == []
    assert client("s3", account=OTHER).list_buckets()["Buckets"] == []


def test_a_bucket_of_another_account_needs_both_permissions(client: ClientOf) -> None:
    """A bucket of another account is accessible only if both policies allow."""
    s3, stranger = client("s3"), client("s3", account=OTHER)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"text")

    assert refused(lambda: stranger.create_bucket(Bucket="bucket", ACL="public-read")) == "BucketAlreadyExists"
    assert len(s3.get_bucket_acl(Bucket="bucket")["Grants"]) == 1
    assert refused(lambda: stranger.get_object(Bucket="bucket", Key="k")) == "AccessDenied"
    assert refused(lambda: stranger.put_bucket_policy(Bucket="bucket", Policy="{}")) == "AccessDenied"
    s3.put_bucket_policy(Bucket="bucket", Policy=reading("bucket"))
    assert stranger.get_object(Bucket="bucket", Key="k")["Body"].read() == b"text"
    assert refused(lambda: stranger.put_object(Bucket="bucket", Key="k", Body=b"x")) == "AccessDenied"


def test_a_copy_needs_both_permissions(client: ClientOf) -> None:
    """A copy across accounts needs permission on source and target, and belongs to the target bucket's owner."""
    s3, stranger = client("s3"), client("s3", account=OTHER)
    s3.create_bucket(Bucket="source")
    s3.put_object(Bucket="source", Key="a ?/%41", Body=b"text")
    stranger.create_bucket(Bucket="target")

    def copy() -> None:
        stranger.copy_object(Bucket="target", Key="copy", CopySource={"Bucket": "source", "Key": "a ?/%41"})

    assert refused(copy) == "AccessDenied"
    s3.put_bucket_policy(Bucket="source", Policy=reading("source"))
    copy()

    assert stranger.get_object(Bucket="target", Key="copy")["Body"].read() == b"text"
    assert refused(lambda: s3.get_object(Bucket="target", Key="copy")) == "AccessDenied"


def test_an_arn_of_another_region_is_not_found(client: ClientOf) -> None:
    """An ARN of another region is refused, although moto would use a resource of that name in this region."""
    client("dynamodb").create_table(
        TableName="T",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    elsewhere = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/T"

    text = message_of(lambda: client("dynamodb").describe_table(TableName=elsewhere))

    assert "is not in us-east-1" in text
    here = elsewhere.replace("eu-west-1", "us-east-1")
    assert client("dynamodb").describe_table(TableName=here)["Table"]["TableName"] == "T"


def test_nothing_is_delivered_into_another_account(client: ClientOf) -> None:
    """SNS can't deliver to a queue of another account, although moto would."""
    url = client("sqs", account=OTHER).create_queue(QueueName="q")["QueueUrl"]
    sns = client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]

    text = message_of(
        lambda: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{OTHER}:q")
    )

    assert "belongs to another account" in text
    sns.publish(TopicArn=topic, Message="m")
    assert "Messages" not in client("sqs", account=OTHER).receive_message(QueueUrl=url)


def test_other_services_find_no_buckets_of_other_accounts(client: ClientOf) -> None:
    """Lambda can't load code from a bucket of another account, which moto would find by name."""
    client("s3").create_bucket(Bucket="theirs")
    client("s3").put_object(Bucket="theirs", Key="code", Body=b"secret")
    client("s3").put_bucket_policy(Bucket="theirs", Policy=reading("theirs"))
    stranger = client("s3", account=OTHER)
    stranger.create_bucket(Bucket="own")
    stranger.copy_object(Bucket="own", Key="copy", CopySource="theirs/code")
    role = client("iam", account=OTHER).create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]

    def create(bucket: str, key: str) -> object:
        return client("lambda", account=OTHER).create_function(
            FunctionName=bucket, Role=role, Runtime="python3.12", Handler="h.h", Code={"S3Bucket": bucket, "S3Key": key}
        )

    assert refused(lambda: create("theirs", "code")) in {"AccessDenied", "AccessDeniedException"}
    create("own", "copy")


# --- refused operations --------------------------------------------------------------------------------------------


def test_no_code_is_run(client: ClientOf) -> None:
    """Functions and jobs are stored, but invoking them is refused."""
    assert "runs no code" in message_of(lambda: client("lambda").invoke(FunctionName="f"))
    job = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}
    assert "runs no code" in message_of(lambda: client("batch").submit_job(**job))
    # A caller without permission is denied before that error.
    assert refused(lambda: client("lambda", "nobody").invoke(FunctionName="f")) == "AccessDeniedException"


def test_no_network_requests_are_made(client: ClientOf) -> None:
    """SNS subscriptions to HTTP endpoints are refused, because moto would send requests to them."""
    sns = client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]

    for protocol in ("http", "https"):
        parameters = {"TopicArn": topic, "Protocol": protocol, "Endpoint": f"{protocol}://127.0.0.1/"}
        assert "requests to the network" in message_of(lambda: sns.subscribe(**parameters))  # noqa: B023 - called at once


def test_operations_that_moto_performs_wrongly_are_refused(client: ClientOf) -> None:
    """S3 operations that moto would perform wrongly are refused."""
    s3 = client("s3")
    s3.create_bucket(Bucket="bucket")

    assert "moto has no such operation" in message_of(lambda: s3.list_bucket_analytics_configurations(Bucket="bucket"))
    assert "moto has no such operation" in message_of(lambda: s3.get_bucket_request_payment(Bucket="bucket"))


def test_an_upload_is_continued_under_its_own_key_only(client: ClientOf) -> None:
    """A multipart upload continues only under its own key, although moto checks only the upload id."""
    s3 = client("s3")
    s3.create_bucket(Bucket="bucket")
    upload = s3.create_multipart_upload(Bucket="bucket", Key="a")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="a", UploadId=upload, PartNumber=1, Body=b"text")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}

    for call in (
        lambda: s3.upload_part(Bucket="bucket", Key="b", UploadId=upload, PartNumber=1, Body=b"x"),
        lambda: s3.complete_multipart_upload(Bucket="bucket", Key="b", UploadId=upload, MultipartUpload=parts),
        lambda: s3.list_parts(Bucket="bucket", Key="b", UploadId=upload),
        lambda: s3.abort_multipart_upload(Bucket="bucket", Key="b", UploadId=upload),
    ):
        assert refused(call) == "NoSuchUpload"
    s3.complete_multipart_upload(Bucket="bucket", Key="a", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"text"


def test_a_missing_package_is_named(client: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a service needs a missing package, its 501 error names the package."""
    monkeypatch.setitem(sys.modules, "moto.glacier.urls", None)
    load.cache_clear()

    text = message_of(lambda: client("glacier").list_vaults())

    assert "The dsops sandbox serves glacier when moto.glacier.urls is installed" in text
    load.cache_clear()
