"""Benchmark of commands with a warm agent: `exec NAME`, the hook, Tab; processor time and wall time, in turn.

    .venv/bin/python bench/names.py [--rounds 41] [--before FOLDER]

FOLDER is the `src` folder of another commit, which is measured in turn with this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.agent import Lab, laboratory, process  # noqa: E402
from bench.run import DSOPS, Case, Run, allow, machine, measure, write_config  # noqa: E402

STORE = "aws-sts-prod"
LINES = {
    "warm `exec --env production`, 1 secret": ("exec", "--env", "production", "--", "true"),
    "warm `exec production`, 1 secret": ("exec", "production", "--", "true"),
    f"warm `exec {STORE}`, a store": ("exec", STORE, "--", "true"),
    "warm `get --env production`": ("get", "--env", "production", "SECRET_000"),
    "warm `render --env production`": ("render", "--env", "production"),
    "warm `hook-load`, 1 secret": ("hook-load", "bash", str(os.getpid()), "--env", "production"),
    "Tab after `exec --env`": ("complete", "--", "exec", "--env", ""),
    "Tab after `exec`": ("complete", "--", "exec", ""),
    "Tab after `credentials`": ("complete", "--", "credentials", ""),
}


STORES = {"warm `credentials`, 11 stores": 11, "the same, 301 stores": 301, "3,001 stores, 5,000 variables": 3001}
VARIABLES = 5000
PROCESS = ("credentials", STORE, "--format", "process")


def large(lab: Lab, stores: int, environ: Mapping[str, str]) -> Path:
    """A folder with a configuration of so many stores, and of VARIABLES if these are more than a thousand."""
    folder = write_config(lab.base / f"stores-{stores}", VARIABLES if stores > 1000 else 1)
    head, colon, rest = (folder / "dsops.yaml").read_text().partition("secretStores:\n")
    lines = [
        f"  role-{number}: {{type: aws.sts, region: us-east-1, role_session_name: bench,"
        f" role_arn: 'arn:aws:iam::123456789012:role/Role{number}'}}\n"
        for number in range(stores - 2)
    ]
    (folder / "dsops.yaml").write_text("".join([head, colon, *lines, rest]))
    allow(folder, environ)
    return folder


def measured(lab: Lab, source: str, rounds: int) -> dict[str, list[Run]]:
    """The runs of each line with this commit, and with the other one if there is a folder; names of those end in *."""
    with process(str(HERE / "stub.py")) as address:
        now = lab.environ(address)
        before = {**now, "PYTHONPATH": source}
        allow(lab.one, now)
        subprocess.run(
            [DSOPS, "hook", "allow", "--env", "production"], cwd=lab.one, env=now, check=True, capture_output=True
        )
        cases = [Case(name, [DSOPS, *words], lab.one, now) for name, words in LINES.items()]
        cases += [Case(name, [DSOPS, *PROCESS], large(lab, number, now), now) for name, number in STORES.items()]
        if source:
            folders = {name: lab.base / f"stores-{number}" for name, number in STORES.items()}
            cases += [Case(f"{name}*", [DSOPS, *PROCESS], folder, before) for name, folder in folders.items()]
            # The agent's socket depends on the folder of the package, so that each commit has its own agent.
            cases += [Case(f"{name}*", [DSOPS, *words], lab.one, before) for name, words in LINES.items()]
        runs = measure(cases, rounds)
        if source:
            subprocess.run([DSOPS, "agent", "stop"], env=before, check=True, capture_output=True)
        return runs


def row(name: str, now: Sequence[Run], before: Sequence[Run]) -> str:
    """One row: medians of this commit, of the other one, and the median of the ratios of processor time."""
    cells = [f"{median(run.cpu_ms for run in runs):.0f} ms" for runs in (now, before) if runs]
    cells += [f"{median(run.wall_ms for run in runs):.0f} ms" for runs in (now, before) if runs]
    if before:
        cells.append(f"{median(a.cpu_ms / b.cpu_ms for a, b in zip(now, before, strict=True)):.2f}")
    return f"| {' | '.join([name, *cells])} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure `dsops exec NAME` and Tab")
    parser.add_argument("--rounds", type=int, default=41, help="how often each command is timed (41)")
    parser.add_argument("--before", default="", help="the `src` folder of another commit")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with laboratory() as lab:
        runs = measured(lab, options.before, options.rounds)
    print(f"{machine()}; medians of {options.rounds} rounds; processor time, then wall time")
    for name in (*LINES, *STORES):
        print(row(name, runs[name], runs.get(f"{name}*", [])))


if __name__ == "__main__":
    main()
