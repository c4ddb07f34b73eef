"""The IAM API: its changes take effect, and invalid input is refused as on AWS."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

READ = "secretsmanager:ListSecrets"
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"


def document(*statements: dict[str, object]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", effect: str = "Allow") -> str:
    """Return a policy of one statement."""
    return document({"Effect": effect, "Action": action, "Resource": resource})


def trust(principal: str) -> str:
    """Return a trust policy."""
    return document({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"})


@pytest.fixture
def admin(lab: Lab) -> Person:
    """An administrator of the first account."""
    return lab.user("admin")


@pytest.fixture
def bob(lab: Lab) -> Person:
    """A user without permissions."""
    return lab.user("bob")


def may(person: Person) -> bool:
    """Whether the caller's policies allow secretsmanager:ListSecrets."""
    answer = person.answer("secretsmanager", "ListSecrets")
    return answer.status == 200


# --- policies of users -------------------------------------------------------------------------------------------


def test_inline_managed_and_group_policies_count(admin: Person, bob: Person) -> None:
    """A user's inline, managed and group policies take effect when they are added, and end when they are removed."""
    assert not may(bob)
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allow(READ))
    assert may(bob)
    admin.call("iam", "DeleteUserPolicy", UserName="bob", PolicyName="p")
    assert not may(bob)

    arn = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=allow(READ))["Policy"]["Arn"]
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn)
    assert may(bob)
    admin.call("iam", "DetachUserPolicy", UserName="bob", PolicyArn=arn)
    assert not may(bob)

    admin.call("iam", "CreateGroup", GroupName="g")
    admin.call("iam", "PutGroupPolicy", GroupName="g", PolicyName="p", PolicyDocument=allow(READ))
    admin.call("iam", "AddUserToGroup", GroupName="g", UserName="bob")
    assert may(bob)
    admin.call("iam", "RemoveUserFromGroup", GroupName="g", UserName="bob")
    assert not may(bob)


def test_the_default_version_of_a_policy_applies(admin: Person, bob: Person) -> None:
    """A new policy version takes effect once it is the default version."""
    arn = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn)

    admin.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allow(READ))
    assert not may(bob)
    admin.call("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")
    assert may(bob)


def test_policies_of_aws_can_be_attached(admin: Person, bob: Person) -> None:
    """AWS managed policies can be attached, listed and read by ARN."""
    arn = "arn:aws:iam::aws:policy/SecretsManagerReadWrite"

    admin.call("iam", "AttachUserPolicy", UserName="bob", PolicyArn=arn)
    assert may(bob)
    assert admin.call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["PolicyName"] == "SecretsManagerReadWrite"
    missing = admin.refused("iam", "AttachUserPolicy", UserName="bob", PolicyArn="arn:aws:iam::aws:policy/None")
    assert (missing.code, missing.status) == ("NoSuchEntity", 404)
    listed = admin.call("iam", "ListPolicies", Scope="AWS", MaxItems=1000)["Policies"]
    assert len(listed) == 1000


def test_an_explicit_deny_wins(admin: Person, bob: Person) -> None:
    """An explicit deny beats every allow."""
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="yes", PolicyDocument=allow(READ))
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="no", PolicyDocument=allow(READ, effect="Deny"))

    refused = bob.refused("secretsmanager", "ListSecrets")

    assert refused.message.endswith("with an explicit deny in an identity-based policy")


# --- boundaries ----------------------------------------------------------------------------------------------------


