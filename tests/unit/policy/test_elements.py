"""Action, NotAction, Resource and NotResource."""

from __future__ import annotations

import pytest

from dsops.policy import Policies
from tests.unit.policy.policies import ALICE, APP, Json, allow, ask, deny, identity

BUCKET = "arn:aws:s3:::bucket/home/alice/file"


def allows_action(action: Json, asked: str, **elements: Json) -> bool:
    """Whether an Allow for `action` covers the requested action."""
    return ask(Policies(identity=(identity(allow(action, **elements)),)), action=asked).is_allowed


def allows(
    resource: Json, asked: str = BUCKET, *, version: str = "2012-10-17", key: str = "Resource", **context: str
) -> bool:
    """Whether an Allow for this resource covers the requested resource."""
    document = identity(allow("*", None, **{key: resource}), version=version)
    return ask(Policies(identity=(document,)), action="s3:GetObject", resource=asked, **context).is_allowed


@pytest.mark.parametrize(
    ("written", "hit", "miss"),
    [
        ("s3:GetObject", "s3:GetObject", "s3:GetObjectAcl"),
        ("S3:GETobject", "s3:GetObject", "s3:PutObject"),
        ("s3:Get*", "s3:GetObject", "s3:ListBucket"),
        ("s3:?etObject", "s3:GetObject", "s3:GetObjects"),
        ("s3:*Object", "s3:PutObject", "s3:PutObjectAcl"),
        ("*:Describe*", "ec2:DescribeInstances", "ec2:RunInstances"),
        ("*", "ec2:RunInstances", None),
        (["s3:GetObject", "ec2:*"], "ec2:RunInstances", "s3:PutObject"),
        (["s3:GetObject", "ec2:*"], "s3:GetObject", "s3:PutObject"),
        (["s3:Get*", "ec2:*"], "ec2:RunInstances", "s3:PutObject"),
        (["s3:Get*", "ec2:Describe*", "sqs:SendMessage"], "sqs:SendMessage", "sqs:ReceiveMessage"),
    ],
)
def test_actions_match_without_case_and_with_wildcards(written: Json, hit: str, miss: str | None) -> None:
    """Actions match ignoring case, with wildcards anywhere; a list matches if one member does."""
    assert allows_action(written, hit)
    assert miss is None or not allows_action(written, miss)


def test_an_action_has_no_variables() -> None:
    """Actions have no policy variables: `${username}` is literal."""
    assert not allows_action("s3:Get${username}*", "s3:GetObject")
    assert allows_action("s3:Get${username}*", "s3:Get${username}s")


def test_not_action_covers_every_other_action() -> None:
    """An Allow with NotAction allows every action that it does not list, of any service."""
    for written in ("iam:*", ["iam:*", "sts:AssumeRole"]):
        assert allows_action(None, "s3:GetObject", NotAction=written)
        assert not allows_action(None, "IAM:createUser", NotAction=written)


def test_a_deny_with_not_action_spares_what_it_lists() -> None:
    """A Deny with NotAction denies every action that it does not list."""
    policies = Policies(identity=(identity(allow(), deny(None, NotAction="s3:*")),))
    assert ask(policies, action="s3:GetObject").is_allowed
    assert "ExplicitDeny" == ask(policies, action="ec2:RunInstances").effect


@pytest.mark.parametrize(
    ("written", "hit", "miss"),
    [
        ("*", BUCKET, None),
        (BUCKET, BUCKET, BUCKET + "s"),
        ("arn:aws:s3:::bucket/*", BUCKET, "arn:aws:s3:::bucket"),
        ("arn:aws:s3:::bucket/*/file", BUCKET, "arn:aws:s3:::bucket/file"),
        ("arn:aws:s3:::bucke?/*", BUCKET, "arn:aws:s3:::buck/et/x"),
        ("arn:aws:s3:::BUCKET/*", "arn:aws:s3:::BUCKET/x", BUCKET),
        ("arn:aws:s3:::*", BUCKET, "arn:aws:s3:us-east-1::bucket/x"),
        ("arn:*:s3:::bucket/*", "arn:aws-cn:s3:::bucket/x", "arn:aws-cn:sqs:::bucket/x"),
        ("arn:aws:sqs:*:111122223333:q", "arn:aws:sqs:eu-west-1:111122223333:q", "arn:aws:sqs:e:444455556666:q"),
        (
            "arn:aws:secretsmanager:*:*:secret:prod/db-??????",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db2-AbCdEf",
        ),
        ("arn:aws:s3:*", BUCKET, "arn:aws:sqs:us-east-1:111122223333:q"),
        ("arn:aws:sqs:us-east-1:1111*", "arn:aws:sqs:us-east-1:111122223333:q", "arn:aws:sqs:us-east-2:1111:q"),
        (["arn:aws:s3:::other/*", "arn:aws:s3:::bucket/*"], BUCKET, "arn:aws:s3:::third/x"),
        (["arn:aws:s3:::other/*", "arn:*:s3:::bucket/*"], BUCKET, "arn:aws:s3:::third/x"),
        (["arn:aws:s3:::other/*", "arn:aws:s3:::${aws:x, 'bucket'}/*"], BUCKET, "arn:aws:s3:::third/x"),
    ],
)
def test_resources_match_part_by_part_and_with_case(written: Json, hit: str, miss: str | None) -> None:
    """Wildcards match slashes and colons in the ARN's last part, but do not cross its first five parts."""
    assert allows(written, hit)
    assert miss is None or not allows(written, miss)


