"""IAM operations that moto lacks: service-specific credentials, tags, client ids, MFA devices."""

from __future__ import annotations

import pytest

from dsops.sandbox.clock import MovableClock
from dsops.sandbox.sts import totp
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person

SERVICE = "codecommit.amazonaws.com"
ISSUER = "https://idp.example.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com"
TAGS = [{"Key": "team", "Value": "blue"}, {"Key": "stage", "Value": "test"}]


@pytest.fixture
def lab() -> Lab:
    """A sandbox with a frozen clock, where Bob has a device."""
    clock = MovableClock()
    clock.freeze(is_frozen=True)
    users = "{bob: {mfa: {name: bob, seed: JBSWY3DPEHPK3PXP}}, alice: {}}"
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{users: {users}}}, "{OTHER}": {{}}}}', clock)


@pytest.fixture
def admin(lab: Lab) -> Person:
    """An administrator."""
    return lab.user("admin")


# --- service-specific credentials --------------------------------------------------------------------------------


def test_lifecycle_of_a_service_specific_credential(admin: Person) -> None:
    """The password of a service-specific credential is returned only on creation and on reset."""
    created = admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)
    credential = created["ServiceSpecificCredential"]
    which = {"UserName": "bob", "ServiceSpecificCredentialId": credential["ServiceSpecificCredentialId"]}
    admin.call("iam", "UpdateServiceSpecificCredential", **which, Status="Inactive")
    (listed,) = admin.call("iam", "ListServiceSpecificCredentials", UserName="bob")["ServiceSpecificCredentials"]
    reset = admin.call("iam", "ResetServiceSpecificCredential", **which)["ServiceSpecificCredential"]
    admin.call("iam", "DeleteServiceSpecificCredential", **which)

    assert (f"bob-at-{ACCOUNT}", "Active") == (credential["ServiceUserName"], credential["Status"])
    assert ("Inactive", False) == (listed["Status"], "ServicePassword" in listed)
    assert reset["ServicePassword"] != credential["ServicePassword"]
    assert [] == admin.call("iam", "ListServiceSpecificCredentials", UserName="bob")["ServiceSpecificCredentials"]


def test_two_credentials_for_a_service_and_user(admin: Person) -> None:
    """A user can have two credentials for a service; the second has another service user name."""
    names = [
        admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)[
            "ServiceSpecificCredential"
        ]["ServiceUserName"]
        for _ in range(2)
    ]
    refused = admin.refused("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)

    assert [f"bob-at-{ACCOUNT}", f"bob+1-at-{ACCOUNT}"] == names
    assert "LimitExceeded" == refused.code
    admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName="cassandra.amazonaws.com")


def test_unknown_services_users_and_ids_are_refused(lab: Lab, admin: Person) -> None:
    """Unknown services, users and credential ids are refused with AWS's messages."""
    unknown = admin.refused("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName="sqs.amazonaws.com")
    nobody = admin.refused("iam", "ListServiceSpecificCredentials", UserName="nobody")
    created = admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)
    identifier = created["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    other = admin.refused(
        "iam", "DeleteServiceSpecificCredential", UserName="alice", ServiceSpecificCredentialId=identifier
    )

    assert "No such service sqs.amazonaws.com is supported for Service Specific Credentials" == unknown.message
    assert "The user with name nobody cannot be found." == nobody.message
    assert f"No such credential {identifier} exists" == other.message
    foreign = lab.user("admin", OTHER).refused("iam", "ListServiceSpecificCredentials", UserName="bob")
    assert "NoSuchEntity" == foreign.code


