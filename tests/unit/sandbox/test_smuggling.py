"""Request smuggling: moto performs exactly what was authorized, whatever else a request contains."""

from __future__ import annotations

import json
import zlib
from gzip import compress
from urllib.parse import quote

import pytest
from moto.core.request import Request

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.state.handlers import OPERATION, find_gate
from tests.groups import nightly_rest
from tests.sandboxes import HOST, OTHER, Lab, Person, sign
from tests.unit.sandbox.conftest import LabFactory

SEED = """
accounts:
  "111111111111":
    users:
      writer:
        policies:
        - {Version: "2012-10-17", Statement: [
           {Effect: Allow, Action: "dynamodb:PutItem", Resource: "arn:aws:dynamodb:*:*:table/mine"},
           {Effect: Allow, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:*:*:mine"},
           {Effect: Allow, Action: "s3:PutObject", Resource: "arn:aws:s3:::bucket/mine/*"},
           {Effect: Allow, Action: "ec2:DescribeVpcs", Resource: "*"},
           {Effect: Allow, Action: "lambda:GetFunction", Resource: "arn:aws:lambda:*:*:function:mine"}]}
  "222222222222": {}
"""
JSON = {"Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with tables, queues and a bucket, where the user `writer` may write only the ones named `mine`."""
    lab = make_lab(SEED)
    for admin in (lab.user("admin"), lab.user("admin", OTHER)):
        for name in ("mine", "theirs"):
            admin.call(
                "dynamodb",
                "CreateTable",
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            )
            admin.call("sqs", "CreateQueue", QueueName=name)
    lab.user("admin").call("s3", "CreateBucket", Bucket="bucket")
    return lab


def send(
    person: Person, service: str, method: str, path: str, headers: dict[str, str], body: bytes, query: str = ""
) -> HttpAnswer:
    """Send a signed request with these parts; return the response."""
    request = sign(person.keys, service, "us-east-1", method, path, headers, body, query)
    return person.lab.sandbox.handle(request).answer


def count(lab: Lab, account: str, table: str) -> int:
    """Return the number of items in the table."""
    admin = lab.user("admin", account)
    return int(admin.call("dynamodb", "Scan", TableName=table)["Count"])


def messages(lab: Lab, account: str, queue: str) -> int:
    """Return the number of messages in the queue."""
    found = lab.user("admin", account).call(
        "sqs", "GetQueueAttributes", QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.parametrize(
    "query", ["Action=DeleteTable&TableName=theirs", "TableName=theirs", "Action=DeleteTable&Action=PutItem", "a=b"]
)
def test_a_query_beside_json_is_ignored(lab: Lab, query: str) -> None:
    """A query string beside a JSON body is ignored, although moto would prefer the query."""
    body = json.dumps({"TableName": "mine", "Item": {"k": {"S": "x&TableName=theirs&"}}}).encode()
    headers = {**JSON, "X-Amz-Target": "DynamoDB_20120810.PutItem"}

    answer = send(lab.user("writer"), "dynamodb", "POST", "/", headers, body, query)

    assert answer.status == 200, answer.body
    assert (1, 0) == (count(lab, "111111111111", "mine"), count(lab, "111111111111", "theirs"))


@pytest.mark.parametrize(
    "target",
    [
        "DynamoDB_20120810.PutItem, DynamoDB_20120810.DeleteTable",
        "DynamoDB_20120810.DeleteTable.PutItem",
        "DynamoDB_20120810.putitem",
        "DynamoDB_20120810.",
        ".PutItem",
        "PutItem",
        "DynamoDB_20120810.__class__",
    ],
)
def test_a_doubled_target_is_refused(lab: Lab, target: str) -> None:
    """A repeated X-Amz-Target header, which WSGI joins, is refused."""
    body = json.dumps({"TableName": "theirs", "Item": {"k": {"S": "x"}}}).encode()

    answer = send(lab.user("admin"), "dynamodb", "POST", "/", {**JSON, "X-Amz-Target": target}, body)

    assert answer.status in {400, 501}
    assert count(lab, "111111111111", "theirs") == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://x/111111111111/mine/theirs",
        "http://x/111111111111/mine?/theirs",
        "http://x/111111111111/mine#/theirs",
        "http://x/222222222222/mine",
        "http://x/222222222222/theirs",
        "http://x/111111111111/theirs",
        "theirs",
        "http://x/111111111111/mine/../theirs",
        "http://x/111111111111/mine%2Ftheirs",
        "/theirs",
        "x/111111111111/theirs",
        "https://sqs.us-east-1.amazonaws.com/111111111111/theirs",
        "http://x/111111111111/mine/",
        "arn:aws:sqs:us-east-1:222222222222:mine",
    ],
)
def test_odd_queue_urls_reach_no_other_queue(lab: Lab, url: str) -> None:
    """Malformed queue URLs never reach another queue, although moto reads only a URL's end."""
    lab.user("writer").answer("sqs", "SendMessage", QueueUrl=url, MessageBody="x")

    assert messages(lab, "111111111111", "theirs") == 0
    assert messages(lab, OTHER, "mine") == messages(lab, OTHER, "theirs") == 0


