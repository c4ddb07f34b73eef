"""KMS keys of secrets and parameters: readers also need kms:Decrypt; errors have the calling service's wording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Person, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.sandbox.conftest import LabFactory

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY_ID}"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:app-??????"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/token"
READS = ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "ssm:Get*", "ssm:PutParameter"]
TOKEN = {"ClientRequestToken": "0" * 32}
VIA = "secretsmanager.us-east-1.amazonaws.com"
NOT_ALLOWED = ("AccessDeniedException", "Access to KMS is not allowed")


def allow(*actions: str, effect: str = "Allow", resource: str = "*", **conditions: object) -> dict[str, Any]:
    """Return an Allow statement."""
    found: dict[str, Any] = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return found | ({"Condition": conditions} if conditions else {})


def policy(*statements: object) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def seed(
    *statements: object,
    key: object = None,
    other: tuple[object, ...] = (),
    users: Mapping[str, tuple[object, ...]] | None = None,
    **more: object,
) -> str:
    """Return a seed with the user `reader`, the user `guest` in another account, and a KMS key with its policy."""
    people = {"reader": statements, **(users or {})}
    shared = policy({**allow("secretsmanager:GetSecretValue"), "Principal": {"AWS": OTHER}})
    return json.dumps(
        {
            "accounts": {
                ACCOUNT: {
                    "users": {name: {"policies": [policy(allow(*READS), *own)]} for name, own in people.items()},
                    "keys": {"app": {"id": KEY_ID} | ({"policy": key} if key else {})},
                    "secrets": {"app": "invented", "open": "told", "plain": "known"},
                    "secret_policies": {"app": shared, "open": shared},
                    "secret_keys": {"app": "app"},
                    "parameters": {"/app/token": "invented", "/app/plain": "told", "/app/list": ["a", "b"]},
                    "parameter_keys": {"/app/token": "app"},
                },
                OTHER: {"users": {"guest": {"policies": [policy(allow(*READS), *other)]}}},
            },
            **more,
        }
    )


def read(person: Person, secret: str = "app") -> str | tuple[str, str]:
    """Read the secret; return its value, or the code and message of the error."""
    try:
        return str(person.call("secretsmanager", "GetSecretValue", SecretId=secret)["SecretString"])
    except RefusedError as refused:
        return refused.code, refused.message


def refused_parameter(person: Person, name: str = "/app/token") -> RefusedError:
    """Read a parameter with decryption, which must fail; return Parameter Store's error."""
    return person.refused("ssm", "GetParameter", Name=name, WithDecryption=True)


def to_account(account: str, *actions: str, **conditions: object) -> dict[str, Any]:
    """Return a key policy statement that allows the account."""
    found = {**allow(*actions), "Principal": {"AWS": account}}
    return found | ({"Condition": conditions} if conditions else {})


# --- decryption permissions of readers --------------------------------------------------------------------------

CASES: dict[str, tuple[tuple[object, ...], bool]] = {
    "nothing": ((), False),
    "anything": ((allow("kms:Decrypt"),), True),
    "another-action": ((allow("kms:Encrypt"),), False),
    "that-key": ((allow("kms:Decrypt", resource=KEY),), True),
    "another-key": ((allow("kms:Decrypt", resource=KEY.replace("1234abcd", "00000000")),), False),
    "denied": ((allow("kms:Decrypt"), allow("kms:*", effect="Deny")), False),
    "via": ((allow("kms:Decrypt", StringEquals={"kms:ViaService": VIA}),), True),
    "via-other": ((allow("kms:Decrypt", StringEquals={"kms:ViaService": "ssm.us-east-1.amazonaws.com"}),), False),
    "context": ((allow("kms:Decrypt", StringLike={"kms:EncryptionContext:SecretARN": SECRET}),), True),
    "context-other": ((allow("kms:Decrypt", StringLike={"kms:EncryptionContext:SecretARN": f"{SECRET}?"}),), False),
    "account": ((allow("kms:Decrypt", StringEquals={"kms:CallerAccount": ACCOUNT}),), True),
    "no-version": ((allow("kms:Decrypt", Null={"kms:EncryptionContext:SecretVersionId": "true"}),), False),
    "service": ((allow("kms:Decrypt", Bool={"aws:ViaAWSService": "true"}),), True),
}
"""For each case: the statements of a user who may read secrets, and whether the user may decrypt."""


