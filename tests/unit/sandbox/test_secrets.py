"""Secrets and parameters: names, values, permissions and batch reads."""

from __future__ import annotations

import json

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

SEED = """
accounts:
  "111111111111":
    users:
      reader:
        policies:
        - Version: "2012-10-17"
          Statement:
          - {Effect: Allow, Action: ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"],
             Resource: "*"}
          - {Effect: Deny, Action: "secretsmanager:GetSecretValue",
             Resource: "arn:aws:secretsmanager:*:*:secret:prod/closed-??????"}
          - {Effect: Allow, Action: ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
             Resource: "arn:aws:ssm:*:*:parameter/prod/*"}
      single:
        policies:
        - Version: "2012-10-17"
          Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue",
                      Resource: "arn:aws:secretsmanager:*:*:secret:prod/*"}
      stranger: {}
    secrets:
      prod/db: {user: app, port: 5432}
      prod/text: plain
      prod/closed: hidden
      dev/db: other
      ends-abcdef: tricky
      ends: short
    binary_secrets: {prod/key: AAECAw==}
    keys:
      mine:
        policy:
          Version: "2012-10-17"
          Statement:
          - {Effect: Allow, Principal: {AWS: ["111111111111", "222222222222"]}, Action: "kms:*", Resource: "*"}
    parameters: {/prod/a: "1", /prod/sub/b: "2", /dev/c: "3", /prod/list: [x, y]}
    regions:
      eu-west-1: {secrets: {prod/db: of-ireland}}
  "222222222222":
    users:
      guest:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["secretsmanager:GetSecretValue", "kms:Decrypt"],
             Resource: "*"}}
      blocked: {}
    secrets: {prod/db: of-the-other}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with secrets in two accounts and two regions."""
    return make_lab(SEED)


def read(person: Person, secret_id: str, **more: object) -> object:
    """Read the secret; return its value."""
    answer = person.call("secretsmanager", "GetSecretValue", SecretId=secret_id, **more)
    return answer.get("SecretString", answer.get("SecretBinary"))


def arn_of(lab: Lab, name: str) -> str:
    """Return the secret's full ARN."""
    arn: str = lab.user("admin").call("secretsmanager", "DescribeSecret", SecretId=name)["ARN"]
    return arn


# --- names -------------------------------------------------------------------------------------------------------


def test_a_secret_is_found_by_name_arn_and_partial_arn(lab: Lab) -> None:
    """A secret is found by name, ARN and ARN without suffix."""
    reader, arn = lab.user("reader"), arn_of(lab, "prod/db")

    for secret_id in ("prod/db", arn, arn[:-7]):
        assert read(reader, secret_id) == '{"user":"app","port":5432}'
    refused = reader.refused("secretsmanager", "GetSecretValue", SecretId=arn[:-1] + "?")
    assert refused.code == "ResourceNotFoundException"


def test_a_name_that_ends_like_an_arn_is_ambiguous_but_found(lab: Lab) -> None:
    """A secret whose name ends like an ARN's random suffix is found, although its partial ARN looks complete."""
    reader, prefix = lab.user("reader"), f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"

    assert read(reader, f"{prefix}ends-abcdef") == "tricky"
    assert read(reader, arn_of(lab, "ends")) == "short"
    assert read(reader, arn_of(lab, "ends-abcdef")) == "tricky"


def test_regions_have_separate_secrets(lab: Lab) -> None:
    """Each region has separate secrets; an unknown region is refused."""
    reader = lab.user("reader")
    reader.region = "eu-west-1"

    assert read(reader, "prod/db") == "of-ireland"
    assert reader.refused("secretsmanager", "GetSecretValue", SecretId="prod/text").code == "ResourceNotFoundException"
    reader.region = "xx-nowhere-1"
    assert reader.refused("secretsmanager", "GetSecretValue", SecretId="prod/text").code == "InvalidRegion"


