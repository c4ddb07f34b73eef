"""Benchmark of `dsops audit report`: DuckDB on log files, DuckDB on a prepared folder, and a Trino of this machine.

    .venv/bin/python bench/trino_engine.py [--events 100000] [--workers 1 2 4] [--questions failures durations]

Logs with known answers come from `tests/cloudtrail`. The engine is that of `tests/trino`: one Java process with a
coordinator and its workers, which are groups of threads that share this machine's cores. Its table is Parquet, which
DuckDB writes with the columns of docs/how-to/trino.md: to write it as JSON first, and to copy it in Trino, would take
longer than the reports. Nothing is printed unless all answers are equal. CPU seconds include all workers.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.cloudtrail import Logs, logs  # noqa: E402
from bench.run import machine  # noqa: E402
from dsops.audit.cloudtrail.files import find_logs  # noqa: E402
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions  # noqa: E402
from dsops.audit.cloudtrail.questions import QUESTIONS, REPORTED  # noqa: E402
from dsops.audit.cloudtrail.reporting import report_on  # noqa: E402
from dsops.audit.cloudtrail.trino import TrustAndProxy, open_trino  # noqa: E402
from dsops.audit.cloudtrail.trino_address import TrinoCredentials, parse_trino_address  # noqa: E402
from dsops.audit.cloudtrail.trino_report import report_in_trino  # noqa: E402
from dsops.audit.preparing.preparation import prepare  # noqa: E402
from dsops.audit.report import AuditReport  # noqa: E402
from dsops.runtime import utc_now  # noqa: E402
from tests.trino.engine import Engine, running_engine  # noqa: E402
from tests.trino.parquet import create_parquet_table, write_parquet  # noqa: E402

Result = TypeVar("Result")
_TICKS = os.sysconf("SC_CLK_TCK")


class Taken(NamedTuple):
    """What one step took."""

    wall_seconds: float
    cpu_seconds: float
    rows: int = 0
    """The rows that the engine read, in all queries."""
    read_bytes: int = 0


def cpu_of(pid: int) -> float:
    """The CPU seconds of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def own_cpu() -> float:
    """The CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Measurement:
    """Prints the lines of the table, with each report's time compared with the first one's."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._first: Taken | None = None

    def add(self, name: str, taken: Taken, *, is_report: bool = True) -> None:
        """Print a line."""
        if self._first is None:
            self._first = taken
        ratio = f"{taken.wall_seconds / self._first.wall_seconds:.2f} x" if is_report else ""
        rows = f"{taken.rows:,} ({taken.rows / self._records:.1f} x)" if taken.rows else ""
        size = f"{taken.read_bytes / 1e6:,.0f} MB" if taken.read_bytes else ""
        print(
            f"| {name} | {taken.wall_seconds:.1f} s | {taken.cpu_seconds:.1f} s | {ratio} | {rows} | {size} |",
            flush=True,
        )


def timed(work: Callable[[], Result]) -> tuple[Result, Taken]:
    """Do work in this process."""
    wall, cpu = time.monotonic(), own_cpu()
    result = work()
    return result, Taken(time.monotonic() - wall, own_cpu() - cpu)


def in_trino(engine: Engine, table: str, questions: Sequence[AuditQuestion]) -> tuple[AuditReport, Taken]:
    """The report in the engine."""
    address = parse_trino_address(engine.address())
    wall, cpu = time.monotonic(), cpu_of(engine.process.pid)
    with open_trino(address, TrinoCredentials(), TrustAndProxy(), table) as cluster:
        report = report_in_trino(cluster, table, options=QuestionOptions(), questions=questions)
        taken = Taken(time.monotonic() - wall, cpu_of(engine.process.pid) - cpu, cluster.rows, cluster.read_bytes)
    return report, taken


def statement_runner(engine: Engine) -> Callable[[str], object]:
    """A function that runs statements which return few rows."""
    from trino import dbapi

    host, _, port = engine.http.rpartition(":")
    connect: Any = dbapi.connect  # the package has no types for it

    def run(statement: str) -> object:
        cursor = connect(host=host, port=int(port), user="bench", catalog="hive", schema="default").cursor()
        cursor.execute(statement)
        return cursor.fetchall()

    run("CREATE SCHEMA IF NOT EXISTS hive.default")
    return run


def check(known: AuditReport, report: AuditReport, name: str) -> None:
    """End the benchmark if the answers differ."""
    for answer in report.answers:
        if answer != known.answer(answer.question):
            raise SystemExit(
                f"{name}: another answer to {answer.question} than DuckDB's on the files, nothing is measured"
            )


def measure_duckdb(of: Logs, work: Path, table: Measurement) -> AuditReport:
    """Print the lines of DuckDB, and return the report."""
    found = find_logs([str(of.folder / "logs")])
    known, taken = timed(lambda: report_on(found, ["logs"]))
    table.add("DuckDB: report on the log files", taken)
    prepared = str(work / "prepared")
    _, taken = timed(lambda: prepare(prepared, found, now=utc_now()))
    table.add("DuckDB: `audit prepare --parquet`", taken, is_report=False)
    report, taken = timed(lambda: report_on(find_logs([prepared]), ["logs"]))
    check(known, report, "DuckDB on the prepared folder")
    table.add("DuckDB: report on the prepared folder", taken)
    return known


def measure_trino(
    files: Path, workers: int, options: argparse.Namespace, known: AuditReport, table: Measurement
) -> None:
    """Print the lines of an engine with this number of workers."""
    asked = tuple(QUESTIONS[name] for name in options.questions) or REPORTED
    with (
        tempfile.TemporaryDirectory(prefix="dsops-bench-") as name,
        running_engine(Path(name), workers=workers, memory_mb=options.memory, is_short=False) as engine,
    ):
        create_parquet_table(statement_runner(engine), files, engine.tables, "bench")
        for number in range(1, options.rounds + 1):
            title = f"Trino, {workers} worker{'s' if workers > 1 else ''}: report {number}, {len(asked)} questions"
            report, taken = in_trino(engine, "bench", asked)
            check(known, report, title)
            table.add(title, taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops audit report in DuckDB and in a Trino of this machine")
    parser.add_argument("--events", type=int, default=100_000, help="how many calls (100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the logs (1)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers (1 2 4)")
    parser.add_argument("--rounds", type=int, default=1, help="reports with each number of workers (1)")
    parser.add_argument("--questions", nargs="+", default=[], choices=QUESTIONS, help="for Trino (all of the report)")
    parser.add_argument("--memory", type=int, default=6000, help="of Trino's process, in MB (6000)")
    options = parser.parse_args()
    of = logs(options.events, options.seed)
    print(f"{machine()}; {of.records:,} records of {options.events:,} events; load {os.getloadavg()[0]:.0f}\n")
    print("| | wall time | CPU time | wall time / first | rows read | read |\n|---|---|---|---|---|---|")
    table = Measurement(of.records)
    with tempfile.TemporaryDirectory(prefix="dsops-bench-") as name:
        known = measure_duckdb(of, Path(name), table)
        files = Path(name) / "parquet"
        _, taken = timed(lambda: write_parquet(of.folder / "logs", files))
        table.add("DuckDB: write the table's Parquet files", taken, is_report=False)
        for workers in options.workers:
            measure_trino(files, workers, options, known, table)


if __name__ == "__main__":
    main()