def test_reading_a_secret_needs_kms_decrypt(make_lab: LabFactory) -> None:
    """Reading a secret needs kms:Decrypt on the secret's key; conditions on service, secret and account apply."""
    lab = make_lab(seed(users={name: statements for name, (statements, _) in CASES.items()}))

    assert {name: read(lab.user(name)) for name in CASES} == {
        name: "invented" if may else NOT_ALLOWED for name, (_, may) in CASES.items()
    }


def test_the_key_policy_can_allow_and_deny(make_lab: LabFactory) -> None:
    """A key policy can allow a principal by itself; identity policies apply only if the key policy delegates."""
    reader = f"arn:aws:iam::{ACCOUNT}:user/reader"
    via = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}

    assert read(make_lab(seed(key=policy(to_account(reader, "kms:Decrypt", StringEquals=via)))).user("reader")) == (
        "invented"
    )
    silent = seed(allow("kms:Decrypt"), key=policy(to_account(f"arn:aws:iam::{ACCOUNT}:user/admin", "kms:*")))
    assert read(make_lab(silent).user("reader")) == NOT_ALLOWED


def test_the_kms_denial_is_kept_as_a_decision(make_lab: LabFactory) -> None:
    """The sandbox records KMS's denial with action, key and context, which the client's error does not show."""
    lab = make_lab(seed())
    read(lab.user("reader"))

    decision = lab.sandbox.judge.decisions[-1].decision
    assert (decision.request.action, decision.request.resource) == ("kms:Decrypt", KEY)
    assert decision.request.context["kms:ViaService"] == ("secretsmanager.us-east-1.amazonaws.com",)
    assert set(decision.request.context["kms:EncryptionContextKeys"]) == {"SecretARN", "SecretVersionId"}


def test_in_a_batch_a_denied_key_affects_its_own_secrets(make_lab: LabFactory) -> None:
    """In a batch, a denied key affects only the secrets that are encrypted with that key."""
    answer = make_lab(seed()).user("reader").call("secretsmanager", "BatchGetSecretValue", SecretIdList=["app", "open"])

    assert [value["Name"] for value in answer["SecretValues"]] == ["open"]
    assert [(each["ErrorCode"], each["Message"]) for each in answer["Errors"]] == [NOT_ALLOWED]


