"""Benchmark of dsops as whole processes against a stub on loopback; prints a table with limits.

Commands run in turn (A B C, A B C, ...), so a machine of changing speed favours none of them; medians of the rounds
are compared. Each has run twice before, so all bytecode is compiled.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import IO, TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).parent
DSOPS = str(Path(sys.executable).parent / "dsops")
DELAY_MS = 30
MANY = 100

CONFIG = """\
version: 1

secretStores:
  aws-sts-prod:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/ProdAccessRole
    role_session_name: dsops-session
    duration_seconds: 3600
  aws-secrets-prod:
    type: aws.secretsmanager
    region: us-east-1
    credentials_from: aws-sts-prod

envs:
  production:
"""
VARIABLE = """\
    SECRET_{number:03}:
      from:
        store: aws-secrets-prod
        key: bench/{number:03}
"""


class Case(NamedTuple):
    """A command to be timed, with folder and environment."""

    name: str
    command: list[str]
    folder: Path
    environ: Mapping[str, str]


class Run(NamedTuple):
    """The resources used by one process and its children."""

    wall_ms: float
    cpu_ms: float
    peak_mb: float


@contextmanager
def stub(*, delay_ms: float, batch: str) -> Iterator[str]:
    """The address of a stub that runs during the block."""
    command = [sys.executable, str(HERE / "stub.py"), "--delay-ms", str(delay_ms), "--batch", batch]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield cast("IO[str]", process.stdout).readline().strip()
        cast("IO[str]", process.stdin).close()


def write_config(folder: Path, secrets: int) -> Path:
    """A project folder whose production environment has this many secrets."""
    folder.mkdir()
    variables = "".join(VARIABLE.format(number=number) for number in range(secrets))
    (folder / "dsops.yaml").write_text(CONFIG + variables)
    return folder


def environment(home: Path, address: str) -> dict[str, str]:
    """A user's environment with long-term keys and one address for all of AWS."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCHB",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DSOPS_AGENT": "off",
    }


def allow(folder: Path, environ: Mapping[str, str]) -> None:
    """Allow the configuration, as a user does once."""
    subprocess.run([DSOPS, "allow"], cwd=folder, env=environ, check=True, capture_output=True)


def dsops_exec(name: str, folder: Path, environ: Mapping[str, str]) -> Case:
    """A cold run of `dsops exec` by pip's console script, without an agent."""
    allow(folder, environ)
    return Case(name, [DSOPS, "exec", "--no-agent", "--env", "production", "--", "true"], folder, environ)


def run_once(case: Case) -> Run:
    """Run a command once; a failure ends the benchmark."""
    null = os.open(os.devnull, os.O_RDWR)
    program = case.command[0]
    begin = perf_counter()
    process = os.fork()
    if process == 0:
        os.chdir(case.folder)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.execve(program, case.command, dict(case.environ))
    _, status, usage = os.wait4(process, 0)
    wall = perf_counter() - begin
    os.close(null)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        raise SystemExit(f"{case.name}: exit code {code}: {' '.join(case.command)}")
    # Linux counts kilobytes, macOS bytes.
    peak = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return Run(wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000, peak)


def measure(cases: Sequence[Case], rounds: int) -> dict[str, list[Run]]:
    """The runs of each case, taken in turn."""
    for case in cases:
        run_once(case)
        run_once(case)
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            runs[case.name].append(run_once(case))
    return runs


def check(folder: Path, environ: Mapping[str, str], secrets: int) -> None:
    """Check that every variable arrives, so that the right thing is timed."""
    command = [DSOPS, "exec", "--no-agent", "--env", "production", "--", "env"]
    allow(folder, environ)
    done = subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    arrived = {line for line in done.stdout.splitlines() if line.startswith("SECRET_")}
    expected = {f"SECRET_{number:03}=value of bench/{number:03}" for number in range(secrets)}
    if arrived != expected:
        raise SystemExit(f"{len(arrived & expected)} of {secrets} secrets arrived")


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def wall(runs: Sequence[Run]) -> float:
    """The median wall time in milliseconds."""
    return median(run.wall_ms for run in runs)


