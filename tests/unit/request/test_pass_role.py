"""Roles that requests pass to services, by parameters of many names and at any depth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guards import asked

ROLE = "arn:aws:iam::111111111111:role/Runner"
NAMED = "arn:aws:iam::111111111111:role/*Runner"
ANY = "arn:aws:iam::111111111111:role/*"
PROFILE = "arn:aws:iam::111111111111:instance-profile/machines"


def passed(service: str, operation: str, parameters: dict[str, Any]) -> list[str]:
    """The roles that a request passes."""
    return [resource for action, resource in asked(service, operation, parameters) if action == "iam:PassRole"]


def nested(depth: int) -> dict[str, Any]:
    """A role below structures."""
    return {"a": nested(depth - 1)} if depth else {"roleArn": ROLE}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "role"),
    [
        ("codebuild", "StartBuild", {"projectName": "p", "serviceRoleOverride": ROLE}, ROLE),
        ("kinesisanalyticsv2", "UpdateApplication", {"ApplicationName": "a", "ServiceExecutionRoleUpdate": ROLE}, ROLE),
        ("opensearch", "CreateApplication", {"name": "a", "x": {"iamRoleForDataSourceArn": ROLE}}, ROLE),
        ("fms", "PutNotificationChannel", {"SnsTopicArn": "t", "SnsRoleName": ROLE}, ROLE),
        ("kendra", "BatchPutDocument", {"IndexId": "i", "RoleArn": ROLE}, ROLE),
        ("cloudcontrol", "GetResource", {"TypeName": "t", "Identifier": "i", "RoleArn": ROLE}, ROLE),
        ("dynamodb", "UpdateTableReplicaAutoScaling", {"TableName": "t", "x": {"AutoScalingRoleArn": ROLE}}, ROLE),
        ("agent-registry-control", "CreateRegistryRecord", nested(12), ROLE),
        # Settings whose names are values of the request.
        (
            "sns",
            "SetTopicAttributes",
            {"TopicArn": "t", "AttributeName": "SQSSuccessFeedbackRoleArn", "AttributeValue": ROLE},
            ROLE,
        ),
        (
            "elasticbeanstalk",
            "UpdateEnvironment",
            {"EnvironmentName": "e", "OptionSettings": [{"OptionName": "ServiceRole", "Value": "Runner"}]},
            NAMED,
        ),
        ("rds", "ModifyOptionGroup", {"OptionGroupName": "g", "x": [{"Name": "IAM_ROLE_ARN", "Value": ROLE}]}, ROLE),
        # Roles by name.
        ("rds", "ModifyDBInstance", {"DBInstanceIdentifier": "d", "DomainIAMRoleName": "Runner"}, NAMED),
        ("resiliencehub", "UpdateApp", {"appArn": "a", "permissionModel": {"invokerRoleName": "Runner"}}, NAMED),
        # Roles in instance profiles.
        ("batch", "CreateComputeEnvironment", {"computeResources": {"instanceRole": PROFILE}}, ANY),
        ("ecs", "CreateCapacityProvider", {"name": "c", "x": {"ec2InstanceProfileArn": PROFILE}}, ANY),
        ("imagebuilder", "CreateInfrastructureConfiguration", {"name": "n", "instanceProfileName": "machines"}, ANY),
        ("pcs", "UpdateComputeNodeGroup", {"clusterIdentifier": "c", "iamInstanceProfileArn": PROFILE}, ANY),
        ("rds", "CreateDBInstance", {"DBInstanceIdentifier": "d", "CustomIamInstanceProfile": "machines"}, ANY),
        (
            "elasticbeanstalk",
            "CreateEnvironment",
            {"EnvironmentName": "e", "OptionSettings": [{"OptionName": "IamInstanceProfile", "Value": "machines"}]},
            ANY,
        ),
    ],
)
def test_roles_in_parameters_of_many_names(service: str, operation: str, parameters: dict[str, Any], role: str) -> None:
    """A role that a request passes needs iam:PassRole, whatever the parameter is called."""
    assert [role] == passed(service, operation, parameters)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        # The role is created by the operation, or is a principal.
        ("organizations", "CreateAccount", {"Email": "e", "AccountName": "a", "RoleName": "Runner"}),
        ("datazone", "CreateGroupProfile", {"domainIdentifier": "d", "rolePrincipalArn": ROLE}),
        # An instance profile of DMS is a group of settings.
        ("dms", "ModifyInstanceProfile", {"InstanceProfileIdentifier": "machines"}),
        # A filter.
        ("iot", "ListAuditFindings", {"resourceIdentifier": {"iamRoleArn": ROLE}}),
        # Variables of a function.
        (
            "lambda",
            "UpdateFunctionConfiguration",
            {"FunctionName": "f", "Environment": {"Variables": {"ROLE_ARN": ROLE}}},
        ),
        # A tag.
        (
            "lambda",
            "TagResource",
            {"Resource": "arn:aws:lambda:us-east-1:111111111111:function:f", "Tags": {"a": ROLE}},
        ),
    ],
)
def test_roles_that_are_not_passed(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """A role that is only named needs no iam:PassRole."""
    assert [] == passed(service, operation, parameters)