# --- cross-account access ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "own", "may"),
    [
        (policy(to_account(OTHER, "kms:Decrypt")), (allow("kms:Decrypt", resource=KEY),), True),
        (policy(to_account(OTHER, "kms:Decrypt")), (), False),
        (None, (allow("kms:Decrypt"),), False),
        (policy(to_account("333333333333", "kms:Decrypt")), (allow("kms:Decrypt"),), False),
    ],
)
def test_across_accounts_both_sides_must_allow_the_key(
    make_lab: LabFactory,
    key: object,
    own: tuple[object, ...],
    may: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """Across accounts, both the key policy and the caller's own policy must allow."""
    lab = make_lab(seed(key=key, other=own))
    arn = lab.user("admin").call("secretsmanager", "DescribeSecret", SecretId="app")["ARN"]

    assert read(lab.user("guest", OTHER), arn) == ("invented" if may else NOT_ALLOWED)


def test_a_shared_secret_needs_a_customer_managed_key(make_lab: LabFactory) -> None:
    """A secret with a resource policy gets a customer managed key that all accounts may use.

    The seed can name another key for the secret.
    """
    for own, expected in (((allow("kms:Decrypt"),), "told"), ((), NOT_ALLOWED)):
        lab = make_lab(seed(other=own))
        described = lab.user("admin").call("secretsmanager", "DescribeSecret", SecretId="open")

        assert described["KmsKeyId"].startswith(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/")
        assert read(lab.user("guest", OTHER), described["ARN"]) == expected


# --- AWS managed keys -------------------------------------------------------------------------------------------


def test_the_account_may_use_the_aws_managed_key(make_lab: LabFactory) -> None:
    """All callers in the account may use AWS managed keys, unless a policy denies it.

    The sandbox records no decisions for these uses.
    """
    lab = make_lab(seed())
    reader = lab.user("reader")

    assert read(reader, "plain") == "known"
    assert lab.sandbox.judge.decisions[-1].decision.request.action == "secretsmanager:GetSecretValue"
    assert reader.call("ssm", "GetParameter", Name="/app/plain", WithDecryption=True)["Parameter"]["Value"] == "told"
    reader = make_lab(seed(allow("kms:Decrypt", effect="Deny"))).user("reader")
    assert read(reader, "plain") == NOT_ALLOWED
    assert "explicit deny in an identity-based policy" in refused_parameter(reader, "/app/plain").message


def test_the_policy_of_an_aws_managed_key_can_be_read(make_lab: LabFactory) -> None:
    """The policy of an AWS managed key can be read; it allows only the service and the account."""
    lab = make_lab(seed())
    read(lab.user("reader"), "plain")
    key_id = lab.user("admin").call("kms", "DescribeKey", KeyId="alias/aws/secretsmanager")["KeyMetadata"]["KeyId"]
    text = lab.user("admin").call("kms", "GetKeyPolicy", KeyId=key_id, PolicyName="default")["Policy"]

    assert json.loads(text)["Statement"][0]["Condition"]["StringEquals"] == {
        "kms:CallerAccount": ACCOUNT,
        "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com",
    }


# --- Parameter Store --------------------------------------------------------------------------------------------


def test_reading_a_secure_string_needs_kms_decrypt(make_lab: LabFactory) -> None:
    """Reading a SecureString needs kms:Decrypt; the error is KMS's message with Parameter Store's suffix."""
    reader = make_lab(seed()).user("reader")
    refused = refused_parameter(reader)

    assert refused.code == "AccessDeniedException"
    assert refused.message.startswith(
        f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: kms:Decrypt on resource: {KEY} "
        "because no identity-based policy allows the kms:Decrypt action (Service: AWSKMS; Status Code: 400; "
        "Error Code: AccessDeniedException; Request ID: "
    )
    assert reader.call("ssm", "GetParameter", Name="/app/token")["Parameter"]["Type"] == "SecureString"
    assert reader.call("ssm", "GetParameter", Name="/app/list", WithDecryption=True)["Parameter"]["Value"] == "a,b"


def test_all_operations_that_return_values_need_the_key(make_lab: LabFactory) -> None:
    """Every operation that returns a SecureString's value needs kms:Decrypt for that parameter."""

    def for_parameter(arn: str) -> object:
        condition = {"kms:EncryptionContext:PARAMETER_ARN": arn, "kms:ViaService": "ssm.us-east-1.amazonaws.com"}
        return allow("kms:Decrypt", StringEquals=condition)

    lab = make_lab(seed(for_parameter(PARAMETER), users={"other": (for_parameter(f"{PARAMETER}s"),)}))
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("GetParameter", {"Name": "/app/token:1"}),
        ("GetParameter", {"Name": PARAMETER}),
        ("GetParameters", {"Names": ["/app/plain", "/app/token"]}),
        ("GetParametersByPath", {"Path": "/app"}),
        ("GetParameterHistory", {"Name": "/app/token"}),
    )
    for operation, parameters in ways:
        found = lab.user("reader").call("ssm", operation, WithDecryption=True, **parameters)
        assert "invented" in json.dumps(found, default=str)
        refused = lab.user("other").refused("ssm", operation, WithDecryption=True, **parameters)
        assert "is not authorized to perform: kms:Decrypt" in refused.message


def test_a_secret_behind_a_parameter_needs_its_key(make_lab: LabFactory) -> None:
    """Reading a secret as `/aws/reference/secretsmanager/NAME` needs kms:Decrypt on the secret's key."""
    lab = make_lab(seed(allow("kms:Decrypt"), users={"other": ()}))
    name = "/aws/reference/secretsmanager/app"

    found = lab.user("reader").call("ssm", "GetParameter", Name=name, WithDecryption=True)
    assert found["Parameter"]["Value"] == "invented"
    assert "kms:Decrypt" in refused_parameter(lab.user("other"), name).message


def test_writing_a_secure_string_needs_kms_encrypt(make_lab: LabFactory) -> None:
    """Writing a SecureString needs kms:Encrypt, and writing an advanced parameter also kms:GenerateDataKey.

    A new version is encrypted with the parameter's key.
    """
    parameters = {"Name": "/app/token", "Value": "v", "Overwrite": True}
    encrypt, both = ("kms:Encrypt",), ("kms:Encrypt", "kms:GenerateDataKey")
    lab = make_lab(seed(users={"encrypts": (allow(*encrypt),), "both": (allow(*both),)}))
    for name, tier, lacks in (
        ("reader", "Standard", "kms:Encrypt"),
        ("encrypts", "Standard", ""),
        ("encrypts", "Advanced", "kms:GenerateDataKey"),
        ("both", "Advanced", ""),
    ):
        if lacks:
            message = lab.user(name).refused("ssm", "PutParameter", Tier=tier, **parameters).message
            assert f"is not authorized to perform: {lacks} on resource: {KEY}" in message
        else:
            lab.user(name).call("ssm", "PutParameter", Tier=tier, **parameters)


# --- writing secrets --------------------------------------------------------------------------------------------


def test_writing_a_secret_needs_kms_generate_data_key(make_lab: LabFactory) -> None:
    """Writing a secret needs kms:GenerateDataKey; setting its key also needs kms:Decrypt, since AWS tests both."""
    write = allow("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret")
    both = ("kms:GenerateDataKey", "kms:Decrypt")
    wishes: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
        ("PutSecretValue", {"SecretId": "app", "SecretString": "v"}, ("kms:GenerateDataKey",)),
        ("UpdateSecret", {"SecretId": "app", "SecretString": "w", **TOKEN}, ("kms:GenerateDataKey",)),
        ("UpdateSecret", {"SecretId": "plain", "KmsKeyId": "alias/app", **TOKEN}, both),
        ("CreateSecret", {"Name": "new", "SecretString": "v", "KmsKeyId": KEY}, both),
    )
    users = {f"lacks-{missing[4:]}": (write, *(allow(each) for each in both if each != missing)) for missing in both}
    lab = make_lab(seed(users={"writer": (write, allow(*both)), **users}))
    for operation, parameters, needs in wishes:
        for missing in needs:
            refused = lab.user(f"lacks-{missing[4:]}").refused("secretsmanager", operation, **parameters)
            assert (refused.code, refused.message) == NOT_ALLOWED, (operation, missing)
        lab.user("writer").call("secretsmanager", operation, **parameters)


