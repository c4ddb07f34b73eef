"""KMS authorization: key policies, the four names of a key, ciphertexts, condition keys, grants."""

from __future__ import annotations

import json

import pytest
from moto.kms.models import kms_backends

from dsops.errors import SandboxRefusal
from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory

SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      nobody: {{}}
      user:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "kms:*", Resource: "*",
           Condition: {{StringEquals: {{"kms:RequestAlias": "alias/app"}}}}}}}}
      context:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["kms:Encrypt", "kms:ReEncrypt*"], Resource: "*",
           Condition: {{StringEquals: {{"kms:EncryptionContext:app": "blue"}}}}}}}}
  "{OTHER}":
    users: {{stranger: {{}}}}
"""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of an account with KMS keys, and of another account."""
    return Desk(make_lab(SEED))


def new_key(policy: str | None = None, alias: str = "", account: str = ACCOUNT) -> str:
    """Create a key with this policy, by default AWS's default policy; return its ARN."""
    backend = kms_backends[account][REGION]
    tags = [{"TagKey": "team", "TagValue": "blue"}]
    key = backend.create_key(policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", tags)
    if alias:
        backend.create_alias(key.id, alias)
    return str(key.arn)


def policy(principal: object, *actions: str) -> str:
    """Return a key policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# --- key policies ------------------------------------------------------------------------------------------------


def test_a_default_key_policy_delegates_to_the_account(desk: Desk) -> None:
    """The default key policy lets the account's identity policies control access."""
    key = new_key()

    assert desk.allows(desk.caller("admin"), "kms", "Encrypt", KeyId=key)
    assert not desk.allows(desk.caller("nobody"), "kms", "Encrypt", KeyId=key)


def test_without_key_policy_access_is_denied(desk: Desk) -> None:
    """A key policy that does not name the account denies even the account's administrator."""
    key = new_key(policy({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}, "kms:Encrypt"))

    assert not desk.allows(desk.caller("admin"), "kms", "Encrypt", KeyId=key)
    assert desk.allows(desk.caller("nobody"), "kms", "Encrypt", KeyId=key)
    assert not desk.allows(desk.caller("nobody"), "kms", "Decrypt", KeyId=key)


def test_across_accounts_both_must_allow(desk: Desk) -> None:
    """Across accounts, the key policy and the caller's policy must both allow.

    Some operations are possible only in the key's own account.
    """
    key = new_key(policy({"AWS": [OTHER, ACCOUNT]}, "kms:*"))

    assert desk.allows(desk.caller("admin", OTHER), "kms", "Encrypt", KeyId=key)
    assert not desk.allows(desk.caller("stranger", OTHER), "kms", "Encrypt", KeyId=key)
    assert not desk.allows(desk.caller("admin", OTHER), "kms", "Encrypt", KeyId=new_key())
    assert not desk.allows(desk.caller("admin", OTHER), "kms", "ScheduleKeyDeletion", KeyId=key)
    assert desk.allows(desk.caller("admin"), "kms", "ScheduleKeyDeletion", KeyId=key)


# --- names -------------------------------------------------------------------------------------------------------


def test_a_key_has_four_names(desk: Desk) -> None:
    """A key can be named by id, ARN, alias or alias ARN; permission is needed on the key's ARN."""
    arn = new_key(alias="alias/app")
    names = (arn, arn.rpartition("/")[2], "alias/app", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/app")

    for name in names:
        assert desk.asked(desk.caller("admin"), "kms", "DescribeKey", KeyId=name) == [("kms:DescribeKey", arn)]


def test_the_used_alias_is_a_condition_key(desk: Desk) -> None:
    """kms:RequestAlias is set only for a key named by alias; kms:ResourceAliases has all aliases."""
    arn = new_key(alias="alias/app")
    user = desk.caller("user")

    assert desk.allows(user, "kms", "Encrypt", KeyId="alias/app")
    assert not desk.allows(user, "kms", "Encrypt", KeyId=arn)
    assert not desk.allows(user, "kms", "Encrypt", KeyId="alias/other")
    assert desk.questions(user, "kms", "Encrypt", KeyId=arn)[0].context["kms:ResourceAliases"] == ("alias/app",)


def test_changing_an_alias_needs_permission_on_its_keys(desk: Desk) -> None:
    """UpdateAlias needs permission on the alias, its old key and its new key."""
    old, new = new_key(alias="alias/app"), new_key()
    alias = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/app"
    admin = desk.caller("admin")

    assert desk.asked(admin, "kms", "UpdateAlias", AliasName="alias/app", TargetKeyId=new) == [
        ("kms:UpdateAlias", alias),
        ("kms:UpdateAlias", old),
        ("kms:UpdateAlias", new),
    ]
    assert desk.asked(admin, "kms", "DeleteAlias", AliasName="alias/app") == [
        ("kms:DeleteAlias", alias),
        ("kms:DeleteAlias", old),
    ]


@pytest.mark.parametrize(
    "name",
    [
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/%s",
        f"arn:aws-cn:kms:{REGION}:{ACCOUNT}:key/%s",
        "arn:x:key/%s",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/%s:key/other",
        "arn:aws:s3:::bucket:key/%s",
        "key/%s",
        "%s/x",
        "",
    ],
)
def test_an_invalid_key_id_is_not_found(desk: Desk, name: str) -> None:
    """Malformed key names, which moto would accept, and ARNs of other regions get NotFoundException."""
    key_id = new_key().rpartition("/")[2]

    with pytest.raises(SandboxRefusal) as caught:
        desk.allows(desk.caller("admin"), "kms", "DisableKey", KeyId=name.replace("%s", key_id))
    assert caught.value.aws is not None
    assert caught.value.aws.code == "NotFoundException"


# --- ciphertexts -------------------------------------------------------------------------------------------------


def encrypted(key: str, account: str = ACCOUNT) -> bytes:
    """Encrypt with the key; return the ciphertext."""
    blob, _ = kms_backends[account][REGION].encrypt(key.rpartition("/")[2], b"text", {})
    return bytes(blob)


def test_a_ciphertext_is_authorized_on_its_key(desk: Desk) -> None:
    """Decrypt needs permission on the key that made the ciphertext; a request that names another key is refused."""
    key, other = new_key(policy({"AWS": ACCOUNT}, "kms:Encrypt")), new_key()
    blob = encrypted(key)
    admin = desk.caller("admin")

    assert desk.asked(admin, "kms", "Decrypt", CiphertextBlob=blob) == [("kms:Decrypt", key)]
    assert not desk.allows(admin, "kms", "Decrypt", CiphertextBlob=blob)
    assert desk.allows(admin, "kms", "Decrypt", CiphertextBlob=encrypted(other), KeyId=other)
    with pytest.raises(SandboxRefusal) as caught:
        desk.allows(admin, "kms", "Decrypt", CiphertextBlob=blob, KeyId=other)
    assert caught.value.aws is not None
    assert caught.value.aws.code == "IncorrectKeyException"


def test_an_invalid_ciphertext_is_authorized_on_the_named_key(desk: Desk) -> None:
    """Decrypting an invalid ciphertext needs permission on the key named in the request, or on `*`."""
    key = new_key()
    admin = desk.caller("admin")

    assert desk.asked(admin, "kms", "Decrypt", CiphertextBlob=b"short", KeyId=key) == [("kms:Decrypt", key)]
    assert desk.asked(admin, "kms", "Decrypt", CiphertextBlob=b"\xff" * 80) == [("kms:Decrypt", "*")]


def test_re_encrypt_needs_both_keys(desk: Desk) -> None:
    """ReEncrypt needs kms:ReEncryptFrom and kms:ReEncryptTo, each with its own encryption context."""
    key, other = new_key(), new_key()
    questions = desk.asked(
        desk.caller("admin"), "kms", "ReEncrypt", CiphertextBlob=encrypted(key), DestinationKeyId=other
    )

    assert questions == [("kms:ReEncryptFrom", key), ("kms:ReEncryptTo", other)]
    parameters = {
        "CiphertextBlob": encrypted(key),
        "DestinationKeyId": other,
        "SourceEncryptionContext": {"app": "blue"},
    }
    context = desk.caller("context")
    assert desk.refused(context, "kms", "ReEncrypt", **parameters) == "kms:ReEncryptTo"
    assert desk.allows(context, "kms", "ReEncrypt", **parameters, DestinationEncryptionContext={"app": "blue"})


def test_the_encryption_context_has_condition_keys(desk: Desk) -> None:
    """Each pair of the encryption context is a condition key, and kms:EncryptionContextKeys has their names."""
    key = new_key()
    context = desk.caller("context")

    assert desk.allows(context, "kms", "Encrypt", KeyId=key, EncryptionContext={"app": "blue"})
    assert not desk.allows(context, "kms", "Encrypt", KeyId=key, EncryptionContext={"app": "red"})
    assert not desk.allows(context, "kms", "Encrypt", KeyId=key)
    question = desk.questions(context, "kms", "Encrypt", KeyId=key, EncryptionContext={"app": "blue", "x": "y"})[0]
    assert question.context["kms:EncryptionContextKeys"] == ("app", "x")


def test_key_properties_are_condition_keys(desk: Desk) -> None:
    """The attributes and tags of a key are condition keys, also for CreateKey."""
    context = desk.questions(desk.caller("admin"), "kms", "Encrypt", KeyId=new_key())[0].context
    expected = {
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        "kms:KeyOrigin": "AWS_KMS",
        "kms:MultiRegion": "false",
        "kms:CallerAccount": ACCOUNT,
        "aws:ResourceTag/team": "blue",
    }

    assert {key: (value,) for key, value in expected.items()}.items() <= dict(context).items()
    created = desk.questions(desk.caller("admin"), "kms", "CreateKey", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")[0]
    assert (created.resource, created.context["kms:KeySpec"]) == ("*", ("RSA_2048",))


# --- grants ------------------------------------------------------------------------------------------------------

NOBODY = f"arn:aws:iam::{ACCOUNT}:user/nobody"


def grant(key: str, operations: list[str], grantee: str = NOBODY, retiring: str = "", **constraints: object) -> str:
    """Create a grant of the key; return its id."""
    backend = kms_backends[ACCOUNT][REGION]
    return backend.create_grant(key.rpartition("/")[2], grantee, operations, "", constraints, retiring)[0]


def test_a_grant_allows_its_operations(desk: Desk) -> None:
    """A grant allows its grantee the listed operations on the key until the grant is revoked."""
    key = new_key()
    grant_id = grant(key, ["Encrypt", "DescribeKey"])
    nobody = desk.caller("nobody")

    assert desk.allows(nobody, "kms", "Encrypt", KeyId=key)
    assert desk.allows(nobody, "kms", "DescribeKey", KeyId=key)
    assert not desk.allows(nobody, "kms", "Decrypt", KeyId=key)
    assert not desk.allows(nobody, "kms", "Encrypt", KeyId=new_key())
    assert not desk.allows(desk.caller("context"), "kms", "Encrypt", KeyId=key)
    kms_backends[ACCOUNT][REGION].revoke_grant(key.rpartition("/")[2], grant_id)
    assert not desk.allows(nobody, "kms", "Encrypt", KeyId=key)


def test_grant_constraints_check_the_encryption_context(desk: Desk) -> None:
    """EncryptionContextSubset allows additional pairs, and EncryptionContextEquals does not.

    A grant's constraints do not restrict operations without an encryption context.
    """
    pair, more = {"app": "blue"}, {"app": "blue", "x": "y"}
    subset, equals = new_key(), new_key()
    grant(subset, ["Encrypt", "DescribeKey"], EncryptionContextSubset=pair)
    grant(equals, ["Encrypt"], EncryptionContextEquals=pair)
    nobody = desk.caller("nobody")

    for key, context, is_allowed in (
        (subset, pair, True),
        (subset, more, True),
        (subset, {"app": "red"}, False),
        (subset, {}, False),
        (equals, pair, True),
        (equals, more, False),
        (equals, {}, False),
    ):
        assert desk.allows(nobody, "kms", "Encrypt", KeyId=key, EncryptionContext=context) is is_allowed
    assert desk.allows(nobody, "kms", "DescribeKey", KeyId=subset)


def test_a_retiring_principal_may_only_retire(desk: Desk) -> None:
    """The retiring principal of a grant can only retire the grant, by token or by key."""
    key = new_key()
    grant(key, ["Encrypt"], grantee=f"arn:aws:iam::{ACCOUNT}:user/user", retiring=NOBODY)
    token = next(iter(kms_backends[ACCOUNT][REGION].keys[key.rpartition("/")[2]].grants.values())).token
    nobody = desk.caller("nobody")

    assert desk.allows(nobody, "kms", "RetireGrant", GrantToken=token)
    assert not desk.allows(desk.caller("context"), "kms", "RetireGrant", GrantToken=token)
    assert not desk.allows(nobody, "kms", "RevokeGrant", KeyId=key, GrantId="x")


def test_a_grantee_may_only_pass_on_narrower_grants(desk: Desk) -> None:
    """A grantee may pass on a grant only with the same or fewer operations and no looser constraints.

    KMS Developer Guide, "Granting CreateGrant permission".
    """
    pair = {"app": "blue"}
    open_key, subset, equals = new_key(), new_key(), new_key()
    grant(open_key, ["CreateGrant", "Decrypt"])
    grant(subset, ["CreateGrant", "Decrypt"], EncryptionContextSubset=pair)
    grant(equals, ["CreateGrant", "Decrypt"], EncryptionContextEquals=pair)
    nobody = desk.caller("nobody")

    def passes(key: str, *operations: str, **constraints: object) -> bool:
        parameters: dict[str, object] = {"KeyId": key, "GranteePrincipal": NOBODY, "Operations": list(operations)}
        parameters |= {"Constraints": constraints} if constraints else {}
        return desk.allows(nobody, "kms", "CreateGrant", **parameters)

    assert passes(open_key, "Decrypt")
    assert passes(open_key, "Decrypt", "CreateGrant")
    assert not passes(open_key, "Encrypt")
    assert not passes(open_key, "Decrypt", "Encrypt")
    assert passes(subset, "Decrypt", EncryptionContextSubset=pair)
    assert passes(subset, "Decrypt", EncryptionContextEquals={**pair, "x": "y"})
    assert passes(equals, "Decrypt", EncryptionContextEquals=pair)
    assert not passes(subset, "Decrypt")
    assert not passes(subset, "Decrypt", EncryptionContextSubset={"app": "red"})
    assert not passes(equals, "Decrypt", EncryptionContextSubset=pair)
    assert not passes(equals, "Decrypt", EncryptionContextEquals={**pair, "x": "y"})


def test_a_retiring_principal_may_retire_its_grant_only(desk: Desk) -> None:
    """Being the retiring principal of one grant does not permit retiring other grants."""
    own, other = new_key(), new_key()
    retirable = grant(own, ["Encrypt"], retiring=NOBODY)
    kept = grant(own, ["Encrypt"])
    grant(other, ["Encrypt"])
    token = next(iter(kms_backends[ACCOUNT][REGION].keys[other.rpartition("/")[2]].grants.values())).token
    nobody = desk.caller("nobody")

    assert desk.allows(nobody, "kms", "RetireGrant", KeyId=own, GrantId=retirable)
    assert not desk.allows(nobody, "kms", "RetireGrant", KeyId=own, GrantId=kept)
    assert not desk.allows(nobody, "kms", "RetireGrant", KeyId=own, GrantId=retirable, GrantToken=token)


def test_a_grant_never_denies(desk: Desk) -> None:
    """A grant to a service, `*` or a malformed principal allows and denies nothing."""
    key = new_key()
    for grantee in ("s3.amazonaws.com", "*", "nonsense"):
        grant(key, ["Encrypt"], grantee=grantee)

    assert desk.allows(desk.caller("admin"), "kms", "Encrypt", KeyId=key)
    assert not desk.allows(desk.caller("nobody"), "kms", "Encrypt", KeyId=key)
