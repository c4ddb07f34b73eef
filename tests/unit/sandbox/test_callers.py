"""Callers with long-term keys or sessions, and the operations that each kind of caller may call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dsops.request.wire.models import operation_names
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
INVALID = ("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
EXPIRED = ("ExpiredToken", "The security token included in the request is expired", 403)


def refused_identity(person: Person) -> tuple[str, str, int]:
    """Call GetCallerIdentity, which must fail; return code, message and status of its error."""
    refused = person.refused("sts", "GetCallerIdentity")
    return refused.code, refused.message, refused.status


def session_of(person: Person, **parameters: object) -> Person:
    """Return the caller's GetSessionToken session."""
    return Person(person.lab, Keys.of(person.call("sts", "GetSessionToken", **parameters)["Credentials"]))


def federated(person: Person, **parameters: object) -> Person:
    """Return a GetFederationToken session named `ann`."""
    answer = person.call("sts", "GetFederationToken", Name="ann", **parameters)
    return Person(person.lab, Keys.of(answer["Credentials"]))


# --- keys ----------------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_invalid(lab: Lab) -> None:
    """An unknown access key is invalid."""
    stranger = lab.with_keys(Keys(access_key_id="AKIAAAAAAAAAAAAAAAAA", secret_access_key="x"))

    assert refused_identity(stranger) == INVALID


def test_an_inactive_key_is_invalid_before_its_signature(lab: Lab) -> None:
    """An inactive key is invalid even with a wrong signature (measured); after reactivation it works again."""
    admin, alice = lab.user("admin"), lab.user("alice")
    key_id = alice.keys.access_key_id
    admin.call("iam", "UpdateAccessKey", UserName="alice", AccessKeyId=key_id, Status="Inactive")

    assert refused_identity(alice) == INVALID
    assert refused_identity(Person(lab, replace(alice.keys, secret_access_key="wrong"))) == INVALID
    admin.call("iam", "UpdateAccessKey", UserName="alice", AccessKeyId=key_id, Status="Active")
    assert alice.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"


def test_a_long_term_key_with_a_token_is_invalid(lab: Lab) -> None:
    """A long-term key with another key's session token is invalid."""
    alice = lab.user("alice")
    token = alice.assume(JUMP).keys.session_token

    assert refused_identity(Person(lab, replace(alice.keys, session_token=token))) == INVALID


def test_a_token_belongs_to_its_key(lab: Lab) -> None:
    """A session token works only with its own access key, and only if the token is unchanged."""
    first, second = lab.user("alice").assume(JUMP), lab.user("alice").assume(JUMP)
    token = str(first.keys.session_token)

    for wrong in (None, second.keys.session_token, token[:-1] + ("A" if token[-1] != "A" else "B"), "x"):
        assert refused_identity(Person(lab, replace(first.keys, session_token=wrong))) == INVALID
    assert first.arn.endswith("assumed-role/Jump/session")


def test_a_created_key_works_at_once(lab: Lab) -> None:
    """A new access key works at once, and a deleted one no longer works."""
    admin = lab.user("admin")
    created = admin.call("iam", "CreateAccessKey", UserName="nobody")["AccessKey"]
    nobody = lab.with_keys(Keys(access_key_id=created["AccessKeyId"], secret_access_key=created["SecretAccessKey"]))

    assert nobody.arn == f"arn:aws:iam::{ACCOUNT}:user/nobody"
    admin.call("iam", "DeleteAccessKey", UserName="nobody", AccessKeyId=created["AccessKeyId"])
    assert refused_identity(nobody) == INVALID


def test_a_key_is_unknown_in_another_partition(lab: Lab) -> None:
    """An access key is unknown in other partitions, since its account belongs to one partition."""
    alice = lab.user("alice")
    alice.region = "cn-north-1"

    assert refused_identity(alice) == INVALID


# --- expiry, and deleted issuers -------------------------------------------------------------------------------


def test_a_session_ends_by_the_sandboxs_clock(lab: Lab) -> None:
    """A session expires to the second by the sandbox's clock.

    The expiry is reported before a wrong signature or a deleted role (measured).
    """
    session = lab.user("alice").assume(JUMP, DurationSeconds=900)

    lab.sandbox.clock.advance(899)
    assert session.arn
    lab.sandbox.clock.advance(1)
    assert refused_identity(session) == EXPIRED
    assert refused_identity(Person(lab, replace(session.keys, secret_access_key="wrong"))) == EXPIRED


def test_a_forgotten_expired_session_is_still_expired(lab: Lab) -> None:
    """An expired session that was dropped from memory is still reported as expired."""
    alice = lab.user("alice")
    session = alice.assume(JUMP, DurationSeconds=900)
    lab.sandbox.clock.advance(901)
    for _ in range(1100):
        alice.call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="more")

    assert len(lab.sandbox.sessions) <= 1100
    assert lab.sandbox.sessions.get(session.keys.access_key_id) is None
    assert refused_identity(session) == EXPIRED


