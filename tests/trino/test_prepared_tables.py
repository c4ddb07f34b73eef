"""In a real Trino: the statements of `audit prepare --ddl trino`, and the questions to Security Lake's OCSF events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dsops.audit.cloudtrail.dialects import TRINO
from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.ocsf import OCSF, days_of_lake
from dsops.audit.cloudtrail.question import QuestionOptions
from dsops.audit.cloudtrail.questions import EVENTS, FAILURES, HISTORY, REPORTED, SUMMARY
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.cloudtrail.statement import days_of, whole
from dsops.audit.cloudtrail.trino_report import report_in_trino
from dsops.audit.preparing.table_statements import LogTable, trino_statements
from dsops.errors import QueryFailed
from tests.cloudtrail.generator import generate
from tests.cloudtrail.ocsf_records import TYPES
from tests.cloudtrail.test_ocsf import records_of, write_events
from tests.trino.conftest import cluster_of
from tests.trino.engine import Engine
from tests.trino.logs import layout_of

pytestmark = [pytest.mark.timeout(600)]
RunSql = Callable[[str], list[list[Any]]]
ORGANIZATION = "o-exampleorgid"


def rows_from(run_sql: RunSql, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement, with times in UTC."""
    return [
        tuple(cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell for cell in row)
        for row in run_sql(statement)
    ]


@pytest.mark.clients
def test_the_printed_tables_give_the_reports_answers(engine: Engine, run_sql: RunSql) -> None:
    """The tables over an organization's trail, and their Iceberg copy, give the answers of the report on the files."""
    folder = engine.tables / "organization"
    generate(folder, events=2500, seed=5)
    layout = layout_of(folder)
    (folder / "AWSLogs").rename(folder / ORGANIZATION)
    (folder / "AWSLogs").mkdir()
    (folder / ORGANIZATION).rename(folder / "AWSLogs" / ORGANIZATION)
    first, last = (day.replace("/", "-") for day in layout.days)
    logs = LogTable(
        "local:///organization", layout.accounts, layout.regions, first, last, ORGANIZATION, "own_logs", "own_copy"
    )
    run_sql("CREATE SCHEMA IF NOT EXISTS iceberg.default")
    for statement in trino_statements(logs):
        run_sql(statement)

    questions = (SUMMARY, FAILURES, EVENTS)
    report = report_on(find_logs([str(folder)]), ["logs"], questions=questions)
    for table in ("own_logs", "iceberg.default.own_copy"):
        for question in questions:
            answer = report.answer(question.name)
            assert answer is not None
            sql = whole(question, QuestionOptions(None, report.boundary), TRINO, table, days_of(first, last))
            assert list(answer.rows) == rows_from(run_sql, sql), (table, question.name)
            assert answer.rows


@pytest.mark.nightly
def test_security_lakes_events_give_the_reports_answers(engine: Engine, run_sql: RunSql, tmp_path: Path) -> None:
    """Each question has the same rows from OCSF events in Trino and from the records they were made of."""
    histories = generate(tmp_path / "logs", events=2500, seed=5)["histories"]
    write_events(tmp_path / "events.jsonl", list(records_of(tmp_path / "logs")))
    lake = engine.tables / "lake"
    lake.mkdir()
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in TYPES.items())
    events = f"read_json('{tmp_path / 'events.jsonl'}', format='newline_delimited', columns={{{columns}}})"
    duckdb.connect().execute(f"COPY (FROM {events}) TO '{lake / 'events.parquet'}'")
    of_trino = ", ".join(f'"{name}" {kind.replace("STRUCT", "ROW")}' for name, kind in TYPES.items())
    run_sql(f"CREATE TABLE lake ({of_trino}) WITH (format = 'PARQUET', external_location = 'local:///lake')")

    session = max(histories, key=lambda name: len(histories[name]["rows"]))
    questions = (*REPORTED, HISTORY)
    report = report_on(find_logs([str(tmp_path / "logs")]), ["logs"], questions=questions, session=session)
    first, last = "2026-09-01", "2026-11-30"
    with cluster_of(engine, "lake") as cluster:
        in_lake = report_in_trino(
            cluster,
            "lake",
            where=days_of_lake(first, last),
            options=QuestionOptions(session=session),
            questions=questions,
            dialect=OCSF,
        )
    assert report.answers == in_lake.answers
    totals = ("calls", "records", "first", "last", "boundary")
    assert [getattr(report, name) for name in totals] == [getattr(in_lake, name) for name in totals]
    # A single record of another version ends the query: its figures would be wrong.
    run_sql(
        "CREATE VIEW newer AS SELECT CAST(ROW(metadata.uid, '2.0.0', metadata.event_code, metadata.product) AS"
        " ROW(uid VARCHAR, version VARCHAR, event_code VARCHAR, product ROW(name VARCHAR, vendor_name VARCHAR,"
        ' version VARCHAR, feature ROW(name VARCHAR)))) AS metadata, "time", time_dt, class_uid, cloud, api, actor,'
        " src_endpoint, unmapped FROM lake LIMIT 1"
    )
    with cluster_of(engine, "newer") as cluster, pytest.raises(QueryFailed) as raised:
        report_in_trino(cluster, "newer", options=QuestionOptions(), questions=(EVENTS,), dialect=OCSF)
    assert "this record is not OCSF 1.1 or a later 1.x, but 2.0.0" in (raised.value.why or "")
