"""Service-linked roles: names, policies, suffixes, deletion, and the question that is asked before."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from dsops.sandbox.authorization.resources.linked_role_names import linked_roles
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.state.iam_backend import aws_policies
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

WITHDRAWN = {"AmazonLexBotPolicy"}
"""A role of 2020 had it; moto's list of today has not."""


@pytest.fixture
def lab() -> Lab:
    """A user without rights."""
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{users: {{bob: {{}}}}}}, "{OTHER}": {{}}}}', MovableClock())


@pytest.fixture
def admin(lab: Lab) -> Person:
    """Who may do anything."""
    return lab.user("admin")


def test_every_policy_of_the_table_is_one_of_awss() -> None:
    """All names are below aws-service-role/ among AWS's managed policies."""
    known = {path.removeprefix("/aws-service-role/") for path in aws_policies()}

    assert WITHDRAWN == {role.policy for role in linked_roles().values()} - known


def test_every_service_of_the_table_gets_its_role(admin: Person) -> None:
    """With its name, its path, its trust policy and its policy; two services share one role's name."""
    made = set()
    for service, linked in linked_roles().items():
        answer = admin.answer("iam", "CreateServiceLinkedRole", AWSServiceName=service)
        assert (400 if linked.name in made else 200) == answer.status
        if linked.name in made:
            continue
        made.add(linked.name)
        role = admin.call("iam", "GetRole", RoleName=linked.name)["Role"]
        assert f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/{linked.name}" == role["Arn"]
        trust = json.loads(unquote(role["AssumeRolePolicyDocument"]))
        assert {"Service": service} == trust["Statement"][0]["Principal"]
        held = admin.call("iam", "ListAttachedRolePolicies", RoleName=linked.name)["AttachedPolicies"]
        assert ([] if linked.policy in WITHDRAWN else [linked.policy]) == [each["PolicyName"] for each in held]


def test_a_suffix_is_for_the_services_that_allow_one(admin: Person) -> None:
    """AutoScaling does, Batch does not."""
    role = admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="x")
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com", CustomSuffix="x")

    assert "AWSServiceRoleForAutoScaling_x" == role["Role"]["RoleName"]
    message = "Custom suffix is not allowed for batch.amazonaws.com"
    assert ("InvalidInput", message, 400) == (refused.code, refused.message, refused.status)


def test_a_second_role_of_that_name_is_refused(admin: Person) -> None:
    """In AWS's words."""
    admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")

    message = "Service role name AWSServiceRoleForBatch has been taken in this account, please try a different suffix."
    assert ("InvalidInput", message) == (refused.code, refused.message)


def test_a_service_that_is_not_in_the_table_is_not_guessed(admin: Person) -> None:
    """501, and no role is there."""
    refused = admin.refused("iam", "CreateServiceLinkedRole", AWSServiceName="nosuch.amazonaws.com")

    assert ("NotImplemented", 501) == (refused.code, refused.status)
    assert [] == admin.call("iam", "ListRoles", PathPrefix="/aws-service-role/")["Roles"]


def test_deleting_gives_a_task_that_can_be_asked_about(lab: Lab, admin: Person) -> None:
    """The task names the role, and is of the account alone."""
    admin.call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")

    task = admin.call("iam", "DeleteServiceLinkedRole", RoleName="AWSServiceRoleForBatch")["DeletionTaskId"]

    assert task.startswith("task/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch/")
    status = admin.call("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert "SUCCEEDED" == status["Status"]
    assert "NoSuchEntity" == admin.refused("iam", "GetRole", RoleName="AWSServiceRoleForBatch").code
    other = lab.user("admin", OTHER).refused("iam", "GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task)
    assert "NoSuchEntity" == other.code


def test_a_role_of_ones_own_is_not_deleted_as_a_services(admin: Person) -> None:
    """NoSuchEntity, and the role stays."""
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
def test_the_question_names_the_role_and_the_service(
    lab: Lab, admin: Person, resource: str, service: str, status: int
) -> None:
    """A policy on the role's whole ARN with iam:AWSServiceName, as AWS's guides write it, decides."""
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
