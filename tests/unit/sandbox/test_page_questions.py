"""Questions asked on the sandbox's page, and edited policies of each kind of resource."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest

from dsops.sandbox.control.endpoints import Control
from dsops.service_reference import open_reference
from tests.sandboxes import ACCOUNT, Lab
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_page import PAGE, ask, send

SEED = """
accounts:
  "111111111111":
    policies:
      limit: {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["sqs:*", "s3:*"], Resource: "*"}}
    groups: {readers: {policies: [{Version: "2012-10-17", Statement: {Effect: Deny, Action: "sns:*", Resource: "*"}}]}}
    users:
      alice:
        groups: [readers]
        boundary: "arn:aws:iam::111111111111:policy/limit"
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*",
                    Condition: {IpAddress: {"aws:SourceIp": "192.0.2.0/24"}}}}]
      carol: {}
    roles:
      Reader:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
                Principal: {AWS: "arn:aws:iam::111111111111:root"},
                Condition: {StringEquals: {"sts:ExternalId": "x1"}}}}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sqs:*", Resource: "*"}}]
    secrets: {prod/token: invented}
"""
ALICE, CAROL = (f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("alice", "carol"))
READER = f"arn:aws:iam::{ACCOUNT}:role/Reader"
SHOP = f"arn:aws:sqs:us-east-1:{ACCOUNT}:shop"


@pytest.fixture
def world(make_lab: LabFactory) -> Lab:
    """A sandbox with a user who has a boundary and a group, a user without permissions, and a role."""
    return make_lab(SEED)


@pytest.fixture
def control(world: Lab) -> Control:
    """The control endpoints."""
    return Control(world.sandbox)


def question(control: Control, caller: str, action: str, resource: str, **context: object) -> dict[str, Any]:
    """Ask on the page; `__` in the name of a condition key stands for a colon."""
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    return ask(control, "ask", {"caller": caller, "action": action, "resource": resource, "context": keys})


# --- questions -----------------------------------------------------------------------------------------------------


def test_a_question_is_decided_as_a_call_would_be(control: Control) -> None:
    """Given condition keys replace those of the request, and the answer has each policy and what would allow it."""
    allowed = question(control, ALICE, "sqs:SendMessage", SHOP, aws__SourceIp=["192.0.2.7"])
    denied = question(control, ALICE, "sqs:SendMessage", SHOP, AWS__sourceip=["198.51.100.1"])
    without = question(control, ALICE, "sqs:SendMessage", SHOP, aws__SourceIp=[])
    limited = question(control, ALICE, "ec2:DescribeInstances", "*", aws__SourceIp=["192.0.2.7"])

    assert (allowed["is_allowed"], denied["is_allowed"], without["is_allowed"]) == (True, False, False)
    failures = [each for reason in denied["reasons"] for near in reason["near"] for each in near["failures"]]
    assert ("aws:SourceIp", ["198.51.100.1"]) in [(each["key"], each["actual"]) for each in failures]
    assert "remove the condition on aws:SourceIp" in denied["changes"][0]["what"]
    assert (limited["is_allowed"], limited["decided_by"]) == (False, "permissions boundary")


def test_a_question_is_no_call(control: Control, world: Lab) -> None:
    """It is not among the decisions; its number is for edits, and only the last hundred are kept."""
    made = world.sandbox.judge.made
    numbers = [question(control, CAROL, "sqs:ListQueues", "*")["number"] for _ in range(101)]
    edit = {"kind": "identity", "name": "added-on-the-page", "before": "", "text": "{}", "save": False}

    assert world.sandbox.judge.made == made
    assert numbers[:2] == [-1, -2]
    assert ask(control, "policy", {"decision": numbers[-1], **edit})["findings"]
    answer = send(control, "policy", {"decision": -1, **edit}, **PAGE, x_sandbox_page_token=control.page_token)
    assert answer.status == 404


def test_trust_and_sessions_are_asked_about(control: Control, world: Lab) -> None:
    """AssumeRole is decided by the trust policy; the caller may be a user, a role, a live session or the root user."""
    refused = question(control, f"arn:aws:iam::{ACCOUNT}:user/admin", "sts:AssumeRole", READER)
    allowed = question(control, f"arn:aws:iam::{ACCOUNT}:user/admin", "sts:AssumeRole", READER, sts__ExternalId=["x1"])
    missing = question(control, f"arn:aws:iam::{ACCOUNT}:user/admin", "sts:AssumeRole", f"{READER}2")
    world.user("admin").assume(READER, "one", ExternalId="x1")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/one"

    assert (refused["is_allowed"], refused["decided_by"]) == (False, "role trust policy")
    assert allowed["is_allowed"]
    assert "no role has this ARN" in json.dumps(missing)
    for caller, may in ((session, True), (READER, True), (f"arn:aws:iam::{ACCOUNT}:root", False)):
        assert question(control, caller, "sqs:SendMessage", SHOP)["is_allowed"] is may or caller.endswith("root")
    world.sandbox.move_clock(world.sandbox.clock.now() + 7200)
    gone = {"caller": session, "action": "sqs:SendMessage", "resource": SHOP}
    assert send(control, "ask", gone, **PAGE, x_sandbox_page_token=control.page_token).status == 404


def test_the_linter_finds_names_that_aws_does_not_have(control: Control) -> None:
    """A wrong action or condition key is told; correct names give no finding."""
    wrong = question(control, CAROL, "sqs:SendMesage", SHOP)["findings"]
    key = question(control, CAROL, "sqs:SendMessage", SHOP, aws__SourceIpp=["1"])["findings"]

    assert any("SendMesage" in each["message"] for each in wrong)
    assert any("SourceIpp" in each["message"] for each in key)
    assert question(control, CAROL, "sqs:SendMessage", SHOP, aws__SourceIp=["192.0.2.1"])["findings"] == []


@pytest.mark.parametrize("service", ["s3", "kms", "sqs", "sns", "dynamodb", "secretsmanager", "sts", "iam"])
def test_each_action_of_a_service_can_be_asked_about(control: Control, world: Lab, service: str) -> None:
    """No action makes a question fail, whether the resource exists or not."""
    admin = world.user("admin")
    admin.call("sqs", "CreateQueue", QueueName="shop")
    admin.call("s3", "CreateBucket", Bucket="invented")
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    resources = {"s3": "arn:aws:s3:::invented", "kms": key, "sqs": SHOP, "sts": READER, "iam": CAROL}
    resource = resources.get(service, f"arn:aws:{service}:us-east-1:{ACCOUNT}:table/gone")
    reference = open_reference()
    known = None if reference is None else reference.service(service)
    assert known is not None
    names = [*known.actions]
    assert len(names) >= 10

    for name in names:
        answer = question(control, f"arn:aws:iam::{ACCOUNT}:user/admin", f"{service}:{name}", resource)
        assert answer["resource"] == resource
        assert answer["is_allowed"] or service == "sts", answer


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"caller": ALICE},
        {"caller": ALICE, "action": "sqs", "resource": "*"},
        {"caller": ALICE, "action": "sqs:*", "resource": "*"},
        {"caller": ALICE, "action": "sqs:A", "resource": ""},
        {"caller": ALICE, "action": "sqs:A", "resource": "*", "context": []},
        {"caller": ALICE, "action": "sqs:A", "resource": "*", "context": {"a": [1]}},
        {"caller": ALICE, "action": "sqs:A", "resource": "*", "context": {"\ud800": ["a"]}},
        {"caller": ALICE, "action": "sqs:A", "resource": "*" * 3000},
        {"caller": ALICE, "action": "sqs:A", "resource": "*", "context": {f"k{number}": [] for number in range(101)}},
    ],
)
def test_an_invalid_question_is_refused(control: Control, body: object) -> None:
    """A body of another form gets a 400 that shows the form."""
    answer = send(control, "ask", body, **PAGE, x_sandbox_page_token=control.page_token)

    assert (answer.status, b"send {" in answer.body) == (400, True)


# --- policies of each kind -----------------------------------------------------------------------------------------


def resource_calls(world: Lab) -> list[tuple[str, str, dict[str, object]]]:
    """Create a resource of each kind that has a policy; return a call of Carol's on each."""
    admin = world.user("admin")
    queue = admin.call("sqs", "CreateQueue", QueueName="shop")["QueueUrl"]
    topic = admin.call("sns", "CreateTopic", Name="news")["TopicArn"]
    admin.call("s3", "CreateBucket", Bucket="invented")
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    names: Any = [{"AttributeName": "id", "AttributeType": "S"}]
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    admin.call(
        "dynamodb",
        "CreateTable",
        TableName="orders",
        AttributeDefinitions=names,
        KeySchema=schema,
        BillingMode="PAY_PER_REQUEST",
    )
    admin.call("ecr", "CreateRepository", repositoryName="app")
    return [
        ("sqs", "GetQueueAttributes", {"QueueUrl": queue}),
        ("sns", "GetTopicAttributes", {"TopicArn": topic}),
        ("s3", "ListObjectsV2", {"Bucket": "invented"}),
        ("kms", "DescribeKey", {"KeyId": key}),
        ("dynamodb", "DescribeTable", {"TableName": "orders"}),
        ("ecr", "DescribeImages", {"repositoryName": "app"}),
        ("secretsmanager", "DescribeSecret", {"SecretId": "prod/token"}),
    ]