def test_a_users_boundary_limits(admin: Person, bob: Person) -> None:
    """A user's permissions boundary, which moto does not support, limits the user; it can be read and deleted."""
    arn = admin.call("iam", "CreatePolicy", PolicyName="b", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allow("*"))
    assert may(bob)

    admin.call("iam", "PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=arn)
    refused = bob.refused("secretsmanager", "ListSecrets")
    assert f"because no permissions boundary allows the {READ} action" in refused.message
    shown = admin.call("iam", "GetUser", UserName="bob")["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == arn
    admin.call("iam", "DeleteUserPermissionsBoundary", UserName="bob")
    assert may(bob)
    assert "PermissionsBoundary" not in admin.call("iam", "GetUser", UserName="bob")["User"]
    assert admin.refused("iam", "DeleteUserPermissionsBoundary", UserName="bob").code == "NoSuchEntity"


def test_a_boundary_passed_to_create_user_applies(lab: Lab, admin: Person) -> None:
    """A permissions boundary in CreateUser takes effect, although moto ignores the parameter."""
    arn = admin.call("iam", "CreatePolicy", PolicyName="b", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    admin.call("iam", "CreateUser", UserName="carol", PermissionsBoundary=arn)
    admin.call("iam", "PutUserPolicy", UserName="carol", PolicyName="p", PolicyDocument=allow("*"))
    created = admin.call("iam", "CreateAccessKey", UserName="carol")["AccessKey"]
    carol = lab.with_keys(Keys(access_key_id=created["AccessKeyId"], secret_access_key=created["SecretAccessKey"]))

    assert not may(carol)
    admin.call("iam", "DeleteUserPermissionsBoundary", UserName="carol")
    assert may(carol)


def test_a_roles_boundary_limits_its_sessions(admin: Person) -> None:
    """A role's permissions boundary also limits sessions that were issued before it."""
    arn = admin.call("iam", "CreatePolicy", PolicyName="b", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    role = admin.call(
        "iam", "CreateRole", RoleName="Bound", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:root")
    )["Role"]["Arn"]
    admin.call("iam", "PutRolePolicy", RoleName="Bound", PolicyName="p", PolicyDocument=allow("*"))
    session = admin.assume(role)

    assert may(session)
    admin.call("iam", "PutRolePermissionsBoundary", RoleName="Bound", PermissionsBoundary=arn)
    assert not may(session)


def test_list_users_omits_boundaries(admin: Person) -> None:
    """ListUsers omits the permissions boundary that GetUser returns."""
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    admin.call("iam", "CreateUser", UserName="carol", PermissionsBoundary=boundary)

    listed = admin.call("iam", "ListUsers")["Users"]
    assert admin.call("iam", "GetUser", UserName="carol")["User"]["PermissionsBoundary"]
    assert "carol" in {user["UserName"] for user in listed}
    assert not any("PermissionsBoundary" in user for user in listed)


def test_a_boundary_must_exist(admin: Person) -> None:
    """A permissions boundary that does not exist gets NoSuchEntity, for users and roles."""
    missing = f"arn:aws:iam::{ACCOUNT}:policy/none"

    for operation, parameters in (
        ("PutUserPermissionsBoundary", {"UserName": "bob"}),
        ("PutRolePermissionsBoundary", {"RoleName": "Jump"}),
        ("CreateUser", {"UserName": "carol"}),
        ("CreateRole", {"RoleName": "New", "AssumeRolePolicyDocument": trust(ALICE_ARN)}),
    ):
        assert admin.refused("iam", operation, PermissionsBoundary=missing, **parameters).code == "NoSuchEntity"
    assert admin.refused("iam", "GetUser", UserName="carol").code == "NoSuchEntity"


# --- trust policies ----------------------------------------------------------------------------------------------


def test_a_created_role_can_be_assumed(lab: Lab, admin: Person) -> None:
    """A role created through IAM enforces its trust policy, maximum duration and later changes."""
    created = admin.call(
        "iam",
        "CreateRole",
        RoleName="New",
        Path="/x/",
        MaxSessionDuration=7200,
        AssumeRolePolicyDocument=trust(ALICE_ARN),
    )["Role"]
    alice = lab.user("alice")

    assert created["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/x/New"
    alice.assume(created["Arn"], DurationSeconds=7200)
    assert alice.refused_role(f"arn:aws:iam::{ACCOUNT}:role/New").code == "AccessDenied"
    admin.call(
        "iam", "UpdateAssumeRolePolicy", RoleName="New", PolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/bob")
    )
    assert alice.refused_role(created["Arn"]).code == "AccessDenied"


def test_update_role_keeps_omitted_values(admin: Person) -> None:
    """UpdateRole keeps attributes that the request omits, although moto resets them."""
    admin.call("iam", "UpdateRole", RoleName="Jump", MaxSessionDuration=7200)
    admin.call("iam", "UpdateRole", RoleName="Jump", Description="to the others")

    role = admin.call("iam", "GetRole", RoleName="Jump")["Role"]
    assert (role["MaxSessionDuration"], role["Description"]) == (7200, "to the others")
    admin.call("iam", "UpdateRole", RoleName="Jump", MaxSessionDuration=3600)
    role = admin.call("iam", "GetRole", RoleName="Jump")["Role"]
    assert (role["MaxSessionDuration"], role["Description"]) == (3600, "to the others")


def test_a_recreated_user_is_not_trusted(lab: Lab, admin: Person) -> None:
    """A new user with a deleted user's name is not trusted, since the trust policy stores the old user's id."""
    admin.call("iam", "CreateUser", UserName="dave")
    role = admin.call(
        "iam", "CreateRole", RoleName="ForDave", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/dave")
    )["Role"]["Arn"]

    def key_of_dave() -> Person:
        created = admin.call("iam", "CreateAccessKey", UserName="dave")["AccessKey"]
        return lab.with_keys(Keys(access_key_id=created["AccessKeyId"], secret_access_key=created["SecretAccessKey"]))

    dave = key_of_dave()
    user_id = dave.call("sts", "GetCallerIdentity")["UserId"]
    dave.assume(role)
    admin.call("iam", "DeleteAccessKey", UserName="dave", AccessKeyId=dave.keys.access_key_id)
    admin.call("iam", "DeleteUser", UserName="dave")
    admin.call("iam", "CreateUser", UserName="dave")

    assert key_of_dave().refused_role(role).code == "AccessDenied"
    shown = admin.call("iam", "GetRole", RoleName="ForDave")["Role"]["AssumeRolePolicyDocument"]
    assert user_id in shown


def test_a_renamed_user_is_still_trusted(lab: Lab, admin: Person) -> None:
    """A renamed user is still trusted and keeps tags and access keys."""
    admin.call("iam", "CreateRole", RoleName="ForAlice", AssumeRolePolicyDocument=trust(ALICE_ARN))
    alice = lab.user("alice")

    admin.call("iam", "UpdateUser", UserName="alice", NewUserName="alicia")

    assert alice.arn == f"arn:aws:iam::{ACCOUNT}:user/alicia"
    alice.assume(f"arn:aws:iam::{ACCOUNT}:role/ForAlice")
    assert admin.call("iam", "ListUserTags", UserName="alicia")["Tags"] == [{"Key": "team", "Value": "blue"}]


@pytest.mark.parametrize(
    ("principal", "is_known"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/alice", True),
        (f"arn:aws:iam::{ACCOUNT}:role/team/Jump", True),
        (f"arn:aws:iam::{ACCOUNT}:root", True),
        (f"arn:aws:iam::{OTHER}:role/Target", True),
        ("arn:aws:iam::999999999999:user/somebody", True),
        (f"arn:aws:iam::{ACCOUNT}:user/nobody-there", False),
        (f"arn:aws:iam::{ACCOUNT}:role/Jump", False),
        (f"arn:aws-cn:iam::{ACCOUNT}:user/alice", False),
    ],
)
def test_principals_of_a_trust_policy_must_exist(admin: Person, principal: str, is_known: bool) -> None:  # noqa: FBT001
    """Principals in a trust policy must exist, unless their account is not in the sandbox."""
    parameters = {"RoleName": "New", "AssumeRolePolicyDocument": trust(principal)}

    if is_known:
        assert admin.call("iam", "CreateRole", **parameters)["Role"]
    else:
        refused = admin.refused("iam", "CreateRole", **parameters)
        assert (refused.code, refused.message) == (
            "MalformedPolicyDocument",
            f'Invalid principal in policy: "AWS":"{principal}"',
        )


# --- documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "This policy contains invalid Json"),
        ('{"Version": "2012-10-17"}', "Syntax errors in policy."),
        (
            document({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
            "Has prohibited field Principal",
        ),
        (
            document({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Nope": {"a": "b"}}}),
            "Syntax errors in policy.",
        ),
        (
            document({"Effect": "Allow", "Action": "get", "Resource": "*"}),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (document({"Effect": "Allow", "Action": "s3:Get*"}), "Policy statement must contain resources."),
    ],
)
def test_a_malformed_policy_is_refused(admin: Person, text: str, message: str) -> None:
    """Every operation that stores a policy refuses a malformed policy with MalformedPolicyDocument."""
    for operation, more in (
        ("PutUserPolicy", {"UserName": "bob", "PolicyName": "p"}),
        ("PutRolePolicy", {"RoleName": "Jump", "PolicyName": "p"}),
        ("CreatePolicy", {"PolicyName": "m"}),
    ):
        refused = admin.refused("iam", operation, PolicyDocument=text, **more)
        assert (refused.code, refused.message, refused.status) == ("MalformedPolicyDocument", message, 400)


def test_a_trust_policy_has_no_resource(admin: Person) -> None:
    """A Resource in a trust policy is refused with IAM's message."""
    with_resource = document(
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", "Resource": "*"}
    )

    refused = admin.refused("iam", "CreateRole", RoleName="New", AssumeRolePolicyDocument=with_resource)

    assert refused.message == "Has prohibited field Resource"


def test_documents_have_a_maximum_length(admin: Person) -> None:
    """Policy documents have a maximum length, which does not count white space."""
    long = document({"Sid": "a" * 2000, "Effect": "Allow", "Action": READ, "Resource": "*"})
    spaced = allow(READ).replace(" ", " " * 600)

    refused = admin.refused("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=long)
    assert (refused.code, refused.message) == (
        "LimitExceeded",
        "Maximum policy size of 2048 bytes exceeded for user bob",
    )
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=spaced)


# --- conflicts ----------------------------------------------------------------------------------------------------


def test_resources_in_use_are_not_deleted(admin: Person) -> None:
    """A user who has access keys, and a policy that is used as a boundary, can't be deleted."""
    assert admin.refused("iam", "DeleteUser", UserName="bob").message == (
        "Cannot delete entity, must delete access keys first."
    )
    arn = admin.call("iam", "CreatePolicy", PolicyName="m", PolicyDocument=allow(READ))["Policy"]["Arn"]
    admin.call("iam", "PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=arn)
    assert admin.refused("iam", "DeletePolicy", PolicyArn=arn).code == "DeleteConflict"
    admin.call("iam", "DeleteUserPermissionsBoundary", UserName="bob")
    admin.call("iam", "DeletePolicy", PolicyArn=arn)


def test_names_are_unique_regardless_of_case(admin: Person) -> None:
    """User and role names are unique regardless of case."""
    assert admin.refused("iam", "CreateUser", UserName="BOB").code == "EntityAlreadyExists"
    refused = admin.refused("iam", "CreateRole", RoleName="jump", AssumeRolePolicyDocument=trust(ALICE_ARN))
    assert (refused.code, refused.status) == ("EntityAlreadyExists", 409)


# --- permissions on users ---------------------------------------------------------------------------------------


def test_iam_requests_are_authorized_on_the_arn_with_path(lab: Lab, admin: Person) -> None:
    """IAM operations are authorized on the ARN with its path; a missing role's ARN has no path (measured)."""
    admin.call(
        "iam",
        "PutUserPolicy",
        UserName="bob",
        PolicyName="p",
        PolicyDocument=allow("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/team/*"),
    )
    bob = lab.user("bob")

    assert bob.call("iam", "GetRole", RoleName="Jump")["Role"]["RoleName"] == "Jump"
    for name, shown in (("Long", "role/Long"), ("Missing", "role/Missing")):
        refused = bob.refused("iam", "GetRole", RoleName=name)
        assert (refused.code, refused.status) == ("AccessDenied", 403)
        assert f"on resource: arn:aws:iam::{ACCOUNT}:{shown} because" in refused.message


@pytest.mark.parametrize(
    ("operation", "parameters", "resource"),
    [
        ("AttachRolePolicy", {"RoleName": "Jump", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/x"}, "role/team/Jump"),
        ("AddUserToGroup", {"GroupName": "g", "UserName": "alice"}, "group/g"),
        ("CreateUser", {"UserName": "new", "Path": "/p/"}, "user/p/new"),
        ("CreatePolicy", {"PolicyName": "m", "PolicyDocument": "{}"}, "policy/m"),
        ("GetPolicy", {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/x"}, "policy/x"),
        ("CreateVirtualMFADevice", {"VirtualMFADeviceName": "d"}, "mfa/d"),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "i", "RoleName": "Jump"}, "instance-profile/i"),
        ("ListAccessKeys", {}, "user/bob"),
        ("CreateAccessKey", {"UserName": "alice"}, "user/alice"),
    ],
)
def test_each_operation_has_its_resource(
    bob: Person, operation: str, parameters: dict[str, object], resource: str
) -> None:
    """Each operation is authorized on the resource type that AWS's authorization reference lists."""
    refused = bob.refused("iam", operation, **parameters)

    assert refused.message.startswith(
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: iam:{operation} "
        f"on resource: arn:aws:iam::{ACCOUNT}:{resource} because"
    )


def test_list_operations_have_no_resource(bob: Person) -> None:
    """List operations have no resource type, so only a policy on `*` allows them."""
    assert "on resource" not in bob.refused("iam", "ListUsers").message


def test_tags_need_a_separate_permission(lab: Lab, admin: Person) -> None:
    """CreateUser with tags needs iam:TagUser, too."""
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allow("iam:CreateUser"))
    bob = lab.user("bob")

    bob.call("iam", "CreateUser", UserName="one")
    refused = bob.refused("iam", "CreateUser", UserName="two", Tags=[{"Key": "a", "Value": "b"}])
    assert "iam:TagUser" in refused.message


def test_a_missing_user_name_means_the_caller(lab: Lab, admin: Person) -> None:
    """Without UserName the operation applies to the calling user; a role session must name a user."""
    admin.call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=allow("iam:*"))

    assert lab.user("bob").call("iam", "GetUser")["User"]["UserName"] == "bob"
    assert lab.user("bob").call("iam", "CreateAccessKey")["AccessKey"]["UserName"] == "bob"
    admin.call("iam", "PutRolePolicy", RoleName="Jump", PolicyName="iam", PolicyDocument=allow("iam:*"))
    session = lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")
    assert session.refused("iam", "GetUser").message == ("Must specify userName when calling with non-User credentials")


def test_accounts_are_separate(lab: Lab) -> None:
    """An administrator sees only the users of its own account."""
    users = lab.user("admin", OTHER).call("iam", "ListUsers")["Users"]

    assert [user["UserName"] for user in users] == ["admin"]


def test_ids_have_aws_form(admin: Person) -> None:
    """Unique ids have AWS's prefixes (AIDA, AROA, AGPA) and 21 characters."""
    user = admin.call("iam", "CreateUser", UserName="new")["User"]["UserId"]
    group = admin.call("iam", "CreateGroup", GroupName="g")["Group"]["GroupId"]
    role = admin.call("iam", "GetRole", RoleName="Jump")["Role"]["RoleId"]

    assert [(name[:4], len(name)) for name in (user, group, role)] == [("AIDA", 21), ("AGPA", 21), ("AROA", 21)]


def test_an_operation_missing_in_moto_is_not_implemented(admin: Person) -> None:
    """An operation that moto lacks gets a 501."""
    refused = admin.refused("iam", "GenerateServiceLastAccessedDetails", Arn=ALICE_ARN)

    assert (refused.code, refused.status) == ("NotImplemented", 501)


def test_aws_managed_policies_can_be_read(make_lab: LabFactory) -> None:
    """The sandbox can parse all AWS managed policies; one that it can't parse would allow nothing."""
    from dsops.policy.language.grammar import parse_policy
    from dsops.sandbox.state.iam_backend import aws_policies

    make_lab(f'accounts: {{"{ACCOUNT}": {{}}}}')
    for name, (_, data) in aws_policies().items():
        assert parse_policy(json.dumps(data["Document"]), "identity", name=name).statements


def test_a_conditions_value_may_be_a_number(lab: Lab) -> None:
    """Numbers and booleans in conditions may be unquoted (IAM's grammar), and are returned as written."""
    text = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:GetAccessKeyInfo",
                    "Resource": "*",
                    "Condition": {
                        "NumericLessThan": {"aws:EpochTime": 32503680000},
                        "DateGreaterThan": {"aws:EpochTime": [0]},
                        "Bool": {"aws:SecureTransport": True},
                    },
                }
            ],
        }
    )
    admin, nobody = lab.user("admin"), lab.user("nobody")
    admin.call("iam", "PutUserPolicy", UserName="nobody", PolicyName="p", PolicyDocument=text)

    assert nobody.call("sts", "GetAccessKeyInfo", AccessKeyId=nobody.keys.access_key_id)["Account"] == ACCOUNT
    held = admin.call("iam", "GetUserPolicy", UserName="nobody", PolicyName="p")["PolicyDocument"]
    assert json.loads(unquote(held)) == json.loads(text)
    past = text.replace("32503680000", "1")
    admin.call("iam", "PutUserPolicy", UserName="nobody", PolicyName="p", PolicyDocument=past)
    refused = nobody.refused("sts", "GetAccessKeyInfo", AccessKeyId=nobody.keys.access_key_id)
    assert refused.code == "AccessDenied"
