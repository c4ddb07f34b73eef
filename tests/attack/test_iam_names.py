"""IAM checks a rename for the old and the new ARN; no entity can take over another's name."""

from __future__ import annotations

import json

import pytest

from tests.sandboxes import ACCOUNT, Lab, Person

PREFIX = f"arn:aws:iam::{ACCOUNT}:"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"


@pytest.fixture
def admin() -> Person:
    """An administrator with a group, a profile and a certificate below `/admin/`."""
    admin = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}').user("admin")
    admin.call("iam", "CreateGroup", GroupName="bosses", Path="/admin/")
    admin.call("iam", "CreateInstanceProfile", InstanceProfileName="machines", Path="/admin/")
    admin.call(
        "iam",
        "UploadServerCertificate",
        ServerCertificateName="cert",
        Path="/admin/",
        CertificateBody=PEM,
        PrivateKey="key",
    )
    return admin


def attacker(admin: Person, *statements: object) -> Person:
    """A user `eve` with a policy of these statements."""
    admin.call("iam", "CreateUser", UserName="eve")
    admin.call("iam", "CreateAccessKey", UserName="eve")
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    admin.call("iam", "PutUserPolicy", UserName="eve", PolicyName="p", PolicyDocument=text)
    return admin.lab.user("eve")


@pytest.mark.parametrize(
    ("operation", "parameters", "kind"),
    [
        ("AddUserToGroup", {"GroupName": "bosses", "UserName": "eve"}, "group"),
        ("PutGroupPolicy", {"GroupName": "bosses", "PolicyName": "p", "PolicyDocument": json.dumps(ALL)}, "group"),
        ("DeleteInstanceProfile", {"InstanceProfileName": "machines"}, "instance-profile"),
        ("DeleteServerCertificate", {"ServerCertificateName": "cert"}, "server-certificate"),
    ],
)
def test_what_is_denied_by_path_is_denied(
    admin: Person, operation: str, parameters: dict[str, object], kind: str
) -> None:
    """A Deny by path also applies to requests that contain only the name."""
    denied = {"Effect": "Deny", "Action": "*", "Resource": f"{PREFIX}{kind}/admin/*"}

    refused = attacker(admin, ALL, denied).refused("iam", operation, **parameters)

    assert "AccessDenied" == refused.code
    assert f"on resource: {PREFIX}{kind}/admin/" in refused.message
    assert "with an explicit deny" in refused.message


def test_a_certificate_that_is_new_has_its_path(admin: Person) -> None:
    """A Deny by path also applies to the upload of a certificate that does not exist yet."""
    denied = {"Effect": "Deny", "Action": "*", "Resource": f"{PREFIX}server-certificate/own/*"}
    upload = {"CertificateBody": PEM, "PrivateKey": "key", "Path": "/own/"}

    refused = attacker(admin, ALL, denied).refused(
        "iam", "UploadServerCertificate", ServerCertificateName="new", **upload
    )

    assert f"{PREFIX}server-certificate/own/new" in refused.message


@pytest.mark.parametrize(
    ("operation", "kind", "parameters"),
    [
        ("UpdateUser", "user/eve", {"UserName": "eve", "NewPath": "/admin/"}),
        ("UpdateUser", "user/eve", {"UserName": "eve", "NewUserName": "other"}),
        ("UpdateGroup", "group/admin/bosses", {"GroupName": "bosses", "NewPath": "/"}),
        (
            "UpdateServerCertificate",
            "server-certificate/admin/cert",
            {"ServerCertificateName": "cert", "NewServerCertificateName": "other"},
        ),
    ],
)
def test_who_renames_or_moves_may_do_it_to_both(
    admin: Person, operation: str, kind: str, parameters: dict[str, str]
) -> None:
    """Renaming or moving needs permission for both source and target (IAM API Reference, UpdateUser)."""
    alone = {"Effect": "Allow", "Action": "iam:*", "Resource": f"{PREFIX}{kind}"}

    refused = attacker(admin, alone).refused("iam", operation, **parameters)

    assert "AccessDenied" == refused.code
    path, _, name = kind.rpartition("/")
    new_name = next((value for key, value in parameters.items() if key.startswith("New") and key != "NewPath"), name)
    folder = kind.partition("/")[0] + parameters["NewPath"] if "NewPath" in parameters else f"{path}/"
    assert f"on resource: {PREFIX}{folder}{new_name} because" in refused.message


@pytest.mark.parametrize("name", ["admin", "ADMIN"])
def test_no_user_becomes_another_by_a_new_name(admin: Person, name: str) -> None:
    """A user cannot be renamed to an existing name: moto alone would drop that user and reuse the ARN."""
    eve = attacker(admin, ALL)

    refused = eve.refused("iam", "UpdateUser", UserName="eve", NewUserName=name)

    assert ("EntityAlreadyExists", 409) == (refused.code, refused.status)
    assert admin.arn == f"{PREFIX}user/admin"
    assert eve.arn == f"{PREFIX}user/eve"


def test_a_name_in_another_case_is_ones_own(admin: Person) -> None:
    """A user can be renamed to the same name in another case.

    For other users such a name is taken.
    """
    admin.call("iam", "CreateUser", UserName="dora")
    admin.call("iam", "UpdateUser", UserName="dora", NewUserName="Dora")
    assert "Dora" == admin.call("iam", "GetUser", UserName="Dora")["User"]["UserName"]


def test_groups_have_names_of_their_own(admin: Person) -> None:
    """A group cannot be created with, or renamed to, an existing name."""
    admin.call("iam", "CreateGroup", GroupName="other")

    created = admin.refused("iam", "CreateGroup", GroupName="BOSSES")
    renamed = admin.refused("iam", "UpdateGroup", GroupName="other", NewGroupName="Bosses")

    assert ("EntityAlreadyExists", "EntityAlreadyExists") == (created.code, renamed.code)
