"""Measure `dsops node`: CPU time of a request, latency with 200 clients, memory with 1,000 roles.

    .venv/bin/python bench/node.py

The node runs in a process of its own, with an issuer that answers at once; clients are in this process. A request is a
new connection, as the SDKs make one, and the node asks the kernel for the owner of each. Use CPU times and ratios:
latencies depend on the load of the machine.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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


class Node(NamedTuple):
    """A running node."""

    pid: int
    port: int
    token: str

    def cpu_seconds(self) -> float:
        """CPU time of the process, user and system."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def message(self, store: str) -> bytes:
        """A request for the session of a store, as botocore writes it."""
        return (
            f"GET /credentials/{store} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Accept: application/json\r\nAuthorization: {self.token}\r\n"
            "User-Agent: Botocore/1.40 md/awscrt ua/2.1 os/linux lang/python\r\nAccept-Encoding: gzip\r\n\r\n"
        ).encode()


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
            yield Node(process.pid, int((folder / "port").read_text()), token)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)


def ask(node: Node, store: str) -> int:
    """Send one request and read the answer; return the status."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=SECONDS) as client:
        client.sendall(node.message(store))
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    return int(answer[9:12])


def crowd(node: Node, clients: int, pause_seconds: float, requests: int) -> tuple[list[float], float, float]:
    """Latencies in seconds of clients that each pause between requests, the node's CPU seconds, and the duration.

    The clients' first requests are spread over the pause.
    """
    poll, begun = select.epoll(), time.monotonic()
    due = [(begun + pause_seconds * number / clients, number) for number in range(clients)]
    connected: dict[int, tuple[socket.socket, float, int]] = {}
    latencies: list[float] = []
    message = [node.message(f"role-{number % 20}") for number in range(clients)]
    before = node.cpu_seconds()
    while len(latencies) < requests:
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, number = due.pop(0)
            start = time.monotonic()
            client = socket.create_connection(("127.0.0.1", node.port))
            client.sendall(message[number])
            connected[client.fileno()] = (client, start, number)
            poll.register(client.fileno(), select.EPOLLIN)
        wait = max(0.0, due[0][0] - time.monotonic()) if due else 1.0
        for descriptor, _ in poll.poll(wait):
            client, start, number = connected.pop(descriptor)
            answer = client.recv(65_536)
            latencies.append(time.monotonic() - start)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:200])
            poll.unregister(descriptor)
            client.close()
            due.append((time.monotonic() + pause_seconds, number))
    return latencies, node.cpu_seconds() - before, time.monotonic() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", default="")
    parser.add_argument("--requests", type=int, default=20_000)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(Path(arguments.serve))
        return
    with running() as node:
        print(f"memory at the start          {node.megabytes():.1f} MB")
        for number in range(ROLES):
            while ask(node, f"role-{number}") != 200:
                pass
        print(f"memory with {ROLES} roles      {node.megabytes():.1f} MB")
        for clients, pause in ((1, 0.0), (16, 0.0), (200, 0.0), (200, 0.2)):
            latencies, cpu, seconds = crowd(node, clients, pause, arguments.requests)
            latencies.sort()
            median, high = statistics.median(latencies), latencies[int(0.99 * len(latencies))]
            print(
                f"{clients:3} clients, pause {pause:3.1f} s   {len(latencies) / seconds:6.0f} requests/s,"
                f" {1e6 * cpu / len(latencies):5.0f} us CPU each = {len(latencies) / cpu:6.0f} requests/s on one core,"
                f" median {1000 * median:.2f} ms, p99 {1000 * high:.2f} ms ({high / median:.1f} x)"
            )
        print(f"memory at the end            {node.megabytes():.1f} MB; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
