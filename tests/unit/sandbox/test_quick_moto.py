"""The sandbox's faster calls of moto answer what moto's own functions answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.moto_api._internal import mock_random

from dsops.request.wire.responses import with_request_id
from dsops.sandbox.state import fence, handlers
from tests.sandboxes import Keys, Lab, Person

SEED = """
accounts:
  "111111111111":
    users:
      admin:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
"""
WITH_READER = f"""{SEED}
      objects:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "s3:*Object", Resource: "*"}}}}
"""
TRUST = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}'
CALLS = 300
KEYS = ("a", "b/c", "d e+f", "é?#;&=%41", "//g", "..")
BODIES = (b"", b"text", b"x-amz-meta-a=b&versionId=1&Action=DeleteObject", bytes(range(256)), b"k" * 1024)
# Times, and the ids that moto does not take from its seeded generator.
_CHANGING = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT|\b1[789]\d{8}(\d{3})?(\.\d+)?\b"
    r"|(?<=<RequestId>)[^<]*|(?<=<HostId>)[^<]*|(?<=<UploadId>)[^<]*"
)
Call = tuple[str, str, dict[str, Any]]


def s3_calls(random: Random) -> Iterator[Call]:
    """Yield calls on two buckets, one with versions."""
    for bucket in ("plain", "versions"):
        yield "s3", "CreateBucket", {"Bucket": bucket}
    versions = {"Bucket": "versions", "VersioningConfiguration": {"Status": "Enabled"}}
    yield "s3", "PutBucketVersioning", versions
    rule = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}
    yield "s3", "PutBucketCors", {"Bucket": "plain", "CORSConfiguration": {"CORSRules": [rule]}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObjectAcl", "Resource": "arn:aws:s3:::plain/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    yield "s3", "PutBucketPolicy", {"Bucket": "plain", "Policy": policy}
    while True:
        bucket, key, body = random.choice(("plain", "versions", "absent")), random.choice(KEYS), random.choice(BODIES)
        on_object: dict[str, Any] = {"Bucket": bucket, "Key": key}
        operation = random.choice(tuple(S3_OPTIONS))
        options = random.choice(S3_OPTIONS[operation])
        if operation == "PutObject":
            options = {**options, "Body": body}
        if operation == "CopyObject":
            options = {**options, "CopySource": f"versions/{random.choice(('a', 'b/c'))}"}
        if operation.startswith("List"):
            on_object = {"Bucket": bucket}
        yield "s3", operation, {**on_object, **options}


S3_OPTIONS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "PutObject": (
        {},
        {"ContentType": "text/plain", "Metadata": {"a": "1", "b_c": "2"}, "CacheControl": "no-store"},
        {"ChecksumAlgorithm": "CRC32"},
        {"Tagging": "a=b&c=d"},
        {"Tagging": "aws:a=b"},
        {"ServerSideEncryption": "AES256"},
        {"StorageClass": "GLACIER"},
        {"StorageClass": "NONE"},
        {"ACL": "public-read"},
        {"IfNoneMatch": "*"},
        {"IfMatch": '"0"'},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2030-01-01T00:00:00Z"},
        {"WebsiteRedirectLocation": "/other"},
    ),
    "GetObject": (
        {},
        {"Range": "bytes=1-2"},
        {"Range": "bytes=5000-"},
        {"IfNoneMatch": '"1cb251ec0d568de6a929b520c4aed8d1"'},
        {"IfModifiedSince": "Mon, 01 Jan 2029 00:00:00 GMT"},
        {"VersionId": "none"},
        {"ChecksumMode": "ENABLED"},
        {"ResponseContentType": "text/html", "ResponseContentDisposition": "inline"},
        {"PartNumber": 1},
        {"PartNumber": 2},
    ),
    "HeadObject": ({}, {"VersionId": "none"}, {"ChecksumMode": "ENABLED"}),
    "DeleteObject": ({}, {"VersionId": "none"}),
    "CopyObject": ({}, {"MetadataDirective": "REPLACE", "Metadata": {"new": "1"}}),
    "GetObjectTagging": ({},),
    "GetObjectAcl": ({},),
    "PutObjectTagging": ({"Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}},),
    "PutObjectAcl": ({"ACL": "private"},),
    "GetObjectAttributes": ({"ObjectAttributes": ["ETag", "ObjectSize"]},),
    "ListObjectsV2": ({}, {"Prefix": "b", "Delimiter": "/"}, {"MaxKeys": 1}),
    "ListObjectVersions": ({},),
    "ListMultipartUploads": ({},),
    "CreateMultipartUpload": ({}, {"ContentType": "text/plain"}),
}


def dynamodb_calls(random: Random) -> Iterator[Call]:
    """Yield calls on one table."""
    yield (
        "dynamodb",
        "CreateTable",
        {
            "TableName": "things",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    values = (
        {"S": "a=b&Action=DeleteTable"},
        {"N": "1.50"},
        {"BOOL": True},
        {"L": [{"S": "x"}]},
        {"B": b"\x00"},
        {"S": ""},
    )
    while True:
        key = {"id": {"S": random.choice(("a", "b", "é", ""))}}
        value = random.choice(values)
        operation = random.choice(("PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchWriteItem"))
        table = random.choice(("things", "things", "absent"))
        more: dict[str, Any] = {
            "PutItem": random.choice(
                (
                    {"Item": {**key, "v": value}},
                    {"Item": {"v": value}},
                    {"Item": {**key, "v": value}, "ConditionExpression": "attribute_not_exists(id)"},
                    {"Item": key, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"},
                )
            ),
            "GetItem": random.choice(({"Key": key}, {"Key": key, "ProjectionExpression": "v"}, {"Key": {"no": value}})),
            "UpdateItem": {
                "Key": key,
                "UpdateExpression": "SET v = :v, #n = if_not_exists(#n, :v)",
                "ExpressionAttributeValues": {":v": value},
                "ExpressionAttributeNames": {"#n": "n"},
            },
            "DeleteItem": {"Key": key, "ReturnValues": "ALL_OLD"},
            "Query": {"KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": key["id"]}},
            "Scan": {"Limit": 2},
            "BatchWriteItem": {"RequestItems": {table: [{"PutRequest": {"Item": key}}]}},
        }[operation]
        yield "dynamodb", operation, {**({} if operation == "BatchWriteItem" else {"TableName": table}), **more}


def sqs_calls(random: Random) -> Iterator[Call]:
    """Yield calls on a standard queue and a FIFO queue."""
    yield "sqs", "CreateQueue", {"QueueName": "q"}
    yield "sqs", "CreateQueue", {"QueueName": "f.fifo", "Attributes": {"FifoQueue": "true"}}
    attribute = {"DataType": "String", "StringValue": "v"}
    while True:
        url = f"https://sqs.us-east-1.amazonaws.com/111111111111/{random.choice(('q', 'q', 'f.fifo', 'absent'))}"
        operation, options = random.choice(
            (
                ("SendMessage", {"MessageBody": "a=b&Action=DeleteQueue"}),
                ("SendMessage", {"MessageBody": "é", "MessageAttributes": {"a": attribute}, "DelaySeconds": 0}),
                ("SendMessage", {"MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}),
                ("SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": "x"}, {"Id": "2", "MessageBody": "y"}]}),
                ("ReceiveMessage", {"MaxNumberOfMessages": 3, "MessageSystemAttributeNames": ["All"]}),
                ("DeleteMessage", {"ReceiptHandle": "none"}),
                ("GetQueueAttributes", {"AttributeNames": ["All"]}),
                ("PurgeQueue", {}),
                ("ListQueueTags", {}),
            )
        )
        yield "sqs", operation, {"QueueUrl": url, **options}


def answers(caller: Person, program: str) -> list[tuple[Call, int, tuple[tuple[str, str], ...], str]]:
    """Run the first CALLS calls of a program; return status, headers and body of each, without what changes."""
    calls = PROGRAMS[program](Random(program))  # noqa: S311 - the same calls in each run
    results = []
    for number in range(CALLS):
        call = next(calls)
        mock_random.seed(number)
        answer = caller.answer(call[0], call[1], **call[2])
        body = answer.body.decode("latin-1")
        constant = _CHANGING.sub("-", body)
        headers = [(name.lower(), _CHANGING.sub("-", value)) for name, value in answer.headers]
        # DynamoDB sends a checksum of the body.
        kept = tuple(sorted(header for header in headers if constant == body or header[0] != "x-amz-crc32"))
        results.append((call, answer.status, kept, constant))
    return results


def slow_request(
    method: str, host: str, path: str, query: str, headers: Mapping[str, str], body: bytes, *, is_form: bool
) -> Request:
    """Return the request that moto builds itself."""
    kind: Any = Request if is_form else type("BodyRequest", (Request,), {"want_form_data_parsed": False})
    raw = f"{path}?{query}" if query else path
    request: Request = kind.from_primitives(method, f"https://{host}{raw}", headers, body)
    request.environ["RAW_URI"] = raw
    return request


PROGRAMS = {"s3": s3_calls, "dynamodb": dynamodb_calls, "sqs": sqs_calls}


def test_a_list_of_roles_is_that_of_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page of ListRoles is what moto's serializer writes, also for special characters and missing members."""

    def as_moto(self: Any) -> ActionResult:
        arguments = [self._get_param(name) for name in ("PathPrefix", "Marker", "MaxItems")]
        roles, marker = self.backend.list_roles(*arguments)
        return ActionResult({"Roles": roles, "IsTruncated": bool(marker), "Marker": marker})

    admin = Lab.of(SEED).user("admin")
    described: dict[str, Any] = {"Description": 'a <b> & "c" \u00e9\n', "MaxSessionDuration": 7200, "Path": "/x/"}
    for name, more in (("a", {}), ("b", described), ("c", {"Tags": [{"Key": "a", "Value": "b"}]})):
        admin.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST, **more)
    pages: tuple[dict[str, Any], ...] = ({}, {"MaxItems": 2}, {"MaxItems": 2, "Marker": "2"}, {"PathPrefix": "/no/"})
    quick = [admin.answer("iam", "ListRoles", **page).body for page in pages]
    monkeypatch.setattr(IamResponse, "list_roles", as_moto)
    slow = [admin.answer("iam", "ListRoles", **page).body for page in pages]

    for expected, actual in zip(slow, quick, strict=True):
        assert with_request_id(expected, "1") == with_request_id(actual, "1")


