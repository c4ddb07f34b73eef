"""Benchmark of `dsops audit report` on CloudTrail logs, beside a bare count, `jq` and a loop in Python.

    .venv/bin/python bench/cloudtrail.py [--events 5000000] [--rounds 3]

Logs with known answers come from `tests/cloudtrail`, into a cache folder, once per size and seed. Nothing is measured
before the report has given exactly those answers. All are whole processes, in turn, on files that were read before;
`jq` and the loop read a tenth of the events, and their times are multiplied.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, Case, Run, machine, run_once, wall  # noqa: E402
from tests.cloudtrail.generator import LEAST, generate, write  # noqa: E402
from tests.installed import ToolMissingError, tool  # noqa: E402

SLOW_SHARE = 10
"""`jq` and the loop read one in this many events."""
LINE_SHARE = 5
"""The report also runs on one in this many events, to see whether its time grows linearly."""
COUNT_LIMIT, SLOW_LIMIT, MEMORY_LIMIT_MB = 1.3, 20, 2000

# A user's query, and the fastest count known to us, which parses no record but only finds their ends.
COUNT = "SELECT count(*) FROM (SELECT unnest(Records) FROM read_json('{files}', maximum_object_size = 268435456))"
FASTEST_COUNT = (
    "SELECT sum(json_array_length(json, '$.Records'))"
    " FROM read_json_objects('{files}', format = 'unstructured', maximum_object_size = 268435456)"
)
# DuckDB prints its progress to stdout even without a terminal.
QUERY = """\
import sys, duckdb
duckdb.sql("SET enable_progress_bar = false")
print(int(duckdb.sql(sys.argv[1]).fetchall()[0][0]))
"""
# find and xargs: there are more files than a command line can hold. Two jq processes use both cores.
JQ = (
    "set -o pipefail; find logs -name '*.json.gz' -print0 | xargs -0 {gzip} -dc"
    " | {jq} -c -f {here}/cloudtrail_issues.jq | {jq} -n -f {here}/cloudtrail_metrics.jq"
)
# The metrics of jq's program, and their columns in the answers.
JQ_COLUMNS = {
    "failures": ("role", "code", "failures"),
    "principals": ("role", "principal", "sessions", "failures"),
    "accounts": ("from_account", "to_account", "calls", "failures"),
    "durations": ("role", "sessions", "asked_median"),
}


class Logs(NamedTuple):
    """Logs of a size, with their known answers."""

    folder: Path
    """The folder that contains `logs`."""
    known: Mapping[str, Any]  # a JSON tree

    @property
    def records(self) -> int:
        """The number of records in all files."""
        return int(self.known["counts"]["records"])


def logs(events: int, seed: int) -> Logs:
    """The logs of this size and seed, generated on first use and again when the generator changes."""
    mark = hashlib.sha256()
    for source in sorted((HERE.parent / "tests" / "cloudtrail").glob("*.py")):
        if not source.name.startswith(("test_", "naive")):
            mark.update(source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dsops-bench"
    folder = cache / f"cloudtrail-{events}-{seed}-{mark.hexdigest()[:12]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"making {events:,} events in {folder}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as name:
            fresh = Path(name) / "fresh"
            known_names = generate(fresh / "logs", events=events, seed=seed, processes=os.cpu_count() or 1)
            write(fresh / "answers.json", known_names)
            fresh.rename(folder)
    return Logs(folder, json.loads((folder / "answers.json").read_text()))


# --- measured programs --------------------------------------------------------------------------------------------


def report(of: Logs, environ: Mapping[str, str], name: str = "report") -> Case:
    """The report as JSON."""
    return Case(name, [DSOPS, "audit", "report", "logs", "--json"], of.folder, environ)


def count(of: Logs, environ: Mapping[str, str], name: str, query: str) -> Case:
    """A DuckDB query alone."""
    text = query.format(files=of.folder / "logs" / "**" / "*.json.gz")
    return Case(name, [sys.executable, "-c", QUERY, text], of.folder, environ)


def with_jq(of: Logs, environ: Mapping[str, str]) -> Case:
    """The page's four metrics in jq. Raises ToolMissingError."""
    script = JQ.format(gzip=tool("gzip", environ), jq=tool("jq", environ), here=HERE)
    return Case("jq", [tool("bash", environ), "-c", script], of.folder, environ)


def with_python(of: Logs, environ: Mapping[str, str]) -> Case:
    """A Python loop that parses each record."""
    path = {**environ, "PYTHONPATH": str(HERE.parent)}
    return Case("python", [sys.executable, "-m", "tests.cloudtrail.naive", "logs"], of.folder, path)


# --- checks -------------------------------------------------------------------------------------------------------


