"""Unknown parts of a request: tags, addresses, suffixes of secrets, keys behind aliases, paths of roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from dsops.guard.exchange import Forward
from tests.guards import Guarded, allow, deny, layer_of

SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret:prod/db"
KMS = "arn:aws:kms:us-east-1:111111111111:key"
ROLE = "arn:aws:iam::111111111111:role"
LISTING: Final[tuple[str, str, Mapping[str, object]]] = ("sqs", "ListQueues", {})
OBJECT = {"Bucket": "b", "Key": "k"}


def is_allowed(*statements: dict[str, object], call: tuple[str, str, Mapping[str, object]]) -> bool:
    """Whether a guard with these statements sends a call."""
    guard = Guarded(layer_of(*statements))
    service, operation, parameters = call
    return isinstance(guard.send(guard.request(service, operation, **parameters)), Forward)


@pytest.mark.parametrize(
    "key",
    [
        "s3:ExistingObjectTag/a",
        "aws:ResourceTag/a",
        "aws:PrincipalTag/a",
        "aws:SourceVpc",
        "aws:MultiFactorAuthPresent",
    ],
)
def test_a_condition_on_an_unknown_key_never_allows(key: str) -> None:
    """A condition that only AWS can evaluate is not met in an Allow, and met in a Deny."""
    call = ("s3", "GetObject", OBJECT)
    for operator in ("StringEquals", "StringNotEquals", "StringEqualsIfExists"):
        condition = {operator: {key: "true"}}
        assert not is_allowed(allow("s3:*", Condition=condition), call=call)
        assert not is_allowed(allow("s3:*"), deny("s3:*", Condition=condition), call=call)


def test_the_denial_says_which_key_is_unknown() -> None:
    """The record of a denial names the key that only AWS knows."""
    guard = Guarded(layer_of(allow("s3:*", Condition={"StringEquals": {"s3:ExistingObjectTag/a": "b"}})))

    guard.refused("s3", "GetObject", Bucket="b", Key="k")

    assert ("s3:existingobjecttag/a",) == guard.decisions[0].questions[0].unknown


def test_the_source_address_is_unknown() -> None:
    """AWS sees the guard's address, which the guard does not know."""
    condition = {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}

    assert not is_allowed(allow("s3:*", Condition=condition), call=("s3", "GetObject", OBJECT))


def test_conditions_on_the_request_are_evaluated() -> None:
    """Keys that the request alone determines are known, also if they are absent."""
    listing = ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "home/"})
    all_of_it = ("s3", "ListObjectsV2", {"Bucket": "b"})
    statement = allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "home/*"}})
    without = deny("s3:ListBucket", Condition={"Null": {"s3:prefix": "true"}})

    assert is_allowed(statement, call=listing)
    assert not is_allowed(statement, call=all_of_it)
    assert is_allowed(allow("s3:*"), without, call=listing)
    assert not is_allowed(allow("s3:*"), without, call=all_of_it)


def test_the_region_is_known() -> None:
    """A policy can limit the region."""
    call = LISTING

    assert is_allowed(allow("*", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}}), call=call)
    assert not is_allowed(allow("*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}), call=call)


def test_tags_that_were_not_read_are_unknown() -> None:
    """If a parameter that may contain tags was not understood, the condition keys for tags are unknown."""
    condition = {"StringEquals": {"aws:RequestTag/stage": "prod"}}
    tagged = ("dynamodb", "CreateTable", {"TableName": "t", "Tags": [{"Key": "stage", "Value": "test"}]})
    table: dict[str, object] = {"AttributeDefinitions": [], "KeySchema": []}

    assert is_allowed(allow("*"), deny("*", Condition=condition), call=(*tagged[:2], {**tagged[2], **table}))
    added = {"FileSystemId": "fs-1", "Tags": [{"Key": "stage", "Value": "prod"}]}
    assert not is_allowed(allow("*"), deny("*", Condition=condition), call=("efs", "CreateTags", added))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (f"{SECRET}-??????", True),
        (f"{SECRET}-*", True),
        (f"{SECRET}*", True),
        ("*", True),
        (SECRET, False),
        (f"{SECRET}-AbCdEf", False),
        (f"{SECRET}-A?????", False),
    ],
)
def test_the_suffix_of_a_secret_is_unknown(pattern: str, *, expected: bool) -> None:
    """Only a pattern for all suffixes allows, and a pattern for one suffix denies."""
    call = ("secretsmanager", "GetSecretValue", {"SecretId": "prod/db"})

    assert expected == is_allowed(allow("secretsmanager:*", pattern), call=call)
    is_denied = not is_allowed(allow("*"), deny("secretsmanager:*", pattern), call=call)
    assert (pattern != SECRET) == is_denied


