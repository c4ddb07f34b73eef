"""Makes a report from a table of a Trino cluster: one query for the totals, and one for each question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from dsops.audit.cloudtrail.dialects import TRINO, Dialect
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.relations import IS_CALL, fields, records
from dsops.audit.cloudtrail.statement import whole
from dsops.audit.cloudtrail.trino import TrinoCluster, TrinoProgress
from dsops.audit.report import Answer, AuditReport
from dsops.errors import AnswerInvalid

_TOTALS = ("records", "skipped", "calls", "first", "last")

OnStep = Callable[[str, int, int, TrinoProgress], None]
"""Called during a query: the question's name, the number of finished queries, the number of all, and its progress."""


def report_in_trino(
    cluster: TrinoCluster,
    table: str,
    *,
    where: str = "",
    options: QuestionOptions,
    questions: Sequence[AuditQuestion],
    dialect: Dialect = TRINO,
    on_step: OnStep = lambda *_: None,
) -> AuditReport:
    """Answer the questions from the records of `table` that match the SQL condition `where`.

    `dialect` says how the table has the fields of a record: TRINO or OCSF.
    `options.boundary` is ignored: it is computed as in a report on log files. Raises AnswerInvalid if the answer of
    the cluster lacks the totals, and the errors of `TrinoCluster.run`.
    """
    number = len(questions) + 1

    def step(name: str, done: int) -> Callable[[TrinoProgress], None]:
        return lambda progress: on_step(name, done, number, progress)

    rows = cluster.run(_totals(dialect, table, where), _TOTALS, step("totals", 0))
    if len(rows) != 1:
        raise AnswerInvalid(
            f"{cluster.address.short} sent {len(rows)} rows where the query returns one",
            hint="check that the server of `--engine` is Trino",
        )
    read, skipped, calls, first, last = rows[0]
    boundary = options.since or (last - timedelta(days=1) if isinstance(last, datetime) else None)
    options = options._replace(boundary=boundary)
    answers = []
    for done, question in enumerate(questions, start=1):
        sql = whole(question, options, dialect, table, where)
        rows = cluster.run(sql, question.columns, step(question.name, done))
        answers.append(Answer(question.name, question.columns, tuple(rows)))
    return AuditReport(
        answers=tuple(answers),
        by=options.by,
        since=options.since,
        boundary=boundary,
        first=first if isinstance(first, datetime) else None,
        last=last if isinstance(last, datetime) else None,
        calls=_count(calls),
        records=_count(read) - _count(skipped),
        skipped=_count(skipped),
        left_out=0,
        files=None,
        unreadable=(),
        sources=(f"{table} in {cluster.address.catalog}.{cluster.address.schema} on {cluster.address.short}",),
    )


def _totals(dialect: Dialect, table: str, where: str) -> str:
    """Return a SELECT of the number of records, of those that are no calls, and of the calls, with their period."""
    valid = f"CASE WHEN {IS_CALL} THEN"
    return f"""WITH fields AS (
  {fields(dialect, table, where, without=("is_management",))}),
records AS (
  {records(dialect)})
SELECT count(*) AS "records", count(*) - coalesce(sum({valid} 1 END), 0) AS "skipped",
  count(DISTINCT {valid} call_id END) AS "calls", min({valid} call_time END) AS "first",
  max({valid} call_time END) AS "last"
FROM records
"""


def _count(cell: object) -> int:
    return cell if isinstance(cell, int) else 0
