"""Measure the server of `exec --guard` without its gate, against direct connections, and print a table.

Run it with `python bench/guard.py --rounds 9`. The upstream and the guard are processes of their own. Calls and
transfers take turns between the direct way and the guard, so that ratios hold on a machine with other load.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO

GIGABYTE = 1_000_000_000
PIECE = bytes(262_144)
HEAD = b"POST / HTTP/1.1\r\nHost: dynamodb.eu-west-1.amazonaws.com\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"
TAIL = b"Content-Type: application/x-amz-json-1.0\r\nAuthorization: AWS4-HMAC-SHA256 " + b"a" * 200 + b"\r\n"
CALL = HEAD + TAIL + b"Content-Length: 45\r\n\r\n" + b"x" * 45
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n" + b"y" * 45
Address = tuple[str, int]


def main() -> None:
    """Run a role of the benchmark, or all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--gigabytes", type=int, default=5, help="for the memory of a long transfer")
    parser.add_argument("--role", choices=["upstream", "guard", "start"])
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.role == "upstream":
        run_upstream()
    elif arguments.role == "guard":
        run_guard(arguments.port)
    elif arguments.role == "start":
        run_start()
    else:
        measure(arguments.rounds, arguments.gigabytes)


def run_upstream() -> None:
    """Answer calls, take uploads (PUT) and give downloads (GET /bytes) until the input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    sys.stdin.read()


def accept(listener: socket.socket) -> None:
    """Serve each connection in a thread."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


def serve(client: socket.socket) -> None:
    """Serve the requests of one connection."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            piece = client.recv(65_536)
            if not piece:
                return
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        if head.startswith(b"GET /"):
            size = int(head.split(b" ", 2)[1][1:])
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            send_bytes(client, size)
            continue
        left = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) - len(data)
        take_bytes(client, left)
        data = b""
        client.sendall(ANSWER)


def send_bytes(client: socket.socket, size: int) -> None:
    """Send this many zero bytes."""
    while size > 0:
        client.sendall(PIECE[:size] if size < len(PIECE) else PIECE)
        size -= len(PIECE)


def take_bytes(client: socket.socket, left: int) -> None:
    """Receive this many bytes."""
    buffer = bytearray(len(PIECE))
    while left > 0:
        size = client.recv_into(buffer, min(left, len(buffer)))
        if not size:
            raise EOFError("the connection ended")
        left -= size


def run_guard(port: int) -> None:
    """Run a guard whose gate forwards everything, until the input ends. Each line asks for its CPU time and memory."""
    from dsops.guard.authority import Authority
    from dsops.guard.exchange import Begin, Forward, RequestHead, Tunnel
    from dsops.guard.http.upstream import Network
    from dsops.guard.server import GuardServer

    class OpenGate:
        def tunnel(self, _: str, __: int) -> Tunnel:
            return "open"

        def begin(self, head: RequestHead) -> Begin:
            return "body" if head.method == "POST" else "head"

        async def decide(self, head: RequestHead, body: bytes | None) -> Forward:
            return Forward("127.0.0.1", port, False, head.path, head.method, head.headers, body)

    server = GuardServer(OpenGate(), Authority(datetime.now(UTC)), Network({}))
    server.start()
    print(server.address[1], flush=True)
    for _ in sys.stdin:
        with open("/proc/self/status", encoding="ascii") as status:
            peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        print(time.process_time(), peak, flush=True)
    server.close()


def run_start() -> None:
    """Print the CPU time of importing and starting the guard's server, in milliseconds."""
    began = time.process_time()
    from dsops.guard.authority import Authority
    from dsops.guard.http.upstream import Network
    from dsops.guard.server import GuardServer

    imported = time.process_time()
    authority = Authority(datetime.now(UTC))
    made = time.process_time()
    gate: object = None
    GuardServer(gate, authority, Network({})).start()  # type: ignore[arg-type]
    started = time.process_time()
    print(*(1_000 * seconds for seconds in (started - began, imported - began, made - imported, started - made)))
    sys.stdout.flush()
    os._exit(0)