def test_an_error_of_s3_has_one_request_id() -> None:
    """The RequestId in the body of an error is the one in the header."""
    admin = Lab.of(SEED).user("admin")

    answered = admin.lab.sandbox.handle(admin.request("s3", "GetObject", Bucket="absent", Key="k"))

    assert f"<RequestId>{answered.request_id}</RequestId>".encode() in answered.answer.body


def test_a_renamed_user_keeps_the_keys() -> None:
    """The access keys of a renamed user work, though moto keeps the old name in them."""
    lab = Lab.of(SEED)
    admin = lab.user("admin")
    admin.call("iam", "CreateUser", UserName="before")
    key = admin.call("iam", "CreateAccessKey", UserName="before")["AccessKey"]
    admin.call("iam", "UpdateUser", UserName="before", NewUserName="after")
    admin.call("iam", "CreateUser", UserName="before")
    caller = lab.with_keys(Keys(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]))

    assert caller.call("sts", "GetCallerIdentity")["Arn"].endswith(":user/after")


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "DeleteObject", "PutObject"])
def test_a_key_like_a_host_name_is_a_key(operation: str) -> None:
    """A key that begins as a host name of AWS names an object, and never the operation on the bucket itself."""
    lab = Lab.of(WITH_READER)
    admin, objects = lab.user("admin"), lab.user("objects")
    admin.call("s3", "CreateBucket", Bucket="plain")
    admin.call("s3", "PutObject", Bucket="plain", Key="x.amazonaws.com/y", Body=b"of the key")

    answer = objects.answer("s3", operation, Bucket="plain", Key="x.amazonaws.com/y")

    assert answer.status == (204 if operation == "DeleteObject" else 200)
    assert operation != "GetObject" or answer.body == b"of the key"
    names = [entry["Key"] for entry in admin.call("s3", "ListObjectsV2", Bucket="plain").get("Contents", [])]
    assert names == ([] if operation == "DeleteObject" else ["x.amazonaws.com/y"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_faster_calls_answer_as_moto_does(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred generated calls have the same status, headers and body in both ways."""
    quick = answers(Lab.of(SEED).user("admin"), program)
    monkeypatch.setattr(fence, "moto_request", slow_request)
    monkeypatch.setattr(handlers, "quick_s3", lambda owner: owner)
    monkeypatch.setattr(handlers, "quick_json", lambda owner: owner)
    slow = answers(Lab.of(SEED).user("admin"), program)

    assert {status // 100 for _, status, _, _ in slow} >= {2, 4}
    for expected, actual in zip(slow, quick, strict=True):
        assert expected == actual
