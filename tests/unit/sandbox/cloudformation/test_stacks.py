"""Stacks: under which identity their resources are created, and what is left when a call is denied."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsops.sandbox.control.server import SandboxServer
from tests.sandboxes import ACCOUNT
from tests.unit.sandbox.cloudformation.conftest import ClientOf

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "orders"}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news"}}
BUCKET = {"Type": "AWS::S3::Bucket", "DependsOn": "Queue", "Properties": {"BucketName": "things"}}


def template(**resources: Any) -> str:
    """Return a template with these resources."""
    return json.dumps({"Resources": resources})


def status(cloudformation: Any, name: str = "shop") -> str:
    """Return the status of a stack."""
    return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def reasons(cloudformation: Any, name: str = "shop") -> dict[tuple[str, str], str]:
    """Return (logical id, status) -> reason of a stack's events that have a reason."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return {
        (event["LogicalResourceId"], event["ResourceStatus"]): event["ResourceStatusReason"]
        for event in events
        if "ResourceStatusReason" in event
    }


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """Call the function; return the code and message of its ClientError."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_a_role_without_the_permission_rolls_the_stack_back(client: ClientOf) -> None:
    """The bucket that the service role may not create fails with its AccessDenied, and the queue is deleted again."""
    cloudformation = client("cloudformation", "deployer")

    cloudformation.create_stack(
        StackName="shop", RoleARN=f"{ROLE}Stacks", TemplateBody=template(Queue=QUEUE, Bucket=BUCKET)
    )

    assert status(cloudformation) == "ROLLBACK_COMPLETE"
    told = reasons(cloudformation)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Stacks/AWSCloudFormation"
    reason = told["Bucket", "CREATE_FAILED"]
    assert f"User: {session} is not authorized to perform: s3:CreateBucket on resource: " in reason
    assert reason.endswith("(HandlerErrorCode: AccessDenied)")
    assert "The following resource(s) failed to create: [Bucket]." in told["shop", "ROLLBACK_IN_PROGRESS"]
    assert client("sqs").list_queues().get("QueueUrls", []) == []
    assert client("s3").list_buckets()["Buckets"] == []


def test_a_stack_with_a_role_does_not_need_the_clients_permissions(client: ClientOf) -> None:
    """The service role creates the topic, which its user may not, and stays the stack's role until the deletion."""
    cloudformation = client("cloudformation", "deployer")

    cloudformation.create_stack(StackName="shop", RoleARN=f"{ROLE}Stacks", TemplateBody=template(Topic=TOPIC))

    assert status(cloudformation) == "CREATE_COMPLETE"
    assert len(client("sns").list_topics()["Topics"]) == 1
    cloudformation.delete_stack(StackName="shop")
    assert client("sns").list_topics()["Topics"] == []
    assert refused(cloudformation.describe_stacks, StackName="shop") == (
        "ValidationError",
        "Stack with id shop does not exist",
    )


def test_a_stack_without_a_role_acts_as_the_client(client: ClientOf) -> None:
    """The client's permissions count: it may create queues and no topics."""
    cloudformation = client("cloudformation", "deployer")

    cloudformation.create_stack(StackName="shop", TemplateBody=template(Queue=QUEUE))
    cloudformation.create_stack(StackName="other", TemplateBody=template(Topic=TOPIC))

    assert status(cloudformation) == "CREATE_COMPLETE"
    assert status(cloudformation, "other") == "ROLLBACK_COMPLETE"
    reason = reasons(cloudformation, "other")["Topic", "CREATE_FAILED"]
    assert f"User: arn:aws:iam::{ACCOUNT}:user/deployer is not authorized to perform: sns:CreateTopic" in reason


def test_calls_for_a_client_have_called_via(client: ClientOf) -> None:
    """A policy that allows queues only through CloudFormation allows them in a stack, and not in a direct call."""
    cloudformation, sqs = client("cloudformation", "through"), client("sqs", "through")

    cloudformation.create_stack(StackName="shop", TemplateBody=template(Queue=QUEUE))

    assert status(cloudformation) == "CREATE_COMPLETE"
    assert refused(sqs.create_queue, QueueName="direct")[0] in {"AccessDenied", "AccessDeniedException"}


def test_passing_a_role_needs_pass_role(client: ClientOf) -> None:
    """A client that may not pass the role creates no stack with it."""
    call = client("cloudformation", "deployer").create_stack

    code, message = refused(call, StackName="shop", RoleARN=f"{ROLE}Admin", TemplateBody=template(Queue=QUEUE))

    assert code == "AccessDenied"
    assert f"is not authorized to perform: iam:PassRole on resource: {ROLE}Admin" in message
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


