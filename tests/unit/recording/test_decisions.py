"""A decision of the guard and AWS's response become recorded calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from dsops.plan.statements import compact
from dsops.policy import parse_policy
from dsops.recording.call import ANY_ONE, ANY_RUN, Outcome, RecordedCall
from dsops.recording.decisions import aws_outcome, calls_of
from dsops.recording.policy import policy_of
from dsops.recording.replay import replay
from tests.unit.recording.calls import ACCOUNT, BUCKET, CALLER, recording

TEXT, CHARACTER = "\ue000", "\ue001"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:app/db-"


class Question(NamedTuple):
    """A question with the fields of the guard's."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = {}


class Decision(NamedTuple):
    """A decision with the fields of the guard's."""

    questions: tuple[Question, ...]
    outcome: str = "allowed"
    status: int = 200
    error: str = ""
    time: datetime = datetime(2026, 11, 28, 21, 30, tzinfo=timezone(timedelta(hours=1)))


def converted(*questions: Question, outcome: str = "allowed", status: int = 200, error: str = "") -> list[RecordedCall]:
    """Return the calls of a decision."""
    return calls_of(Decision(questions, outcome, status, error), CALLER, any_text=TEXT, any_character=CHARACTER)


def test_each_action_of_a_request_is_a_call() -> None:
    """A copy in S3 reads one object and writes another; the time is in UTC."""
    assert [
        RecordedCall("s3:GetObject", f"{BUCKET}/a", "allowed", {"k": ("v",)}, CALLER, "2026-11-28T20:30:00Z"),
        RecordedCall("s3:PutObject", f"{BUCKET}/b", "allowed", {}, CALLER, "2026-11-28T20:30:00Z"),
    ] == converted(Question("s3:GetObject", f"{BUCKET}/a", {"k": ("v",)}), Question("s3:PutObject", f"{BUCKET}/b"))


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (200, "", "allowed"),
        (304, "", "allowed"),
        (404, "NoSuchKey", "allowed"),
        (404, "", "allowed"),
        (409, "BucketAlreadyOwnedByYou", "allowed"),
        (400, "ResourceNotFoundException", "allowed"),
        (400, "ConditionalCheckFailedException", "allowed"),
        (403, "AccessDenied", "refused by AWS"),
        (403, "", "refused by AWS"),
        (400, "AccessDeniedException", "refused by AWS"),
        (403, "UnauthorizedOperation", "refused by AWS"),
        (403, "ExpiredToken", "undecided"),
        (403, "SignatureDoesNotMatch", "undecided"),
        (400, "ValidationException", "undecided"),
        (400, "ThrottlingException", "undecided"),
        (503, "SlowDown", "undecided"),
        (0, "connection reset", "undecided"),
    ],
)
def test_the_response_tells_whether_aws_authorized_the_call(status: int, error: str, outcome: Outcome) -> None:
    """An error that AWS returns before it authorizes a call is no reason to allow the call."""
    assert outcome == aws_outcome(status, error)


@pytest.mark.parametrize("outcome", ["denied", "refused"])
def test_a_request_that_was_not_sent_is_refused_by_the_guard(outcome: str) -> None:
    """The response of AWS does not matter, because there is none."""
    [call] = converted(Question("s3:GetObject", f"{BUCKET}/a"), outcome=outcome, status=0)

    assert "refused by the guard" == call.outcome


def test_unknown_parts_become_wildcards_of_the_policy() -> None:
    """The suffix of a secret's name is unknown, so the policy allows any suffix, and a replay needs any suffix."""
    [call] = converted(Question("secretsmanager:GetSecretValue", SECRET + CHARACTER * 6))
    run = recording(call)
    policy = policy_of(run, "none", None)
    narrow = {**policy.document, "Statement": [{**policy.statements[0], "Resource": f"{SECRET}AbCd12"}]}

    assert SECRET + ANY_ONE * 6 == call.resource
    assert f"{SECRET}??????" == policy.statements[0]["Resource"]
    assert () == replay(run, [parse_policy(compact(policy.document), "identity")]).denied
    assert 1 == len(replay(run, [parse_policy(compact(narrow), "identity")]).denied)
    assert f"secretsmanager:GetSecretValue on {SECRET}??????" == call.text


@pytest.mark.parametrize("sent", [ANY_RUN, ANY_ONE, TEXT, CHARACTER, "*"])
def test_a_client_cant_write_a_wildcard_into_its_own_policy(sent: str) -> None:
    """An object whose key has a character that stands for unknown text stays one object."""
    [call] = converted(Question("s3:GetObject", f"{BUCKET}/{sent}"))
    policy = policy_of(recording(call), "none", None)

    assert ANY_RUN not in call.resource
    assert ANY_ONE not in call.resource
    assert policy.statements[0]["Resource"] not in {f"{BUCKET}/*", f"{BUCKET}/?"}


@pytest.mark.parametrize("sent", [ANY_RUN, ANY_ONE])
def test_a_client_cant_send_the_wildcards_of_a_recording(sent: str) -> None:
    """JSON can contain a lone surrogate; it does not become a wildcard in the ARN of any service."""
    [call] = converted(Question("dynamodb:GetItem", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{sent}"))

    assert f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/\ufffd" == call.resource
