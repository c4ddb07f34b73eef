"""Services that used the query protocol before JSON: status codes, error codes, and SQS in query form.

The forms are those of the SQS API reference.
"""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import moto
import pytest

from dsops.request.messages import HttpAnswer
from dsops.request.wire.models import operation_model, service_model
from dsops.request.wire.parameters import read_parameters
from dsops.request.wire.route import Route, find_route
from dsops.request.wire.sqs_query_names import entry_names, written_name
from tests.sandboxes import ACCOUNT, OTHER, Lab, sign

FORM = {"content-type": "application/x-www-form-urlencoded"}
QUEUE = f"/{ACCOUNT}/jobs"
URL = f"http://127.0.0.1:4566{QUEUE}"
XML = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture
def queues(lab: Lab) -> Lab:
    """A sandbox with the seed's accounts, and a queue in the first account."""
    lab.user("admin").call("sqs", "CreateQueue", QueueName="jobs")
    return lab


def ask(
    lab: Lab,
    fields: Mapping[str, str],
    name: str = "admin",
    account: str = ACCOUNT,
    path: str = "/",
    method: str = "POST",
) -> HttpAnswer:
    """Send a form of API version 2012-11-05 in the body or, with GET, in the query; return the response."""
    text = urlencode({**fields, "Version": "2012-11-05"})
    body, query = (text.encode(), "") if method == "POST" else (b"", text)
    headers = FORM if method == "POST" else {}
    keys = lab.user(name, account).keys
    request = sign(keys, "sqs", "us-east-1", method, path, headers, body, query)
    return lab.sandbox.handle(request).answer


def texts(answer: HttpAnswer, tag: str) -> list[str]:
    """Return the texts of all elements with that name, in document order."""
    return [element.text or "" for element in ET.fromstring(answer.body).iter(f"{XML}{tag}")]  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("form", "parameters"),
    [
        (
            (
                "Action=CreateQueue&QueueName=MyQueue&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40"
                "&Tag.1.Key=QueueType&Tag.1.Value=Production"
            ),
            {"QueueName": "MyQueue", "Attributes": {"VisibilityTimeout": "40"}, "tags": {"QueueType": "Production"}},
        ),
        (
            (
                "Action=SendMessage&QueueUrl=u&MessageBody=This+is+a+test&DelaySeconds=45"
                "&MessageAttribute.1.Name=name&MessageAttribute.1.Value.StringValue=v"
                "&MessageAttribute.1.Value.DataType=String"
                "&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.DataType=String"
                "&MessageSystemAttribute.1.Value.StringValue=Root"
            ),
            {
                "QueueUrl": "u",
                "MessageBody": "This is a test",
                "DelaySeconds": 45,
                "MessageAttributes": {"name": {"StringValue": "v", "DataType": "String"}},
                "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": "Root", "DataType": "String"}},
            },
        ),
        (
            (
                "Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a"
                "&SendMessageBatchRequestEntry.1.MessageBody=one&SendMessageBatchRequestEntry.2.Id=b"
                "&SendMessageBatchRequestEntry.2.MessageBody=two"
                "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n"
                "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.BinaryValue=AP8%3D"
                "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=Binary"
            ),
            {
                "QueueUrl": "u",
                "Entries": [
                    {"Id": "a", "MessageBody": "one"},
                    {
                        "Id": "b",
                        "MessageBody": "two",
                        "MessageAttributes": {"n": {"BinaryValue": b"\x00\xff", "DataType": "Binary"}},
                    },
                ],
            },
        ),
        (
            (
                "Action=ReceiveMessage&QueueUrl=u&MaxNumberOfMessages=5&AttributeName=All&MessageAttributeName.1=a"
                "&MessageAttributeName.2=b"
            ),
            {"QueueUrl": "u", "MaxNumberOfMessages": 5, "AttributeNames": ["All"], "MessageAttributeNames": ["a", "b"]},
        ),
        (
            (
                "Action=AddPermission&QueueUrl=u&Label=l&AWSAccountId.1=125074342641&ActionName.1=SendMessage"
                "&ActionName.2=ReceiveMessage"
            ),
            {
                "QueueUrl": "u",
                "Label": "l",
                "AWSAccountIds": ["125074342641"],
                "Actions": ["SendMessage", "ReceiveMessage"],
            },
        ),
        ("Action=UntagQueue&QueueUrl=u&TagKey.1=a&TagKey.2=b", {"QueueUrl": "u", "TagKeys": ["a", "b"]}),
        ("Action=DeleteMessageBatch&QueueUrl=u", {"QueueUrl": "u", "Entries": []}),
    ],
)
def test_forms_are_read_with_query_protocol_names(queues: Lab, form: str, parameters: dict[str, object]) -> None:
    """SQS forms use the query protocol's names (`Attribute.1.Name`) and flat lists.

    A single item may omit its number.
    """
    body = f"{form}&Version=2012-11-05".encode()
    keys = queues.user("admin").keys

    route = find_route(sign(keys, "sqs", "us-east-1", "POST", "/", FORM, body))

    assert isinstance(route, Route)
    assert parameters == read_parameters(route)


