"""`dsops audit sql --run`: runs the query in Athena or DuckDB, and shows the result as `dsops audit report` does."""

from __future__ import annotations

import glob
import os
import re
from datetime import timedelta

from dsops.audit.cloudtrail.dialects import DUCKDB, TRINO
from dsops.audit.cloudtrail.questions import HISTORY
from dsops.audit.cloudtrail.statement import AskedQuestion, AthenaTarget
from dsops.audit.report import Answer
from dsops.cli.audit.report import SHOWN, TOP, answers_value, json_value, report_value, reported
from dsops.cli.audit.report_text import answer_text
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Flag
from dsops.cli.framework.output import answer, answer_json
from dsops.errors import UsageError
from dsops.runtime import Runtime

_WEEK = timedelta(days=7)
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^\0-\x20\x7f]*)?")
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_DATABASE = re.compile(r"(?:[A-Za-z0-9_-]{1,255}\.)?[A-Za-z0-9_]{1,255}")

RUN = Flag(
    "--run", "run the query and show the result as `dsops audit report` does", "switch", own_variable="DSOPS_AUDIT_RUN"
)
_STORE = Flag(
    "--store",
    "run the query with the session of this store, not with the base credentials",
    value="STORE",
    own_variable="DSOPS_AUDIT_RUN_STORE",
)
_REGION = Flag(
    "--region",
    "the region of Athena (default: the region of the store or of the base credentials)",
    value="REGION",
    own_variable="DSOPS_AUDIT_REGION",
)
_WORKGROUP_FLAG = Flag(
    "--workgroup", "the Athena workgroup (default primary)", value="NAME", own_variable="DSOPS_AUDIT_WORKGROUP"
)
_DATABASE_FLAG = Flag(
    "--database",
    "the database of the table, or CATALOG.DATABASE (default `default`)",
    value="NAME",
    own_variable="DSOPS_AUDIT_DATABASE",
)
_OUTPUT = Flag(
    "--output",
    "where Athena writes the result, if the workgroup does not set it: s3://BUCKET/PREFIX/",
    value="S3-URI",
    own_variable="DSOPS_AUDIT_OUTPUT",
)
_TIMEOUT = Flag(
    "--timeout",
    "stop the query after this time",
    "seconds",
    value="SECONDS",
    default="1800",
    own_variable="DSOPS_AUDIT_TIMEOUT",
)
_EVERYTHING = Flag(
    "--everything",
    "query without a start date: Athena scans and bills the whole table",
    "switch",
    own_variable="DSOPS_AUDIT_EVERYTHING",
)
RUN_FLAGS = (
    RUN,
    _STORE,
    _REGION,
    _WORKGROUP_FLAG,
    _DATABASE_FLAG,
    _OUTPUT,
    _TIMEOUT,
    _EVERYTHING,
    TOP,
    CONFIG,
    SESSION_ENVIRONMENT,
    NO_AGENT,
    REASON,
)
"""The flags that only `--run` uses."""


def run_question(wanted: AskedQuestion, arguments: Arguments, runtime: Runtime) -> int:
    """Run the query, and show its result."""
    if wanted.dialect == DUCKDB:
        _run_here(wanted, arguments, runtime)
    elif wanted.dialect == TRINO:
        question = wanted.question.name
        asked = "--session SESSION" if wanted.question is HISTORY else f"--question {question}"
        hint = f"use `dsops audit report --engine trino://USER@HOST:PORT/CATALOG/SCHEMA {asked}`"
        raise UsageError("`--run` has no effect here: it does not know the address of Trino", hint=hint)
    else:
        _run_there(wanted, arguments, runtime)
    return 0


