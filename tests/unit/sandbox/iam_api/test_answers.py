"""IAM's responses: the fields that AWS includes and omits."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from dsops.sandbox.clock import MovableClock
from tests.sandboxes import ACCOUNT, Lab, Person

POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a%3Ab"}]}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceArn": "arn%3Aaws%3Aapigateway"}},
            }
        ],
    }
)
BOUNDARY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def admin() -> Person:
    """An administrator."""
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}', MovableClock()).user("admin")


def test_create_role_omits_fields_that_get_role_returns(admin: Person) -> None:
    """CreateRole omits MaxSessionDuration and RoleLastUsed, which GetRole returns.

    Source: AWS's responses, as recorded by LocalStack's tests.
    """
    created = admin.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    read = admin.call("iam", "GetRole", RoleName="r")["Role"]

    plain = {"Arn", "AssumeRolePolicyDocument", "CreateDate", "Path", "RoleId", "RoleName"}
    assert plain == set(created)
    assert plain | {"MaxSessionDuration", "RoleLastUsed"} == set(read)


def test_documents_are_url_encoded_once(admin: Person) -> None:
    """Policy documents are URL-encoded exactly once in every response, even if they have percent signs."""
    admin.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    admin.call("iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=POLICY)
    arn = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=POLICY)["Policy"]["Arn"]
    details = admin.call("iam", "GetAccountAuthorizationDetails", Filter=["Role", "LocalManagedPolicy"])

    trusts = [
        admin.call("iam", "GetRole", RoleName="r")["Role"]["AssumeRolePolicyDocument"],
        admin.call("iam", "ListRoles")["Roles"][0]["AssumeRolePolicyDocument"],
        details["RoleDetailList"][0]["AssumeRolePolicyDocument"],
    ]
    policies = [
        admin.call("iam", "GetRolePolicy", RoleName="r", PolicyName="p")["PolicyDocument"],
        admin.call("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"],
        details["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"],
        details["Policies"][0]["PolicyVersionList"][0]["Document"],
    ]
    assert [TRUST] * 3 == [unquote(text) for text in trusts]
    assert [POLICY] * 4 == [unquote(text) for text in policies]


def test_versions_are_listed_without_their_documents(admin: Person) -> None:
    """Policy versions are listed without their documents; GetPolicyVersion returns the document."""
    arn = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=POLICY)["Policy"]["Arn"]
    created = admin.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=POLICY)["PolicyVersion"]
    listed = admin.call("iam", "ListPolicyVersions", PolicyArn=arn)["Versions"]

    assert [{"VersionId", "IsDefaultVersion", "CreateDate"}] * 3 == [set(each) for each in (created, *listed)]


def test_an_error_has_one_message(admin: Person) -> None:
    """An error has one Message element, although moto writes two."""
    body = admin.answer("iam", "GetUser", UserName="nobody").body

    assert 1 == body.count(b"The user with name nobody cannot be found.")


def test_a_new_user_shows_its_boundary_and_tags(admin: Person) -> None:
    """CreateUser returns the boundary and tags of a user, and omits them if there are none."""
    tags = [{"Key": "k", "Value": "v"}]
    bounded = admin.call("iam", "CreateUser", UserName="u", PermissionsBoundary=BOUNDARY, Tags=tags)["User"]
    plain = admin.call("iam", "CreateUser", UserName="v", Path="/team/")["User"]

    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": BOUNDARY}
    assert (boundary, tags) == (bounded["PermissionsBoundary"], bounded["Tags"])
    assert {"Path", "UserName", "UserId", "Arn", "CreateDate"} == set(plain)
    assert f"arn:aws:iam::{ACCOUNT}:user/team/v" == plain["Arn"]


def test_boundary_usage_is_counted(admin: Person) -> None:
    """PermissionsBoundaryUsageCount counts users and roles with the boundary; policy ids have AWS's form."""
    created = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=POLICY)["Policy"]
    admin.call("iam", "CreateUser", UserName="u", PermissionsBoundary=created["Arn"])
    admin.call("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=created["Arn"])

    read = admin.call("iam", "GetPolicy", PolicyArn=created["Arn"])["Policy"]
    assert (0, 2) == (created["PermissionsBoundaryUsageCount"], read["PermissionsBoundaryUsageCount"])
    assert ("ANPA", 21) == (created["PolicyId"][:4], len(created["PolicyId"]))


@pytest.mark.parametrize("kind", ["User", "Role", "Group"])
def test_an_eleventh_managed_policy_exceeds_the_limit(admin: Person, kind: str) -> None:
    """Attaching an eleventh managed policy gets LimitExceeded; attaching an already attached policy does not."""
    trust = {"AssumeRolePolicyDocument": TRUST} if kind == "Role" else {}
    admin.call("iam", f"Create{kind}", **{f"{kind}Name": "x"}, **trust)
    names = ["m" + str(number) for number in range(11)]
    arns = [admin.call("iam", "CreatePolicy", PolicyName=n, PolicyDocument=POLICY)["Policy"]["Arn"] for n in names]
    for arn in (*arns[:10], arns[0]):
        admin.call("iam", f"Attach{kind}Policy", **{f"{kind}Name": "x"}, PolicyArn=arn)

    refused = admin.refused("iam", f"Attach{kind}Policy", **{f"{kind}Name": "x"}, PolicyArn=arns[10])

    message = f"Cannot exceed quota for PoliciesPer{kind}: 10"
    assert ("LimitExceeded", message, 409) == (refused.code, refused.message, refused.status)


def test_a_malformed_policy_arn_is_refused(admin: Person) -> None:
    """A malformed policy ARN gets ValidationError; a valid ARN of a missing policy gets NoSuchEntity."""
    admin.call("iam", "CreateUser", UserName="u")
    malformed = admin.refused("iam", "AttachUserPolicy", UserName="u", PolicyArn="a-name-that-is-no-arn-at-all")
    unknown = admin.refused("iam", "AttachUserPolicy", UserName="u", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/none")

    assert ("ValidationError", "Invalid ARN:  Could not be parsed!") == (malformed.code, malformed.message)
    assert "NoSuchEntity" == unknown.code