def put_policy(world: Lab, service: str, resource: str, text: str) -> None:
    """Give a resource a policy, as the administrator does."""
    admin, name = world.user("admin"), resource.rpartition(":")[2].rpartition("/")[2]
    calls: dict[str, tuple[str, dict[str, object]]] = {
        "sqs": ("SetQueueAttributes", {"QueueUrl": name, "Attributes": {"Policy": text}}),
        "sns": ("SetTopicAttributes", {"TopicArn": resource, "AttributeName": "Policy", "AttributeValue": text}),
        "s3": ("PutBucketPolicy", {"Bucket": name, "Policy": text}),
        "kms": ("PutKeyPolicy", {"KeyId": name, "PolicyName": "default", "Policy": text}),
        "dynamodb": ("PutResourcePolicy", {"ResourceArn": resource, "Policy": text}),
        "ecr": ("SetRepositoryPolicy", {"repositoryName": name, "policyText": text}),
        "secretsmanager": ("PutResourcePolicy", {"SecretId": resource, "ResourcePolicy": text}),
    }
    operation, parameters = calls[service]
    admin.call(service, operation, **parameters)


def test_a_resource_policy_of_each_kind_is_edited(control: Control, world: Lab) -> None:
    """An edit of a resource's policy tells which call it would change; saved, it allows the call."""
    for service, operation, parameters in resource_calls(world):
        carol = world.user("carol")
        carol.refused(service, operation, **parameters)
        resource = ask(control, f"decisions/{ask(control, 'decisions?rows=yes')['next']}")["resource"]
        root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        closed = {**root, "Action": f"{service}:*", "Resource": "*" if service in {"kms", "ecr"} else resource}
        if service == "ecr":
            del closed["Resource"]
        put_policy(world, service, resource, json.dumps({"Version": "2012-10-17", "Statement": [closed]}))
        carol.refused(service, operation, **parameters)
        details = ask(control, f"decisions/{ask(control, 'decisions?rows=yes')['next']}")
        (document,) = [each for each in details["documents"] if each["kind"] == "resource"]
        assert document["now"], (service, details["documents"])
        open_to = {**closed, "Principal": {"AWS": CAROL}}
        text = json.dumps({"Version": "2012-10-17", "Statement": [closed, open_to]})
        edit = {"decision": details["number"], "kind": "resource", "name": document["name"], "before": document["now"]}
        tried = ask(control, "policy", {**edit, "text": text, "save": False})
        assert [each["would_be_allowed"] for each in tried["calls"]][:1] == [True], (service, tried)
        saved = ask(control, "policy", {**edit, "text": text, "save": True})
        assert (saved["refused"], saved["is_saved"]) == ("", True), service
        carol.call(service, operation, **parameters)
        wrong = ask(control, "policy", {**edit, "before": text, "text": '{"Version": "x"}', "save": True})
        assert not wrong["is_saved"], service
        assert wrong["refused"], service


