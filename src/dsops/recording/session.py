"""The session policy of a store with `session_policy_recording`: it allows exactly what a recorded run did."""

from __future__ import annotations

from dsops.errors import RecordingEmpty
from dsops.plan.statements import compact
from dsops.recording.policy import policy_of
from dsops.recording.reading import read_recordings
from dsops.service_reference import open_reference


def recorded_session_policy(path: str) -> str:
    """Return the session policy for the recording in a file, as compact JSON. It may be too long for AWS.

    Raises RecordingInvalid, or RecordingEmpty if the policy would allow nothing.
    """
    made = policy_of(read_recordings([path], ""), "none", open_reference())
    if not made.statements:
        raise RecordingEmpty(
            f"the recording {path} has no call that needs a permission and that AWS allowed",
            hint="record a run that works: `dsops exec --record FILE -- COMMAND`",
        )
    return compact(made.session_document)
