"""Parse another program's output into the call that AWS denied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.errors import UsageError
from dsops.explain.evidence.message import encoded_in, read_decoded, read_recorded, read_sentence
from dsops.explain.evidence.recorded import Recorded
from dsops.explain.questions.sentence import RefusalMessage

ADA = "arn:aws:iam::111122223333:user/ada"
SENTENCE = f'Error: User: {ADA} is not\n  authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because'
ENCODED = "Ab-_9" * 30


def items(*entries: Any) -> dict[str, Any]:
    """A list as AWS encodes it."""
    return {"items": list(entries)}


DECODED: dict[str, Any] = {
    "allowed": False,
    "context": {
        "principal": {"id": "AIDAEXAMPLEADA0000001", "arn": ADA},
        "action": "ec2:StopInstances",
        "resource": "arn:aws:ec2:us-east-1:444455556666:instance/i-1",
        "conditions": items({"key": "aws:Region", "values": items({"value": "us-east-1"})}),
    },
}


def test_a_sentence_may_be_broken_into_lines() -> None:
    """The parser reads a message across line breaks, indentation and quotes (as around S3's ARNs)."""
    request_asked = read_sentence(SENTENCE).asked

    assert (ADA, "s3:GetObject", "arn:aws:s3:::b/k") == (
        request_asked.principal.arn,
        request_asked.action,
        request_asked.resource,
    )


def test_a_sentence_may_stand_in_a_frame() -> None:
    """Terraform breaks an error into lines and draws a line on its left."""
    framed = f"\u2502 Error: User: {ADA} is not authorized\n\u2502 to perform: s3:ListBucket\n\u2575"

    assert read_sentence(framed).asked.action == "s3:ListBucket"


def test_of_a_sentence_the_rest_of_the_call_is_not_known() -> None:
    """AWS's denial message lacks the source address and MFA, so the values of these keys are reported as unknown."""
    keys = {key for gap in read_sentence(SENTENCE).unread for key in gap.keys}

    assert {"aws:sourceip", "aws:multifactorauthpresent"} <= keys


def test_a_decoded_message_tells_the_whole_call() -> None:
    """A decoded authorization message contains all context keys; dsops leaves out external IDs."""
    denied_call = read_decoded(json.dumps(DECODED))

    assert {"aws:Region": ("us-east-1",)} == dict(denied_call.asked.context)
    assert "444455556666" == denied_call.asked.resource_account
    assert "AIDAEXAMPLEADA0000001" == denied_call.asked.principal.unique_id
    assert {"sts:externalid"} == {key for gap in denied_call.unread for key in gap.keys}


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        (f"You are not authorized. Encoded authorization failure message: {ENCODED}", ENCODED),
        (f"  {ENCODED[:60]}\n{ENCODED[60:]}\n", ENCODED),
        (SENTENCE, ""),
        ("", ""),
    ],
)
def test_an_encoded_message_is_found(text: str, encoded: str) -> None:
    """The parser finds an encoded authorization message within an error text or by itself, also across lines."""
    assert encoded == encoded_in(text)


@pytest.mark.parametrize("before", ["", "Encoded authorization failure message: "])
def test_more_than_aws_decodes_is_not_sent(before: str) -> None:
    """If an encoded message exceeds AWS's limit of 10,240 characters, dsops raises an error before any call."""
    assert len(encoded_in(before + "A" * 10_240)) == 10_240
    with pytest.raises(UsageError, match=r"10,241 characters, and AWS decodes 10,240 at most"):
        encoded_in(before + "A" * 10_241)


@pytest.mark.parametrize("text", ["", "it did not work", "User: somebody is not authorized to perform: s3:GetObject"])
def test_a_text_without_a_refusal_is_no_message(text: str) -> None:
    """A text that contains no denial is an error."""
    with pytest.raises(UsageError):
        read_sentence(text)


@pytest.mark.parametrize("text", ["", "[]", '{"context": 3}', '{"context": {"principal": {"arn": 5}}}', "[" * 100_000])
def test_a_decoded_message_of_another_form_is_refused(text: str) -> None:
    """A decoded message of an unknown format is an error."""
    with pytest.raises(UsageError):
        read_decoded(text)


def recorded(said: RefusalMessage, **context: str) -> Recorded:
    """Return AWS's record of a denial."""
    keys = {f"aws:{key}": (value,) for key, value in context.items()}
    return Recorded(said, keys, {}, is_whole=True, lacks_role=False)


@pytest.mark.parametrize(
    ("principal_arn", "user_id", "caller"),
    [
        (ADA, "AIDAEXAMPLEADA0000001", ADA),
        (
            "arn:aws:iam::111122223333:role/ci/App",
            "AROAEXAMPLEAPP0000001:s-1",
            "arn:aws:sts::111122223333:assumed-role/App/s-1",
        ),
    ],
)
def test_a_record_tells_the_whole_call(principal_arn: str, user_id: str, caller: str) -> None:
    """AWS's record of a denial gives all context keys even without a readable message; dsops hides external IDs."""
    message_text = RefusalMessage("", "s3:GetObject", "arn:aws:s3:::b/k")

    denied_call = read_recorded(recorded(message_text, PrincipalARN=principal_arn, UserId=user_id))

    assert (caller, user_id.partition(":")[0]) == (
        denied_call.asked.principal.arn,
        denied_call.asked.principal.unique_id,
    )
    assert ("s3:GetObject", "arn:aws:s3:::b/k") == (denied_call.asked.action, denied_call.asked.resource)
    assert "sts:externalid" in {key for gap in denied_call.unread for key in gap.keys}


def test_a_record_without_a_caller_is_no_call() -> None:
    """An AWS record without a principal is an error."""
    with pytest.raises(UsageError):
        read_recorded(recorded(RefusalMessage("", "s3:GetObject"), UserId="AIDAEXAMPLEADA0000001"))