class Role:
    """A process of this script, with its port."""

    def __init__(self, name: str, port: int = 0) -> None:
        words = [sys.executable, __file__, "--role", name, "--port", str(port)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address: Address = ("127.0.0.1", int(self.output.readline()))

    @property
    def output(self) -> IO[str]:
        """The standard output of the process."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout

    def usage(self) -> tuple[float, int]:
        """The CPU seconds and the peak memory in kilobytes of a guard so far."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, peak = self.output.readline().split()
        return float(seconds), int(peak)

    def close(self) -> None:
        """End the process."""
        self._process.communicate("", timeout=10)


def timed(work: Callable[[], object]) -> float:
    """The seconds that a function takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def call(client: socket.socket) -> None:
    """Make one small call over a kept connection."""
    client.sendall(CALL)
    take_bytes(client, len(ANSWER))


def transfer(address: Address, size: int, *, is_up: bool) -> None:
    """Upload or download this many bytes over a new connection."""
    with socket.create_connection(address, timeout=60) as client:
        if is_up:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
            send_bytes(client, size)
            client.recv(65_536)
            return
        client.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % size)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65_536)
        take_bytes(client, size - len(head.partition(b"\r\n\r\n")[2]))


def measure(rounds: int, gigabytes: int) -> None:
    """Print the table."""
    upstream = Role("upstream")
    guard = Role("guard", upstream.address[1])
    print("| measurement | measured | wanted of the whole guard |\n|---|---|---|")
    measure_calls(upstream.address, guard, rounds)
    for name, is_up in (("upload", True), ("download", False)):
        ratios, began = [], guard.usage()[0]
        for _ in range(rounds):
            direct = timed(lambda is_up=is_up: transfer(upstream.address, GIGABYTE, is_up=is_up))  # type: ignore[misc]
            through = timed(lambda is_up=is_up: transfer(guard.address, GIGABYTE, is_up=is_up))  # type: ignore[misc]
            ratios.append(direct / through)
        print(f"| {name} of 1 GB: CPU time of the guard | {(guard.usage()[0] - began) / rounds:.2f} s | |")
        print(f"| {name} of 1 GB: speed / speed of a direct one | {statistics.median(ratios):.2f} x | at least 0.7 x |")
    before = guard.usage()[1]
    for is_up in (True, False):
        transfer(guard.address, gigabytes * GIGABYTE, is_up=is_up)
    peak = guard.usage()[1]
    print(
        f"| peak memory after {gigabytes} GB up and down | {peak / 1000:.0f} MB ({(peak - before) / 1000:+.1f} MB) | |"
    )
    guard.close()
    upstream.close()
    measure_start(rounds)


def measure_calls(upstream: Address, guard: Role, rounds: int) -> None:
    """Print the rows about small calls."""
    number = 300 * rounds
    with socket.create_connection(upstream) as direct, socket.create_connection(guard.address) as through:
        for _ in range(200):
            call(direct)
            call(through)
        began = guard.usage()[0]
        pairs = [(timed(lambda: call(direct)), timed(lambda: call(through))) for _ in range(number)]
        seconds = guard.usage()[0] - began
    medians = [1_000 * statistics.median(column) for column in zip(*pairs, strict=True)]
    added = medians[1] - medians[0]
    print(f"| added to a small call ({medians[0]:.2f} ms direct) | {added:.2f} ms | at most 3 ms |")
    print(f"| calls in a second of CPU time | {number / seconds:,.0f} | at least 2,000 |")


def measure_start(rounds: int) -> None:
    """Print the row about the start."""
    words = [sys.executable, __file__, "--role", "start"]
    runs = [
        [float(word) for word in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()]
        for _ in range(rounds)
    ]
    total, imports, authority, start = (statistics.median(column) for column in zip(*runs, strict=True))
    parts = f"imports {imports:.0f}, authority {authority:.1f}, thread {start:.1f}"
    print(f"| CPU time to start the server and its authority | {total:.0f} ms ({parts}) | at most 60 ms |")


if __name__ == "__main__":
    main()