def test_accounts_have_separate_secrets(lab: Lab) -> None:
    """A secret's name refers to a secret in the caller's account."""
    assert read(lab.user("guest", OTHER), "prod/db") == "of-the-other"


# --- values ------------------------------------------------------------------------------------------------------


def test_the_answer_has_aws_fields(lab: Lab) -> None:
    """For a binary secret the response has AWS's fields."""
    answer = lab.user("reader").call("secretsmanager", "GetSecretValue", SecretId="prod/key")

    assert answer["SecretBinary"] == b"\x00\x01\x02\x03"
    assert answer["Name"] == "prod/key"
    assert answer["VersionStages"] == ["AWSCURRENT"]
    assert len(answer["VersionId"]) == 36
    assert "SecretString" not in answer


def test_versions_and_stages(lab: Lab) -> None:
    """Secret versions are found by stage and id; a stage that belongs to another version is refused."""
    admin, reader = lab.user("admin"), lab.user("reader")
    first = reader.call("secretsmanager", "GetSecretValue", SecretId="prod/text")["VersionId"]
    admin.call("secretsmanager", "PutSecretValue", SecretId="prod/text", SecretString="newer")

    assert read(reader, "prod/text") == "newer"
    assert read(reader, "prod/text", VersionStage="AWSPREVIOUS") == "plain"
    assert read(reader, "prod/text", VersionId=first) == "plain"
    mismatch = reader.refused(
        "secretsmanager", "GetSecretValue", SecretId="prod/text", VersionId=first, VersionStage="AWSCURRENT"
    )
    assert mismatch.message == "You provided a VersionStage that is not associated to the provided VersionId."
    missing = reader.refused("secretsmanager", "GetSecretValue", SecretId="prod/db", VersionStage="AWSPREVIOUS")
    assert (missing.code, missing.status) == ("ResourceNotFoundException", 400)
    assert missing.message == ("Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS")


def stages(admin: Person) -> dict[str, list[str]]:
    """Version id -> labels of the secret prod/db, for versions with a label."""
    described: dict[str, list[str]] = admin.call("secretsmanager", "DescribeSecret", SecretId="prod/db")[
        "VersionIdsToStages"
    ]
    return {version: sorted(labels) for version, labels in described.items() if labels}


def test_a_moved_label_is_current_for_later_writes(lab: Lab) -> None:
    """If UpdateSecretVersionStage has moved AWSCURRENT, PutSecretValue moves it again, from its new version.

    At the end only the latest version has AWSCURRENT.
    """
    admin = lab.user("admin")
    first = admin.call("secretsmanager", "GetSecretValue", SecretId="prod/db")["VersionId"]
    put = {"SecretId": "prod/db", "SecretString": "2", "VersionStages": ["staged"]}
    second = admin.call("secretsmanager", "PutSecretValue", **put)["VersionId"]
    move = {"SecretId": "prod/db", "VersionStage": "AWSCURRENT", "MoveToVersionId": second}
    admin.call("secretsmanager", "UpdateSecretVersionStage", **move, RemoveFromVersionId=first)
    third = admin.call("secretsmanager", "PutSecretValue", SecretId="prod/db", SecretString="3")["VersionId"]

    labels = stages(admin)
    assert ["AWSCURRENT"] == labels[third]
    assert [third] == [version for version, each in labels.items() if "AWSCURRENT" in each]
    refused = admin.refused("secretsmanager", "UpdateSecretVersionStage", **move, RemoveFromVersionId=first)
    assert "InvalidParameterException" == refused.code
    assert labels == stages(admin)


def test_a_label_does_not_move_to_a_missing_version(lab: Lab) -> None:
    """A move to a version that does not exist is refused, and the label stays where it is."""
    admin = lab.user("admin")
    before = stages(admin)
    missing = "11111111-1111-1111-1111-111111111111"
    move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": missing, "RemoveFromVersionId": next(iter(before))}
    refused = admin.refused("secretsmanager", "UpdateSecretVersionStage", SecretId="prod/db", **move)
    assert "ResourceNotFoundException" == refused.code
    assert before == stages(admin)


