"""`dsops policy replay`: evaluate recorded calls against policies, and name the statements that no call needs."""

from __future__ import annotations

from collections.abc import Iterable

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import Json, answer, answer_json, note
from dsops.cli.policy.files import read_one_policy
from dsops.errors import CheckFailed, UsageError
from dsops.recording.call import RecordedCall
from dsops.recording.reading import read_recordings
from dsops.recording.replay import DeniedCall, Replay, StatementUse, replay
from dsops.runtime import Runtime
from dsops.text import clean, counted

_MOST_LISTED = 3
"""The maximum number of calls that a statement's line lists."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    files = arguments.texts("--policy")
    if not files:
        error = UsageError("no policy is named", hint="name a file with `--policy FILE`")
        error.missing = "--policy"
        raise error
    recording = read_recordings(arguments.words("FILE"), runtime.folder)
    policies = [read_one_policy("--policy", f"caller={file}", "identity", runtime)[1] for file in dict.fromkeys(files)]
    played = replay(recording, policies)
    others = len(recording.calls) - len(played.played)
    if arguments.switch("--json"):
        answer_json(_value(played, others))
    else:
        for line in _lines(played):
            answer(clean(line))
    if others:
        note(f"not played, because AWS did not allow them when they were recorded: {counted(others, 'call')}")
    return CheckFailed.exit_code if played.denied else 0


def _lines(played: Replay) -> Iterable[str]:
    for denied in played.denied:
        yield f"denied: {denied.call.text}{_place(denied)}"
    for use in played.statements:
        yield f"{use.policy}:{use.line}: {_name(use)}: {_use_text(use)}"
    total = counted(len(played.played), "call")
    yield f"{total}, {len(played.denied)} denied" if played.denied else f"{total}, all allowed"


def _place(denied: DeniedCall) -> str:
    if denied.policy:
        return f": {denied.policy}:{denied.line} denies it"
    return ": no statement allows it"


def _name(use: StatementUse) -> str:
    return use.sid or f"statement {use.number}"


def _use_text(use: StatementUse) -> str:
    if use.effect == "Deny":
        return f"denies {_listed(use.matching)}" if use.matching else "denies no recorded call"
    if use.needed_by:
        return f"needed by {_listed(use.needed_by)}"
    if use.matching:
        return f"not needed: other statements allow its {counted(len(use.matching), 'call')}, too"
    return "not needed: it allows no recorded call"


def _listed(calls: tuple[RecordedCall, ...]) -> str:
    texts = list(dict.fromkeys(call.text for call in calls))
    more = len(texts) - _MOST_LISTED
    return ", ".join([*texts[:_MOST_LISTED], f"and {counted(more, 'more call')}"] if more > 0 else texts)


def _value(played: Replay, others: int) -> Json:
    denied: list[Json] = [
        {
            "action": each.call.action,
            "resource": each.call.resource,
            "count": each.times,
            "message": each.sentence,
            "policy": each.policy or None,
            "line": each.line or None,
        }
        for each in played.denied
    ]
    statements: list[Json] = [
        {
            "policy": use.policy,
            "sid": use.sid or None,
            "number": use.number,
            "line": use.line,
            "effect": use.effect,
            "is_needed": use.is_needed if use.effect == "Allow" else None,
            "matching_calls": len(use.matching),
            "needed_by": [{"action": call.action, "resource": call.resource} for call in use.needed_by],
        }
        for use in played.statements
    ]
    return {
        "are_all_allowed": not played.denied,
        "played": len(played.played),
        "not_played": others,
        "denied": denied,
        "statements": statements,
    }


REPLAY = Command(
    help=(
        "Evaluate the calls of recorded runs against policies.\n"
        "Prints each call that the policies deny. For each statement, prints which calls need it: they would\n"
        "be denied without it. Only calls that AWS allowed are evaluated. The exit code is 6 if a call is\n"
        "denied.\n\n"
        "  dsops exec --env production --record deploy.jsonl -- make deploy\n"
        "  dsops policy generate --from deploy.jsonl --generalise names > deploy.json\n"
        "  dsops policy replay deploy.jsonl --policy deploy.json"
    ),
    run=_run,
    flags=(
        Flag(
            "--policy",
            "an identity-based or session policy that has to allow the calls; may be repeated",
            value="FILE",
            own_variable="DSOPS_REPLAY_POLICY",
            is_repeatable=True,
        ),
    ),
    operands=(Operand("FILE", "a recording of `dsops exec --record`", is_repeatable=True),),
)