def test_writing_with_the_default_key_needs_no_permission(make_lab: LabFactory) -> None:
    """All callers may write with the default key; changing only a description needs no key permission."""
    write = allow("secretsmanager:CreateSecret", "secretsmanager:UpdateSecret")
    writer = make_lab(seed(write)).user("reader")

    writer.call("secretsmanager", "CreateSecret", Name="new", SecretString="v")
    writer.call("secretsmanager", "UpdateSecret", SecretId="app", Description="of the application", **TOKEN)


# --- unusable keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "parameters", "words"),
    [
        ("DisableKey", {}, "is disabled. (Service: AWSKMS; Status Code: 400; Error Code: DisabledException;"),
        (
            "ScheduleKeyDeletion",
            {"PendingWindowInDays": 7},
            "is pending deletion. (Service: AWSKMS; Status Code: 400; Error Code: KMSInvalidStateException;",
        ),
    ],
)
def test_a_disabled_key_decrypts_nothing(
    make_lab: LabFactory, operation: str, parameters: dict[str, Any], words: str
) -> None:
    """If the key is disabled, only a caller with permission gets an error about the key.

    Other callers get the usual denial.
    """
    lab = make_lab(seed(allow("kms:Decrypt", "kms:GenerateDataKey"), allow("secretsmanager:PutSecretValue")))
    lab.user("admin").call("kms", operation, KeyId=KEY_ID, **parameters)
    reader = lab.user("reader")

    assert read(reader) == (
        "DecryptionFailure",
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
    written = reader.refused("secretsmanager", "PutSecretValue", SecretId="app", SecretString="v")
    assert written.code == "EncryptionFailure"
    refused = refused_parameter(reader)
    assert refused.code == "InvalidKeyId"
    assert refused.message.startswith(f"{KEY} {words}")
    lab = make_lab(seed())
    lab.user("admin").call("kms", operation, KeyId=KEY_ID, **parameters)
    assert read(lab.user("reader")) == NOT_ALLOWED


# --- organizations ----------------------------------------------------------------------------------------------


def test_a_service_control_policy_can_deny_kms(make_lab: LabFactory) -> None:
    """An SCP can deny kms:Decrypt even for AWS managed keys, because the caller is the principal of the KMS call."""
    scp = policy(allow("*"), allow("kms:Decrypt", effect="Deny"))
    organization = {"management_account": OTHER, "accounts": {OTHER: {}, ACCOUNT: {"service_control_policies": [scp]}}}
    reader = make_lab(seed(allow("kms:Decrypt"), organization=organization)).user("reader")

    assert read(reader) == NOT_ALLOWED
    assert read(reader, "plain") == NOT_ALLOWED
    assert "explicit deny in a service control policy" in refused_parameter(reader).message