def test_a_role_must_trust_cloudformation(client: ClientOf) -> None:
    """A role that only Lambda may assume is refused, and no stack exists afterwards."""
    call = client("cloudformation").create_stack

    told = refused(call, StackName="shop", RoleARN=f"{ROLE}Other", TemplateBody=template(Queue=QUEUE))

    assert told == ("ValidationError", f"Role {ROLE}Other is invalid or cannot be assumed")
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ({"Type": "AWS::EC2::VPC"}, "it creates no AWS::EC2::VPC"),
        ({"Type": "Custom::Certificate"}, "the sandbox runs no code for custom resources"),
        (
            {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}},
            "it does not support the property Colour of AWS::SQS::Queue",
        ),
    ],
)
def test_unsupported_resources_are_refused_before_anything_is_created(
    client: ClientOf, resource: dict[str, Any], why: str
) -> None:
    """A template with a resource that the sandbox can't create is refused as a whole, with the reason."""
    call = client("cloudformation").create_stack

    code, message = refused(call, StackName="shop", TemplateBody=template(Queue=QUEUE, Later=resource))

    assert code == "NotImplemented"
    assert message == f"The dsops sandbox can't create the resource Later: {why}. Nothing was done."
    assert client("sqs").list_queues().get("QueueUrls", []) == []


def test_iam_resources_need_a_capability(client: ClientOf) -> None:
    """A template with a named role needs CAPABILITY_NAMED_IAM."""
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "Made", "AssumeRolePolicyDocument": trust}}
    call = client("cloudformation").create_stack

    told = refused(call, StackName="shop", TemplateBody=template(Role=role), Capabilities=["CAPABILITY_IAM"])

    assert told == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")


def test_an_update_that_is_denied_goes_back(client: ClientOf) -> None:
    """The earlier queue is unchanged after an update whose bucket is denied, and the new topic is gone."""
    cloudformation = client("cloudformation", "deployer")
    cloudformation.create_stack(StackName="shop", RoleARN=f"{ROLE}Stacks", TemplateBody=template(Queue=QUEUE))

    wanted = template(Queue=QUEUE, Topic=TOPIC, Bucket={**BUCKET, "DependsOn": "Topic"})
    cloudformation.update_stack(StackName="shop", TemplateBody=wanted)

    assert status(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"
    assert [
        item["LogicalResourceId"]
        for item in cloudformation.describe_stack_resources(StackName="shop")["StackResources"]
    ] == ["Queue"]
    assert client("sns").list_topics()["Topics"] == []
    assert cloudformation.get_template(StackName="shop")["TemplateBody"]["Resources"] == {"Queue": QUEUE}


def test_a_change_set_is_described_and_executed(client: ClientOf) -> None:
    """A change set lists the changes before they are made; one without changes fails, as the CDK expects."""
    cloudformation, sqs = client("cloudformation"), client("sqs")
    cloudformation.create_stack(StackName="shop", TemplateBody=template(Queue=QUEUE))
    changed = {**QUEUE, "Properties": {"QueueName": "orders", "VisibilityTimeout": 60}}
    names = {"StackName": "shop", "ChangeSetName": "next"}

    cloudformation.create_change_set(**names, TemplateBody=template(Queue=changed, Topic=TOPIC))
    described = cloudformation.describe_change_set(**names)
    cloudformation.execute_change_set(**names)
    cloudformation.create_change_set(**names, TemplateBody=template(Queue=changed, Topic=TOPIC))

    changes = [
        (item["ResourceChange"]["Action"], item["ResourceChange"]["LogicalResourceId"]) for item in described["Changes"]
    ]
    assert changes == [("Modify", "Queue"), ("Add", "Topic")]
    assert status(cloudformation) == "UPDATE_COMPLETE"
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"] == {
        "VisibilityTimeout": "60"
    }
    empty = cloudformation.describe_change_set(**names)
    assert (empty["Status"], empty["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in empty["StatusReason"]


def test_calls_of_a_stack_are_in_cloudtrail(client: ClientOf, server: SandboxServer) -> None:
    """CloudTrail records the role's calls with CloudFormation as their origin."""
    cloudformation = client("cloudformation", "deployer")
    cloudformation.create_stack(StackName="shop", RoleARN=f"{ROLE}Stacks", TemplateBody=template(Topic=TOPIC))

    records = {record["eventName"]: record for record in server.sandbox.events.records()}

    made = records["CreateTopic"]
    assert made["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Stacks/AWSCloudFormation"
    assert made["sourceIPAddress"] == "cloudformation.amazonaws.com"
    assert records["CreateStack"]["userIdentity"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/deployer"
