"""Benchmark of commands beside another installation of dsops: processor time, in pairs of consecutive runs.

    .venv/bin/python bench/pairs.py --before PROGRAM [--rounds 41]

PROGRAM is the `dsops` of another commit, in an environment of its own. Each installation has its own agent, since the
name of an agent's socket depends on the installation. The time is that of the command, without the agent's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.agent import Lab, laboratory, process  # noqa: E402
from bench.run import DSOPS, Case, Run, machine, measure  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

COLD = ("exec", "--no-agent", "--env", "production", "--", "true")
LINES = {
    "cold `exec`, 1 secret": (1, COLD),
    "cold `exec`, 100 secrets": (100, COLD),
    "warm `exec`, 1 secret": (1, ("exec", "--env", "production", "--", "true")),
    "warm `get`": (1, ("get", "--env", "production", "SECRET_000")),
    "warm `render`": (1, ("render", "--env", "production")),
    "warm `hook-load`": (1, ("hook-load", "bash", str(os.getpid()), "--env", "production")),
    "`plan`, 100 variables": (100, ("plan", "--env", "production")),
    "`validate`, 100 variables": (100, ("validate",)),
}
"""The rows: the number of secrets of the configuration, and the command line."""


def cases(lab: Lab, program: str, mark: str, address: str) -> list[Case]:
    """The rows' commands with one installation, in folders that its user has allowed."""
    environ = lab.environ(address)
    for folder in (lab.one, lab.hundred):
        for words in (["allow"], ["hook", "allow", "--env", "production"]):
            subprocess.run([program, *words], cwd=folder, env=environ, check=True, capture_output=True)
    folders = {1: lab.one, 100: lab.hundred}
    return [Case(f"{name}{mark}", [program, *words], folders[count], environ) for name, (count, words) in LINES.items()]


def row(name: str, now: Sequence[Run], before: Sequence[Run]) -> str:
    """The medians of both installations, and the median and quartiles of the ratios within pairs."""
    ratios = [a.cpu_ms / b.cpu_ms for a, b in zip(now, before, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    cells = [f"{median(run.cpu_ms for run in runs):.0f} ms" for runs in (now, before)]
    return f"| {name} | {' | '.join(cells)} | {middle:.2f} | {low:.2f} to {high:.2f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure commands beside another installation")
    parser.add_argument("--before", required=True, help="the `dsops` of another installation")
    parser.add_argument("--rounds", type=int, default=41, help="the number of pairs (41)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with laboratory() as lab, process(str(HERE / "stub.py")) as address:
        pairs = zip(cases(lab, DSOPS, "", address), cases(lab, options.before, "*", address), strict=True)
        runs = measure([case for pair in pairs for case in pair], options.rounds)
        subprocess.run([options.before, "agent", "stop"], env=lab.environ(address), check=True, capture_output=True)
    print(f"{machine()}; {options.rounds} pairs; load average {os.getloadavg()[0]:.0f}\n")
    print("| run | now | before | median ratio within pairs | quartiles |\n|---|---|---|---|---|")
    for name in LINES:
        print(row(name, runs[name], runs[f"{name}*"]))


if __name__ == "__main__":
    main()
