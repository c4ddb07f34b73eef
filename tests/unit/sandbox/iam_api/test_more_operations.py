"""Operations of IAM that moto lacks: service-specific credentials, tags of devices and providers, clients, devices."""

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
    """Bob has a device; the clock stands still."""
    clock = MovableClock()
    clock.freeze(is_frozen=True)
    users = "{bob: {mfa: {name: bob, seed: JBSWY3DPEHPK3PXP}}, alice: {}}"
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{users: {users}}}, "{OTHER}": {{}}}}', clock)


@pytest.fixture
def admin(lab: Lab) -> Person:
    """Who may do anything."""
    return lab.user("admin")


# --- service-specific credentials --------------------------------------------------------------------------------


def test_a_service_specific_credential_lives_and_ends(admin: Person) -> None:
    """Its password is shown when it is made and when it is reset, and only then."""
    made = admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)
    credential = made["ServiceSpecificCredential"]
    which = {"UserName": "bob", "ServiceSpecificCredentialId": credential["ServiceSpecificCredentialId"]}
    admin.call("iam", "UpdateServiceSpecificCredential", **which, Status="Inactive")
    (listed,) = admin.call("iam", "ListServiceSpecificCredentials", UserName="bob")["ServiceSpecificCredentials"]
    reset = admin.call("iam", "ResetServiceSpecificCredential", **which)["ServiceSpecificCredential"]
    admin.call("iam", "DeleteServiceSpecificCredential", **which)

    assert (f"bob-at-{ACCOUNT}", "Active") == (credential["ServiceUserName"], credential["Status"])
    assert ("Inactive", False) == (listed["Status"], "ServicePassword" in listed)
    assert reset["ServicePassword"] != credential["ServicePassword"]
    assert [] == admin.call("iam", "ListServiceSpecificCredentials", UserName="bob")["ServiceSpecificCredentials"]


def test_only_two_for_a_service_and_user(admin: Person) -> None:
    """The second has a name of its own; the third is too many, for the other service it is not."""
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


def test_other_services_users_and_ids_are_unknown(lab: Lab, admin: Person) -> None:
    """In AWS's words; the other user's credential is no credential of this one."""
    unknown = admin.refused("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName="sqs.amazonaws.com")
    nobody = admin.refused("iam", "ListServiceSpecificCredentials", UserName="nobody")
    made = admin.call("iam", "CreateServiceSpecificCredential", UserName="bob", ServiceName=SERVICE)
    identifier = made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    other = admin.refused(
        "iam", "DeleteServiceSpecificCredential", UserName="alice", ServiceSpecificCredentialId=identifier
    )

    assert "No such service sqs.amazonaws.com is supported for Service Specific Credentials" == unknown.message
    assert "The user with name nobody cannot be found." == nobody.message
    assert f"No such credential {identifier} exists" == other.message
    foreign = lab.user("admin", OTHER).refused("iam", "ListServiceSpecificCredentials", UserName="bob")
    assert "NoSuchEntity" == foreign.code


def test_a_user_with_one_is_not_deleted(admin: Person) -> None:
    """DeleteConflict, until it is gone."""
    admin.call("iam", "CreateUser", UserName="carol")
    made = admin.call("iam", "CreateServiceSpecificCredential", UserName="carol", ServiceName=SERVICE)
    identifier = made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]

    refused = admin.refused("iam", "DeleteUser", UserName="carol")

    message = "Cannot delete entity, must remove referenced objects first."
    assert ("DeleteConflict", message) == (refused.code, refused.message)
    admin.call("iam", "DeleteServiceSpecificCredential", UserName="carol", ServiceSpecificCredentialId=identifier)
    admin.call("iam", "DeleteUser", UserName="carol")


# --- tags --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MFADevice", "InstanceProfile"])
def test_tags_are_kept_changed_and_taken_away(admin: Person, kind: str) -> None:
    """Those that it is made with as well."""
    if kind == "MFADevice":
        made = admin.call("iam", "CreateVirtualMFADevice", VirtualMFADeviceName="new", Tags=TAGS)
        which = {"SerialNumber": made["VirtualMFADevice"]["SerialNumber"]}
    else:
        which = {"InstanceProfileName": "new"}
        admin.call("iam", "CreateInstanceProfile", **which, Tags=TAGS)

    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in admin.call("iam", f"List{kind}Tags", **which)["Tags"]}

    assert {"team": "blue", "stage": "test"} == tags()
    admin.call("iam", f"Tag{kind}", **which, Tags=[{"Key": "team", "Value": "red"}])
    admin.call("iam", f"Untag{kind}", **which, TagKeys=["stage"])
    assert {"team": "red"} == tags()


def test_what_is_not_there_has_no_tags(lab: Lab, admin: Person) -> None:
    """NoSuchEntity; another account's device is not there either."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/bob"
    assert [] == admin.call("iam", "ListMFADeviceTags", SerialNumber=serial)["Tags"]
    assert "NoSuchEntity" == admin.refused("iam", "ListMFADeviceTags", SerialNumber=f"{serial}x").code
    assert "NoSuchEntity" == lab.user("admin", OTHER).refused("iam", "ListMFADeviceTags", SerialNumber=serial).code
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/none"
    assert "NoSuchEntity" == admin.refused("iam", "TagSAMLProvider", SAMLProviderArn=arn, Tags=TAGS).code


# --- devices and clients -----------------------------------------------------------------------------------------


def test_a_device_says_whose_it_is(admin: Person) -> None:
    """And is not another's."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/bob"
    device = admin.call("iam", "GetMFADevice", SerialNumber=serial)

    assert ("bob", serial) == (device["UserName"], device["SerialNumber"])
    assert "NoSuchEntity" == admin.refused("iam", "GetMFADevice", SerialNumber=serial, UserName="alice").code


def test_a_device_is_synchronized_by_two_codes(lab: Lab, admin: Person) -> None:
    """Consecutive ones of this device."""
    now = lab.sandbox.clock.now()
    codes = [totp.code_at("JBSWY3DPEHPK3PXP", now + step * totp.STEP_SECONDS) for step in (0, 1)]
    which = {"UserName": "bob", "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/bob"}

    admin.call("iam", "ResyncMFADevice", **which, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1])
    refused = admin.refused(
        "iam", "ResyncMFADevice", **which, AuthenticationCode1=codes[1], AuthenticationCode2=codes[0]
    )

    assert "InvalidAuthenticationCode" == refused.code


def test_a_providers_clients_come_and_go(lab: Lab, admin: Person) -> None:
    """What AssumeRoleWithWebIdentity asks for an audience sees them."""
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