def test_a_user_with_a_credential_is_not_deleted(admin: Person) -> None:
    """A user with a service-specific credential can't be deleted."""
    admin.call("iam", "CreateUser", UserName="carol")
    created = admin.call("iam", "CreateServiceSpecificCredential", UserName="carol", ServiceName=SERVICE)
    identifier = created["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]

    refused = admin.refused("iam", "DeleteUser", UserName="carol")

    message = "Cannot delete entity, must remove referenced objects first."
    assert ("DeleteConflict", message) == (refused.code, refused.message)
    admin.call("iam", "DeleteServiceSpecificCredential", UserName="carol", ServiceSpecificCredentialId=identifier)
    admin.call("iam", "DeleteUser", UserName="carol")


# --- tags --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MFADevice", "InstanceProfile"])
def test_tags_are_stored_changed_and_removed(admin: Person, kind: str) -> None:
    """Tags of MFA devices and instance profiles are stored on creation, and can be changed and removed."""
    if kind == "MFADevice":
        created = admin.call("iam", "CreateVirtualMFADevice", VirtualMFADeviceName="new", Tags=TAGS)
        which = {"SerialNumber": created["VirtualMFADevice"]["SerialNumber"]}
    else:
        which = {"InstanceProfileName": "new"}
        admin.call("iam", "CreateInstanceProfile", **which, Tags=TAGS)

    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in admin.call("iam", f"List{kind}Tags", **which)["Tags"]}

    assert {"team": "blue", "stage": "test"} == tags()
    admin.call("iam", f"Tag{kind}", **which, Tags=[{"Key": "team", "Value": "red"}])
    admin.call("iam", f"Untag{kind}", **which, TagKeys=["stage"])
    assert {"team": "red"} == tags()


def test_tags_of_a_missing_resource(lab: Lab, admin: Person) -> None:
    """Tagging a missing resource gets NoSuchEntity, also for a device of another account."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/bob"
    assert [] == admin.call("iam", "ListMFADeviceTags", SerialNumber=serial)["Tags"]
    assert "NoSuchEntity" == admin.refused("iam", "ListMFADeviceTags", SerialNumber=f"{serial}x").code
    assert "NoSuchEntity" == lab.user("admin", OTHER).refused("iam", "ListMFADeviceTags", SerialNumber=serial).code
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/none"
    assert "NoSuchEntity" == admin.refused("iam", "TagSAMLProvider", SAMLProviderArn=arn, Tags=TAGS).code


# --- devices and clients -----------------------------------------------------------------------------------------


def test_a_device_has_its_user(admin: Person) -> None:
    """GetMFADevice returns the device's user; naming another user is an error."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/bob"
    device = admin.call("iam", "GetMFADevice", SerialNumber=serial)

    assert ("bob", serial) == (device["UserName"], device["SerialNumber"])
    assert "NoSuchEntity" == admin.refused("iam", "GetMFADevice", SerialNumber=serial, UserName="alice").code


def test_a_device_is_synchronized_by_two_codes(lab: Lab, admin: Person) -> None:
    """ResyncMFADevice needs two consecutive codes of the device."""
    now = lab.sandbox.clock.now()
    codes = [totp.code_at("JBSWY3DPEHPK3PXP", now + step * totp.STEP_SECONDS) for step in (0, 1)]
    which = {"UserName": "bob", "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/bob"}

    admin.call("iam", "ResyncMFADevice", **which, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1])
    refused = admin.refused(
        "iam", "ResyncMFADevice", **which, AuthenticationCode1=codes[1], AuthenticationCode2=codes[0]
    )

    assert "InvalidAuthenticationCode" == refused.code


def test_client_ids_are_added_and_removed(lab: Lab, admin: Person) -> None:
    """Client ids can be added to and removed from an OIDC provider, which takes effect at once."""
    admin.call("iam", "CreateOpenIDConnectProvider", Url=ISSUER, ClientIDList=["first"])

    def clients() -> tuple[str, ...]:
        provider = lab.sandbox.world.oidc_provider(ACCOUNT, ISSUER)
        return () if provider is None else provider.client_ids

    for _ in range(2):
        admin.call("iam", "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=PROVIDER, ClientID="second")
    assert ("first", "second") == clients()
    admin.call("iam", "RemoveClientIDFromOpenIDConnectProvider", OpenIDConnectProviderArn=PROVIDER, ClientID="first")
    assert ("second",) == clients()
    refused = admin.refused(
        "iam", "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=f"{PROVIDER}x", ClientID="second"
    )
    assert "NoSuchEntity" == refused.code