def said(case: Case) -> Any:
    """The program's output as JSON."""
    done = subprocess.run(case.command, cwd=case.folder, env=dict(case.environ), check=False, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{case.name}: exit code {done.returncode}: {done.stderr.decode()[-500:]}")
    return json.loads(done.stdout)


def rows_of(answer: Any, columns: Sequence[str]) -> list[list[Any]]:
    """Rows in the order of the columns, given as lists or objects."""
    rows = answer["rows"] if isinstance(answer, dict) else answer
    return [[row[name] for name in columns] if isinstance(row, dict) else list(row) for row in rows]


def check_report(of: Logs, case: Case) -> None:
    """End the benchmark unless every answer is the known one."""
    result_text = said(case)
    answers = result_text.get("answers", result_text)
    for name, answer in of.known["answers"].items():
        # A summary is named by its grouping, or by role if none was requested.
        found = answers.get("summary" if name == "summary-role" and name not in answers else name)
        if found is None and name in {"summary-principal", "summary-account"}:
            continue
        if found is None or rows_of(found, answer["columns"]) != answer["rows"]:
            raise SystemExit(f"{case.name}: another answer to {name} than the known one, nothing is measured")


def check_count(of: Logs, case: Case) -> None:
    """End the benchmark unless the number of records is right."""
    if said(case) != of.records:
        raise SystemExit(f"{case.name}: another number of records than {of.records:,}, nothing is measured")


def check_jq(of: Logs, case: Case) -> None:
    """End the benchmark unless jq's four metrics are right, in any order."""
    result_text = said(case)
    for name, columns in JQ_COLUMNS.items():
        known_names = of.known["answers"][name]
        places = [known_names["columns"].index(column) for column in columns]
        if sorted(result_text[name]) != sorted([row[place] for place in places] for row in known_names["rows"]):
            raise SystemExit(f"jq: another answer to {name} than the known one, nothing is measured")


def check_python(of: Logs, case: Case) -> None:
    """End the benchmark unless the loop's answers are right."""
    result_text = said(case)["answers"]
    if result_text != {name: answer["rows"] for name, answer in of.known["answers"].items()}:
        raise SystemExit("python: other answers than the known ones, nothing is measured")


# --- the table ----------------------------------------------------------------------------------------------------


def seconds(runs: Sequence[Run]) -> float:
    """The median wall time in seconds."""
    return wall(runs) / 1000


def row(name: str, value: str, limit: str = "") -> str:
    """A line of the table."""
    return " ".join(("|", name, "|", value, "|", *filter(None, [limit]), "|"))


def rows(runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """All lines of the table except its head."""
    took = {name: seconds(run) for name, run in runs.items()}
    full, part = took["report"], took["report, part"]
    peaks = {name: max(run.peak_mb for run in found) for name, found in runs.items()}
    made = [
        row("`dsops audit report --json`", f"{full:.1f} s"),
        row("DuckDB, a count as one would write it", f"{took['count']:.1f} s"),
        row("report / that", f"{full / took['count']:.2f} x", f"{COUNT_LIMIT} x"),
        row("DuckDB, the fastest count that we know", f"{took['fastest count']:.1f} s"),
        row("report / that", f"{full / took['fastest count']:.2f} x"),
    ]
    for name, title in (("jq", "`jq`, four metrics"), ("python", "a loop in Python, all answers")):
        if name in took:
            scaled = took[name] * SLOW_SHARE
            made.append(row(title, f"{scaled:.0f} s ({SLOW_SHARE} x {took[name]:.1f} s for a tenth of the events)"))
            made.append(row("that / report", f"{scaled / full:.1f} x", f"at least {SLOW_LIMIT} x"))
    return [
        *made,
        row("peak memory of the report, highest of all runs", f"{peaks['report']:,.0f} MB", f"{MEMORY_LIMIT_MB:,} MB"),
        row("the report, one in five events", f"{part:.1f} s, {peaks['report, part']:,.0f} MB"),
        row("report / that", f"{full / part:.2f} x", f"about {LINE_SHARE} x: a straight line"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops audit report on CloudTrail logs")
    parser.add_argument("--events", type=int, default=5_000_000, help="how many calls (5,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the logs (1)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed (3)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if options.events < LEAST * SLOW_SHARE:
        parser.error(f"at least {LEAST * SLOW_SHARE:,} events, so that a tenth of them makes logs")
    whole, part, slow = (logs(options.events // share, options.seed) for share in (1, LINE_SHARE, SLOW_SHARE))
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        cases = checked_cases(whole, part, slow, environ)
        runs: dict[str, list[Run]] = {case.name: [] for case in cases}
        for _ in range(options.rounds):
            for case in cases:
                runs[case.name].append(run_once(case))
    files, size = whole.known["counts"]["files"], sum(path.stat().st_size for path in whole.folder.rglob("*.gz"))
    print(f"{machine()}; medians of {options.rounds} rounds;")
    print(f"{whole.records:,} records of {options.events:,} events in {files:,} files, {size / 1e6:,.0f} MB\n")
    print("| | measured | at most |\n|---|---|---|")
    print("\n".join(rows(runs)))


def checked_cases(whole: Logs, part: Logs, slow: Logs, environ: Mapping[str, str]) -> list[Case]:
    """The programs, each run once and checked, so their files are in the page cache."""
    cases = [report(whole, environ), report(part, environ, "report, part")]
    check_report(whole, cases[0])
    check_report(part, cases[1])
    for name, query in (("count", COUNT), ("fastest count", FASTEST_COUNT)):
        cases.append(count(whole, environ, name, query))
        check_count(whole, cases[-1])
    try:
        jq = with_jq(slow, environ)
        check_jq(slow, jq)
        cases.append(jq)
    except ToolMissingError as missing:
        print(f"without jq: {missing}", file=sys.stderr)
    loop = with_python(slow, environ)
    check_python(slow, loop)
    return [*cases, loop]


if __name__ == "__main__":
    main()