def test_own_queue_can_be_written(lab: Lab) -> None:
    """The writer can send to its own queue, so the other tests' refusals are meaningful."""
    lab.user("writer").call("sqs", "SendMessage", QueueUrl="http://x/111111111111/mine", MessageBody="x")

    assert messages(lab, "111111111111", "mine") == 1


def test_a_payload_is_not_read_as_a_form(lab: Lab) -> None:
    """A body that looks like a form does not replace path parameters, although moto would prefer the body."""
    admin = lab.user("admin")
    places = []
    for name in ("mine", "theirs"):
        application = admin.call("appconfig", "CreateApplication", Name=name)["Id"]
        profile = admin.call(
            "appconfig", "CreateConfigurationProfile", ApplicationId=application, Name=name, LocationUri="hosted"
        )["Id"]
        places.append({"ApplicationId": application, "ConfigurationProfileId": profile})
    content = "a=b&ApplicationId={ApplicationId}&ConfigurationProfileId={ConfigurationProfileId}".format(**places[1])

    admin.call(
        "appconfig", "CreateHostedConfigurationVersion", **places[0], Content=content.encode(), ContentType="text/plain"
    )

    found = [admin.answer("appconfig", "GetHostedConfigurationVersion", **place, VersionNumber=1) for place in places]
    assert [True, False] == [answer.body == content.encode() for answer in found]


def test_a_text_does_not_replace_parameters(lab: Lab) -> None:
    """A JSON value that looks like a form does not replace other parameters."""
    admin = lab.user("admin")
    for name in ("mine", "theirs"):
        admin.call("logs", "CreateLogGroup", logGroupName=name)

    admin.call("logs", "PutRetentionPolicy", logGroupName="mine", retentionInDays=7)
    admin.answer("logs", "TagLogGroup", logGroupName="mine", tags={"&logGroupName=theirs&": "&logGroupName=theirs&"})

    assert admin.call("logs", "ListTagsLogGroup", logGroupName="theirs")["tags"] == {}


@pytest.mark.parametrize(
    "path",
    [
        "/bucket/theirs/x",
        "/bucket/mine/../theirs/x",
        "/bucket/mine%2F..%2Ftheirs%2Fx",
        "/bucket/mine/%2e%2e/theirs/x",
        "//bucket/theirs/x",
        "/bucket//theirs/x",
        "/bucket/./theirs/x",
        "/bucket/mine/%252e%252e/theirs/x",
    ],
)
def test_an_object_key_is_taken_literally(lab: Lab, path: str) -> None:
    """Dots and slashes in a path are part of the object's key and do not lead to another key."""
    send(lab.user("writer"), "s3", "PUT", path, {}, b"x")

    keys = [held["Key"] for held in lab.user("admin").call("s3", "ListObjects", Bucket="bucket").get("Contents", [])]
    assert all(key.startswith("mine/") for key in keys), keys


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_an_object_is_not_read_as_a_form(lab: Lab, kind: str) -> None:
    """An object's body is not read as a form, whatever content type the client sends."""
    form = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\ntheirs/x\r\n--b--\r\n'
    for body in (b"key=theirs/x&file=stolen&Action=x", form):
        answer = send(lab.user("writer"), "s3", "PUT", "/bucket/mine/x", {"Content-Type": kind}, body)
        assert answer.status == 200
        assert body == lab.user("admin").answer("s3", "GetObject", Bucket="bucket", Key="mine/x").body
    keys = [held["Key"] for held in lab.user("admin").call("s3", "ListObjects", Bucket="bucket")["Contents"]]
    assert ["mine/x"] == keys


