"""The policy that denies everything to older sessions, and the roles that cannot have it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dsops.arn import parse_arn
from dsops.policy.language.grammar import parse_policy
from dsops.revocation.policy import revocation_policy, revoked_before, time_text, why_not_revocable
from tests.fakes import NOON


def test_the_policy_is_the_consoles() -> None:
    """The policy equals the one that AWS's console attaches.

    It denies everything to sessions issued before a time (aws:TokenIssueTime). Source: IAM User Guide.
    """
    condition = {"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T12:00:00Z"}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}

    assert {"Version": "2012-10-17", "Statement": [statement]} == json.loads(revocation_policy(NOON))
    assert parse_policy(revocation_policy(NOON), "identity", name="policy").statements


def test_a_moment_is_written_in_utc() -> None:
    """A time is converted to UTC and written with a final Z."""
    assert "2026-11-24T12:00:00Z" == time_text(NOON.astimezone(timezone(timedelta(hours=5))))


def test_the_moment_of_a_policy_is_read_back() -> None:
    """The time is parsed from dsops' policy and from the console's policy, whose time has milliseconds."""
    written = revocation_policy(NOON)

    assert NOON == revoked_before(written)
    assert NOON == revoked_before(written.replace("12:00:00Z", "12:00:00.000Z"))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        '{"Statement": []}',
        revocation_policy(NOON).replace("Deny", "Allow"),
        revocation_policy(NOON).replace("2026-11-24T12:00:00Z", "yesterday"),
        revocation_policy(NOON).replace("12:00:00Z", "12:00:00"),
        json.dumps({**json.loads(revocation_policy(NOON)), "Id": "mine"}),
    ],
)
def test_another_policy_of_that_name_is_not_taken_for_it(document: str) -> None:
    """Another policy of the same name is not mistaken for a revocation.

    Otherwise dsops would overwrite that policy's statements.
    """
    assert revoked_before(document) is None


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ("role/aws-service-role/support.amazonaws.com/AWSServiceRoleForSupport", "service-linked"),
        ("role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef", "Identity Center"),
        ("role/AWSReservedSSO_Admin_0123456789abcdef", "Identity Center"),
        ("role/Deploy", ""),
        ("role/team/a/Deploy", ""),
        ("role/my/aws-service-role/Deploy", ""),
    ],
)
def test_roles_that_aws_keeps_are_told(resource: str, says: str) -> None:
    """A role that AWS manages cannot be revoked, and the error has a hint; the user's own roles can be revoked."""
    role = parse_arn(f"arn:aws:iam::123456789012:{resource}")
    assert role is not None
    why, hint = why_not_revocable(role)

    assert (bool(says), bool(says)) == (bool(why), bool(hint))
    assert says in why


def test_seconds_are_cut_off() -> None:
    """Fractions of seconds are dropped, because AWS stores issue times in seconds."""
    assert "2026-11-24T12:00:00Z" == time_text(datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC))
