"""Make the session policy of each store with `session_policy_recording` from the recording that it names.

The policy is part of the session's fingerprint, as an explicit policy is. So a changed recording gives another session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dsops.errors import ConfigError, LimitExceeded
from dsops.plan.draft import Draft
from dsops.plan.findings import PlanFindings
from dsops.plan.own_policy import POLICY_CHARACTERS
from dsops.schema import POLICY_RECORDING


def write_recorded_policies(drafts: Iterable[Draft], recorded: Callable[[str], str], findings: PlanFindings) -> None:
    """Set `session_policy` of each draft that names a recording; report recordings that can't be used.

    `recorded` returns the policy of the recording in a file, as compact JSON. It raises ConfigError.
    """
    for draft in drafts:
        if POLICY_RECORDING in draft.settings:
            _write(draft, recorded, findings)


def _write(draft: Draft, recorded: Callable[[str], str], findings: PlanFindings) -> None:
    where, path = draft.place.where(POLICY_RECORDING), draft.place.path_of(POLICY_RECORDING)
    try:
        text = recorded(str(draft.settings[POLICY_RECORDING]))
    except ConfigError as error:
        findings.add_error(error, where, path)
        return
    if len(text) > POLICY_CHARACTERS:
        message = (
            f"the policy of the recording has {len(text)} characters, and the most is {POLICY_CHARACTERS} "
            "(the AssumeRole API reference)"
        )
        hint = (
            "write a shorter one into `session_policy`: `dsops policy generate --from FILE --generalise names "
            "--format session_policy`"
        )
        findings.add(LimitExceeded, where, path, message, hint)
    for settings in (draft.settings, draft.identity):
        settings["session_policy"] = text