def test_a_secrets_whole_arn_is_known() -> None:
    """A secret that is named by its ARN with the suffix can be allowed by that ARN."""
    call = ("secretsmanager", "GetSecretValue", {"SecretId": f"{SECRET}-AbCdEf"})

    assert is_allowed(allow("secretsmanager:*", f"{SECRET}-AbCdEf"), call=call)
    assert not is_allowed(allow("secretsmanager:*", f"{SECRET}-AbCdEg"), call=call)


def test_a_new_secret_has_an_unknown_suffix() -> None:
    """A name that looks like a suffix is not one."""
    create = ("secretsmanager", "CreateSecret", {"Name": "prod/db"})
    read = ("secretsmanager", "GetSecretValue", {"SecretId": "prod/db-AAAAAA"})

    assert is_allowed(allow("secretsmanager:*", f"{SECRET}-??????"), call=create)
    assert not is_allowed(allow("secretsmanager:*", f"{SECRET}-??????"), call=read)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"KeyId": "1234"}, True),
        ({"KeyId": "alias/app"}, False),
        ({"KeyId": f"{KMS.removesuffix('key')}alias/app"}, False),
        ({"KeyId": "5678"}, False),
    ],
)
def test_the_key_behind_an_alias_is_unknown(parameters: dict[str, object], *, expected: bool) -> None:
    """A statement about one key does not allow an alias, and a Deny about a key denies it."""
    call = ("kms", "Encrypt", {**parameters, "Plaintext": b"x"})

    assert expected == is_allowed(allow("kms:*", f"{KMS}/1234"), call=call)
    is_other = parameters == {"KeyId": "5678"}
    assert is_other == is_allowed(allow("kms:*"), deny("kms:*", f"{KMS}/1234"), call=call)


def test_an_alias_can_be_allowed_by_its_name() -> None:
    """kms:RequestAlias is known."""
    condition = {"StringEquals": {"kms:RequestAlias": "alias/app"}}
    call = ("kms", "Encrypt", {"KeyId": "alias/app", "Plaintext": b"x"})

    assert is_allowed(allow("kms:*", f"{KMS}/*", Condition=condition), call=call)
    assert not is_allowed(allow("kms:*", f"{KMS.removesuffix('key')}alias/app"), call=call)


def test_the_key_of_a_ciphertext_is_unknown() -> None:
    """Decrypt without a key needs permission for all keys."""
    call = ("kms", "Decrypt", {"CiphertextBlob": b"x"})

    assert not is_allowed(allow("kms:*", f"{KMS}/1234"), call=call)
    assert not is_allowed(allow("kms:*"), deny("kms:*", f"{KMS}/1234"), call=call)
    assert is_allowed(allow("kms:*", "arn:aws:kms:*:*:key/*"), call=call)


def test_the_path_of_a_role_is_unknown() -> None:
    """A role's name is not its ARN: the role may have a path."""
    call = ("iam", "GetRole", {"RoleName": "app"})

    assert not is_allowed(allow("iam:*", f"{ROLE}/app"), call=call)
    assert is_allowed(allow("iam:*", f"{ROLE}/*"), call=call)
    assert is_allowed(allow("iam:*", f"{ROLE}/*app"), call=call)
    assert not is_allowed(allow("iam:*"), deny("iam:*", f"{ROLE}/team/*"), call=call)
    assert is_allowed(allow("iam:*"), deny("iam:*", f"{ROLE}/team/other"), call=call)


def test_the_role_of_an_instance_profile_is_unknown() -> None:
    """RunInstances with a profile or a launch template passes a role that the guard does not know."""
    instances: dict[str, object] = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}
    plain = ("ec2", "RunInstances", instances)
    with_profile = ("ec2", "RunInstances", {**instances, "IamInstanceProfile": {"Name": "web"}})
    with_template = ("ec2", "RunInstances", {**instances, "LaunchTemplate": {"LaunchTemplateName": "web"}})
    passing = allow("iam:PassRole", f"{ROLE}/web")

    assert is_allowed(allow("ec2:*"), call=plain)
    for call in (with_profile, with_template):
        assert not is_allowed(allow("ec2:*"), passing, call=call)
        assert is_allowed(allow("ec2:*"), allow("iam:PassRole", f"{ROLE}/*"), call=call)


