"""Measure `dsops node`: CPU time of a request, latency with 200 clients, memory with 1,000 roles.

    .venv/bin/python bench/node.py

The node runs in a process of its own, with an issuer that answers at once. The clients are threads of a compiled
program, `node_clients.c`. A request is a
new connection, as the SDKs make one, and the node asks the kernel for the owner of each. Use CPU times and ratios:
latencies depend on the load of the machine.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

ROLES = 1000
SECONDS = 60.0


def serve(folder: Path) -> None:
    """Run the node until SIGTERM."""
    from dsops.node.configuration import load_node_config
    from dsops.node.service import NodeService
    from dsops.process.serving import serve_until_signal
    from tests.fakes import make_runtime
    from tests.nodes import StubIssuer

    issuer = StubIssuer()
    runtime = make_runtime({"HOME": str(folder)}, now=issuer.now, folder=str(folder))
    service = NodeService(load_node_config(str(folder / "node.yaml")), issuer, runtime)
    (folder / "port.new").write_text(str(service.endpoints[0].port))
    (folder / "port.new").rename(folder / "port")
    serve_until_signal(service.attendants)


class Server(NamedTuple):
    """A running server on loopback."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """CPU time of the process, user and system."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


class Node(NamedTuple):
    """A running node."""

    server: Server
    token: str

    def message(self, store: str) -> str:
        """A request for the session of a store, as botocore writes it."""
        return (
            f"GET /credentials/{store} HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\n"
            f"Accept: application/json\r\nAuthorization: {self.token}\r\n"
            "User-Agent: Botocore/1.40 md/awscrt ua/2.1 os/linux lang/python\r\nAccept-Encoding: gzip\r\n\r\n"
        )


@contextmanager
def running() -> Iterator[Node]:
    """A node with 1,000 stores for one workload."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = ", ".join(f"role-{number}" for number in range(ROLES))
        text = (
            f"tokens: tokens\nlisten: ['127.0.0.1:0']\nworkloads:\n  web: {{uid: {os.geteuid()}, stores: [{stores}]}}\n"
        )
        (folder / "node.yaml").write_text(text)
        (folder / "node.yaml").chmod(0o600)
        process = subprocess.Popen([sys.executable, __file__, "--serve", name])
        try:
            end = time.monotonic() + SECONDS
            while not (folder / "port").exists() and time.monotonic() < end:
                time.sleep(0.05)
            token = (folder / "tokens" / "web").read_text()
            yield Node(Server(process.pid, int((folder / "port").read_text())), token)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)


def ask(node: Node, store: str) -> int:
    """Send one request and read the answer; return the status."""
    with socket.create_connection(("127.0.0.1", node.server.port), timeout=SECONDS) as client:
        client.sendall(node.message(store).encode())
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    return int(answer[9:12])


def build_clients(folder: Path) -> Path:
    """Compile the program with the clients, so that they need little of the CPU time that they measure."""
    program = folder / "clients"
    source = Path(__file__).with_name("node_clients.c")
    subprocess.run(["cc", "-O2", "-pthread", "-o", str(program), str(source)], check=True, timeout=SECONDS)  # noqa: S607
    return program


class Crowd(NamedTuple):
    """What a number of clients measured."""

    latencies: list[float]
    """In seconds, sorted."""
    cpu_seconds: float
    """The server's."""
    seconds: float


def crowd(program: Path, server: Server, messages: Sequence[str], clients: int, pause: float, requests: int) -> Crowd:
    """Let the clients send requests; each pauses for a random time after each, on average `pause` seconds."""
    command = [str(program), *map(str, (server.port, clients, requests, int(1e6 * pause))), *messages]
    cpu, begun = server.cpu_seconds(), time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10 * SECONDS)
    cpu, seconds = server.cpu_seconds() - cpu, time.monotonic() - begun
    return Crowd(sorted(float(word) / 1e6 for word in done.stdout.split()), cpu, seconds)


def show_crowds(program: Path, server: Server, messages: Sequence[str], requests: int) -> None:
    """Measure and print the lines of a server."""
    for clients, pause in ((1, 0.0), (16, 0.0), (200, 0.0), (200, 0.2)):
        latencies, cpu, seconds = crowd(program, server, messages, clients, pause, requests)
        median, high = statistics.median(latencies), latencies[int(0.99 * len(latencies))]
        print(
            f"{clients:3} clients, pause {pause:3.1f} s   {len(latencies) / seconds:6.0f} requests/s,"
            f" {1e6 * cpu / len(latencies):5.0f} us CPU each = {len(latencies) / cpu:6.0f} requests/s on one core,"
            f" median {1000 * median:.2f} ms, p99 {1000 * high:.2f} ms ({high / median:.1f} x)"
        )
    print(f"memory at the end            {server.megabytes():.1f} MB; load average {os.getloadavg()[0]:.1f}")


def show_days() -> None:
    """Print the calls of a simulated day of 500 processes, for each lifetime of sessions."""
    from tests.nodes import HOUR
    from tests.unit.node.test_day import simulate

    for hours in (1, 2, 4, 8, 12):
        day = simulate(hours * HOUR)
        print(
            f"sessions of {hours:2} h: {day.requests:6} requests, {day.calls:3} calls, least {day.least:5.1f},"
            f" {day.calls / day.least:.2f} x, {day.failures} processes without a session"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", default="")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--day", action="store_true", help="print the calls of a simulated day instead")
    arguments = parser.parse_args()
    if arguments.day:
        show_days()
        return
    if arguments.serve:
        serve(Path(arguments.serve))
        return
    with tempfile.TemporaryDirectory() as name, running() as node:
        program = build_clients(Path(name))
        print(f"memory at the start          {node.server.megabytes():.1f} MB")
        for number in range(ROLES):
            while ask(node, f"role-{number}") != 200:
                pass
        print(f"memory with {ROLES} roles      {node.server.megabytes():.1f} MB")
        messages = [node.message(f"role-{number}") for number in range(20)]
        show_crowds(program, node.server, messages, arguments.requests)


if __name__ == "__main__":
    main()
