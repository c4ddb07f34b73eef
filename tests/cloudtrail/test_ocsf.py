"""`audit sql --dialect ocsf`: each answer from OCSF events equals the answer from the records they were made of."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from dsops.audit.cloudtrail.dialects import FIELDS
from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.ocsf import OCSF, days_of_lake
from dsops.audit.cloudtrail.question import BY, AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import HISTORY, REPORTED, SAVED, SUMMARY
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.cloudtrail.statement import whole
from dsops.audit.report import AuditReport
from tests.cloudtrail.generator import generate
from tests.cloudtrail.ocsf_records import TYPES, ocsf_of

SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)
DAYS = days_of_lake("2026-09-01", "2026-11-30")
Row = tuple[object, ...]


def records_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The records that Security Lake can hold: objects with a time and a caller, in readable files."""
    for path in sorted(folder.rglob("*.json*")):
        if "CloudTrail-Digest" in path.name:
            continue
        try:
            data = path.read_bytes()
            found = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)["Records"] or []
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            continue
        for record in found:
            try:
                ocsf_of(record)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            yield record


class Lake:
    """A table of OCSF events in DuckDB."""

    def __init__(self, events: Path) -> None:
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in TYPES.items())
        self._connection = duckdb.connect()
        # In Trino's SQL, the quotient of two integers is an integer; sqlglot does not know the types here.
        self._connection.execute("SET integer_division = true")
        self._connection.execute(
            f"CREATE TABLE lake AS FROM read_json('{events}', format='newline_delimited', columns={{{columns}}})"
        )

    def rows(self, question: AuditQuestion, options: QuestionOptions, days: str = DAYS) -> list[Row]:
        """Run the very statement that dsops prints, translated from Trino's SQL to DuckDB's by sqlglot."""
        statement = whole(question, options, OCSF, "lake", days)
        (translated,) = sqlglot.transpile(statement, read="trino", write="duckdb")
        return [tuple(map(_aware, row)) for row in self._connection.execute(translated).fetchall()]


def _aware(cell: object) -> object:
    return cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell


def write_events(path: Path, records: list[dict[str, Any]], version: str = "1.1.0") -> None:
    """Write the records as OCSF events, one a line."""
    path.write_text("".join(f"{json.dumps(ocsf_of(record, version))}\n" for record in records))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake, str]:
    """Dirty calls as a log file and as OCSF events, and the session with the longest history."""
    folder = tmp_path_factory.mktemp("ocsf")
    histories = generate(folder / "generated", events=2500, seed=7, is_dirty=True)["histories"]
    records = list(records_of(folder / "generated"))
    (folder / "logs").mkdir()
    (folder / "logs" / "a.json").write_text(json.dumps({"Records": records}))
    write_events(folder / "events.jsonl", records)
    longest = max(histories, key=lambda name: len(histories[name]["rows"]))
    return folder / "logs", Lake(folder / "events.jsonl"), longest


@pytest.fixture(scope="module")
def report(logs: tuple[Path, Lake, str]) -> AuditReport:
    """The report on the log file."""
    return report_on(find_logs([str(logs[0])]), ["logs"], questions=(*REPORTED, HISTORY), session=logs[2])


@pytest.mark.parametrize("question", [*REPORTED, HISTORY], ids=lambda each: each.name)
def test_each_answer_is_the_one_from_the_records(
    logs: tuple[Path, Lake, str], report: AuditReport, question: AuditQuestion
) -> None:
    """Each question has the same rows in the same order from OCSF events and from CloudTrail's records."""
    answer = report.answer(question.name)
    assert answer is not None
    assert list(answer.rows) == logs[1].rows(question, QuestionOptions(None, report.boundary, "role", logs[2]))
    assert bool(answer.rows) is (question is not SAVED)  # Security Lake does not have dsops' own trail


@pytest.mark.parametrize("by", BY)
def test_options_mean_the_same(logs: tuple[Path, Lake, str], by: str) -> None:
    """`--since` and `--by` limit and group the rows as in the report."""
    report = report_on(find_logs([str(logs[0])]), ["logs"], questions=(SUMMARY,), since=SINCE, by=by)
    rows = logs[1].rows(SUMMARY, QuestionOptions(SINCE, SINCE, by))
    assert rows == list(report.answers[0].rows)
    assert rows


def test_days_limit_the_partitions(logs: tuple[Path, Lake, str]) -> None:
    """The first and the last day limit the column `time_dt`, by which Security Lake's tables are partitioned."""
    assert not days_of_lake("", "")
    days = days_of_lake("2026-10-11", "2026-10-12")
    assert days == "time_dt >= TIMESTAMP '2026-10-11 00:00:00' AND time_dt < TIMESTAMP '2026-10-13 00:00:00'"
    rows = logs[1].rows(REPORTED[1], QuestionOptions(), days)
    assert {"2026-10-11", "2026-10-12"} == {f"{row[0]:%Y-%m-%d}" for row in rows}


@pytest.mark.parametrize("version", ["1.0.0-rc.2", "2.0.0", "0.9"])
def test_another_version_is_an_error(logs: tuple[Path, Lake, str], tmp_path: Path, version: str) -> None:
    """A record of OCSF 1.0 or 2.0 ends the query with an error that names the version, instead of a wrong figure."""
    records = json.loads((logs[0] / "a.json").read_text())["Records"][:3]
    write_events(tmp_path / "events.jsonl", records, version)
    with pytest.raises(duckdb.Error, match=f"this record is not OCSF 1.1 or a later 1.x, but {version}"):
        Lake(tmp_path / "events.jsonl").rows(REPORTED[1], QuestionOptions())
    write_events(tmp_path / "later.jsonl", records, "1.5.0")
    assert Lake(tmp_path / "later.jsonl").rows(REPORTED[1], QuestionOptions()) is not None


def test_every_field_has_a_place() -> None:
    """Each field is a column of the table of OCSF, or an entry of `unmapped` under its own path."""
    texts = {path: OCSF.field(path) for path in FIELDS.values()}
    assert {path for path, text in texts.items() if "unmapped" in text} == {
        "managementEvent",
        "sharedEventID",
        "recipientAccountId",
        "userIdentity.sessionContext.sourceIdentity",
        "additionalEventData.cached",
    }
    assert texts["requestParameters.roleArn"] == "json_extract_scalar(api.request.data, '$.roleArn')"