def test_a_bucket_may_belong_to_any_account() -> None:
    """The account of a bucket is not in its name."""
    condition = {"StringEquals": {"aws:ResourceAccount": "111111111111"}}

    assert not is_allowed(allow("s3:*", Condition=condition), call=("s3", "GetObject", OBJECT))
    queue = "https://sqs.us-east-1.amazonaws.com/111111111111/q"
    assert is_allowed(allow("sqs:*", Condition=condition), call=("sqs", "PurgeQueue", {"QueueUrl": queue}))


def test_assuming_a_role_needs_each_of_its_permissions() -> None:
    """AssumeRole with tags and a source identity needs two more actions on the role."""
    arn = f"{ROLE}/team/app"
    plain = {"RoleArn": arn, "RoleSessionName": "session"}
    more = {**plain, "Tags": [{"Key": "a", "Value": "b"}], "SourceIdentity": "me"}

    assert is_allowed(allow("sts:AssumeRole", arn), call=("sts", "AssumeRole", plain))
    assert not is_allowed(allow("sts:AssumeRole", f"{ROLE}/app"), call=("sts", "AssumeRole", plain))
    assert not is_allowed(allow("sts:AssumeRole", arn), call=("sts", "AssumeRole", more))
    assert not is_allowed(allow(["sts:AssumeRole", "sts:TagSession"], arn), call=("sts", "AssumeRole", more))
    assert is_allowed(
        allow(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], arn), call=("sts", "AssumeRole", more)
    )


def test_the_principal_is_that_of_the_session() -> None:
    """Keys about the principal follow from its ARN; the path of an assumed role does not."""
    call = LISTING
    account = {"StringEquals": {"aws:PrincipalAccount": "111111111111"}}
    role = {"ArnEquals": {"aws:PrincipalArn": f"{ROLE}/Deploy"}}

    assert is_allowed(allow("*", Condition=account), call=call)
    assert not is_allowed(allow("*", Condition=role), call=call)


@pytest.mark.parametrize("action", ["*", "sts:*", "sts:Assume*", "sts:AssumeRol?"])
def test_a_wildcard_does_not_allow_an_action_that_returns_keys(action: str) -> None:
    """Keys that AWS returns would work without the guard, so a statement has to name the action."""
    call = ("sts", "AssumeRole", {"RoleArn": f"{ROLE}/app", "RoleSessionName": "session"})

    assert not is_allowed(allow(action), call=call)
    assert not is_allowed({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, call=call)
    assert is_allowed(allow(action), allow("STS:assumerole", f"{ROLE}/app"), call=call)
    assert not is_allowed(allow("sts:AssumeRole"), deny(action), call=call)


@pytest.mark.parametrize(
    ("call", "action", "resource"),
    [
        (("sqs", "ListQueues", {}), "sqs:ListQueues", "arn:aws:sqs:us-east-1:111111111111:q"),
        (("dynamodb", "ListTables", {}), "dynamodb:ListTables", "arn:aws:dynamodb:us-east-1:111111111111:table/t"),
        (("ec2", "DescribeInstances", {}), "ec2:DescribeInstances", "arn:aws:ec2:us-east-1:111111111111:instance/i-1"),
        (("ecs", "ListClusters", {}), "ecs:ListClusters", "arn:aws:ecs:us-east-1:111111111111:cluster/c"),
    ],
)
def test_a_deny_on_one_resource_does_not_stop_lists(
    call: tuple[str, str, Mapping[str, object]], action: str, resource: str
) -> None:
    """AWS checks a call that lists resources on `*`, which a Deny with an ARN does not match. A Deny on `*` does."""
    assert is_allowed(allow("*"), deny(action, resource), call=call)
    assert not is_allowed(allow("*"), deny(action), call=call)


def test_a_deny_on_one_resource_stops_a_request_that_may_use_it() -> None:
    """A Deny on one resource applies to a request whose resource is unknown."""
    stack = "arn:aws:cloudformation:us-east-1:111111111111:stack/s/1234"
    call = ("cloudformation", "DeleteStack", {"StackName": "s"})

    assert not is_allowed(allow("*"), deny("cloudformation:*", stack), call=call)
    assert is_allowed(allow("*"), deny("cloudformation:*", stack.replace("/s/", "/other/")), call=call)
    assert is_allowed(allow("cloudformation:*", "arn:aws:cloudformation:*:*:stack/s/*"), call=call)
    assert not is_allowed(allow("cloudformation:*", stack), call=call)
