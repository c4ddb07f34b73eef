"""`dsops audit`: show and verify the audit trail of what dsops did with roles and secrets."""

from __future__ import annotations

import os

from dsops.audit.chain import is_hash
from dsops.audit.reading import Trail, find_trail
from dsops.audit.record_filter import RecordFilter, last_records
from dsops.audit.settings import OFF, load_settings
from dsops.audit.verify import Verification, verify, verify_files
from dsops.cli.audit.prepare import COMMAND as PREPARE
from dsops.cli.audit.records import HEADINGS, LEAST, json_line, row_of, time_of
from dsops.cli.audit.report import COMMAND as REPORT
from dsops.cli.audit.report import SANDBOX
from dsops.cli.audit.send import SEND
from dsops.cli.audit.sql import COMMAND as SQL
from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, answer_sentence, note, table
from dsops.errors import CheckFailed, UsageError
from dsops.runtime import Runtime
from dsops.text import clean, counted

_SHOWN = 20
_FILES = Operand(
    "FILE",
    "a file of an audit trail, for example a copy (default: your own trail)",
    is_required=False,
    is_repeatable=True,
)


def _list(arguments: Arguments, runtime: Runtime) -> int:
    """Print the last events, oldest first."""
    record_filter = _wanted(arguments, runtime)
    most = arguments.integer("--last")
    if arguments.switch("--follow"):
        from dsops.cli.audit.follow import follow

        follow(
            _followed(arguments, runtime),
            _SHOWN if most is None else most,
            record_filter,
            as_json=arguments.switch("--json"),
        )
    files = _paths(arguments, runtime) or _trail(runtime).files
    records, hidden = last_records(files, _SHOWN if most is None else most, record_filter)
    if arguments.switch("--json"):
        for record in records:
            answer(json_line(record))
    elif records:
        answer(table(HEADINGS, [row_of(record) for record in records], state="RESULT", least=LEAST))
    else:
        answer_sentence("no matching event in the audit trail" if files else "the audit trail is empty")
    if hidden:
        note(f"{counted(hidden, 'line')} of a sandbox not shown: `--sandbox` shows them")
    return 0


def _wanted(arguments: Arguments, runtime: Runtime) -> RecordFilter:
    """Return the filter that the flags describe."""
    since = arguments.text("--since")
    return RecordFilter(
        event=arguments.text("--event"),
        store=arguments.text("--store"),
        role=arguments.text("--role"),
        secret=arguments.text("--secret"),
        reason=arguments.text("--reason"),
        since=f"{time_of(since, runtime.now()):%Y-%m-%dT%H:%M:%SZ}" if since else "",
        failed=arguments.switch("--failed"),
        guard=arguments.switch("--guard"),
        sandbox=arguments.switch(SANDBOX.name),
    )


def _followed(arguments: Arguments, runtime: Runtime) -> str:
    """Return the path of the trail to follow. Raises UsageError if several files are named."""
    paths = _paths(arguments, runtime)
    if len(paths) > 1:
        raise UsageError("`--follow` takes one file only", hint=f"name one file: `{arguments.words('FILE')[0]}`")
    return paths[0] if paths else _file(runtime)


def _file(runtime: Runtime) -> str:
    """Return the path of the user's own trail; shows a note if `audit: off` is set."""
    settings = load_settings(runtime.environ)
    file = settings.file
    if settings.mode == OFF:
        note("`audit: off` in your own configuration: nothing is added to the trail")
    if not file:
        raise UsageError(
            "the path of the audit trail is unknown",
            why="HOME is not set",
            hint="set HOME, or name the file: `audit: {file: PATH}` in $XDG_CONFIG_HOME/dsops/config.yaml",
        )
    return file


def _trail(runtime: Runtime) -> Trail:
    """Return the user's own audit trail."""
    return find_trail(_file(runtime))


def _paths(arguments: Arguments, runtime: Runtime) -> tuple[str, ...]:
    return tuple(os.path.join(runtime.folder, word) for word in arguments.words("FILE"))


def _verify(arguments: Arguments, runtime: Runtime) -> int:
    """Verify the chain of hashes; exit code 6 if a line was removed, changed or moved."""
    noted = arguments.text("--head").lower()
    if noted and not is_hash(noted):
        hint = "write the 64 digits that `dsops audit verify` prints"
        raise UsageError("`--head` is not a hash", hint=hint)
    files = _paths(arguments, runtime)
    verdict = verify_files(files, noted=noted) if files else verify(_trail(runtime), noted=noted)
    is_whole = all(finding.is_harmless for finding in verdict.findings)
    if arguments.switch("--json"):
        answer_json(
            {
                "is_whole": is_whole,
                "lines": verdict.lines,
                "first": verdict.first or None,
                "last": verdict.last or None,
                "head": verdict.hash if verdict.lines else None,
                "findings": [finding._asdict() for finding in verdict.findings],
            }
        )
    else:
        _tell(verdict)
    return 0 if is_whole else CheckFailed.exit_code