def test_a_valid_session_is_never_forgotten(lab: Lab) -> None:
    """A valid session is never dropped, however many sessions are issued after it."""
    alice = lab.user("alice")
    session = alice.assume(JUMP, DurationSeconds=3600)
    for _ in range(2500):
        alice.call("sts", "AssumeRole", RoleArn=JUMP, RoleSessionName="more", DurationSeconds=900)

    assert session.arn.endswith("assumed-role/Jump/session")


def test_deleting_the_role_ends_its_sessions_permanently(make_lab: LabFactory) -> None:
    """Deleting a role ends its sessions for good, even if a role with the same name is created later."""
    trust = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}'
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{roles: {{R: {{trust: {trust}}}}}}}}}')
    admin = lab.user("admin")
    arn = f"arn:aws:iam::{ACCOUNT}:role/R"
    session = admin.assume(arn)

    admin.call("iam", "DeleteRole", RoleName="R")
    assert refused_identity(session) == INVALID
    admin.call("iam", "CreateRole", RoleName="R", AssumeRolePolicyDocument=trust)
    assert refused_identity(session) == INVALID
    assert admin.assume(arn).arn.endswith("/R/session")


def test_permission_changes_take_effect_at_once(lab: Lab) -> None:
    """Policy changes apply to existing sessions; a changed trust policy does not end existing sessions."""
    session = lab.user("alice").assume(JUMP)
    admin = lab.user("admin")
    closed = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}}'

    assert session.call("sts", "GetAccessKeyInfo", AccessKeyId="AKIA" + "A" * 16)
    admin.call("iam", "UpdateAssumeRolePolicy", RoleName="Jump", PolicyDocument=closed)
    assert session.call("sts", "GetAccessKeyInfo", AccessKeyId="AKIA" + "A" * 16)
    admin.call("iam", "DeleteRolePolicy", RoleName="Jump", PolicyName="policy-1")
    assert session.refused("sts", "GetAccessKeyInfo", AccessKeyId="AKIA" + "A" * 16).code == "AccessDenied"


# --- permissions --------------------------------------------------------------------------------------------------


def test_get_caller_identity_needs_no_permission(make_lab: LabFactory) -> None:
    """GetCallerIdentity works even under an explicit deny of everything."""
    deny = '[{Version: "2012-10-17", Statement: {Effect: Deny, Action: "*", Resource: "*"}}]'
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{users: {{alice: {{policies: {deny}}}}}}}}}')

    answer = lab.user("alice").call("sts", "GetCallerIdentity")

    assert answer["Account"] == ACCOUNT
    assert answer["UserId"].startswith("AIDA")


def test_get_session_token_keeps_the_user(lab: Lab) -> None:
    """GetSessionToken needs no permission; its session has the user's identity and lasts twelve hours by default."""
    session = session_of(lab.user("nobody"))

    assert session.arn == f"arn:aws:iam::{ACCOUNT}:user/nobody"
    lab.sandbox.clock.advance(12 * 3600 - 1)
    assert session.arn
    lab.sandbox.clock.advance(1)
    assert refused_identity(session) == EXPIRED


def test_sessions_may_not_call_get_session_token(lab: Lab) -> None:
    """A session is denied GetSessionToken and GetFederationToken, with AWS's messages."""
    alice = lab.user("alice")

    for person in (alice.assume(JUMP), session_of(alice)):
        assert person.refused("sts", "GetSessionToken").message == (
            "Cannot call GetSessionToken with session credentials"
        )
        assert person.refused("sts", "GetFederationToken", Name="ann").message == (
            "Cannot call GetFederationToken with session credentials"
        )


def test_iam_is_closed_to_sessions_without_mfa(lab: Lab) -> None:
    """A GetSessionToken session without MFA can't call IAM."""
    admin = lab.user("admin")

    refused = session_of(admin).refused("iam", "ListUsers")
    assert (refused.code, refused.status) == ("InvalidClientTokenId", 403)
    assert admin.call("iam", "ListUsers")["Users"]


def test_iam_is_open_to_sessions_with_mfa(lab: Lab) -> None:
    """A GetSessionToken session with MFA can call IAM."""
    admin = lab.user("admin")
    allow = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}'
    admin.call("iam", "PutUserPolicy", UserName="alice", PolicyName="iam", PolicyDocument=allow)
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
    from dsops.sandbox.sts.totp import code_at

    code = code_at("JBSWY3DPEHPK3PXP", lab.sandbox.clock.now())
    session = session_of(lab.user("alice"), SerialNumber=serial, TokenCode=code)

    assert session.call("iam", "ListUsers")["Users"]


