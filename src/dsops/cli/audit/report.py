"""`dsops audit report`: callers, roles and anomalies in CloudTrail logs or in the audit trail of dsops."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from dsops.audit.cloudtrail.files import Form, LogFiles, find_logs
from dsops.audit.cloudtrail.findings import can_be_judged, make_findings
from dsops.audit.cloudtrail.question import BY, AuditQuestion
from dsops.audit.cloudtrail.questions import HISTORY, REPORTED
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.reading import find_trail
from dsops.audit.report import Answer, AuditReport
from dsops.audit.settings import load_settings
from dsops.audit.verify import verify
from dsops.cli.audit.engine import ENGINE_FLAGS, engine_words, report_of_engine
from dsops.cli.audit.records import time_of
from dsops.cli.audit.report_text import answers_text, history_text, report_text
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.file_writing import write_new
from dsops.cli.framework.output import Json, answer, answer_json, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.termination import ends_tidily
from dsops.errors import FileNotWritten, UsageError, nearest
from dsops.runtime import PartCount, Runtime
from dsops.text import counted

SHOWN = 10
"""The number of rows of each table if `--top` is not set."""
_NAMED = 3
TOP = Flag(
    "--top",
    f"maximum number of rows in each table (default {SHOWN}); 0 for all",
    "integer",
    value="NUMBER",
    own_variable="DSOPS_AUDIT_TOP",
)
MATCH = Flag(
    "--match",
    "show only rows that contain this text: the name or ARN of a principal or role, an account, an error code",
    "filled",
    value="TEXT",
    own_variable="DSOPS_AUDIT_MATCH",
)
SANDBOX = Flag("--sandbox", "include events of sandboxes on this machine", "switch", own_variable="DSOPS_AUDIT_SANDBOX")


def _run(arguments: Arguments, runtime: Runtime) -> int:
    session = session_in(arguments)
    page = arguments.text("--html")
    questions = _questions(arguments)
    if session and page:
        raise UsageError(
            "`--session` can't be combined with `--html`",
            hint="leave out `--html`; `--json` prints the session's hops as JSON",
        )
    if session and arguments.texts("--question"):
        raise UsageError("`--session` can't be combined with `--question`", hint="run the other questions separately")
    if page and not os.path.isdir(os.path.join(runtime.folder, os.path.dirname(page))):
        # Flags are checked before the logs are read, which may take minutes.
        hint = f"make the folder first: `mkdir -p {os.path.dirname(page)}`"
        raise FileNotWritten(f"{page} can't be written", why="its folder does not exist", hint=hint)
    report = _report(arguments, runtime, (HISTORY,) if session else questions, session)
    report = replace(report, command=_command(arguments, report), defects=_defects(arguments, runtime))
    if arguments.text(MATCH.name):
        report = report.matching(arguments.text(MATCH.name))
    if page:
        from dsops.audit.page import page_of

        write_new(runtime.folder, page, page_of(report), replaces=True, how="")
    if arguments.switch("--json"):
        findings = [finding._asdict() for finding in make_findings(report)] if can_be_judged(report) else None
        answer_json(report_value(report) | {"findings": findings})
    elif session:
        answer(history_text(report, session))
    elif not page:
        most = arguments.integer("--top")
        text = report_text if questions == REPORTED else answers_text
        answer(text(report, most=SHOWN if most is None else most))
    return 0


def _report(arguments: Arguments, runtime: Runtime, questions: Sequence[AuditQuestion], session: str) -> AuditReport:
    """Make the report from log files, or in the engine that `--engine` names."""
    moment = arguments.text("--since")
    since = time_of(moment, runtime.now()) if moment else None
    if engine_words(arguments):
        return report_of_engine(arguments, runtime, since=since, questions=questions, session=session)
    sources, log_files = logs_of(arguments, runtime)
    return reported(
        log_files,
        sources,
        runtime,
        since=since,
        by=arguments.text("--by"),
        questions=questions,
        session=session,
        sandbox=arguments.switch(SANDBOX.name),
    )


def _command(arguments: Arguments, report: AuditReport) -> str:
    """Return the command line that would make the same report, without its output flags."""
    words = ["dsops", "audit", "report", *arguments.words("LOGS"), *engine_words(arguments)]
    if report.since is not None:
        words += ["--since", f"{report.since:%Y-%m-%dT%H:%M:%SZ}"]
    if arguments.switch(SANDBOX.name):
        words.append(SANDBOX.name)
    return shlex.join(words)


def _defects(arguments: Arguments, runtime: Runtime) -> tuple[str, ...]:
    """Verify dsops' own trail if the report is about it; return the defects, except harmless ones."""
    if arguments.words("LOGS") or engine_words(arguments):
        return ()
    verdict = verify(find_trail(load_settings(runtime.environ).file))
    return tuple(defect.message for defect in verdict.findings if not defect.is_harmless)


