"""SQS and SNS authorization: queues and topics in two accounts, their policies and names."""

from __future__ import annotations

import json

import pytest
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory

URL = f"http://127.0.0.1:4566/{ACCOUNT}/jobs"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      nobody: {{}}
      worker:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["sqs:*", "sns:*"], Resource: "*",
           Condition: {{StringEquals: {{"aws:ResourceTag/team": "blue"}}}}}}}}
      maker:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["sqs:CreateQueue", "sns:CreateTopic"],
           Resource: "*"}}}}
  "{OTHER}":
    users: {{stranger: {{}}}}
"""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of an account with a queue and a topic, and of another account."""
    lab = make_lab(SEED)
    sqs_backends[ACCOUNT][REGION].create_queue("jobs", {"team": "blue"})
    sns_backends[ACCOUNT][REGION].create_topic("news", tags={"team": "blue"})
    return Desk(lab)


def policy(*actions: str) -> str:
    """Return a resource policy that allows the other account."""
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_full_permissions_end_at_the_account(desk: Desk) -> None:
    """An administrator is denied a queue URL or topic ARN of another account."""
    for admin, is_allowed in ((desk.caller("admin"), True), (desk.caller("admin", OTHER), False)):
        assert desk.allows(admin, "sqs", "SendMessage", QueueUrl=URL) is is_allowed
        assert desk.allows(admin, "sqs", "GetQueueUrl", QueueName="jobs", QueueOwnerAWSAccountId=ACCOUNT) is is_allowed
        assert desk.allows(admin, "sns", "Publish", TopicArn=TOPIC) is is_allowed
        assert desk.allows(admin, "sns", "Unsubscribe", SubscriptionArn=f"{TOPIC}:1234") is is_allowed


def test_across_accounts_both_must_allow(desk: Desk) -> None:
    """Across accounts the policy of the queue or topic and the caller's policy must both allow."""
    sqs_backends[ACCOUNT][REGION].queues["jobs"].policy = policy("sqs:SendMessage")
    sns_backends[ACCOUNT][REGION].topics[TOPIC].policy = policy("sns:Publish")

    for name, is_allowed in (("admin", True), ("stranger", False)):
        assert desk.allows(desk.caller(name, OTHER), "sqs", "SendMessage", QueueUrl=URL) is is_allowed
        assert desk.allows(desk.caller(name, OTHER), "sns", "Publish", TopicArn=TOPIC) is is_allowed
    assert not desk.allows(desk.caller("admin", OTHER), "sqs", "ReceiveMessage", QueueUrl=URL)
    assert not desk.allows(desk.caller("admin", OTHER), "sns", "Subscribe", TopicArn=TOPIC)


@pytest.mark.parametrize("operation", ["SetQueueAttributes", "DeleteQueue", "AddPermission", "TagQueue"])
def test_some_sqs_operations_are_for_the_owner_only(desk: Desk, operation: str) -> None:
    """Only the account that owns a queue may call some SQS operations, whatever the queue's policy says."""
    sqs_backends[ACCOUNT][REGION].queues["jobs"].policy = policy("sqs:*")

    assert not desk.allows(desk.caller("admin", OTHER), "sqs", operation, QueueUrl=URL)
    assert desk.allows(desk.caller("admin"), "sqs", operation, QueueUrl=URL)


def test_the_default_topic_policy_allows_no_other_account(desk: Desk) -> None:
    """A topic's default policy requires aws:SourceOwner, which requests lack, so it allows no caller."""
    assert "AWS:SourceOwner" in sns_backends[ACCOUNT][REGION].topics[TOPIC].policy
    assert not desk.allows(desk.caller("nobody"), "sns", "Publish", TopicArn=TOPIC)
    assert desk.allows(desk.caller("admin"), "sns", "Publish", TopicArn=TOPIC)


def test_tags_are_condition_keys(desk: Desk) -> None:
    """aws:ResourceTag has the tags of an existing queue or topic."""
    worker = desk.caller("worker")

    assert desk.allows(worker, "sqs", "SendMessage", QueueUrl=URL)
    assert desk.allows(worker, "sns", "Publish", TopicArn=TOPIC)
    assert not desk.allows(worker, "sqs", "SendMessage", QueueUrl=URL.replace("jobs", "other"))
    assert not desk.allows(worker, "sns", "Publish", TopicArn=TOPIC.replace("news", "other"))


def test_tags_of_a_new_queue_need_a_separate_permission(desk: Desk) -> None:
    """Creating a queue or topic with tags needs the tagging permission, and sets aws:RequestTag."""
    maker = desk.caller("maker")

    assert desk.allows(maker, "sqs", "CreateQueue", QueueName="new")
    assert desk.refused(maker, "sqs", "CreateQueue", QueueName="new", tags={"team": "red"}) == "sqs:TagQueue"
    assert desk.allows(maker, "sns", "CreateTopic", Name="new")
    tags = [{"Key": "team", "Value": "red"}]
    assert desk.refused(maker, "sns", "CreateTopic", Name="new", Tags=tags) == "sns:TagResource"
    question = desk.questions(maker, "sqs", "CreateQueue", QueueName="new", tags={"team": "red"})[0]
    assert question.context["aws:RequestTag/team"] == ("red",)


def test_all_named_topics_must_be_allowed(desk: Desk) -> None:
    """If Publish names both TopicArn and TargetArn, the caller needs permission on both topics."""
    theirs = f"arn:aws:sns:{REGION}:{OTHER}:theirs"

    assert not desk.allows(desk.caller("admin"), "sns", "Publish", TopicArn=TOPIC, TargetArn=theirs)
    assert not desk.allows(desk.caller("admin"), "sns", "Publish", TopicArn=theirs, TargetArn=TOPIC)
    assert desk.allows(desk.caller("admin"), "sns", "Publish", TargetArn=TOPIC)


def test_a_queue_is_resolved_as_in_moto(desk: Desk) -> None:
    """A queue URL is parsed as moto does: by its last two parts, or as a bare name."""
    admin = desk.caller("admin")

    for url, arn in (
        (URL, QUEUE),
        ("jobs", QUEUE),
        (f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/a?/jobs", QUEUE),
        (f"http://h/{OTHER}/jobs", QUEUE.replace(ACCOUNT, OTHER)),
        (f"{OTHER}/jobs", f"{QUEUE[:-4]}{OTHER}/jobs"),
    ):
        assert desk.asked(admin, "sqs", "PurgeQueue", QueueUrl=url) == [("sqs:PurgeQueue", arn)]


def test_redriven_messages_are_read_and_sent(desk: Desk) -> None:
    """StartMessageMoveTask needs the permissions to receive, delete and send messages."""
    questions = desk.asked(
        desk.caller("admin"),
        "sqs",
        "StartMessageMoveTask",
        SourceArn=QUEUE,
        DestinationArn=QUEUE.replace("jobs", "back"),
    )

    assert [action for action, _ in questions] == [
        "sqs:StartMessageMoveTask",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    ]
    assert questions[-1][1].endswith(":back")


def test_sns_operations_without_resource_belong_to_an_account(desk: Desk) -> None:
    """If AWS lists no resource type for an SNS parameter, the call is authorized in the ARN's account."""
    endpoint = f"arn:aws:sns:{REGION}:{OTHER}:endpoint/GCM/app/1234"

    assert not desk.allows(desk.caller("admin"), "sns", "DeleteEndpoint", EndpointArn=endpoint)
    assert desk.allows(desk.caller("admin", OTHER), "sns", "DeleteEndpoint", EndpointArn=endpoint)
