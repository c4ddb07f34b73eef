"""The report in Trino equals the report in DuckDB, row by row: each question with each option."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.question import BY, AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import DURATIONS, EVENTS, HISTORY, REPORTED, SUMMARY
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.cloudtrail.trino_report import report_in_trino
from dsops.audit.report import AuditReport
from tests.trino.conftest import Logs, cluster_of
from tests.trino.engine import Engine

SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)
pytestmark = [pytest.mark.timeout(600)]

TIMES = [
    pytest.param(None, marks=pytest.mark.clients, id="all"),
    pytest.param(SINCE, marks=pytest.mark.nightly, id="since"),
]
"""All calls, and those from a time on: each is a whole report, of 40 seconds of CPU time."""


def in_duckdb(logs: Logs, options: QuestionOptions, questions: tuple[AuditQuestion, ...] = REPORTED) -> AuditReport:
    """The report of DuckDB on the files."""
    return report_on(
        find_logs([str(logs.folder)]),
        ["logs"],
        since=options.since,
        by=options.by,
        questions=questions,
        session=options.session,
    )


def in_trino(
    engine: Engine, table: str, options: QuestionOptions, questions: tuple[AuditQuestion, ...] = REPORTED
) -> AuditReport:
    """The report of Trino on a table."""
    with cluster_of(engine, table) as cluster:
        return report_in_trino(cluster, table, options=options, questions=questions)


class Both:
    """The reports of both engines on the dirty logs, made once for each time."""

    def __init__(self, engine: Engine, logs: Logs) -> None:
        self.engine = engine
        self.logs = logs
        self.copy = f"{logs.table}_parquet"
        self._made: dict[datetime | None, tuple[AuditReport, AuditReport]] = {}

    def reports(self, since: datetime | None) -> tuple[AuditReport, AuditReport]:
        """DuckDB's report and Trino's."""
        if since not in self._made:
            options = QuestionOptions(since=since)
            self._made[since] = (in_duckdb(self.logs, options), in_trino(self.engine, self.copy, options))
        return self._made[since]


@pytest.fixture(scope="module")
def both(engine: Engine, dirty: Logs) -> Both:
    """The two engines on the dirty logs."""
    return Both(engine, dirty)


@pytest.mark.parametrize("since", TIMES)
@pytest.mark.parametrize("question", REPORTED, ids=lambda each: each.name)
def test_each_answer_is_the_same(both: Both, question: AuditQuestion, since: datetime | None) -> None:
    """Both engines give the same rows in the same order."""
    expected, actual = (report.answer(question.name) for report in both.reports(since))
    assert expected is not None
    assert actual is not None
    assert expected.rows
    assert list(expected.rows) == list(actual.rows)


@pytest.mark.parametrize("since", TIMES)
def test_the_totals_are_the_same(both: Both, since: datetime | None) -> None:
    """Both engines count the same calls in the same period; Trino's table lacks what is not an object."""
    expected, actual = both.reports(since)
    names = ("calls", "records", "first", "last", "since", "boundary")
    assert [getattr(expected, name) for name in names] == [getattr(actual, name) for name in names]
    assert actual.files is None
    assert 0 < actual.skipped <= expected.skipped


@pytest.mark.nightly
@pytest.mark.parametrize("by", [by for by in BY if by != "role"])
def test_the_summary_is_the_same_by_each_grouping(both: Both, by: str) -> None:
    """The further groupings of the summary give the same rows."""
    options = QuestionOptions(by=by)
    expected = in_duckdb(both.logs, options, (SUMMARY,))
    actual = in_trino(both.engine, both.copy, options, (SUMMARY,))
    assert expected.answers[0].rows
    assert expected.answers == actual.answers


@pytest.mark.clients
def test_the_history_is_the_same(both: Both) -> None:
    """The hops of a session are the same, with the source identity that a hop inherits, and `--since` is ignored."""
    known = both.logs.known["histories"]
    longest = max(known, key=lambda name: len(known[name]["rows"]))
    options = QuestionOptions(since=SINCE, session=longest)
    expected = in_duckdb(both.logs, options, (HISTORY,))
    actual = in_trino(both.engine, both.copy, options, (HISTORY,))
    assert len(expected.answers[0].rows) == len(known[longest]["rows"]) > 2
    assert expected.answers == actual.answers
    inherited = HISTORY.columns.index("source_identity")
    assert all(row[inherited] for row in actual.answers[0].rows[1:])


@pytest.mark.nightly
def test_the_raw_files_of_dirty_logs_give_the_same(engine: Engine, dirty: Logs) -> None:
    """The view of the raw files has the records of the copy in Parquet."""
    expected, actual = (
        in_trino(engine, table, QuestionOptions(), (SUMMARY,)) for table in (f"{dirty.table}_parquet", dirty.table)
    )
    assert expected.answers[0].rows
    assert expected.answers == actual.answers


@pytest.mark.clients
def test_the_files_of_cloudtrail_are_read_as_they_are(engine: Engine, clean: Logs) -> None:
    """The page's table reads the files that CloudTrail writes, and counts the same as DuckDB."""
    questions = (DURATIONS, EVENTS)
    expected = in_duckdb(clean, QuestionOptions(), questions)
    actual = in_trino(engine, clean.table, QuestionOptions(), questions)
    assert expected.answers == actual.answers
    assert (expected.calls, expected.records, expected.skipped) == (actual.calls, actual.records, actual.skipped)


@pytest.mark.clients
def test_the_copy_lacks_what_duckdb_can_not_read(dirty: Logs) -> None:
    """The copy of the logs for Trino leaves out exactly the files that the generator damaged."""
    assert set(dirty.unreadable) == set(dirty.known["unreadable"])
