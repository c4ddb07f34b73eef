"""`dsops policy generate --from`: print the least-privilege policy of recorded runs."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import Json, answer, answer_json, json_text, note
from dsops.cli.policy.output_files import plain, write_files
from dsops.errors import CheckFailed, UsageError
from dsops.grants import ManagedPolicy
from dsops.grants.cloudformation import template_of_policy
from dsops.grants.terraform import terraform_of_policy
from dsops.plan.statements import compact
from dsops.recording.format import CountedCall, Recording
from dsops.recording.generalise import LEVELS
from dsops.recording.policy import MANAGED_CHARACTERS, SESSION_CHARACTERS, RecordedPolicy, not_granted_text, policy_of
from dsops.recording.reading import read_recordings
from dsops.runtime import Runtime
from dsops.service_reference import open_reference
from dsops.text import clean, counted
from dsops.version import __version__

SESSION_POLICY = "session_policy"
"""The format of a session policy: one line, without Sids."""

_NAME = "dsops-recorded"
_FILES = {
    "json": "policy.json",
    "terraform": "main.tf",
    "cloudformation": "template.json",
    SESSION_POLICY: "session-policy.json",
}
_MOST_LISTED = 20
"""The maximum number of calls that a comment or the notes list."""


def generate_recorded(arguments: Arguments, runtime: Runtime) -> int:
    """Print or write the policy of the recordings. Return 6 if AWS would refuse the policy because of its length."""
    _check_flags(arguments)
    recording = read_recordings(arguments.texts("--from"), runtime.folder)
    level = next(known for known in LEVELS if known == (arguments.text("--generalise") or LEVELS[0]))
    made, format_name = policy_of(recording, level, open_reference()), arguments.text("--format")
    if made.statements and arguments.switch("--json"):
        answer_json(_value(made, recording, level))
    elif made.statements and arguments.text("--out"):
        write_files({_FILES[format_name]: f"{_text(made, format_name)}\n"}, arguments.text("--out"), runtime)
    elif made.statements:
        answer(_text(made, format_name))
    for line in (*_not_granted_lines(made.not_granted), *made.notes):
        note(line)
    if not made.statements:
        why = f"number of distinct calls in the recordings: {len(recording.calls)}"
        hint = "record a run whose calls AWS allows: dsops exec --record FILE -- CMD"
        raise UsageError(
            "no policy can be made from the recordings: AWS allowed none of their calls", why=why, hint=hint
        )
    return _check_length(made, format_name)


def _check_flags(arguments: Arguments) -> None:
    others = [flag for flag in ("--store", "--caller", "--issuer") if arguments.text(flag)]
    others += ["--kind"] if arguments.text("--kind") != "all" else []
    if others:
        why = "a policy that is made from recordings does not depend on a configuration"
        hint = f"leave out `{others[0]}`"
        raise UsageError(f"`{others[0]}` can't be combined with `--from`", why=why, hint=hint)


def _check_length(made: RecordedPolicy, format_name: str) -> int:
    """Print a note if the policy is too long for the format, or, as JSON, for a managed policy."""
    reason = made.over_session if format_name == SESSION_POLICY else made.over_managed
    if not reason:
        return 0
    note(f"{reason}; shorten it with `--generalise names`, or split the run and its permissions into several roles")
    return CheckFailed.exit_code if format_name != "json" else 0


def _text(made: RecordedPolicy, format_name: str) -> str:
    header = f"What the recorded runs did: made by dsops {__version__}, `dsops policy generate --from`"
    managed = ManagedPolicy(_NAME, "What the recorded runs did", made.statements)
    if format_name == SESSION_POLICY:
        return compact(made.session_document)
    if format_name == "terraform":
        comment = "\n".join([header, *[clean(line) for line in _not_granted_lines(made.not_granted)]])
        return terraform_of_policy(managed, comment).rstrip("\n")
    if format_name == "cloudformation":
        metadata: dict[str, object] = {"NotAllowed": [not_granted_text(call) for call in made.not_granted]}
        return json_text(plain(template_of_policy(managed, header, metadata if made.not_granted else {})))
    return json_text(plain(made.document))


def _not_granted_lines(calls: tuple[CountedCall, ...]) -> list[str]:
    lines = [f"not allowed: {not_granted_text(call)}" for call in calls[:_MOST_LISTED]]
    more = len(calls) - _MOST_LISTED
    return [*lines, f"not allowed: {counted(more, 'other call')}"] if more > 0 else lines


def _value(made: RecordedPolicy, recording: Recording, level: str) -> Json:
    refused: list[Json] = [
        {"action": call.action, "resource": call.resource, "outcome": call.outcome, "count": times}
        for call, times in made.not_granted
    ]
    return {
        "generalise": level,
        "is_complete": recording.is_complete,
        "policy": plain(made.document),
        "characters": made.characters,
        "fits_managed_policy": made.characters <= MANAGED_CHARACTERS,
        "session_policy": compact(made.session_document),
        "session_policy_characters": made.session_characters,
        "fits_session_policy": made.session_characters <= SESSION_CHARACTERS,
        "not_allowed": refused,
        "notes": list(made.notes),
    }