def cold(folder: Path, home: Path, rounds: int) -> dict[str, list[Run]]:
    """One role and one secret without delay, beside boto3 doing the same and Python doing nothing."""
    with stub(delay_ms=0, batch="allowed") as address:
        environ = environment(home, address)
        check(folder, environ, 1)
        boto3_command = [sys.executable, str(HERE / "with_boto3.py"), "true"]
        cases = [
            dsops_exec("dsops", folder, environ),
            Case("boto3", boto3_command, folder, environ),
            Case("python", [sys.executable, "-I", "-c", "pass"], folder, environ),
        ]
        return measure(cases, rounds)


def many(one: Path, hundred: Path, home: Path, rounds: int) -> dict[str, list[Run]]:
    """A hundred secrets and one secret at 30 ms a request, with the batch call allowed and denied."""
    with stub(delay_ms=DELAY_MS, batch="allowed") as allowed, stub(delay_ms=DELAY_MS, batch="denied") as denied:
        for address in (allowed, denied):
            check(hundred, environment(home, address), MANY)
        cases = [
            dsops_exec("one", one, environment(home, allowed)),
            dsops_exec("allowed", hundred, environment(home, allowed)),
            dsops_exec("denied", hundred, environment(home, denied)),
        ]
        return measure(cases, rounds)


def report(short: Mapping[str, Sequence[Run]], long: Mapping[str, Sequence[Run]], rounds: int) -> str:
    """The table in Markdown."""
    ms = {name: wall(runs) for name, runs in {**short, **long}.items()}
    cpu = {name: median(run.cpu_ms for run in runs) for name, runs in {**short, **long}.items()}
    peak = max(run.peak_mb for name in ("dsops", "allowed", "denied") for run in {**short, **long}[name])
    over = ms["allowed"] - ms["one"]
    rows = [
        ("cold, 1 role + 1 secret: dsops", f"{ms['dsops']:.0f} ms ({cpu['dsops']:.0f} ms CPU)", ""),
        ("the boto3 script", f"{ms['boto3']:.0f} ms ({cpu['boto3']:.0f} ms CPU)", ""),
        ("bare `python -I -c pass`", f"{ms['python']:.0f} ms ({cpu['python']:.0f} ms CPU)", ""),
        ("dsops / boto3", f"{ms['dsops'] / ms['boto3']:.2f} x", "0.30 x"),
        ("dsops / bare Python", f"{ms['dsops'] / ms['python']:.1f} x", "7 x"),
        (f"{DELAY_MS} ms a request, 1 secret", f"{ms['one']:.0f} ms", ""),
        (f"{DELAY_MS} ms a request, {MANY} secrets, batch allowed", f"{ms['allowed']:.0f} ms", ""),
        ("  over 1 secret", f"{over:.0f} ms", f"2 x {DELAY_MS} + 60 = {2 * DELAY_MS + 60} ms"),
        (f"{DELAY_MS} ms a request, {MANY} secrets, batch denied", f"{ms['denied']:.0f} ms", ""),
        ("  denied / allowed", f"{ms['denied'] / ms['allowed']:.2f} x", "2.5 x"),
        ("peak memory, highest of all runs", f"{peak:.1f} MB", "45 MB"),
    ]
    lines = [f"{machine()}; medians of {rounds} rounds", "", "| | measured | at most |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} | {limit} |" for name, value, limit in rows])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops against a stub on loopback")
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is timed (15)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        home = base / "home"
        home.mkdir()
        one, hundred = write_config(home / "one", 1), write_config(home / "hundred", MANY)
        short = cold(one, home, options.rounds)
        long = many(one, hundred, home, options.rounds)
    print(report(short, long, options.rounds))


if __name__ == "__main__":
    main()