def test_a_secret_scheduled_for_deletion_is_not_read(lab: Lab) -> None:
    """A secret scheduled for deletion can't be read until it is restored."""
    admin, reader = lab.user("admin"), lab.user("reader")
    admin.call("secretsmanager", "DeleteSecret", SecretId="prod/db")

    refused = reader.refused("secretsmanager", "GetSecretValue", SecretId="prod/db")
    assert (refused.code, refused.message) == (
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    )
    admin.call("secretsmanager", "RestoreSecret", SecretId="prod/db")
    assert read(reader, "prod/db")


def test_a_secret_marked_for_deletion_can_not_be_changed(lab: Lab) -> None:
    """A secret scheduled for deletion can be described, but not written or recreated."""
    admin = lab.user("admin")
    admin.call("secretsmanager", "DeleteSecret", SecretId="prod/db")

    refused = admin.refused("secretsmanager", "PutSecretValue", SecretId="prod/db", SecretString="x")
    assert refused.message == "You can't perform this operation on the secret because it was marked for deletion."
    again = admin.refused("secretsmanager", "CreateSecret", Name="prod/db", SecretString="x")
    assert (again.code, again.message) == (
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
    assert admin.call("secretsmanager", "DescribeSecret", SecretId="prod/db")["DeletedDate"]


def test_names_have_a_limited_alphabet(lab: Lab) -> None:
    """Invalid names and names in use are refused with AWS's errors."""
    admin = lab.user("admin")

    refused = admin.refused("secretsmanager", "CreateSecret", Name="a b", SecretString="x")
    assert (refused.code, refused.message) == (
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    )
    taken = admin.refused("secretsmanager", "CreateSecret", Name="prod/db", SecretString="x")
    assert taken.code == "ResourceExistsException"


# --- permissions -------------------------------------------------------------------------------------------------


def test_a_denied_reader_does_not_learn_what_exists(lab: Lab) -> None:
    """Without permission even a missing secret gives AccessDenied, whose message has the id as sent."""
    stranger, arn = lab.user("stranger"), arn_of(lab, "prod/db")

    for secret_id, shown in (("prod/db", arn), ("prod/none", "prod/none")):
        refused = stranger.refused("secretsmanager", "GetSecretValue", SecretId=secret_id)
        assert (refused.code, refused.status) == ("AccessDeniedException", 400)
        assert refused.message == (
            f"User: arn:aws:iam::{ACCOUNT}:user/stranger is not authorized to perform: secretsmanager:GetSecretValue "
            f"on resource: {shown} because no identity-based policy allows the secretsmanager:GetSecretValue action"
        )


def test_a_permitted_reader_learns_that_a_secret_is_missing(lab: Lab) -> None:
    """With permission a missing secret gives ResourceNotFoundException."""
    refused = lab.user("reader").refused("secretsmanager", "GetSecretValue", SecretId="prod/none")

    assert (refused.code, refused.message) == (
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )


def test_the_resource_of_a_policy_is_the_full_arn(lab: Lab) -> None:
    """Policies match the full ARN with its suffix.

    `secret:prod/closed-??????` in a Deny and `prod/*` in an Allow both match the secret.
    """
    denied = lab.user("reader").refused("secretsmanager", "GetSecretValue", SecretId="prod/closed")
    assert "with an explicit deny in an identity-based policy" in denied.message
    assert read(lab.user("single"), "prod/closed") == "hidden"
    refused = lab.user("single").refused("secretsmanager", "GetSecretValue", SecretId="dev/db")
    assert refused.code == "AccessDeniedException"


def test_moto_operations_are_authorized_too(lab: Lab) -> None:
    """Operations that moto implements are authorized like those that the sandbox implements."""
    admin = lab.user("admin")
    created = admin.call("secretsmanager", "CreateSecret", Name="new", SecretString="v")

    assert created["ARN"].startswith(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:new-")
    names = {secret["Name"] for secret in admin.call("secretsmanager", "ListSecrets")["SecretList"]}
    assert "new" in names
    for operation, parameters in (("ListSecrets", {}), ("CreateSecret", {"Name": "x", "SecretString": "v"})):
        assert lab.user("reader").refused("secretsmanager", operation, **parameters).code == "AccessDeniedException"


def test_create_secret_is_authorized_on_the_future_arn(make_lab: LabFactory) -> None:
    """CreateSecret is authorized on the new secret's ARN, which policies can match by prefix or pattern."""
    seed = """
accounts:
  "111111111111":
    users:
      maker:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:CreateSecret",
           Resource: "arn:aws:secretsmanager:*:*:secret:team/one-??????"}}
"""
    maker = make_lab(seed).user("maker")

    assert maker.call("secretsmanager", "CreateSecret", Name="team/one", SecretString="v")
    refused = maker.refused("secretsmanager", "CreateSecret", Name="other", SecretString="v")
    assert "on resource: other because" in refused.message


# --- resource policies -------------------------------------------------------------------------------------------


def policy_for(principal: str, effect: str = "Allow") -> str:
    """Return a secret's policy."""
    statement = {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def test_a_resource_policy_can_allow_a_user_of_its_account(lab: Lab) -> None:
    """A secret's policy can allow a user of the same account by itself, and its Deny overrides all allows."""
    admin, stranger = lab.user("admin"), lab.user("stranger")
    me = f"arn:aws:iam::{ACCOUNT}:user/stranger"

    admin.call("secretsmanager", "PutResourcePolicy", SecretId="dev/db", ResourcePolicy=policy_for(me))
    assert read(stranger, "dev/db") == "other"
    admin.call("secretsmanager", "PutResourcePolicy", SecretId="dev/db", ResourcePolicy=policy_for("*", "Deny"))
    refused = lab.user("reader").refused("secretsmanager", "GetSecretValue", SecretId="dev/db")
    assert "with an explicit deny in a resource-based policy" in refused.message


def test_across_accounts_both_must_allow_and_a_customer_managed_key_is_needed(lab: Lab) -> None:
    """Across accounts, both policies must allow, and the secret must not use the default KMS key."""
    admin, guest, blocked = lab.user("admin"), lab.user("guest", OTHER), lab.user("blocked", OTHER)
    created = admin.call("secretsmanager", "CreateSecret", Name="shared", SecretString="given", KmsKeyId="alias/mine")
    own = created["ARN"]
    default = arn_of(lab, "prod/db")
    root = f"arn:aws:iam::{OTHER}:root"

    assert guest.refused("secretsmanager", "GetSecretValue", SecretId=own).code == "AccessDeniedException"
    for arn in (own, default):
        admin.call("secretsmanager", "PutResourcePolicy", SecretId=arn, ResourcePolicy=policy_for(root))
    assert read(guest, own) == "given"
    assert blocked.refused("secretsmanager", "GetSecretValue", SecretId=own).code == "AccessDeniedException"
    refused = guest.refused("secretsmanager", "GetSecretValue", SecretId=default)
    assert refused.code == "InvalidRequestException"
    assert "default KMS" in refused.message


@pytest.mark.parametrize("policy", ["no json", "{}", '{"Statement": {"Effect": "Allow", "Action": "*"}}'])
def test_a_malformed_resource_policy_is_refused(lab: Lab, policy: str) -> None:
    """A malformed resource policy gets MalformedPolicyDocumentException."""
    refused = lab.user("admin").refused(
        "secretsmanager", "PutResourcePolicy", SecretId="prod/db", ResourcePolicy=policy
    )

    assert refused.code == "MalformedPolicyDocumentException"


def test_a_public_policy_can_be_blocked(lab: Lab) -> None:
    """BlockPublicPolicy refuses a public policy."""
    admin = lab.user("admin")
    parameters = {"SecretId": "prod/db", "ResourcePolicy": policy_for("*")}

    assert admin.refused("secretsmanager", "PutResourcePolicy", BlockPublicPolicy=True, **parameters).code == (
        "PublicPolicyException"
    )
    admin.call("secretsmanager", "PutResourcePolicy", **parameters)


# --- BatchGetSecretValue -----------------------------------------------------------------------------------------


def test_a_batch_is_authorized_per_secret(lab: Lab) -> None:
    """A batch returns the secrets that the caller may read, and lists the others in Errors."""
    ids = ["prod/db", "prod/closed", "prod/none", "prod/text"]

    answer = lab.user("reader").call("secretsmanager", "BatchGetSecretValue", SecretIdList=ids)

    assert [value["Name"] for value in answer["SecretValues"]] == ["prod/db", "prod/text"]
    errors = {error["SecretId"]: error["ErrorCode"] for error in answer["Errors"]}
    assert errors == {"prod/closed": "AccessDeniedException", "prod/none": "ResourceNotFoundException"}


def test_a_batch_needs_a_separate_permission(lab: Lab) -> None:
    """A batch needs secretsmanager:BatchGetSecretValue; a denial of it names no resource."""
    refused = lab.user("single").refused("secretsmanager", "BatchGetSecretValue", SecretIdList=["prod/db"])

    assert refused.message.endswith(
        "is not authorized to perform: secretsmanager:BatchGetSecretValue because no identity-based policy allows the "
        "secretsmanager:BatchGetSecretValue action"
    )


def test_a_batch_by_filter_needs_list_secrets_too(lab: Lab) -> None:
    """A batch by filter also needs secretsmanager:ListSecrets."""
    filters = [{"Key": "name", "Values": ["prod/"]}]
    reader, admin = lab.user("reader"), lab.user("admin")

    assert "ListSecrets" in reader.refused("secretsmanager", "BatchGetSecretValue", Filters=filters).message
    first = admin.call("secretsmanager", "BatchGetSecretValue", Filters=filters, MaxResults=3)
    rest = admin.call("secretsmanager", "BatchGetSecretValue", Filters=filters, NextToken=first["NextToken"])
    names = [value["Name"] for value in first["SecretValues"] + rest["SecretValues"]]
    assert sorted(names) == ["prod/closed", "prod/db", "prod/key", "prod/text"]
    assert "NextToken" not in rest


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"SecretIdList": ["a"], "Filters": [{"Key": "name", "Values": ["a"]}]},
        {"SecretIdList": ["a"], "MaxResults": 2},
    ],
)
def test_a_batch_has_either_list_or_filter(lab: Lab, parameters: dict[str, object]) -> None:
    """A batch needs a list or a filter, but not both; only a batch with a filter can be paged."""
    refused = lab.user("admin").refused("secretsmanager", "BatchGetSecretValue", **parameters)

    assert refused.code == "InvalidParameterException"


