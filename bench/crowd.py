"""Benchmark of an agent with many clients at once: answers a second, latency and memory.

    .venv/bin/python bench/crowd.py [--seconds 4] [--sessions 10000] [--before FOLDER] [--rounds 1]

This process plays the clients, each with one request at a time: `exec` of an environment with a literal. FOLDER is the
`src` folder of another commit, whose agent is measured in turn with this one.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, cast

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.agent import process, state  # noqa: E402
from bench.run import DSOPS, allow, environment, machine, write_config  # noqa: E402
from dsops.agent import DECLINED, FAILED, REQUEST, RESULT, pack, receive, unpack  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CLIENTS = (1, 16, 200)
LITERAL = "version: 1\nenvs: {plain: {PLAIN: {literal: info}}}\n"


class Load(NamedTuple):
    """The answers to some clients, in seconds, and the agent's memory afterwards."""

    per_second: float
    median_ms: float
    p99_ms: float
    p99_before: int
    """99th percentile of the answers to other clients between a request and its answer.

    It does not depend on the machine's load. With a fair agent, it is about the number of clients.
    """
    cpu_ms: float
    """Processor time of the agent for one answer."""
    megabytes: float


class Agent:
    """A running agent, and the requests to it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = dict(environ)
        allow(folder, environ)
        done = subprocess.run(
            [DSOPS, "agent", "start", "--json"],
            cwd=folder,
            env=self.environ,
            check=True,
            capture_output=True,
            text=True,
        )
        del done
        words = "from dsops.agent import client as c; import os; "
        words += "print(c.address_in(c.folder_of(os.environ)), c.stamp().decode(), sep='\\n')"
        shown = subprocess.run(
            [sys.executable, "-c", words], env=self.environ, check=True, capture_output=True, text=True
        )
        self.address, self.stamp = shown.stdout.splitlines()
        self.pid = int(unpack(self.ask(b"status"))[0])

    def request(self, *words: bytes, **environ: str) -> bytes:
        """The frame of a request."""
        pairs = [os.fsencode(f"{name}={value}") for name, value in {**self.environ, **environ}.items()]
        head = [self.stamp.encode(), os.fsencode(self.folder), b"", b"%d" % len(words)]
        data = pack([*head, *words, *pairs])
        return bytes((REQUEST,)) + len(data).to_bytes(4, "big") + data

    def connect(self) -> socket.socket:
        """Connect to the agent; waits if its queue is full."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(30)
        connection.connect(self.address)
        return connection

    def ask(self, *words: bytes, **environ: str) -> bytes:
        """Send one request; return the data of its result."""
        with self.connect() as connection:
            connection.sendall(self.request(*words, **environ))
            while True:
                frame = receive(connection, 30)
                if frame is None or frame[0] in (FAILED, DECLINED):
                    raise SystemExit(f"the agent did not answer: {frame!r}")
                if frame[0] == RESULT:
                    return frame[1]

    def load(self, clients: int, seconds: float) -> Load:
        """Let so many clients send requests, one after another each."""
        request = self.request(b"exec", b"plain", b"--", b"true")
        selector = selectors.DefaultSelector()
        begun: dict[int, tuple[float, int]] = {}
        times: list[float] = []
        answers_before: list[int] = []

        def send() -> None:
            begin = perf_counter()
            connection = self.connect()
            connection.sendall(request)
            begun[connection.fileno()] = begin, len(times)
            selector.register(connection, selectors.EVENT_READ, bytearray())

        begin, cpu_before = perf_counter(), cpu_seconds(self.pid)
        for _ in range(clients):
            send()
        while begun:
            for key, _ in selector.select(30):
                connection = cast("socket.socket", key.fileobj)
                part = connection.recv(1 << 16)
                key.data.extend(part)
                if part:
                    continue  # the agent closes the connection after the answer
                if RESULT not in kinds(key.data):
                    raise SystemExit(f"the agent did not answer: {bytes(key.data)!r}")
                sent_at, answers = begun.pop(connection.fileno())
                answers_before.append(len(times) - answers)
                times.append(perf_counter() - sent_at)
                selector.unregister(connection)
                connection.close()
                if perf_counter() - begin < seconds:
                    send()
        taken, cpu = perf_counter() - begin, cpu_seconds(self.pid) - cpu_before
        p99, p99_before = (sorted(values)[len(times) * 99 // 100] for values in (times, answers_before))
        per_second, cpu_ms = len(times) / taken, cpu / len(times) * 1000
        return Load(per_second, median(times) * 1000, p99 * 1000, int(p99_before), cpu_ms, state(self.pid)[0])

    def stop(self) -> None:
        """Stop the agent."""
        subprocess.run([DSOPS, "agent", "stop"], env=self.environ, check=True, capture_output=True)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kinds(data: bytes) -> Iterator[int]:
    """The kinds of the frames in the data."""
    while data:
        yield data[0]
        data = data[5 + int.from_bytes(data[1:5], "big") :]


def measured(source: str, seconds: float, sessions: int) -> tuple[dict[int, Load], float]:
    """The loads of an agent of the package in this folder, and its megabytes with so many sessions."""
    with tempfile.TemporaryDirectory() as name, process(str(HERE / "stub.py")) as address:
        base = Path(name)
        (base / "home").mkdir()
        (base / "plain").mkdir()
        (base / "plain" / "dsops.yaml").write_text(LITERAL)
        sockets = tempfile.mkdtemp(prefix="dsops-")
        environ = environment(base / "home", address) | {"XDG_RUNTIME_DIR": sockets, "PYTHONPATH": source}
        del environ["DSOPS_AGENT"]
        agent = Agent(base / "plain", environ)
        try:
            agent.load(1, 0.5)
            loads = {clients: agent.load(clients, seconds) for clients in CLIENTS}
            one = write_config(base / "one", 1)
            allow(one, environ)
            agent.folder = one
            for number in range(sessions):
                agent.ask(b"exec", b"production", b"--", b"true", AWS_ACCESS_KEY_ID=f"AKIABENCHBENCH{number:06}")
            return loads, state(agent.pid)[0]
        finally:
            agent.stop()
            shutil.rmtree(sockets)


def medians(rounds: Sequence[tuple[dict[int, Load], float]]) -> tuple[dict[int, Load], float]:
    """The median of each number of several rounds."""
    columns = {clients: zip(*[loads[clients] for loads, _ in rounds], strict=True) for clients in CLIENTS}
    loads = {clients: Load(*[median(column) for column in columns[clients]]) for clients in CLIENTS}
    return loads, median(megabytes for _, megabytes in rounds)


def rows(now: tuple[dict[int, Load], float], before: Sequence[tuple[dict[int, Load], float]]) -> Iterator[str]:
    """The rows of the table."""
    for clients in CLIENTS:
        loads = [loads[clients] for loads, _ in (now, *before)]
        for title, texts in (
            ("answers a second", [f"{load.per_second:,.0f}" for load in loads]),
            ("median, 99th percentile", [f"{load.median_ms:.0f}, {load.p99_ms:.0f} ms" for load in loads]),
            ("answers to other clients before an answer, 99th percentile", [f"{load.p99_before}" for load in loads]),
            ("agent's processor time for an answer", [f"{load.cpu_ms:.2f} ms" for load in loads]),
            ("memory", [f"{load.megabytes:.0f} MB" for load in loads]),
        ):
            yield f"| {clients} client{'s' if clients > 1 else ''}: {title} | {' | '.join(texts)} |"
    yield f"| the sessions after that: memory | {' | '.join(f'{mb:.0f} MB' for _, mb in (now, *before))} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure an agent with many clients")
    parser.add_argument("--seconds", type=float, default=4, help="how long each number of clients sends requests (4)")
    parser.add_argument(
        "--sessions", type=int, default=10_000, help="how many sessions the agent gets afterwards (10000)"
    )
    parser.add_argument("--before", default="", help="the `src` folder of another commit")
    parser.add_argument("--rounds", type=int, default=1, help="how often both are measured in turn (1)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sources = [str(HERE.parent / "src"), *([options.before] if options.before else [])]
    rounds = [
        [measured(source, options.seconds, options.sessions) for source in sources] for _ in range(options.rounds)
    ]
    now, *before = [medians(column) for column in zip(*rounds, strict=True)]
    print(f"{machine()}; {options.seconds:g} s each, medians of {options.rounds} rounds\n")
    print("\n".join(rows(now, before)))


if __name__ == "__main__":
    main()