def session_in(arguments: Arguments) -> str:
    """Return the value of `--session`; "" without the flag. Raises UsageError if it is not UTF-8."""
    session = arguments.text("--session")
    if not session.isascii() and any("\ud800" <= character <= "\udfff" for character in session):
        raise UsageError("`--session` is not UTF-8", hint="write an ASCII session name, access key id or ARN")
    return session


def _questions(arguments: Arguments) -> tuple[AuditQuestion, ...]:
    """Return the questions named by `--question`; without the flag, all questions of the report."""
    known = {question.name: question for question in REPORTED}
    for name in arguments.texts("--question"):
        if name == HISTORY.name:
            raise no_session()
        if name not in known:
            raise no_question(name, known, f"it is one of {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(arguments.texts("--question"))) or REPORTED


def no_session() -> UsageError:
    """Return the error for the question `history` without `--session`."""
    return UsageError(
        "the question `history` needs a session", hint="name the session: `--session NAME`, or its access key id or ARN"
    )


def no_question(name: str, known: Iterable[str], otherwise: str) -> UsageError:
    """Return the error for an unknown question; `otherwise` is the hint if no known question has a similar name."""
    meant = nearest(name, known)
    return UsageError(f"there is no question `{name}`", hint=f"did you mean `{meant}`?" if meant else otherwise)


def shown(sources: tuple[str, ...], runtime: Runtime) -> Callable[[str], str]:
    """Return a function that displays paths as the user wrote them: absolute, or relative to the working folder."""
    if any(os.path.isabs(source) for source in sources):
        return str
    return lambda path: os.path.relpath(path, runtime.folder)


def reported(
    found: LogFiles,
    sources: tuple[str, ...],
    runtime: Runtime,
    *,
    since: datetime | None,
    by: str,
    questions: Sequence[AuditQuestion],
    session: str,
    sandbox: bool = True,
    has_details: bool = False,
) -> AuditReport:
    """Make the report on these files. Shows progress, and notes about unreadable files and left-out lines."""
    with ends_tidily():
        report = report_on(
            found,
            sources,
            since=since,
            by=by,
            questions=questions,
            session=session,
            sandbox=sandbox,
            has_details=has_details,
            report_read=progress_of(found, runtime),
            display_name=shown(sources, runtime),
        )
    runtime.report(DONE)
    if report.left_out:
        note(f"{counted(report.left_out, 'line')} of a sandbox left out: `--sandbox` counts them")
    if report.unreadable:
        tell_unreadable(report.unreadable)
    return report


def tell_unreadable(files: tuple[tuple[str, str], ...]) -> None:
    """Show a note that names the first unreadable files, with the reasons."""
    few = ", ".join(f"{path} ({why})" for path, why in files[:_NAMED])
    more = f" and {len(files) - _NAMED} more: `--json` names them all" if len(files) > _NAMED else ""
    note(f"{counted(len(files), 'file')} could not be read: {few}{more}")


def logs_of(arguments: Arguments, runtime: Runtime) -> tuple[tuple[str, ...], LogFiles]:
    """Return the sources of logs and the files found in them; without LOGS, the audit trail of dsops.

    Raises UsageError if there are no log files.
    """
    sources, log_files = _logs(arguments, runtime)
    if not log_files.files and not log_files.prepared:
        raise UsageError(
            f"there are no logs in {', '.join(sources)}",
            why="log files end in .json.gz, .json or .jsonl",
            hint="name a folder of CloudTrail logs; `aws s3 sync s3://BUCKET/AWSLogs logs` copies them",
        )
    return sources, log_files


def _logs(arguments: Arguments, runtime: Runtime) -> tuple[tuple[str, ...], LogFiles]:
    words = arguments.words("LOGS")
    for word in words:
        if "://" in word:
            hint = "copy the logs first (`aws s3 sync ...`), or query them with Athena: `dsops audit sql`"
            raise UsageError(f"{word} is not a file or folder of this machine", hint=hint)
        if not os.path.lexists(os.path.join(runtime.folder, word)):
            raise UsageError(f"there is no file or folder {word}", hint="name a folder of CloudTrail logs")
    if words:
        return words, find_logs(os.path.join(runtime.folder, word) for word in words)
    file = load_settings(runtime.environ).file
    files = find_trail(file).files if file else ()
    if not files:
        hint = "name CloudTrail's logs: `dsops audit report FOLDER`"
        raise UsageError("the audit trail of dsops is empty", hint=hint)
    return (file,), find_logs(files, form=Form.LINES)


def progress_of(found: LogFiles, runtime: Runtime) -> Callable[[int], None]:
    """Return a function that reports progress, in bytes, after each batch of files."""
    whole = sum(batch.size for batch in found.batches)
    return PartCount(runtime.report, "logs.read", counted(found.files, "log file"), whole).add


def report_value(report: AuditReport) -> dict[str, Json]:
    """Return the report as JSON: every row of every answer."""
    return {
        "sources": list(report.sources),
        "files": report.files,
        "unreadable": [{"file": path, "why": why} for path, why in report.unreadable],
        "records": report.records,
        "skipped": report.skipped,
        "calls": report.calls,
        "first": json_value(report.first),
        "last": json_value(report.last),
        "since": json_value(report.since),
        "boundary": json_value(report.boundary),
        "by": report.by,
        "answers": answers_value(report.answers),
    }


def answers_value(answers: Iterable[Answer]) -> Json:
    """Map each question's name to all rows of its answer, as JSON."""
    return {
        each.question: [{name: json_value(cell) for name, cell in row.items()} for row in each.records()]
        for each in answers
    }


def json_value(cell: object) -> Json:
    """Convert a cell or a time to a JSON value."""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%dT%H:%M:%SZ}"
    return cell if isinstance(cell, int | str) else None


