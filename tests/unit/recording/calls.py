"""Recorded calls for tests."""

from __future__ import annotations

from dsops.recording.call import Outcome, RecordedCall, recordable
from dsops.recording.format import CountedCall, Recording

ACCOUNT = "111111111111"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ada"
BUCKET = "arn:aws:s3:::data"
TABLE = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders"


def call(action: str, resource: str = "*", outcome: Outcome = "allowed", **context: str) -> RecordedCall:
    """Return a call; in the names of condition keys, `__` stands for `:`."""
    keys = {key.replace("__", ":").replace("_", "-"): (value,) for key, value in context.items()}
    return recordable(RecordedCall(action, resource, outcome, keys, CALLER))


def recording(*calls: RecordedCall) -> Recording:
    """Return the recording of a run that made each call once."""
    return Recording(tuple([CountedCall(each, 1) for each in calls]))
