"""Makes a report from log files: reads them once, and answers all questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from dsops.audit.cloudtrail.duck import Told, open_database
from dsops.audit.cloudtrail.files import LogFiles
from dsops.audit.cloudtrail.prepared_calls import finish_with, opened, refusing_damage
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import REPORTED
from dsops.audit.report import AuditReport
from dsops.errors import LogsUnreadable


def report_on(
    log_files: LogFiles,
    sources: Sequence[str],
    *,
    since: datetime | None = None,
    by: str = "role",
    questions: Sequence[AuditQuestion] = REPORTED,
    session: str = "",
    sandbox: bool = True,
    has_details: bool = False,
    report_read: Told = lambda _: None,
    display_name: Callable[[str], str] = str,
) -> AuditReport:
    """Read the log files once, and answer the questions.

    `sources` are the logs' names as the user gave them; `display_name` returns such a name for a path. Without
    `sandbox`, lines of dsops' own trail that are marked as a sandbox's are left out. Questions about permissions need
    `has_details`. Raises LogsUnreadable if no file can be read, and ExtraMissing without DuckDB.
    """
    if not log_files.batches and not log_files.prepared and log_files.unreadable:
        path, why = log_files.unreadable[0]
        hint = "pass folders or files that you can read"
        raise LogsUnreadable(f"no log file can be read: {display_name(path)}: {why}", hint=hint)
    with opened(log_files.prepared) as prepared, open_database(has_details=has_details) as database:
        database.load(log_files.batches, report_read, sandbox=sandbox)
        files = log_files.files + sum(each.files for each in prepared)
        prepared_unreadable = (row for each in prepared for row in each.unreadable)
        unreadable = tuple(sorted((*log_files.unreadable, *database.unreadable, *prepared_unreadable)))
        if len(unreadable) == files and unreadable:
            path, why = unreadable[0]
            hint = 'pass CloudTrail log files: JSON such as `{"Records": [...]}`, usually compressed with gzip'
            raise LogsUnreadable(f"no log file can be read: {display_name(path)}: {why}", hint=hint)
        with refusing_damage(database, prepared):
            finish_with(database, prepared, is_alone=not log_files.batches, sandbox=sandbox)
            boundary = database.boundary(since)
            options = QuestionOptions(since, boundary, by, session)
            answers = tuple(database.answer(question, options) for question in questions)
        return AuditReport(
            answers=answers,
            by=by,
            since=since,
            boundary=boundary,
            first=database.first,
            last=database.last,
            calls=database.calls,
            records=database.records,
            skipped=database.skipped,
            left_out=database.left_out,
            files=files,
            unreadable=tuple((display_name(path), why) for path, why in unreadable),
            sources=tuple(sources),
        )
