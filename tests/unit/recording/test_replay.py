"""A replay says which recorded calls policies deny, and what would fail without each statement."""

from __future__ import annotations

import json
from typing import Any

from dsops.policy import Policy, parse_policy
from dsops.recording.call import RecordedCall, recordable
from dsops.recording.format import CountedCall, Recording
from dsops.recording.replay import replay
from tests.unit.recording.calls import ACCOUNT, BUCKET, call, recording


def policy(*statements: dict[str, Any], name: str = "p.json") -> Policy:
    """Return an identity-based policy. A statement without an effect is an Allow."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Resource": "*", **each} for each in statements],
    }
    return parse_policy(json.dumps(document, indent=0), "identity", name=name)


GET = call("s3:GetObject", f"{BUCKET}/a")
PUT = call("s3:PutObject", f"{BUCKET}/a")


def test_a_call_that_no_statement_allows_is_denied() -> None:
    """The result has AWS's message."""
    result = replay(recording(GET, PUT), [policy({"Action": "s3:GetObject"})])

    assert [PUT] == [each.call for each in result.denied]
    assert "because no identity-based policy allows the s3:PutObject action" in result.denied[0].sentence
    assert ("", 0) == (result.denied[0].policy, result.denied[0].line)


def test_a_call_that_a_statement_denies_names_the_statement() -> None:
    """A Deny has its policy and line; it is listed with the calls that it denies."""
    result = replay(recording(GET), [policy({"Action": "s3:*"}, {"Effect": "Deny", "Action": "s3:Get*"})])

    assert [("p.json", 9)] == [(each.policy, each.line) for each in result.denied]
    assert [("Allow", (GET,), ()), ("Deny", (GET,), ())] == [
        (use.effect, use.matching, use.needed_by) for use in result.statements
    ]


def test_a_statement_is_needed_by_the_calls_that_only_it_allows() -> None:
    """A call that two statements allow needs neither of them alone."""
    result = replay(
        recording(GET, PUT),
        [policy({"Sid": "Both", "Action": "s3:*"}), policy({"Sid": "Get", "Action": "s3:GetObject"}, name="q.json")],
    )

    assert () == result.denied
    assert {"Both": (PUT,), "Get": ()} == {use.sid: use.needed_by for use in result.statements}
    assert [("q.json", "Get")] == [(use.policy, use.sid) for use in result.unneeded]


def test_a_statement_without_a_call_is_not_needed() -> None:
    """A statement that matches no call is named."""
    result = replay(recording(GET), [policy({"Action": "s3:GetObject"}, {"Action": "sqs:*"})])

    assert [(2, ())] == [(use.number, use.matching) for use in result.unneeded]


def test_only_calls_that_aws_allowed_are_played() -> None:
    """A refused call is no reason to say that a policy is too narrow."""
    result = replay(recording(call("s3:PutObject", f"{BUCKET}/a", "refused by AWS")), [policy({"Action": "sqs:*"})])

    assert ((), ()) == (result.played, result.denied)


def test_a_role_of_another_account_can_be_assumed() -> None:
    """Only the given policies decide about sts:AssumeRole, not the role's trust policy, which is not known."""
    assumed = call("sts:AssumeRole", "arn:aws:iam::222222222222:role/x")

    assert () == replay(recording(assumed), [policy({"Action": "sts:AssumeRole"})]).denied
    assert 1 == len(replay(recording(assumed), [policy({"Action": "s3:*"})]).denied)


def test_conditions_see_the_caller_the_time_and_the_recorded_keys() -> None:
    """Keys that follow from the recording are known; a secret value equals none in a policy."""
    made = recordable(
        RecordedCall(
            "sts:AssumeRole",
            "arn:aws:iam::222222222222:role/x",
            "allowed",
            {"sts:ExternalId": ("hush",), "aws:SourceIp": ("203.0.113.7",)},
            f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ada",
            "2026-11-28T20:30:00Z",
        )
    )
    run = Recording((CountedCall(made, 1),))

    def is_allowed(condition: dict[str, Any]) -> bool:
        return not replay(run, [policy({"Action": "sts:*", "Condition": condition})]).denied

    assert is_allowed({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/deploy"}})
    assert is_allowed({"DateLessThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}})
    assert not is_allowed({"DateGreaterThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}})
    assert is_allowed({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})
    assert not is_allowed({"StringEquals": {"sts:ExternalId": "hush"}})
    assert not is_allowed({"StringEquals": {"aws:ResourceTag/team": "blue"}})


def test_a_call_without_a_caller_is_played() -> None:
    """A recording made by hand needs no caller."""
    assert (
        ()
        == replay(recording(RecordedCall("s3:ListAllMyBuckets", "*", "allowed")), [policy({"Action": "s3:*"})]).denied
    )