def lists_and_maps(shape: Any) -> Iterator[tuple[str, str, Any]]:  # botocore ships no types
    """Yield structure, member and shape of all lists and maps nested in a shape."""
    if shape is None or shape.type_name not in {"structure", "list", "map"}:
        return
    if shape.type_name != "structure":
        yield from lists_and_maps(shape.member if shape.type_name == "list" else shape.value)
        return
    for name, member in shape.members.items():
        if member.type_name in {"list", "map"}:
            yield shape.name, name, member
        yield from lists_and_maps(member)


def test_the_names_agree_with_moto() -> None:
    """The names equal moto's table of query names for all lists and maps."""
    path = Path(moto.__file__).parent / "sqs" / "2012-11-05" / "service-2.moto-extras.json.gz"
    collected = json.loads(gzip.decompress(path.read_bytes()))["merge"]["shapes"]
    key = "locationNameForQueryCompatibility"
    compared = set()
    for operation in service_model("sqs").operation_names:
        model = operation_model("sqs", operation)
        for owner, name, shape in [*lists_and_maps(model.input_shape), *lists_and_maps(model.output_shape)]:
            known = collected.get(shape.name, {})
            if shape.type_name == "list":
                expected = known.get("member", {}).get(key)
            else:
                expected = collected.get(owner, {}).get("members", {}).get(name, {}).get(key) or known.get(key)
                assert (known["key"][key], known["value"][key]) == entry_names(shape)
            if expected is not None:
                assert expected == written_name(name, shape), (owner, name)
                compared.add(name)

    assert {"Results", "MessageSystemAttributeNames"} == {
        name
        for operation in service_model("sqs").operation_names
        for model in [operation_model("sqs", operation)]
        for _, name, _ in [*lists_and_maps(model.input_shape), *lists_and_maps(model.output_shape)]
    } - compared


def test_a_message_is_sent_and_received(queues: Lab) -> None:
    """A message with markup, quotes and line breaks is received unchanged."""
    body = '<a & "b">\r\n\u00e9'
    sent = ask(
        queues,
        {
            "Action": "SendMessage",
            "QueueUrl": URL,
            "MessageBody": body,
            "MessageAttribute.1.Name": "k",
            "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "v",
        },
    )
    received = ask(
        queues,
        {"Action": "ReceiveMessage", "QueueUrl": URL, "AttributeName.1": "SenderId", "MessageAttributeName.1": "All"},
    )

    assert (200, ("Content-Type", "text/xml")) == (sent.status, sent.headers[0])
    assert [body] == texts(received, "Body")
    assert texts(sent, "MessageId") == texts(received, "MessageId")
    assert texts(sent, "MD5OfMessageBody") == texts(received, "MD5OfBody")
    assert ["SenderId", "k"] == texts(received, "Name")
    assert ["v"] == texts(received, "StringValue")
    assert all(texts(received, "RequestId"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_url_names_the_queue(queues: Lab, method: str) -> None:
    """A request to a queue's URL applies to that queue, unless it has a QueueUrl parameter."""
    alone = ask(queues, {"Action": "SendMessage", "MessageBody": "m"}, path=QUEUE, method=method)
    other = ask(queues, {"Action": "SendMessage", "MessageBody": "m", "QueueUrl": f"{URL}x"}, path=QUEUE, method=method)

    assert 1 == len(texts(alone, "MessageId"))
    assert ["AWS.SimpleQueueService.NonExistentQueue"] == texts(other, "Code")


def test_a_queue_url_is_for_one_queue(queues: Lab) -> None:
    """A request to a queue's URL needs no Version (recorded).

    The URL accepts only operations on a queue.
    """
    keys = queues.user("admin").keys

    def get(query: str, path: str = QUEUE) -> HttpAnswer:
        return queues.sandbox.handle(sign(keys, "sqs", "us-east-1", "GET", path, {}, query=query)).answer

    assert [f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"] == texts(
        get("Action=GetQueueAttributes&AttributeName.1=QueueArn"), "Value"
    )
    assert [URL] == texts(get("Action=ListQueues", "/"), "QueueUrl")
    assert [URL] == texts(get("Action=GetQueueUrl&QueueName=jobs"), "QueueUrl")
    for action in ("CreateQueue&QueueName=new", "ListQueues"):
        answer = get(f"Action={action}")
        assert (400, b"<Code>InvalidAction</Code>" in answer.body) == (answer.status, True)
    assert (404, b"<UnknownOperationException/>\n") == (get("").status, get("").body)


def test_lists_and_maps_are_flat(queues: Lab) -> None:
    """Results and errors of a batch are flat lists; queue URLs point at the sandbox."""
    batch = {"Action": "SendMessageBatch", "QueueUrl": URL}
    for number in (1, 2):
        entry = f"SendMessageBatchRequestEntry.{number}"
        batch |= {f"{entry}.Id": f"m{number}", f"{entry}.MessageBody": "x"}
    sent = ask(queues, batch)
    attributes = ask(queues, {"Action": "GetQueueAttributes", "QueueUrl": URL, "AttributeName.1": "QueueArn"})
    listed = ask(queues, {"Action": "ListQueues"})

    assert ["m1", "m2"] == texts(sent, "Id")
    assert 2 == sent.body.count(b"<SendMessageBatchResultEntry>")
    assert (["QueueArn"], [f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"]) == (
        texts(attributes, "Name"),
        texts(attributes, "Value"),
    )
    assert [URL] == texts(listed, "QueueUrl")


def test_a_redrive_policy_has_no_spaces_in_either_protocol(queues: Lab) -> None:
    """RedrivePolicy is returned without spaces and in the order sent, since Terraform compares the text."""
    admin = queues.user("admin")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
    for text in (
        f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}',
        f'{{"maxReceiveCount":3,"deadLetterTargetArn":"{arn}"}}',
    ):
        admin.call("sqs", "CreateQueue", QueueName="q")
        url = f"http://127.0.0.1:4566/{ACCOUNT}/q"
        admin.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": text})

        in_json = admin.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])
        in_xml = ask(queues, {"Action": "GetQueueAttributes", "QueueUrl": url, "AttributeName.1": "RedrivePolicy"})
        assert (text, [text]) == (in_json["Attributes"]["RedrivePolicy"], texts(in_xml, "Value"))