def _run_here(wanted: AskedQuestion, arguments: Arguments, runtime: Runtime) -> None:
    """Answer the question with DuckDB, from the files that match the pattern."""
    from dsops.audit.cloudtrail.files import find_logs

    _refuse(arguments, "DuckDB reads files of this machine", ("--begin", "--end"), "use `--since` and `--from`")
    _refuse(
        arguments,
        "DuckDB does not call AWS",
        (_STORE.name, _REGION.name, _WORKGROUP_FLAG.name, _DATABASE_FLAG.name, _OUTPUT.name),
        "",
    )
    pattern = os.path.join(glob.escape(runtime.folder), wanted.source)
    log_files = find_logs(sorted(glob.iglob(pattern, recursive=True)))
    if not log_files.files and not log_files.prepared:
        hint = "write the pattern in quotes, such as `--from 'logs/**/*.json.gz'`, or pass the folder"
        raise UsageError(f"no log files match `{wanted.source}`", hint=hint)
    report = reported(
        log_files,
        (wanted.source,),
        runtime,
        since=wanted.asked.since,
        by=wanted.asked.by,
        questions=(wanted.question,),
        session=wanted.asked.session,
    )
    if arguments.switch("--json"):
        answer_json(report_value(report))
    else:
        _show(report.answers[0], wanted, arguments)


def _run_there(wanted: AskedQuestion, arguments: Arguments, runtime: Runtime) -> None:
    place = _place(arguments)
    if not wanted.begin and not arguments.switch(_EVERYTHING.name):
        week_ago = runtime.now() - _WEEK
        raise UsageError(
            f"without a first day, Athena scans the whole table {wanted.source}, and AWS bills for it",
            hint=f"add `--begin {week_ago:%Y-%m-%d}`, or `--since 7d`; `--everything` scans the whole table",
        )
    from dsops.cli.audit.aws import ask_aws

    athena_answer, query = ask_aws(wanted, place, arguments, runtime)
    if not arguments.switch("--json"):
        _show(athena_answer, wanted, arguments)
        return
    since = json_value(wanted.asked.since)
    answer_json(
        {
            "sources": [wanted.source],
            # Athena does not report how many log files it read.
            "files": None,
            "unreadable": [],
            **dict.fromkeys(("records", "skipped", "calls", "first", "last")),
            "since": since,
            "boundary": since,
            "by": wanted.asked.by,
            "answers": answers_value((athena_answer,)),
            "query": {"engine": wanted.dialect.name, "id": query.id, "scanned_bytes": query.scanned_bytes},
        }
    )


def _place(arguments: Arguments) -> AthenaTarget:
    """Return where the query runs, from the flags. Raises UsageError for an invalid value before any call."""
    output, workgroup = arguments.text(_OUTPUT.name), arguments.text(_WORKGROUP_FLAG.name)
    named = arguments.text(_DATABASE_FLAG.name)
    if output and not _BUCKET.fullmatch(output):
        raise UsageError(f"`--output {output}` is not an S3 location", hint="write s3://BUCKET/PREFIX/")
    if workgroup and not _WORKGROUP.fullmatch(workgroup):
        raise UsageError(
            f"`--workgroup {workgroup}` is not a workgroup name", hint="use letters, digits, `.`, `_` and `-`"
        )
    if named and not _DATABASE.fullmatch(named):
        raise UsageError(f"`--database {named}` is not a database name", hint="write DATABASE, or CATALOG.DATABASE")
    catalog, _, database = named.rpartition(".")
    return AthenaTarget(
        arguments.text(_REGION.name), workgroup, database, catalog, output, arguments.seconds(_TIMEOUT.name) or 0.0
    )


def _refuse(arguments: Arguments, why: str, names: tuple[str, ...], instead: str) -> None:
    """Raise UsageError if one of the named flags is set, because the dialect ignores these flags."""
    set_flags = [flag for flag in names if arguments.text(flag)]
    if set_flags:
        hint = f"leave out `{set_flags[0]}`, and unset its environment variable"
        raise UsageError(f"`{set_flags[0]}` has no effect here: {why}", hint=f"{hint}; {instead}" if instead else hint)


def _show(given: Answer, wanted: AskedQuestion, arguments: Arguments) -> None:
    most = arguments.integer(TOP.name)
    answer(answer_text(given, most=SHOWN if most is None else most, session=wanted.asked.session))
