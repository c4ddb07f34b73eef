"""Benchmark of `dsops audit report --engine` in a Trino of this machine, beside the report of DuckDB on the same logs.

    .venv/bin/python bench/trino_engine.py [--events 1000000] [--workers 1 2 4] [--rounds 1]

Logs with known answers come from `tests/cloudtrail`. The engine is that of `tests/trino`: one Java process with a
coordinator and its workers, which are groups of threads that share this machine's cores. Nothing is measured before
the two reports are equal. CPU seconds include the coordinator and all workers.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.cloudtrail import Logs, logs  # noqa: E402
from bench.run import machine  # noqa: E402
from dsops.audit.cloudtrail.files import find_logs  # noqa: E402
from dsops.audit.cloudtrail.question import QuestionOptions  # noqa: E402
from dsops.audit.cloudtrail.questions import REPORTED  # noqa: E402
from dsops.audit.cloudtrail.reporting import report_on  # noqa: E402
from dsops.audit.cloudtrail.trino import TrustAndProxy, open_trino  # noqa: E402
from dsops.audit.cloudtrail.trino_address import TrinoCredentials, parse_trino_address  # noqa: E402
from dsops.audit.cloudtrail.trino_report import report_in_trino  # noqa: E402
from dsops.audit.report import AuditReport  # noqa: E402
from tests.trino.engine import Engine, running_engine  # noqa: E402
from tests.trino.logs import copy_logs, create_tables  # noqa: E402

_TICKS = os.sysconf("SC_CLK_TCK")
_MEMORY_MB = 3000


class Taken(NamedTuple):
    """What one report took."""

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


def in_duckdb(of: Logs) -> tuple[AuditReport, Taken]:
    """The report on the files."""
    wall, cpu = time.monotonic(), own_cpu()
    report = report_on(find_logs([str(of.folder / "logs")]), ["logs"])
    return report, Taken(time.monotonic() - wall, own_cpu() - cpu)


def in_trino(engine: Engine, table: str) -> tuple[AuditReport, Taken]:
    """The report in the engine."""
    address = parse_trino_address(engine.address())
    wall, cpu = time.monotonic(), cpu_of(engine.process.pid)
    with open_trino(address, TrinoCredentials(), TrustAndProxy(), table) as cluster:
        report = report_in_trino(cluster, table, options=QuestionOptions(), questions=REPORTED)
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


def line(name: str, taken: Taken, records: int) -> str:
    """A line of the table."""
    read = f"{taken.rows:,} rows, {taken.read_bytes / 1e6:,.0f} MB" if taken.rows else ""
    pace = f"{records / taken.cpu_seconds:,.0f}"
    return f"| {name} | {taken.wall_seconds:.1f} s | {taken.cpu_seconds:.1f} s | {pace} | {read} |"


def measure(of: Logs, workers: int, rounds: int, known: AuditReport) -> list[str]:
    """The lines of an engine with this number of workers: the copy to Parquet, and reports on it."""
    with (
        tempfile.TemporaryDirectory(prefix="dsops-bench-") as name,
        running_engine(Path(name), workers=workers, memory_mb=_MEMORY_MB) as engine,
    ):
        layout, _ = copy_logs(of.folder / "logs", engine.tables / "bench")
        wall, cpu = time.monotonic(), cpu_of(engine.process.pid)
        create_tables(statement_runner(engine), layout, "bench", "bench")
        made = Taken(time.monotonic() - wall, cpu_of(engine.process.pid) - cpu)
        lines = [line(f"Trino, workers: {workers}; create the tables and copy to Parquet", made, of.records)]
        for number in range(rounds):
            report, taken = in_trino(engine, "bench_parquet")
            if report.answers != known.answers:
                raise SystemExit("Trino's report is another than DuckDB's, nothing is measured")
            lines.append(line(f"Trino, workers: {workers}; report {number + 1} on Parquet", taken, of.records))
        return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops audit report in a Trino of this machine")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many calls (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the logs (1)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers (1 2 4)")
    parser.add_argument("--rounds", type=int, default=1, help="reports with each number of workers (1)")
    options = parser.parse_args()
    of = logs(options.events, options.seed)
    known, taken = in_duckdb(of)
    load = os.getloadavg()[0]
    print(f"{machine()}; {of.records:,} records of {options.events:,} events; load {load:.0f} at the start\n")
    print("| | wall time | CPU time | records a CPU second | read |\n|---|---|---|---|---|")
    print(line("DuckDB: report on the files", taken, of.records), flush=True)
    for workers in options.workers:
        print("\n".join(measure(of, workers, options.rounds, known)), flush=True)


if __name__ == "__main__":
    main()