@pytest.mark.parametrize(
    ("fields", "status", "code", "message"),
    [
        (
            {"Action": "GetQueueUrl", "QueueName": "none"},
            400,
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist for this wsdl version.",
        ),
        ({"Action": "GetQueueUrl"}, 400, "MissingParameter", "The request must contain the parameter QueueName."),
        (
            {"Action": "SendMessageBatch", "QueueUrl": URL},
            400,
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        ),
        ({"Action": "NoSuchAction"}, 400, "InvalidAction", "The action NoSuchAction is not valid for this endpoint."),
    ],
)
def test_errors_have_query_protocol_codes(
    queues: Lab, fields: dict[str, str], status: int, code: str, message: str
) -> None:
    """Errors in the query protocol have their older codes and messages."""
    answer = ask(queues, fields)

    found = {element.tag.rpartition("}")[2]: element.text for element in ET.fromstring(answer.body).iter()}  # noqa: S314
    assert (status, code, message, "Sender") == (answer.status, found["Code"], found["Message"], found["Type"])


def test_a_second_purge_is_403_in_both_protocols(queues: Lab) -> None:
    """A second PurgeQueue gets a 403 in both protocols; in JSON a header has the query protocol's code."""
    admin = queues.user("admin")
    admin.call("sqs", "PurgeQueue", QueueUrl=URL)

    in_json = admin.answer("sqs", "PurgeQueue", QueueUrl=URL)
    in_xml = ask(queues, {"Action": "PurgeQueue", "QueueUrl": URL})

    assert (403, 403) == (in_json.status, in_xml.status)
    assert "AWS.SimpleQueueService.PurgeQueueInProgress;Sender" == dict(in_json.headers)["x-amzn-query-error"]
    assert ["AWS.SimpleQueueService.PurgeQueueInProgress"] == texts(in_xml, "Code")


def test_a_missing_dashboard_is_404(lab: Lab) -> None:
    """For a missing dashboard CloudWatch returns the query protocol's status 404 in CBOR and JSON, too."""
    answer = lab.user("admin").answer("cloudwatch", "GetDashboard", DashboardName="none")

    assert (404, "ResourceNotFound;Sender") == (answer.status, dict(answer.headers)["x-amzn-query-error"])


def test_too_many_actions_are_403(queues: Lab) -> None:
    """The error OverLimit of AddPermission has status 403."""
    fields = {"Action": "AddPermission", "QueueUrl": URL, "Label": "l", "AWSAccountId.1": OTHER}
    names = (
        "SendMessage",
        "ReceiveMessage",
        "DeleteMessage",
        "ChangeMessageVisibility",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
    )

    answer = ask(queues, fields | {f"ActionName.{number}": name for number, name in enumerate(names, 1)})

    assert (403, ["OverLimit"]) == (answer.status, texts(answer, "Code"))


def test_a_caller_without_permission_is_refused_in_xml(queues: Lab) -> None:
    """A denial is in XML; policies apply regardless of the protocol and the URL path of the request."""
    for fields, path in (({"QueueUrl": URL}, "/"), ({}, QUEUE), ({"QueueUrl": URL}, f"/{ACCOUNT}/other")):
        answer = ask(queues, {"Action": "SendMessage", "MessageBody": "m", **fields}, "bob", path=path)
        assert (403, ["AccessDenied"]) == (answer.status, texts(answer, "Code"))
        assert f"sqs:SendMessage on resource: arn:aws:sqs:us-east-1:{ACCOUNT}:jobs" in texts(answer, "Message")[0]
    theirs = ask(queues, {"Action": "ReceiveMessage", "QueueUrl": URL}, "admin", OTHER)
    assert (403, ["AccessDenied"]) == (theirs.status, texts(theirs, "Code"))
