"""A gate that decides as a test says, and upstreams and clients of plain sockets, for tests of the guard's server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Self

from dsops.guard.authority import Authority
from dsops.guard.exchange import Begin, Forward, Forwarded, RequestHead, Tunnel
from dsops.guard.http.limits import Limits
from dsops.guard.http.upstream import Network
from dsops.guard.server import GuardServer
from dsops.request.messages import HttpAnswer

SECONDS = 60.0
"""How long a socket of a test waits."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FakeGate:
    """Forwards every request to one upstream, unless the test says something else."""

    def __init__(self, upstream: tuple[str, int], *, is_tls: bool = False) -> None:
        self.upstream = upstream
        self.is_tls = is_tls
        self.begin_with: Begin | HttpAnswer = "body"
        self.tunnel_with: Tunnel | HttpAnswer = "open"
        self.decide_with: HttpAnswer | Exception | None = None
        self.transform: Callable[[bytes], bytes] | None = None
        self.change: Callable[[Forward], Forward] = lambda forward: forward
        """Applied to each Forward."""
        self.heads: list[RequestHead] = []
        self.bodies: list[bytes | None] = []
        self.results: list[Forwarded] = []
        self.tunnels: list[tuple[str, int]] = []

    def tunnel(self, host: str, port: int) -> Tunnel | HttpAnswer:
        """Return what the test says."""
        self.tunnels.append((host, port))
        return self.tunnel_with

    def begin(self, head: RequestHead) -> Begin | HttpAnswer:
        """Return what the test says."""
        self.heads.append(head)
        return self.begin_with

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | HttpAnswer:
        """Forward the request, or do what the test says."""
        self.bodies.append(body)
        if isinstance(self.decide_with, Exception):
            raise self.decide_with
        if self.decide_with is not None:
            return self.decide_with
        target = head.path + (f"?{head.query}" if head.query else "")
        forward = Forward(
            *self.upstream, self.is_tls, target, head.method, head.headers, body, self.transform, self.results.append
        )
        return self.change(forward)


class FakeUpstream:
    """Accepts connections on loopback, and runs a function for each in a thread."""

    def __init__(self, talk: Callable[[Wire], object], context: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()
        self.connections = 0
        self.errors: list[BaseException] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in accept() is not woken by close().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(SECONDS)
        try:
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            with Wire(client) as wire:
                self._talk(wire)
        except (OSError, EOFError) as error:
            self.errors.append(error)


class Wire:
    """A socket with the reads that HTTP needs."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self.socket = connection
        self.data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> None:
        """Send each piece by itself."""
        for piece in data:
            self.socket.sendall(piece)

    def until(self, end: bytes) -> bytes:
        """Read up to and including `end`. Raises EOFError."""
        while end not in self.data:
            self._more()
        found, _, self.data = self.data.partition(end)
        return found + end

    def exactly(self, size: int) -> bytes:
        """Read this many bytes. Raises EOFError."""
        while len(self.data) < size:
            self._more()
        found, self.data = self.data[:size], self.data[size:]
        return found

    def skip(self, size: int) -> bytes:
        """Read this many bytes and forget them; return a part of the last ones."""
        while len(self.data) < size:
            size -= len(self.data)
            self.data = self.socket.recv(1_000_000)
            if not self.data:
                raise EOFError("the connection ended")
        found, self.data = self.data[:size], self.data[size:]
        return found

    def rest(self) -> bytes:
        """Read until the end of the connection."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self._more()
        found, self.data = self.data, b""
        return found

    def message(self) -> tuple[str, dict[str, str], bytes]:
        """Read a message with Content-Length or without a body: its first line, headers and body."""
        first, headers = self.head()
        return first, headers, self.exactly(int(headers.get("content-length", "0")))

    def head(self) -> tuple[str, dict[str, str]]:
        """Read the first line and the headers of a message, with names in lower case."""
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines if line]
        return first, {name.lower(): value for name, value in pairs}

    def chunks(self) -> Iterator[bytes]:
        """Read the chunks of a body without trailers."""
        while size := int(self.until(b"\r\n"), 16):
            yield self.exactly(size + 2)[:-2]
        assert self.until(b"\r\n") == b"\r\n"

    def _more(self) -> None:
        piece = self.socket.recv(65_536)
        if not piece:
            raise EOFError("the connection ended")
        self.data += piece


def answering(*answers: bytes) -> Callable[[Wire], object]:
    """Return a talk that reads requests without chunks, and gives these answers; the last one again and again."""
    left = list(answers)

    def talk(wire: Wire) -> None:
        with contextlib.suppress(EOFError):
            while True:
                wire.message()
                wire.send(left.pop(0) if len(left) > 1 else left[0])

    return talk


@contextlib.contextmanager
def guard_server(
    gate: FakeGate, *, limits: Limits | None = None, environ: dict[str, str] | None = None, bug: Exception | None = None
) -> Iterator[tuple[GuardServer, Authority]]:
    """Run a guard's server with this gate. An error of the server itself, other than `bug`, fails the test."""
    authority = Authority(datetime.now(UTC))
    errors: list[BaseException] = []
    server = GuardServer(gate, authority, Network(environ or {}), limits=limits, report=errors.append)
    server.start()
    try:
        yield server, authority
    finally:
        server.close()
    expected = [bug, gate.decide_with]
    assert [error for error in errors if error not in expected] == []


def connect(server: GuardServer) -> Wire:
    """Connect to the guard's server as a client."""
    return Wire(socket.create_connection(server.address, timeout=SECONDS))


@contextlib.contextmanager
def one_client(upstream: FakeUpstream) -> Iterator[Wire]:
    """A client of a guard's server that forwards everything to this upstream."""
    with guard_server(FakeGate(upstream.address)) as (server, _), connect(server) as wire:
        yield wire
