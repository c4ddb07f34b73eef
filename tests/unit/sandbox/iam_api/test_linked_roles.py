"""Service-linked roles: names, policies, suffixes, deletion, authorization."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from dsops.request.resources.linked_role_names import linked_roles
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.state.iam_backend import aws_policies
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

WITHDRAWN = {"AmazonLexBotPolicy"}
"""Managed policies that moto's list no longer has; this one belongs to a role from 2020."""


@pytest.fixture
def lab() -> Lab:
    """A sandbox with a user without permissions."""
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{users: {{bob: {{}}}}}}, "{OTHER}": {{}}}}', MovableClock())


@pytest.fixture
def admin(lab: Lab) -> Person:
    """An administrator."""
    return lab.user("admin")


def test_all_policies_of_the_table_are_aws_managed() -> None:
    """All policies in the table are AWS managed policies with the path aws-service-role/."""
    known = {path.removeprefix("/aws-service-role/") for path in aws_policies()}

    assert WITHDRAWN == {role.policy for role in linked_roles().values()} - known


def test_every_service_of_the_table_gets_its_role(admin: Person) -> None:
    """Every service in the table gets its role with the right name, path, trust policy and permissions policy."""
    created = set()
    for service, linked in linked_roles().items():
        answer = admin.answer("iam", "CreateServiceLinkedRole", AWSServiceName=service)
        assert (400 if linked.name in created else 200) == answer.status
        if linked.name in created:
            continue
        created.add(linked.name)
        role = admin.call("iam", "GetRole", RoleName=linked.name)["Role"]
        assert f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/{linked.name}" == role["Arn"]
        trust = json.loads(unquote(role["AssumeRolePolicyDocument"]))
        assert {"Service": service} == trust["Statement"][0]["Principal"]
        held = admin.call("iam", "ListAttachedRolePolicies", RoleName=linked.name)["AttachedPolicies"]
        assert ([] if linked.policy in WITHDRAWN else [linked.policy]) == [each["PolicyName"] for each in held]


def test_only_some_services_allow_a_suffix(admin: Person) -> None:
    """A custom suffix is accepted only for services that allow one, such as AutoScaling."""
    role = admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="x")
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com", CustomSuffix="x")

    assert "AWSServiceRoleForAutoScaling_x" == role["Role"]["RoleName"]
    message = "Custom suffix is not allowed for batch.amazonaws.com"
    assert ("InvalidInput", message, 400) == (refused.code, refused.message, refused.status)


def test_a_second_role_of_that_name_is_refused(admin: Person) -> None:
    """A second role of the same name is refused with AWS's message."""
    admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")

    message = "Service role name AWSServiceRoleForBatch has been taken in this account, please try a different suffix."
    assert ("InvalidInput", message) == (refused.code, refused.message)


def test_a_service_outside_the_table_is_not_implemented(admin: Person) -> None:
    """A service that is missing in the table gets a 501, and no role is created."""
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="nosuch.amazonaws.com")

    assert ("NotImplemented", 501) == (refused.code, refused.status)
    assert [] == admin.call("iam", "ListRoles", PathPrefix="/aws-service-role/")["Roles"]


def test_deletion_returns_a_task(lab: Lab, admin: Person) -> None:
    """DeleteServiceLinkedRole returns a task id; only the role's account can read the task's status."""
    admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")

    task = admin.call("iam", "DeleteServiceLinkedRole", RoleName="AWSServiceRoleForBatch")["DeletionTaskId"]

    assert task.startswith("task/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch/")
    status = admin.call("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert "SUCCEEDED" == status["Status"]
    assert "NoSuchEntity" == admin.refused("iam", "GetRole", RoleName="AWSServiceRoleForBatch").code
    other = lab.user("admin", OTHER).refused("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert "NoSuchEntity" == other.code


def test_an_ordinary_role_is_not_deleted_as_service_linked(admin: Person) -> None:
    """DeleteServiceLinkedRole of an ordinary role gets NoSuchEntity."""
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    admin.call("iam", "CreateRole", RoleName="Mine", AssumeRolePolicyDocument=document)

    assert "NoSuchEntity" == admin.refused("iam", "DeleteServiceLinkedRole", RoleName="Mine").code
    assert "Mine" == admin.call("iam", "GetRole", RoleName="Mine")["Role"]["RoleName"]


@pytest.mark.parametrize(
    ("resource", "service", "status"),
    [
        ("AWSServiceRoleForBatch", "batch.amazonaws.com", 200),
        ("AWSServiceRoleForBatch", "ecs.amazonaws.com", 403),
        ("AWSServiceRoleForECS", "batch.amazonaws.com", 403),
    ],
)
def test_creation_is_authorized_on_role_and_service(
    lab: Lab, admin: Person, resource: str, service: str, status: int
) -> None:
    """Creation is authorized on the role's ARN with the condition key iam:AWSServiceName, as in AWS's guides."""
    statement = {
        "Effect": "Allow",
        "Action": "iam:CreateServiceLinkedRole",
        "Resource": f"arn:aws:iam::*:role/aws-service-role/batch.amazonaws.com/{resource}",
        "Condition": {"StringLike": {"iam:AWSServiceName": service}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document)

    answer = lab.user("bob").answer("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")

    assert status == answer.status
