"""A recorded call has no secret, and none of the values that differ in each request."""

from __future__ import annotations

import pytest

from dsops.recording.call import RecordedCall, identity_of, recordable
from tests.unit.recording.calls import call


def test_the_value_of_a_secret_key_is_left_out() -> None:
    """An external ID is not recorded, but that the request had one is."""
    made = recordable(
        RecordedCall("sts:AssumeRole", "*", "allowed", {"STS:ExternalId": ("hush",), "s3:prefix": ("a",)})
    )

    assert ("STS:ExternalId",) == made.secret_keys
    assert {"s3:prefix": ("a",)} == dict(made.context)
    assert "hush" not in repr(made)


@pytest.mark.parametrize(
    "key", ["aws:CurrentTime", "aws:EpochTime", "aws:TokenIssueTime", "aws:MultiFactorAuthAge", "s3:signatureAge"]
)
def test_keys_for_times_are_left_out(key: str) -> None:
    """A key whose value differs in each request is not recorded."""
    assert {} == dict(recordable(RecordedCall("s3:GetObject", "*", "allowed", {key: ("1",)})).context)


def test_the_hash_of_a_body_is_left_out_and_a_constant_stays() -> None:
    """`UNSIGNED-PAYLOAD` is recorded, a hash is not."""
    key = "s3:x-amz-content-sha256"

    assert {} == dict(recordable(RecordedCall("s3:PutObject", "*", "allowed", {key: ("0" * 64,)})).context)
    kept = recordable(RecordedCall("s3:PutObject", "*", "allowed", {key: ("UNSIGNED-PAYLOAD",)}))
    assert {key: ("UNSIGNED-PAYLOAD",)} == dict(kept.context)


def test_calls_that_differ_in_the_client_are_one_call() -> None:
    """The user agent does not make another call; a prefix, an outcome and a resource do."""
    first = call("s3:ListBucket", "arn:aws:s3:::a", aws__UserAgent="one", s3__prefix="a")

    assert identity_of(first) == identity_of(
        call("s3:ListBucket", "arn:aws:s3:::a", aws__UserAgent="2", s3__prefix="a")
    )
    for other in (
        call("s3:ListBucket", "arn:aws:s3:::a", s3__prefix="b"),
        call("s3:ListBucket", "arn:aws:s3:::b", s3__prefix="a"),
        call("s3:ListBucket", "arn:aws:s3:::a", "refused by AWS", s3__prefix="a"),
    ):
        assert identity_of(first) != identity_of(other)