def test_a_boundary_and_a_groups_policy_are_edited(control: Control) -> None:
    """The policies behind a user, beside its own, can be changed as well."""
    keys = {"aws__SourceIp": ["192.0.2.7"]}
    for action, kind, change in (
        ("ec2:DescribeInstances", "boundary", "add a statement for this request"),
        ("sns:ListTopics", "identity", "which denies it"),
    ):
        details = question(control, ALICE, action, "*", **keys)
        found = next(each for each in details["changes"] if change in each["what"])
        edit = {"decision": details["number"], "kind": kind, "name": found["policy"], "before": found["before"]}
        assert ask(control, "policy", {**edit, "text": found["after"], "save": True})["is_saved"], details["changes"]
    assert question(control, ALICE, "ec2:DescribeInstances", "*", **keys)["is_allowed"]
    assert question(control, ALICE, "sns:ListTopics", "*", **keys)["decided_by"] == "permissions boundary"


@pytest.mark.parametrize("letter", ["a", "[", "\U0001f600", '{"a":'])
def test_a_pasted_megabyte_is_refused_quickly(control: Control, world: Lab, letter: str) -> None:
    """A document of 1 MB gets one finding that says why, and AWS's refusal when it is saved, without being parsed."""
    world.user("carol").refused_role(READER, ExternalId="x1")
    details = ask(control, f"decisions/{ask(control, 'decisions?rows=yes')['next']}")
    (trust,) = [each for each in details["documents"] if each["kind"] == "trust"]
    edit = {"decision": details["number"], "kind": "trust", "name": trust["name"], "before": trust["now"]}
    text = letter * (1_000_000 // len(letter.encode()))
    begun = process_time()
    tried = ask(control, "policy", {**edit, "text": text, "save": False})
    saved = ask(control, "policy", {**edit, "text": text, "save": True})
    took = process_time() - begun

    assert [each["severity"] for each in tried["findings"]] == ["error"]
    assert "AWS accepts no such policy" in tried["findings"][0]["message"]
    assert (saved["is_saved"], bool(saved["refused"])) == (False, True)
    assert len(saved["refused"]) < 1000
    assert took < 2, "CPU seconds for both answers"
