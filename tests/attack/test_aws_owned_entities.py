"""An account's administrator cannot change AWS's own IAM entities: managed policies, service-linked roles."""

from __future__ import annotations

import json

import pytest
from botocore.model import OperationModel

from dsops.request.wire.models import operation_model, operation_names
from dsops.sandbox.clock import MovableClock
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
    """botocore's model of an IAM operation."""
    found: OperationModel = operation_model("iam", operation)
    return found


def taking(parameter: str, without: set[str]) -> list[str]:
    """IAM's changing operations that require this parameter."""
    return [
        name
        for name in sorted(operation_names("iam"))
        if not name.startswith(READING)
        and name not in without
        and (shape := model(name).input_shape) is not None
        and parameter in shape.required_members
    ]


def required(operation: str) -> dict[str, object]:
    """Values for all required parameters of the operation."""
    return {name: VALUES[name] for name in model(operation).input_shape.required_members}


@pytest.fixture
def lab() -> Lab:
    """Two accounts, with a service-linked role in the first."""
    lab = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}, "{OTHER}": {{}}}}', MovableClock())
    lab.user("admin").call("iam", "CreateServiceLinkedRole", AWSServiceName="batch.amazonaws.com")
    return lab


@pytest.fixture
def admin(lab: Lab) -> Person:
    """The administrator of the first account."""
    return lab.user("admin")


@pytest.mark.parametrize("operation", taking("PolicyArn", USES_A_POLICY))
def test_no_caller_may_change_a_managed_policy_of_aws(admin: Person, operation: str) -> None:
    """Every operation that changes a managed policy is refused if AWS owns the policy."""
    refused = admin.refused("iam", operation, **required(operation))

    assert ("AccessDenied", "Policy is outside your own account.") == (refused.code, refused.message)


@pytest.mark.parametrize("operation", taking("PolicyArn", USES_A_POLICY))
def test_another_accounts_policy_is_not_ones_own(lab: Lab, operation: str) -> None:
    """Only the administrator of a policy's own account can change the policy."""
    arn = lab.user("admin").call("iam", "CreatePolicy", PolicyName="own", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]

    refused = lab.user("admin", OTHER).refused("iam", operation, **(required(operation) | {"PolicyArn": arn}))

    assert "AccessDenied" == refused.code
    assert "v1" == lab.user("admin").call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]


def test_what_a_managed_policy_of_aws_allows_stays(lab: Lab, admin: Person) -> None:
    """A managed policy of AWS allows the same actions after a refused request for a new version."""
    admin.call("iam", "CreateUser", UserName="reader")
    admin.call("iam", "CreateAccessKey", UserName="reader")
    admin.call("iam", "AttachUserPolicy", UserName="reader", PolicyArn=AWS_POLICY)
    admin.refused("iam", "CreatePolicyVersion", PolicyArn=AWS_POLICY, PolicyDocument=ALLOW_ALL, SetAsDefault=True)

    reader = lab.user("reader")
    assert 200 == reader.answer("iam", "ListUsers").status
    assert 403 == reader.answer("iam", "CreateUser", UserName="more").status


@pytest.mark.parametrize("operation", taking("RoleName", USES_A_ROLE | DESCRIBES))
def test_no_caller_may_change_a_service_linked_role(admin: Person, operation: str) -> None:
    """Every operation that changes a role is refused for a service-linked role."""
    refused = admin.refused("iam", operation, **required(operation))

    message = f"Cannot perform the operation on the protected role '{LINKED}' - this role is only modifiable by AWS"
    assert ("UnmodifiableEntity", message) == (refused.code, refused.message)


def test_of_a_service_linked_role_the_description_may_change(admin: Person) -> None:
    """The description of a service-linked role can be edited (IAM User Guide), but not its session duration."""
    for operation in sorted(DESCRIBES):
        admin.call("iam", operation, RoleName=LINKED, Description=operation)
        assert operation == admin.call("iam", "GetRole", RoleName=LINKED)["Role"]["Description"]
    refused = admin.refused("iam", "UpdateRole", RoleName=LINKED, MaxSessionDuration=7200)
    assert "UnmodifiableEntity" == refused.code


@pytest.mark.parametrize("path", ["/aws-service-role/batch.amazonaws.com/", "/aws-reserved/sso.amazonaws.com/"])
def test_no_account_makes_a_role_that_looks_like_awss(admin: Person, path: str) -> None:
    """No role can be created under AWS's reserved paths, because SCPs do not apply to service-linked roles."""
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
    """A service-linked role's policy cannot be attached to another role or used as a boundary (PolicyNotAttachable)."""
    admin.call("iam", "CreateRole", RoleName="Mine", AssumeRolePolicyDocument=TRUST)
    admin.call("iam", "CreateGroup", GroupName="group")
    parameter = "PolicyArn" if operation.startswith("Attach") else "PermissionsBoundary"
    arn = "arn:aws:iam::aws:policy/aws-service-role/BatchServiceRolePolicy"

    refused = admin.refused("iam", operation, **{**named, parameter: arn})

    assert "PolicyNotAttachable" == refused.code
    admin.call("iam", operation, **{**named, parameter: AWS_POLICY})


@pytest.mark.parametrize("path", ["/x:role/aws-service-role/y/", "/x:role/aws-reserved/y/"])
def test_a_path_that_holds_the_text_of_another_makes_no_role_awss(admin: Person, path: str) -> None:
    """A role whose path contains a reserved path, but does not begin with it, is an ordinary role.

    IAM accepts colons in a path.
    """
    admin.call("iam", "CreateRole", RoleName="Mine", Path=path, AssumeRolePolicyDocument=TRUST)

    admin.call("iam", "TagRole", RoleName="Mine", Tags=[{"Key": "k", "Value": "v"}])