def test_a_wildcard_region_does_not_reach_into_another_account() -> None:
    """A wildcard region does not match another account, even if the queue's name contains the account's ARN."""
    foreign = "arn:aws:sqs:us-east-1:444455556666:x:111122223333:q"
    assert not allows("arn:aws:sqs:us-*:111122223333:q", foreign)


def test_only_a_star_covers_actions_without_resources() -> None:
    """An action without resources is authorized on the resource `*`, which only the pattern `*` matches."""
    assert allows("*", "*")
    assert not allows("arn:aws:s3:::*", "*")
    assert not allows("arn:*:s3:::bucket", "*")


def test_what_is_no_arn_matches_no_pattern() -> None:
    """A resource that is not an ARN matches only the pattern `*`."""
    assert not allows(["arn:aws:s3:::*", "arn:*:s3:*:*:*"], "s3:bucket")
    assert allows("*", "s3:bucket")


def test_not_resource_covers_every_other_resource() -> None:
    """NotResource matches every resource that it does not list, also the `*` of actions without resource types."""
    assert allows("arn:aws:s3:::other/*", key="NotResource")
    assert allows("arn:aws:s3:::other/*", "*", key="NotResource")
    assert not allows("arn:aws:s3:::bucket/*", key="NotResource")
    assert not allows("*", key="NotResource")


def test_variables_work_behind_the_fifth_colon() -> None:
    """Variables after the fifth colon are replaced; wildcards in their values are literal."""
    pattern = "arn:aws:s3:::bucket/home/${aws:username}/*"
    assert allows(pattern, aws__username="alice")
    assert not allows(pattern, aws__username="bob")
    assert not allows(pattern, aws__username="*")
    assert not allows(pattern)
    assert allows("arn:aws:s3:::bucket/home/${aws:username, 'alice'}/*")
    assert allows("arn:aws:s3:::bucket/${*}", "arn:aws:s3:::bucket/*")
    assert not allows("arn:aws:s3:::bucket/${*}", "arn:aws:s3:::bucket/a")


def test_variables_are_text_before_the_fifth_colon_and_in_version_2008() -> None:
    """Variables before the fifth colon, and in version 2008-10-17, are literal text, which matches no real ARN."""
    assert not allows("arn:aws:s3:${aws:region}::bucket/*", aws__region="")
    assert not allows("arn:aws:s3:::bucket/home/${aws:username}/*", version="2008-10-17", aws__username="alice")
    literal = "arn:aws:s3:::bucket/home/${aws:username}/x"
    assert allows("arn:aws:s3:::bucket/home/${aws:username}/*", literal, version="2008-10-17")


def test_an_unset_variable_in_not_resource_neither_allows_nor_escapes_a_deny() -> None:
    """If a variable in NotResource is unset, an Allow covers nothing and a Deny covers everything."""
    pattern = "arn:aws:s3:::bucket/home/${aws:username}/*"
    assert not allows(pattern, key="NotResource")
    assert not allows([pattern, "arn:aws:s3:::other/*"], key="NotResource")
    assert allows(pattern, key="NotResource", aws__username="bob")
    denying = Policies(identity=(identity(allow(), deny("*", None, NotResource=pattern)),))
    assert not ask(denying, resource=BUCKET).is_allowed
    assert ask(denying, resource=BUCKET, aws__username="alice").is_allowed
    sparing = Policies(identity=(identity(allow(), deny("*", None, NotResource=[pattern, BUCKET])),))
    assert ask(sparing, resource=BUCKET).is_allowed


def test_a_session_has_no_user_name_of_its_own_accord() -> None:
    """The values of variables come from the request's context only, never from the caller's ARN."""
    document = identity(allow("*", "arn:aws:s3:::bucket/home/${aws:username}/*"))
    for caller in (ALICE, APP):
        assert not ask(Policies(identity=(document,)), caller, resource=BUCKET).is_allowed


@pytest.mark.parametrize(
    ("pattern", "hits"),
    [
        ("arn:aws:sqs", (True, True, False)),
        ("arn:aws:sqs:us-east-1", (True, False, False)),
        ("arn:aws:sqs:us-east-1:111122223333", (True, False, False)),
        ("arn:aws:sqs:us-east-1:444455556666", (False,) * 3),
        ("arn:aws:sq", (False,) * 3),
        ("arn:aws-cn:sqs", (False,) * 3),
    ],
)
def test_an_arn_without_its_last_parts_has_wildcards_there(pattern: str, hits: tuple[bool, ...]) -> None:
    """If an ARN has fewer than six parts, wildcards replace the missing parts, also in NotResource and in a Deny.

    AWS IAM User Guide, "Incomplete ARNs".
    """
    queues = [f"arn:aws:sqs:{region}:111122223333:q" for region in ("us-east-1", "eu-west-1")]
    for resource, is_hit in zip((*queues, "arn:aws:sns:us-east-1:111122223333:q"), hits, strict=True):
        assert is_hit is allows(pattern, resource)
        assert is_hit is not allows(pattern, resource, key="NotResource")