def _tell(verdict: Verification) -> None:
    for finding in verdict.findings:
        place = f"{finding.file}:{finding.line}: " if finding.line else f"{finding.file}: " if finding.file else ""
        note = "note: " if finding.is_harmless else ""
        answer(clean(f"{place}{note}{finding.message}"))
    if not verdict.lines:
        answer_sentence("the audit trail is empty")
        return
    of = f"number {verdict.first} to {verdict.last}" if verdict.last > verdict.first else f"number {verdict.first}"
    answer(f"{counted(verdict.lines, 'line')}, {of}\nhead {verdict.hash}")


LIST = Command(
    help=(
        "Show the last events of the audit trail, oldest first.\n"
        "\n"
        "With --json, each event is printed as it is stored in the trail.\n"
        "\n"
        "  dsops audit --since 2h --failed\n"
        "  dsops audit --secret prod/db --last 5\n"
        "  dsops audit --follow --event AssumeRole\n"
        "\n"
        "With --follow, new events are printed as they are written, until Ctrl-C."
    ),
    run=_list,
    flags=(
        Flag("--follow", "print new events as they are written", "switch", own_variable="DSOPS_AUDIT_FOLLOW"),
        Flag(
            "--last",
            "number of events to show (default 20)",
            "integer",
            value="NUMBER",
            own_variable="DSOPS_AUDIT_LAST",
        ),
        Flag(
            "--since",
            ("show only events after this time: `30m`, `2h`, `7d`, or a timestamp such as 2026-11-25T10:00:00Z"),
            value="TIME",
            own_variable="DSOPS_AUDIT_SINCE",
        ),
        Flag(
            "--event",
            "show only events with this name, such as AssumeRole or Exec",
            value="NAME",
            own_variable="DSOPS_AUDIT_EVENT",
        ),
        Flag("--store", "show only events of this store", value="NAME", own_variable="DSOPS_AUDIT_STORE"),
        Flag(
            "--role",
            "show only events of roles whose ARN contains this text",
            value="TEXT",
            own_variable="DSOPS_AUDIT_ROLE",
        ),
        Flag(
            "--secret",
            "show only events of secrets whose name contains this text",
            value="TEXT",
            own_variable="DSOPS_AUDIT_SECRET",
        ),
        Flag(
            "--reason",
            "show only events whose reason contains this text",
            value="TEXT",
            own_variable="DSOPS_AUDIT_REASON",
        ),
        Flag("--failed", "show only failed events", "switch", own_variable="DSOPS_AUDIT_FAILED"),
        Flag(
            "--guard",
            "show only AWS requests of commands that ran with `dsops exec --guard`",
            "switch",
            own_variable="DSOPS_AUDIT_GUARD",
        ),
        SANDBOX,
    ),
    operands=(_FILES,),
)

VERIFY = Command(
    help=(
        "Check that no line of the audit trail was removed, changed or moved.\n"
        "\n"
        "Each line contains the hash of the previous line. If a line does not match, its file and line\n"
        "number are printed, and the exit code is 6.\n"
        "\n"
        "A user who can write the trail can also rewrite all of it. Store the printed head, the last hash,\n"
        "where that user can't write, and pass it to --head later: a trail that has only grown contains it."
    ),
    run=_verify,
    flags=(
        Flag(
            "--head",
            "a hash from an earlier `dsops audit verify` that the trail must still contain",
            "filled",
            value="HASH",
            own_variable="DSOPS_AUDIT_HEAD",
        ),
    ),
    operands=(_FILES,),
)

COMMAND = Group(
    help=(
        "dsops keeps an audit trail of what it does with roles and secrets: one line for each session\n"
        "issued, secret read and command run, in the format of CloudTrail, without the values. `dsops\n"
        "audit` shows the last events. `audit: off` in your own ~/.config/dsops/config.yaml switches the\n"
        "trail off; a dsops.yaml can't."
    ),
    commands={"list": LIST, "verify": VERIFY, "report": REPORT, "prepare": PREPARE, "sql": SQL, "send": SEND},
    default="list",
)
"""The command group `dsops audit`."""