# --- Parameter Store ---------------------------------------------------------------------------------------------


def test_reading_a_parameter_needs_permission(lab: Lab) -> None:
    """A parameter can be read by name, version and ARN; the authorized ARN has no double slash."""
    reader = lab.user("reader")

    for name in ("/prod/a", "/prod/a:1", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/prod/a"):
        answer = reader.call("ssm", "GetParameter", Name=name, WithDecryption=True)
        assert answer["Parameter"]["Value"] == "1"
    assert reader.call("ssm", "GetParameter", Name="/prod/list")["Parameter"]["Type"] == "StringList"
    refused = reader.refused("ssm", "GetParameter", Name="/dev/c")
    assert refused.code == "AccessDeniedException"
    assert f"on resource: arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/dev/c because" in refused.message


def test_a_secure_string_is_opaque_without_decryption(lab: Lab) -> None:
    """Without WithDecryption, each operation that reads parameters returns a text that does not contain the value."""
    admin = lab.user("admin")
    admin.call("ssm", "PutParameter", Name="/made/token", Value="an-invented-value", Type="SecureString")

    answers = [
        admin.call("ssm", "GetParameter", Name="/made/token")["Parameter"],
        *admin.call("ssm", "GetParameters", Names=["/made/token"], WithDecryption=False)["Parameters"],
        *admin.call("ssm", "GetParametersByPath", Path="/made")["Parameters"],
        *admin.call("ssm", "GetParameterHistory", Name="/made/token")["Parameters"],
    ]
    assert len(answers) == 4
    assert {answer["Value"][:6] for answer in answers} == {"AQICAH"}
    assert len({answer["Value"] for answer in answers}) == 1
    plain = admin.call("ssm", "GetParameterHistory", Name="/made/token", WithDecryption=True)["Parameters"]
    assert [answer["Value"] for answer in plain] == ["an-invented-value"]


def test_parameters_are_authorized_separately(lab: Lab) -> None:
    """Each parameter in a request must be allowed; missing parameters are listed in InvalidParameters."""
    reader = lab.user("reader")

    answer = reader.call("ssm", "GetParameters", Names=["/prod/a", "/prod/none"], WithDecryption=True)
    assert [parameter["Value"] for parameter in answer["Parameters"]] == ["1"]
    assert answer["InvalidParameters"] == ["/prod/none"]
    refused = reader.refused("ssm", "GetParameters", Names=["/prod/a", "/dev/c"])
    assert "parameter/dev/c" in refused.message


def test_a_path_is_authorized_as_a_whole(lab: Lab) -> None:
    """GetParametersByPath is authorized on the ARN of the path, not on each parameter."""
    reader = lab.user("reader")

    answer = reader.call("ssm", "GetParametersByPath", Path="/prod/", Recursive=True, WithDecryption=True)
    assert {parameter["Name"] for parameter in answer["Parameters"]} == {"/prod/a", "/prod/sub/b", "/prod/list"}
    assert reader.refused("ssm", "GetParametersByPath", Path="/").code == "AccessDeniedException"


def test_parameters_of_other_accounts_are_not_readable(lab: Lab) -> None:
    """A parameter of another account is denied, because parameters have no resource policies in the sandbox."""
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/prod/a"

    assert lab.user("admin", OTHER).refused("ssm", "GetParameter", Name=arn).code == "AccessDeniedException"


def test_a_secret_through_parameter_store_needs_its_own_permission(lab: Lab) -> None:
    """`/aws/reference/secretsmanager/...` also needs secretsmanager:GetSecretValue."""
    name = "/aws/reference/secretsmanager/prod/text"
    admin = lab.user("admin")
    everything = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}}'
    admin.call("iam", "PutUserPolicy", UserName="stranger", PolicyName="ssm", PolicyDocument=everything)

    refused = lab.user("stranger").refused("ssm", "GetParameter", Name=name, WithDecryption=True)
    assert "secretsmanager:GetSecretValue" in refused.message
    answer = admin.call("ssm", "GetParameter", Name=name, WithDecryption=True)
    assert answer["Parameter"]["Value"] == "plain"


def test_a_missing_secret_through_parameter_store_is_a_missing_parameter(lab: Lab) -> None:
    """A missing secret behind a parameter name gets ParameterNotFound."""
    name = "/aws/reference/secretsmanager/nowhere"

    assert lab.user("admin").refused("ssm", "GetParameter", Name=name, WithDecryption=True).code == "ParameterNotFound"


def test_a_resource_policy_for_a_missing_secret_is_not_read(lab: Lab) -> None:
    """PutResourcePolicy for a missing secret fails before the policy is checked."""
    parameters = {"SecretId": "nowhere", "ResourcePolicy": "no policy"}

    refused = lab.user("admin").refused("secretsmanager", "PutResourcePolicy", **parameters)

    assert refused.code == "ResourceNotFoundException"


def test_a_missing_parameter_is_not_found(lab: Lab) -> None:
    """A missing parameter gets ParameterNotFound with status 400."""
    refused = lab.user("reader").refused("ssm", "GetParameter", Name="/prod/none")

    assert (refused.code, refused.status) == ("ParameterNotFound", 400)