def test_a_get_session_token_session_may_call_two_sts_operations(lab: Lab) -> None:
    """Of STS's operations, a GetSessionToken session can call only AssumeRole and GetCallerIdentity."""
    session = session_of(lab.user("alice"))

    assert session.assume(JUMP).arn.endswith("/Jump/session")
    assert session.refused("sts", "GetAccessKeyInfo", AccessKeyId="AKIA" + "A" * 16).code == "AccessDenied"


def test_a_federated_user_may_only_call_get_caller_identity(lab: Lab) -> None:
    """A federated user without a session policy can only call GetCallerIdentity."""
    ann = federated(lab.user("admin"))

    assert ann.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/ann"
    assert ann.refused_role(JUMP).code == "AccessDenied"
    assert ann.refused("iam", "ListUsers").code == "InvalidClientTokenId"
    assert ann.refused("secretsmanager", "ListSecrets").code == "AccessDeniedException"


def test_a_federated_user_is_limited_by_user_and_session_policy(lab: Lab) -> None:
    """A federated user has the intersection of the user's permissions and the session policy."""
    allow = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}}'
    admin = lab.user("admin", OTHER)

    assert federated(admin, Policy=allow).call("secretsmanager", "ListSecrets")["SecretList"]
    alice = lab.user("alice")
    refused = alice.refused("sts", "GetFederationToken", Name="ann", Policy=allow)
    assert "sts:GetFederationToken" in refused.message


def test_get_federation_token_reports_size_zero(lab: Lab) -> None:
    """GetFederationToken without a policy returns PackedPolicySize 0 (recorded)."""
    answer = lab.user("admin").call("sts", "GetFederationToken", Name="ann")

    assert answer["PackedPolicySize"] == 0
    assert answer["FederatedUser"] == {
        "FederatedUserId": f"{ACCOUNT}:ann",
        "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/ann",
    }


def test_get_access_key_info_returns_the_account(lab: Lab) -> None:
    """GetAccessKeyInfo needs a permission and returns the account that is encoded in any key id."""
    jump = lab.user("alice").assume(JUMP)

    for keys in (lab.user("bob").keys, jump.keys, lab.user("admin", OTHER).keys):
        expected = OTHER if keys == lab.user("admin", OTHER).keys else ACCOUNT
        assert jump.call("sts", "GetAccessKeyInfo", AccessKeyId=keys.access_key_id)["Account"] == expected
    assert lab.user("bob").refused("sts", "GetAccessKeyInfo", AccessKeyId="A" * 20).code == "AccessDenied"


def test_an_invented_operation_is_unknown(lab: Lab) -> None:
    """An operation that AWS does not have gets InvalidAction."""
    from tests.sandboxes import sign

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"Action=NoSuchAction&Version=2011-06-15"
    answer = lab.sandbox.handle(sign(lab.user("alice").keys, "sts", "us-east-1", "POST", "/", headers, body)).answer

    assert answer.status == 400
    assert "Could not find operation NoSuchAction for version 2011-06-15" in answer.body.decode()
    assert 'xmlns="http://webservices.amazon.com/AWSFault/2005-15-09"' in answer.body.decode()


@pytest.mark.parametrize("operation", sorted(operation_names("sts")))
def test_all_operations_of_the_model_are_served(lab: Lab, operation: str) -> None:
    """Every STS operation of the service model is implemented: no operation gets NotImplemented."""
    answer = lab.user("admin").answer("sts", operation)

    assert answer.status in {200, 400, 403}
    assert b"NotImplemented" not in answer.body


def test_a_federated_user_of_root_has_only_the_session_policy(make_lab: LabFactory) -> None:
    """A session that root federates has only the session policy's permissions; without a policy it has none."""
    root = "{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: s3cr3t}"
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{root: {root}}}}}')
    person = lab.with_keys(Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="s3cr3t"))
    allow = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanager:List*", "Resource": "*"}}'
    )

    bare, passed = federated(person), federated(person, Policy=allow)

    assert bare.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/ann"
    assert bare.refused("secretsmanager", "ListSecrets").code == "AccessDeniedException"
    assert passed.call("secretsmanager", "ListSecrets")["SecretList"] == []
    refused = passed.refused("secretsmanager", "CreateSecret", Name="s", SecretString="v")
    assert refused.code == "AccessDeniedException"


def test_root_sessions_last_an_hour(make_lab: LabFactory) -> None:
    """A root user's session lasts at most an hour; longer requested durations are silently shortened."""
    root = "{access_key_id: AKIAROOTROOTROOTROOT, secret_access_key: s3cr3t}"
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{root: {root}}}}}')
    keys = Keys(access_key_id="AKIAROOTROOTROOTROOT", secret_access_key="s3cr3t")
    session = session_of(lab.with_keys(keys), DurationSeconds=7200)

    assert session.arn == f"arn:aws:iam::{ACCOUNT}:root"
    lab.sandbox.clock.advance(3600)
    assert refused_identity(session) == EXPIRED
