"""Benchmark of `dsops audit report` on a prepared folder, beside the same report on the logs.

    .venv/bin/python bench/prepared.py [--events 1000000] [--rounds 5]

Logs with known answers come from `tests/cloudtrail`, as for `bench/cloudtrail.py`. Nothing is measured unless both
reports have given exactly these answers. Each round runs both reports, one after the other, on files that were read
before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.cloudtrail import check_report, logs, row  # noqa: E402
from bench.run import DSOPS, Case, Run, machine, run_once  # noqa: E402

LEAST_RATIO = 10


def cpu(runs: Sequence[Run]) -> float:
    """The median CPU time in seconds."""
    return median(run.cpu_ms for run in runs) / 1000


def wall(runs: Sequence[Run]) -> float:
    """The median wall time in seconds."""
    return median(run.wall_ms for run in runs) / 1000


def size(folder: Path) -> float:
    """The size of all files below the folder, in megabytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops audit report on prepared logs")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many calls (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the logs (1)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (5)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    of = logs(options.events, options.seed)
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        folder = Path(home) / "prepared"
        words = [DSOPS, "audit", "prepare", "--parquet", str(folder), "logs"]
        first, again = (run_once(Case(name, words, of.folder, environ)) for name in ("prepare", "prepare again"))
        raw = Case("logs", [DSOPS, "audit", "report", "logs", "--json"], of.folder, environ)
        prepared = Case("prepared", [DSOPS, "audit", "report", str(folder), "--json"], of.folder, environ)
        check_report(of, raw)
        check_report(of, prepared)
        pairs = [(run_once(raw), run_once(prepared)) for _ in range(options.rounds)]
        sizes = size(of.folder / "logs"), size(folder)
        shutil.rmtree(folder)
    on_logs, on_prepared = ([pair[place] for pair in pairs] for place in (0, 1))
    ratio = {of_runs: of_runs(on_logs) / of_runs(on_prepared) for of_runs in (cpu, wall)}
    print(f"{machine()}; medians of {options.rounds} rounds;")
    print(f"{of.records:,} records in {of.known['counts']['files']:,} files, {sizes[0]:,.0f} MB\n")
    print("| | CPU time | wall time |\n|---|---|---|")
    print(row("report on the logs", f"{cpu(on_logs):.2f} s", f"{wall(on_logs):.2f} s"))
    print(row("report on the prepared folder", f"{cpu(on_prepared):.2f} s", f"{wall(on_prepared):.2f} s"))
    print(row(f"ratio (at least {LEAST_RATIO})", f"{ratio[cpu]:.1f} x", f"{ratio[wall]:.1f} x"))
    print(row("`audit prepare`, once", f"{cpu([first]):.2f} s", f"{wall([first]):.2f} s"))
    print(row("`audit prepare` again, nothing new", f"{cpu([again]):.2f} s", f"{wall([again]):.2f} s"))
    print(f"\nsize of the prepared folder: {sizes[1]:,.0f} MB")


if __name__ == "__main__":
    main()
