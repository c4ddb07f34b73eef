"""Every resource type: created, changed and deleted by calls that the role's policies decide."""

from __future__ import annotations

import json
from typing import Any

from dsops.sandbox.cloudformation.resource_types import RESOURCE_TYPES
from tests.sandboxes import ACCOUNT
from tests.unit.sandbox.cloudformation.conftest import ClientOf
from tests.unit.sandbox.cloudformation.test_stacks import reasons, status

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Admin"


def policy(action: str, resource: object = "*", **more: object) -> dict[str, object]:
    """Return a policy that allows one action."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EVERYONE = {"Principal": {"AWS": ACCOUNT}}
PROPERTIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Role": (
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": TRUST,
            "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "Policies": [{"PolicyName": "inline", "PolicyDocument": policy("sqs:*")}],
            "MaxSessionDuration": "7200",
        },
    ),
    "Inline": (
        "AWS::IAM::Policy",
        {"PolicyName": "more", "PolicyDocument": policy("sqs:SendMessage"), "Roles": [{"Ref": "Role"}]},
    ),
    "Managed": ("AWS::IAM::ManagedPolicy", {"PolicyDocument": policy("sns:Publish"), "Roles": [{"Ref": "Role"}]}),
    "Profile": ("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
    "Files": (
        "AWS::S3::Bucket",
        {
            "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "Key"}}}
                ]
            },
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "RestrictPublicBuckets": True},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "LifecycleConfiguration": {"Rules": [{"Id": "old", "Status": "Enabled", "ExpirationInDays": "30"}]},
            "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": 60}]},
            "Tags": [{"Key": "team", "Value": "shop"}],
        },
    ),
    "FilesPolicy": (
        "AWS::S3::BucketPolicy",
        {
            "Bucket": {"Ref": "Files"},
            "PolicyDocument": policy("s3:GetObject", {"Fn::Sub": "${Files.Arn}/*"}, **EVERYONE),
        },
    ),
    "Queue": (
        "AWS::SQS::Queue",
        {
            "VisibilityTimeout": 60,
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
        },
    ),
    "Dead": ("AWS::SQS::Queue", {}),
    "QueuePolicy": (
        "AWS::SQS::QueuePolicy",
        {
            "Queues": [{"Ref": "Queue"}],
            "PolicyDocument": policy("sqs:SendMessage", {"Fn::GetAtt": "Queue.Arn"}, **EVERYONE),
        },
    ),
    "Topic": ("AWS::SNS::Topic", {"DisplayName": "news"}),
    "Subscription": (
        "AWS::SNS::Subscription",
        {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
            "RawMessageDelivery": True,
        },
    ),
    "TopicPolicy": (
        "AWS::SNS::TopicPolicy",
        {"Topics": [{"Ref": "Topic"}], "PolicyDocument": policy("sns:Publish", {"Ref": "Topic"}, **EVERYONE)},
    ),
    "Nightly": (
        "AWS::Events::Rule",
        {"ScheduleExpression": "rate(1 day)", "Targets": [{"Id": "a", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}]},
    ),
    "Secret": (
        "AWS::SecretsManager::Secret",
        {"GenerateSecretString": {"SecretStringTemplate": '{"user": "a"}', "GenerateStringKey": "password"}},
    ),
    "SecretPolicy": (
        "AWS::SecretsManager::ResourcePolicy",
        {"SecretId": {"Ref": "Secret"}, "ResourcePolicy": policy("secretsmanager:GetSecretValue", **EVERYONE)},
    ),
    "Parameter": (
        "AWS::SSM::Parameter",
        {"Type": "String", "Value": {"Fn::Join": ["-", ["a", "b"]]}, "Name": "/shop/level"},
    ),
    "Key": (
        "AWS::KMS::Key",
        {"KeyPolicy": policy("kms:*", **EVERYONE), "EnableKeyRotation": "true", "PendingWindowInDays": 7},
    ),
    "Alias": ("AWS::KMS::Alias", {"AliasName": "alias/shop", "TargetKeyId": {"Ref": "Key"}}),
    "Report": (
        "AWS::Lambda::Function",
        {
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Runtime": "python3.12",
            "Handler": "index.run",
            "Code": {"ZipFile": "def run(event, context):\n    return event\n"},
            "Environment": {"Variables": {"FILES": {"Ref": "Files"}}},
        },
    ),
    "Permission": (
        "AWS::Lambda::Permission",
        {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Report"}, "Principal": "events.amazonaws.com"},
    ),
    "Deliveries": (
        "AWS::Lambda::EventSourceMapping",
        {"FunctionName": {"Ref": "Report"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "BatchSize": "5"},
    ),
    "Logs": ("AWS::Logs::LogGroup", {"RetentionInDays": 7}),
    "Items": (
        "AWS::DynamoDB::Table",
        {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
        },
    ),
    "Images": (
        "AWS::ECR::Repository",
        {
            "ImageScanningConfiguration": {"ScanOnPush": True},
            "RepositoryPolicyText": policy("ecr:BatchGetImage", **EVERYONE),
        },
    ),
    "Metadata": ("AWS::CDK::Metadata", {"Analytics": "v2"}),
    "Handle": ("AWS::CloudFormation::WaitConditionHandle", {}),
}
del PROPERTIES["Images"][1]["RepositoryPolicyText"]["Statement"][0]["Resource"]
CHANGES: dict[str, dict[str, Any]] = {
    "Role": {"MaxSessionDuration": 3600, "Policies": [], "ManagedPolicyArns": []},
    "Inline": {"PolicyDocument": policy("sqs:ReceiveMessage")},
    "Managed": {"PolicyDocument": policy("sns:Subscribe")},
    "Files": {
        "VersioningConfiguration": {"Status": "Suspended"},
        "CorsConfiguration": None,
        "LifecycleConfiguration": None,
    },
    "Queue": {"VisibilityTimeout": 30, "RedrivePolicy": None},
    "Secret": {"Description": "of the shop"},
    "Parameter": {"Value": "c"},
    "Key": {"Description": "of the shop", "EnableKeyRotation": False},
    "Report": {"Timeout": 9, "Code": {"ZipFile": "def run(event, context):\n    return 1\n"}},
    "Logs": {"RetentionInDays": None},
    "Images": {"RepositoryPolicyText": None, "LifecyclePolicy": {"LifecyclePolicyText": '{"rules": []}'}},
}


def template(changes: dict[str, dict[str, Any]]) -> str:
    """Return the template with all types; a changed property of None is left out."""
    resources = {}
    for name, (of_type, properties) in PROPERTIES.items():
        merged = {**properties, **changes.get(name, {})}
        resources[name] = {
            "Type": of_type,
            "Properties": {key: value for key, value in merged.items() if value is not None},
        }
    outputs = {"Url": {"Value": {"Ref": "Queue"}, "Export": {"Name": "queue"}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_every_type_is_created_changed_and_deleted(client: ClientOf) -> None:
    """A stack with all types is created, updated and deleted by its role, and leaves nothing."""
    assert {of_type for of_type, _ in PROPERTIES.values()} == set(RESOURCE_TYPES)
    cloudformation = client("cloudformation", "deployer_admin")
    capabilities = ["CAPABILITY_IAM"]
    names = {"StackName": "shop", "RoleARN": ROLE}

    cloudformation.create_stack(**names, TemplateBody=template({}), Capabilities=capabilities)
    assert status(cloudformation) == "CREATE_COMPLETE", reasons(cloudformation)
    cloudformation.update_stack(**names, TemplateBody=template(CHANGES), Capabilities=capabilities)
    assert status(cloudformation) == "UPDATE_COMPLETE", reasons(cloudformation)
    roles = client("iam").list_roles()["Roles"]
    cloudformation.delete_stack(StackName="shop")

    left = [
        stack
        for stack in client("cloudformation").list_stacks()["StackSummaries"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    ]
    assert left == []
    assert any(role["RoleName"].startswith("shop-Role-") for role in roles)
    assert not any(role["RoleName"].startswith("shop-") for role in client("iam").list_roles()["Roles"])
    assert client("sqs").list_queues().get("QueueUrls", []) == []
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert client("secretsmanager").list_secrets()["SecretList"] == []
    assert client("lambda").list_functions()["Functions"] == []