@pytest.mark.parametrize("value", ["v\r\nX-Moto-Account-Id: 222222222222", "v\nx", "v\0"])
def test_a_line_break_in_a_header_is_refused(lab: Lab, value: str) -> None:
    """A presigned query parameter that becomes a header is refused if it contains a line break."""
    query = f"x-amz-meta-m={quote(value)}"
    keys = lab.user("writer").keys
    request = sign(keys, "s3", "us-east-1", "PUT", "/bucket/mine/x", {}, b"", query, presigned_seconds=60)

    answer = lab.sandbox.handle(request).answer

    assert answer.status == 400
    assert lab.user("admin").answer("s3", "GetObject", Bucket="bucket", Key="mine/x").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Moto-Account-Id": OTHER},
        {"X-Forwarded-Host": "x"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Content-Encoding": "gzip"},
        {"User-Agent": "aws-sdk region/eu-west-1"},
    ],
)
def test_client_headers_do_not_affect_moto(lab: Lab, headers: dict[str, str]) -> None:
    """A client's headers about account, region or encoding do not affect moto."""
    answer = send(lab.user("writer"), "s3", "PUT", "/bucket/mine/x", headers, b"text")

    assert answer.status == 200, answer.body
    assert lab.user("admin").answer("s3", "GetObject", Bucket="bucket", Key="mine/x").body == b"text"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/moto-api/reset"),
        ("GET", "/moto-api/data.json"),
        ("GET", "/latest/meta-data/"),
        ("GET", "/_sandbox"),
        ("POST", "/moto-api/state-manager/set-transition"),
        ("GET", "/"),
        ("OPTIONS", "/bucket/mine/x"),
    ],
)
@pytest.mark.parametrize("host", [HOST, "motoapi.amazonaws.com", "169.254.169.254", "bucket.localhost"])
@pytest.mark.parametrize("service", nightly_rest(3, ["", "s3", "sqs", "motoapi", "lambda"], str))
def test_moto_pages_are_unreachable(lab: Lab, method: str, path: str, host: str, service: str) -> None:
    """moto's own web pages are unreachable under any host and service name."""
    keys = lab.user("writer").keys
    request = HttpRequest(method, path, "", {"host": host}, b"", "203.0.113.7")
    if service:
        signed = sign(keys, service, "us-east-1", method, path, {}, b"")
        request = request._replace(headers={**signed.headers, "host": host} if host != HOST else signed.headers)

    answer = lab.sandbox.handle(request).answer

    assert answer.status not in {200, 500}
    assert count(lab, "111111111111", "mine") == 0


def test_a_gzip_body_has_a_limit(lab: Lab) -> None:
    """A gzip body that is truncated or expands too much is refused; a valid one is accepted."""
    admin = lab.user("admin")
    headers = {
        "Content-Encoding": "gzip",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics",
    }

    for body, status in (
        (compress(b"{}"), 200),
        (compress(b'{"Namespace": "' + b"a" * 11_000_000 + b'"}'), 400),
        (compress(b"{}")[:-9], 400),
        (zlib.compress(b"{}"), 400),
        (b"{}", 400),
    ):
        assert send(admin, "monitoring", "POST", "/", headers, body).status == status


def test_moto_performs_the_authorized_operation(lab: Lab) -> None:
    """moto performs the authorized operation even if the forwarded request names another operation."""
    gate = find_gate("sns", "ListTopics", "/", "us-east-1", "111111111111")
    assert gate is not None
    url = f"https://{gate.host}/?Action=CreateTopic&Name=t"
    headers = {"Host": gate.host, "X-Moto-Account-Id": "111111111111"}
    request = Request.from_primitives("POST", url, headers, b"Action=CreateTopic&Name=t")
    request.environ[OPERATION] = "ListTopics"

    status, _, content = gate.handler(request, url, headers)

    assert (200, True) == (status, "ListTopicsResponse" in str(content))
    assert lab.user("admin").call("sns", "ListTopics")["Topics"] == []
