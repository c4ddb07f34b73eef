"""An account's administrator changes nothing in IAM that belongs to AWS: managed policies, roles of services."""

from __future__ import annotations

import json

import pytest
from botocore.model import OperationModel

from dsops.sandbox.clock import MovableClock
from dsops.sandbox.wire.models import operation_model, operation_names
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
)
AWS_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
LINKED = "AWSServiceRoleForBatch"
READING = ("Get", "List", "Simulate", "Generate")
USES_A_POLICY = {
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "DetachGroupPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
}
USES_A_ROLE = {"CreateRole", "DeleteServiceLinkedRole"}
DESCRIBES = {"UpdateRole", "UpdateRoleDescription"}
VALUES = {
    "PolicyArn": AWS_POLICY,
    "PolicyDocument": ALLOW_ALL,
    "VersionId": "v1",
    "RoleName": LINKED,
    "PolicyName": "p",
    "PermissionsBoundary": AWS_POLICY,
    "Description": "d",
    "Tags": [{"Key": "k", "Value": "v"}],
    "TagKeys": ["k"],
    "InstanceProfileName": "p",
}


def model(operation: str) -> OperationModel:
    """What botocore says of the operation."""
    found: OperationModel = operation_model("iam", operation)
    return found


def taking(parameter: str, without: set[str]) -> list[str]:
    """The operations of IAM that have the parameter and change something."""
    return [
        name
        for name in sorted(operation_names("iam"))
        if not name.startswith(READING)
        and name not in without
        and (shape := model(name).input_shape) is not None
        and parameter in shape.required_members
    ]


def required(operation: str) -> dict[str, object]:
    """Values for everything that the operation needs."""
    return {name: VALUES[name] for name in model(operation).input_shape.required_members}


@pytest.fixture
def lab() -> Lab:
    """Two accounts, and a service-linked role in the first."""
    lab = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}, "{OTHER}": {{}}}}', MovableClock())
    lab.user("admin").call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")
    return lab


@pytest.fixture
def admin(lab: Lab) -> Person:
    """Who may do anything in the first account."""
    return lab.user("admin")


@pytest.mark.parametrize("operation", taking("PolicyArn", USES_A_POLICY))
def test_a_managed_policy_of_aws_is_nobodys_to_change(admin: Person, operation: str) -> None:
    """Every operation of the model that takes a policy's ARN and changes the policy is refused."""
    refused = admin.refused("iam", operation, **required(operation))

    assert ("AccessDenied", "Policy is outside your own account.") == (refused.code, refused.message)


@pytest.mark.parametrize("operation", taking("PolicyArn", USES_A_POLICY))
def test_another_accounts_policy_is_not_ones_own(lab: Lab, operation: str) -> None:
    """Its account's administrator changes it, and no other's."""
    arn = lab.user("admin").call("iam", "CreatePolicy", PolicyName="own", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]

    refused = lab.user("admin", OTHER).refused("iam", operation, **(required(operation) | {"PolicyArn": arn}))

    assert "AccessDenied" == refused.code
    assert "v1" == lab.user("admin").call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]


def test_what_a_managed_policy_of_aws_allows_stays(lab: Lab, admin: Person) -> None:
    """A refused version counts for none of the principals that have the policy."""
    admin.call("iam", "CreateUser", UserName="reader")
    admin.call("iam", "CreateAccessKey", UserName="reader")
    admin.call("iam", "AttachUserPolicy", UserName="reader", PolicyArn=AWS_POLICY)
    admin.refused("iam", "CreatePolicyVersion", PolicyArn=AWS_POLICY, PolicyDocument=ALLOW_ALL, SetAsDefault=True)

    reader = lab.user("reader")
    assert 200 == reader.answer("iam", "ListUsers").status
    assert 403 == reader.answer("iam", "CreateUser", UserName="more").status


@pytest.mark.parametrize("operation", taking("RoleName", USES_A_ROLE | DESCRIBES))
def test_a_service_linked_role_is_nobodys_to_change(admin: Person, operation: str) -> None:
    """Every operation of the model that takes a role's name and changes the role is refused."""
    refused = admin.refused("iam", operation, **required(operation))

    message = f"Cannot perform the operation on the protected role '{LINKED}' - this role is only modifiable by AWS"
    assert ("UnmodifiableEntity", message) == (refused.code, refused.message)


def test_of_a_service_linked_role_the_description_may_change(admin: Person) -> None:
    """IAM User Guide, "Edit a service-linked role"; how long its sessions last is not part of it."""
    for operation in sorted(DESCRIBES):
        admin.call("iam", operation, RoleName=LINKED, Description=operation)
        assert operation == admin.call("iam", "GetRole", RoleName=LINKED)["Role"]["Description"]
    refused = admin.refused("iam", "UpdateRole", RoleName=LINKED, MaxSessionDuration=7200)
    assert "UnmodifiableEntity" == refused.code


@pytest.mark.parametrize("path", ["/aws-service-role/batch.amazonaws.com/", "/aws-reserved/sso.amazonaws.com/"])
def test_no_account_makes_a_role_that_looks_like_awss(admin: Person, path: str) -> None:
    """Service control policies spare service-linked roles: one that can be made would escape them."""
    refused = admin.refused("iam", "CreateRole", RoleName="Mine", Path=path, AssumeRolePolicyDocument=TRUST)

    assert "InvalidInput" == refused.code
    admin.call("iam", "CreateRole", RoleName="Mine", Path="/mine" + path, AssumeRolePolicyDocument=TRUST)


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("AttachRolePolicy", {"RoleName": "Mine"}),
        ("AttachUserPolicy", {"UserName": "admin"}),
        ("AttachGroupPolicy", {"GroupName": "group"}),
        ("PutRolePermissionsBoundary", {"RoleName": "Mine"}),
        ("PutUserPermissionsBoundary", {"UserName": "admin"}),
        ("CreateRole", {"RoleName": "More", "AssumeRolePolicyDocument": TRUST}),
        ("CreateUser", {"UserName": "more"}),
    ],
)
def test_a_service_linked_roles_policy_is_for_nothing_else(
    admin: Person, operation: str, named: dict[str, str]
) -> None:
    """PolicyNotAttachable, as a boundary too; an ordinary policy of AWS's is taken."""
    admin.call("iam", "CreateRole", RoleName="Mine", AssumeRolePolicyDocument=TRUST)
    admin.call("iam", "CreateGroup", GroupName="group")
    parameter = "PolicyArn" if operation.startswith("Attach") else "PermissionsBoundary"
    arn = "arn:aws:iam::aws:policy/aws-service-role/BatchServiceRolePolicy"

    refused = admin.refused("iam", operation, **{**named, parameter: arn})

    assert "PolicyNotAttachable" == refused.code
    admin.call("iam", operation, **{**named, parameter: AWS_POLICY})


@pytest.mark.parametrize("path", ["/x:role/aws-service-role/y/", "/x:role/aws-reserved/y/"])
def test_a_path_that_holds_the_text_of_another_makes_no_role_awss(admin: Person, path: str) -> None:
    """A path may have colons: what counts is where it begins."""
    admin.call("iam", "CreateRole", RoleName="Mine", Path=path, AssumeRolePolicyDocument=TRUST)

    admin.call("iam", "TagRole", RoleName="Mine", Tags=[{"Key": "k", "Value": "v"}])
