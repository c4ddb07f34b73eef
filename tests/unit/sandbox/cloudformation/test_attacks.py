"""Templates and requests that are made to break the sandbox, or to use more rights than their sender has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.sandbox.cloudformation.conftest import ClientOf
from tests.unit.sandbox.cloudformation.test_stacks import QUEUE, TOPIC, reasons, refused, status, template
from tests.unit.sandbox.cloudformation.test_types import TRUST, policy

DOUBLED = '"x"'
for _ in range(24):
    DOUBLED = f'{{"Fn::Sub": ["${{a}}${{a}}", {{"a": {DOUBLED}}}]}}'


@pytest.mark.parametrize(
    "sections",
    [
        {"Outputs": ["x"]},
        {"Outputs": {"a": "x"}},
        {"Outputs": {"a": {"Value": "x", "Export": "e"}}},
        {"Parameters": ["a"]},
        {"Parameters": {"a": "x"}},
        {"Parameters": {"a": {"Default": "1", "AllowedValues": 3}}},
        {"Conditions": ["c"]},
        {"Mappings": ["c"]},
        {"Resources": {"Queue": {**QUEUE, "DependsOn": [{"a": 1}]}}},
        {"Resources": {"Queue": {**QUEUE, "Properties": ["x"]}}},
        {"Resources": {f"Q{number}": QUEUE for number in range(501)}},
        {"Metadata": "x" * 51_200},
    ],
    ids=lambda sections: json.dumps(sections)[:60],
)
def test_a_template_of_the_wrong_shape_is_refused(client: ClientOf, sections: dict[str, Any]) -> None:
    """No stack exists afterwards."""
    cloudformation = client("cloudformation")
    text = json.dumps({"Resources": {"Queue": QUEUE}, **sections})
    assert refused(cloudformation.create_stack, StackName="shop", TemplateBody=text)[0] == "ValidationError"
    assert cloudformation.list_stacks()["StackSummaries"] == []


@pytest.mark.parametrize(
    "resource",
    [
        {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": []}}},
        {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": json.loads(DOUBLED)}},
        {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${" * 20_000}}},
        {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, "Policies": ["x"]}},
        {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy("sqs:*"), "Roles": 7}},
        {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": 7}},
        {"Type": "AWS::Lambda::Function", "Properties": {"Code": "x"}},
        {"Type": "AWS::S3::Bucket", "Properties": {"BucketEncryption": "x"}},
        {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": ["x"]}, "Targets": [{}]}},
        {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"GenerateSecretString": {"SecretStringTemplate": "{", "GenerateStringKey": "a"}},
        },
    ],
    ids=["attribute", "doubled", "variables", "role", "policy", "profile", "function", "bucket", "rule", "secret"],
)
def test_a_property_of_the_wrong_type_rolls_back(client: ClientOf, resource: dict[str, Any]) -> None:
    """The stack ends in a state from which it can be deleted."""
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName="shop", TemplateBody=template(One=resource), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    assert status(cloudformation) == "ROLLBACK_COMPLETE"
    assert reasons(cloudformation)["One", "CREATE_FAILED"]


@pytest.mark.parametrize("name", ["a/b", "a\0b", "1a", "a" * 129])
def test_a_stack_has_a_name_of_cloudformation(client: ClientOf, name: str) -> None:
    """The name is a part of the ARN on which permissions are decided."""
    told = refused(client("cloudformation").create_stack, StackName=name, TemplateBody=template(Queue=QUEUE))
    assert told[0] == "ValidationError"


def test_a_change_set_belongs_to_the_stack_of_the_request(client: ClientOf) -> None:
    """The permission for one stack shows and executes no change set of another one."""
    cloudformation = client("cloudformation")
    body = template(Queue=QUEUE)
    made = cloudformation.create_change_set(
        StackName="private", ChangeSetName="next", ChangeSetType="CREATE", TemplateBody=body
    )
    statement = {"Effect": "Allow", "Resource": "arn:aws:cloudformation:*:*:stack/mine/*", "Action": "cloudformation:*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_user_policy(UserName="deployer", PolicyName=_only_policy(client), PolicyDocument=document)
    cloudformation.create_stack(StackName="mine", TemplateBody=template(Topic=TOPIC))
    deployer = client("cloudformation", "deployer")
    wish = {"StackName": "mine", "ChangeSetName": made["Id"]}
    for call in (deployer.describe_change_set, deployer.get_template, deployer.execute_change_set):
        assert refused(call, **wish)[0] in {"ChangeSetNotFound", "ChangeSetNotFoundException"}
    assert refused(deployer.execute_change_set, ChangeSetName=made["Id"])[0] == "AccessDenied"
    assert status(cloudformation, "private") == "REVIEW_IN_PROGRESS"


def _only_policy(client: ClientOf) -> str:
    (name,) = client("iam").list_user_policies(UserName="deployer")["PolicyNames"]
    return str(name)


def test_an_update_keeps_the_policy_of_a_queue(client: ClientOf) -> None:
    """The new policy is not taken away together with the old one."""
    cloudformation, sqs = client("cloudformation"), client("sqs")

    def body(action: str) -> str:
        statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        properties = {"Queues": [{"Ref": "Queue"}], "PolicyDocument": policy}
        return template(Queue=QUEUE, Policy={"Type": "AWS::SQS::QueuePolicy", "Properties": properties})

    cloudformation.create_stack(StackName="shop", TemplateBody=body("sqs:SendMessage"))
    cloudformation.update_stack(StackName="shop", TemplateBody=body("sqs:DeleteMessage"))
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    assert (
        "sqs:DeleteMessage" in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    )


def test_an_update_of_a_named_resource_does_not_delete_it(client: ClientOf) -> None:
    """A rule is updated in place; a topic that would have to be replaced by one of the same name stays as it is."""
    cloudformation = client("cloudformation")

    def rule(text: str) -> dict[str, Any]:
        targets = [{"Id": text, "Arn": "arn:aws:sqs:us-east-1:111111111111:q"}]
        properties = {"Name": "sold", "EventPattern": {"source": ["x"]}, "Description": text, "Targets": targets}
        return {"Type": "AWS::Events::Rule", "Properties": properties}

    cloudformation.create_stack(StackName="shop", TemplateBody=template(Topic=TOPIC, Rule=rule("a")))
    cloudformation.update_stack(StackName="shop", TemplateBody=template(Topic=TOPIC, Rule=rule("b")))
    assert status(cloudformation) == "UPDATE_COMPLETE"
    assert client("events").describe_rule(Name="sold")["Description"] == "b"
    assert [target["Id"] for target in client("events").list_targets_by_rule(Rule="sold")["Targets"]] == ["b"]
    changed = {**TOPIC, "Properties": {"TopicName": "news", "DisplayName": "News"}}
    cloudformation.update_stack(StackName="shop", TemplateBody=template(Topic=changed, Rule=rule("b")))
    assert status(cloudformation) == "UPDATE_ROLLBACK_COMPLETE"
    assert "custom-named resource" in reasons(cloudformation)["Topic", "UPDATE_FAILED"]
    assert len(client("sns").list_topics()["Topics"]) == 1


def test_a_profile_whose_role_may_not_be_passed_is_rolled_back(client: ClientOf) -> None:
    """Only roles that were added to the profile are removed from it."""
    client("iam").create_role(RoleName="Given", AssumeRolePolicyDocument=json.dumps(TRUST))
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}
    document["Statement"].append({"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"})  # type: ignore[attr-defined]
    client("iam").put_user_policy(UserName="deployer", PolicyName="iam", PolicyDocument=json.dumps(document))
    cloudformation = client("cloudformation", "deployer")
    profile = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["Given"]}}
    cloudformation.create_stack(
        StackName="shop", TemplateBody=template(Profile=profile), Capabilities=["CAPABILITY_IAM"]
    )
    assert "iam:PassRole" in reasons(cloudformation)["Profile", "CREATE_FAILED"]
    assert status(cloudformation) == "ROLLBACK_COMPLETE"
    assert client("iam").list_instance_profiles()["InstanceProfiles"] == []


def test_a_secure_string_is_no_parameter_of_a_stack(client: ClientOf) -> None:
    """Its value would be readable in the outputs."""
    client("ssm").put_parameter(Name="/token", Value="secret", Type="SecureString")
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/token"}
    text = json.dumps({"Parameters": {"Token": parameter}, "Resources": {"Queue": QUEUE}})
    code, message = refused(client("cloudformation").create_stack, StackName="shop", TemplateBody=text)
    assert (code, "SecureString" in message) == ("ValidationError", True)
