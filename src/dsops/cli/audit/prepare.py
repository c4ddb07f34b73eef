"""`dsops audit prepare`: stores CloudTrail logs so that later reports are fast, here or in Athena and Trino."""

from __future__ import annotations

import os

from dsops.audit.preparing.preparation import Preparation, prepare
from dsops.cli.audit.prepare_tables import DDL, TABLE_FLAGS, print_statements
from dsops.cli.audit.report import logs_of, progress_of, shown, tell_unreadable
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.termination import ends_tidily
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.text import counted

PARQUET = Flag(
    "--parquet",
    "write Parquet files into this folder, which `dsops audit report DIR` reads",
    "filled",
    value="DIR",
    own_variable="DSOPS_AUDIT_PARQUET",
)


def _run(arguments: Arguments, runtime: Runtime) -> int:
    folder = arguments.text(PARQUET.name)
    if arguments.text(DDL.name):
        if folder or arguments.words("LOGS"):
            extra = f"`{PARQUET.name}`" if folder else "LOGS"
            raise UsageError(
                f"`{DDL.name}` can't be combined with {extra}", hint="run the command once for each of them"
            )
        return print_statements(arguments, runtime)
    if not folder:
        hint = "add `--parquet DIR` and LOGS, or `--ddl athena`, or `--ddl trino`"
        raise UsageError("one of the flags `--parquet` and `--ddl` is missing", hint=hint)
    if not arguments.words("LOGS"):
        raise UsageError("no logs are named", hint=f"name them: `dsops audit prepare --parquet {folder} LOGS`")
    sources, found = logs_of(arguments, runtime)
    if found.prepared:
        name = shown(sources, runtime)(found.prepared[0])
        raise UsageError(
            f"{name} is a folder that `dsops audit prepare` wrote", hint="name the folder with the original logs"
        )
    with ends_tidily():
        done = prepare(
            os.path.join(runtime.folder, folder), found, now=runtime.now(), report_read=progress_of(found, runtime)
        )
    runtime.report(DONE)
    display_name = shown(sources, runtime)
    unreadable = tuple((display_name(path), why) for path, why in done.prepared.unreadable)
    if unreadable:
        tell_unreadable(unreadable)
    if arguments.switch("--json"):
        _answer_json(folder, done, unreadable)
    else:
        _answer_text(folder, done)
    return 0


def _answer_text(folder: str, done: Preparation) -> None:
    prepared, changes = done
    records = prepared.counts.records + prepared.counts.sandbox_records
    held = f"{counted(records, 'record')} of {counted(prepared.files, 'log file')}"
    parts = [f"{changes.new:,} new", f"{changes.changed:,} changed", f"{changes.unchanged:,} unchanged"]
    if changes.kept:
        parts.append(f"{changes.kept:,} no longer there")
    answer(f"{folder}: {held} on {counted(len(prepared.days), 'day')} ({', '.join(parts)})")


def _answer_json(folder: str, done: Preparation, unreadable: tuple[tuple[str, str], ...]) -> None:
    prepared, changes = done
    counts = prepared.counts
    answer_json(
        {
            "folder": folder,
            "files": prepared.files,
            "records": counts.records + counts.sandbox_records,
            "skipped": counts.skipped + counts.sandbox_skipped,
            "calls": sum(day.calls for day in prepared.days.values()),
            "days": len(prepared.days),
            "first_day": min(prepared.days, default=None),
            "last_day": max(prepared.days, default=None),
            "new": changes.new,
            "changed": changes.changed,
            "unchanged": changes.unchanged,
            "kept": changes.kept,
            "unreadable": [{"file": path, "why": why} for path, why in unreadable],
        }
    )


COMMAND = Command(
    help=(
        "Store CloudTrail logs as Parquet for fast reports, or print the SQL that creates tables of them.\n"
        "\n"
        "LOGS are log files, or folders in the layout in which CloudTrail delivers them. `dsops audit report\n"
        "DIR` gives the same answers as on the logs.\n"
        "\n"
        "Run the command again with the same LOGS to add new logs: files whose content is stored are not\n"
        "read again. Log files that you remove later stay in DIR. A run that was interrupted continues at\n"
        "the next run; until then, a report on DIR ends with an error.\n"
        "\n"
        "DIR has one folder per day, readable by you only. It contains role names, key ids and addresses.\n"
        "\n"
        "  dsops audit prepare --parquet prepared logs/\n"
        "  dsops audit report prepared --since 7d\n"
        "\n"
        "The statements of --ddl create a table of the log files as CloudTrail writes them, partitioned by\n"
        "account, region and day, and an Iceberg table with a copy of the records.\n"
        "\n"
        "  dsops audit prepare --ddl trino --location s3://BUCKET --account 111122223333\n"
        "    --logged-region us-east-1 --organization o-exampleorgid"
    ),
    run=_run,
    flags=(PARQUET, *TABLE_FLAGS),
    operands=(Operand("LOGS", "a log file, or a folder of log files", is_required=False, is_repeatable=True),),
)
"""The command `dsops audit prepare`."""
