"""Sends requests that stand ready as bytes over N connections, and counts the answers; or answers such requests.

Run as a process of its own, so that what is measured has an interpreter to itself:

    python bench/load.py send PORT FILE --connections 16 --seconds 4
    python bench/load.py answer

FILE is a JSON list of whole HTTP requests, Latin-1. Each connection sends the next of them as soon as it has the answer
to the one before; a server that closes after an answer is connected to again. `answer` gives the same bytes to
everybody: what `send` reaches against it is what `send` could measure at most.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSING = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_LONGEST_WAIT = 20.0


@dataclass(slots=True)
class Connection:
    """A kept connection and the answer received so far."""

    port: int
    socket: socket.socket
    came: bytes = b""
    sent_at: float = 0.0
    waits: list[float] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        """Send the next request."""
        self.came = b""
        self.sent_at = perf_counter()
        self.socket.sendall(data)


def connect(port: int) -> socket.socket:
    """Connect to a server on loopback."""
    connected = socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_WAIT)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def end_of(answer: bytes) -> int:
    """The length of the whole answer; 0 while it is unknown."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return 0
    length = _LENGTH.search(answer, 0, head + 2)
    if length is None:
        raise SystemExit(f"an answer without a length: {answer[:head]!r}")
    return head + 4 + int(length[1])


def send(port: int, requests: Iterator[bytes], connections: int, seconds: float, total: int) -> dict[str, Any]:
    """Answers by status with their times; ends after this many seconds or, if `total` is set, requests."""
    selector = selectors.DefaultSelector()
    open_now = [Connection(port, connect(port)) for _ in range(connections)]
    for one in open_now:
        selector.register(one.socket, selectors.EVENT_READ, one)
    statuses: Counter[int] = Counter()
    sent, busy = len(open_now), process_time()
    begin = perf_counter()
    for one in open_now:
        one.send(next(requests))
    waiting = len(open_now)
    while waiting:
        ready = selector.select(_LONGEST_WAIT)
        if not ready:
            raise SystemExit("no answer came")
        for key, _ in ready:
            one = cast("Connection", key.data)
            chunk = one.socket.recv(65536)
            if not chunk:
                raise SystemExit(f"the server hung up after {sum(statuses.values())} answers: {one.came!r}")
            one.came += chunk
            length = end_of(one.came)
            if not length or len(one.came) < length:
                continue
            now = perf_counter()
            one.waits.append(now - one.sent_at)
            statuses[int(one.came[9:12])] += 1
            if _CLOSING.search(one.came, 0, length):
                selector.unregister(one.socket)
                one.socket.close()
                one.socket = connect(port)
                selector.register(one.socket, selectors.EVENT_READ, one)
            if sent < total if total else now - begin < seconds:
                one.send(next(requests))
                sent += 1
            else:
                waiting -= 1
    taken = perf_counter() - begin
    waits = sorted(wait for entry in open_now for wait in entry.waits)
    return {
        "answers": sum(statuses.values()),
        "statuses": statuses,
        "seconds": taken,
        "cpu_seconds": process_time() - busy,
        "all_cpu_seconds": process_time(),
        "median_ms": 1000 * waits[len(waits) // 2],
        "p99_ms": 1000 * waits[len(waits) * 99 // 100],
    }


def answer() -> None:
    """Send the same short answer to every client until standard input ends."""
    content = b"HTTP/1.1 200 OK\r\nContent-Length: 1400\r\n\r\n" + b"a" * 1400
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            connection = cast("socket.socket", key.fileobj)
            # A request of this benchmark arrives whole: it is smaller than a loopback segment.
            if connection.recv(65536):
                connection.sendall(content)
            else:
                selector.unregister(connection)
                connection.close()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="send requests that stand ready, or answer them")
    commands = parser.add_subparsers(dest="command", required=True)
    sender = commands.add_parser("send")
    sender.add_argument("port", type=int)
    sender.add_argument("file", type=Path)
    sender.add_argument("--connections", type=int, default=16)
    sender.add_argument("--seconds", type=float, default=4)
    sender.add_argument("--total", type=int, default=0, help="so many requests, however long they take")
    commands.add_parser("answer")
    options = parser.parse_args()
    if options.command == "answer":
        answer()
        return
    requests = cycle([text.encode("latin-1") for text in json.loads(options.file.read_text())])
    print(json.dumps(send(options.port, requests, options.connections, options.seconds, options.total)))


if __name__ == "__main__":
    main()