COMMAND = Command(
    help=(
        "Report who assumed which roles, and what is unusual, from CloudTrail logs.\n"
        "\n"
        "LOGS are log files, or folders in the layout in which CloudTrail delivers them, or folders that\n"
        "`dsops audit prepare` wrote. Without LOGS, the audit trail of dsops is read. With --engine, the\n"
        "report is made in a Trino cluster.\n"
        "\n"
        "The report counts AssumeRole failures by role and code, compares how long sessions are used with\n"
        "the duration requested, and lists who assumes which role, cross-account access and throttling.\n"
        "It points out new principals, new account pairs, repeated denials and long role chains. It also\n"
        "points out sessions without MFA if other sessions of the role have MFA, and sessions that are used\n"
        "until they expire or only for seconds.\n"
        "\n"
        "The report begins with the findings, sorted by severity. Each finding has a command that shows more.\n"
        "\n"
        "  dsops audit report logs/ --since 7d\n"
        "  dsops audit report logs/ --html report.html\n"
        "  dsops audit report logs/ --session dsops-deploy-20261127T101500Z"
    ),
    run=_run,
    flags=(
        Flag(
            "--since",
            "report events after this time (`2h`, `7d`, or a timestamp); earlier events are read to find what is new",
            value="TIME",
            own_variable="DSOPS_AUDIT_SINCE",
        ),
        Flag(
            "--question",
            "answer only this question, such as `failures`; may be repeated; `dsops audit sql` lists all",
            value="QUESTION",
            is_repeatable=True,
            own_variable="DSOPS_AUDIT_QUESTION",
        ),
        Flag(
            "--by",
            "group the answer to the question `summary` by this column",
            value="WHAT",
            choices=tuple(BY),
            default="role",
            own_variable="DSOPS_AUDIT_BY",
        ),
        Flag(
            "--session",
            "show who is behind this session (a session name, access key id or ARN)",
            "filled",
            value="SESSION",
            own_variable="DSOPS_AUDIT_SESSION",
        ),
        MATCH,
        TOP,
        Flag(
            "--html", "write an HTML page with plots that works offline", value="FILE", own_variable="DSOPS_AUDIT_HTML"
        ),
        SANDBOX,
        *ENGINE_FLAGS,
    ),
    operands=(Operand("LOGS", "a log file, or a folder of log files", is_required=False, is_repeatable=True),),
)
"""The command `dsops audit report`."""
