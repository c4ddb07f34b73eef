"""An HTTP server on loopback that gives a test's answers, including garbage and silence.

One thread per connection; connections are kept open, as AWS does. A test (or a benchmark) gives a function from
`Seen` to `Answer` and reads the received requests in `seen`.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, NamedTuple, Self

from tests.children import SECONDS


class Seen(NamedTuple):
    """A received request."""

    method: str
    target: str
    """Path and query, as sent; an absolute URL or `host:port` where a proxy is addressed."""
    headers: tuple[tuple[str, str], ...]
    """Names as sent, in order."""
    body: bytes
    connection: int
    """Number of the connection to this server, from 0."""

    def header(self, name: str) -> str:
        """The value of a header, or ""; a repeated header fails the test."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else ""


class Answer(NamedTuple):
    """An answer; its length and `Connection` are added, unless `raw` gives every byte."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    """Delay before the first byte; for benchmarks."""
    raw: bytes | None = None
    """Sent unchanged instead of an answer; then the connection is closed."""
    cut_after: int | None = None
    """Number of bytes of the body to send before the connection is closed."""
    is_silent: bool = False
    """Sends nothing; the connection stays open until the server ends."""
    closes: bool = False
    """Closes the connection after the answer without announcing it."""


Handler = Callable[[Seen], Answer]


class StubServer:
    """A server on a free port of 127.0.0.1 during a `with` block."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None, is_deaf: bool = False) -> None:
        """With `is_deaf` it accepts connections and reads nothing from them."""
        self._handler = handler
        self._is_deaf = is_deaf
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[Seen] = []
        self.connections = 0
        """Number of opened connections, including those with a failed handshake."""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, https with TLS."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        # On Linux, accept() does not return when its listener is closed, but it does when it is shut down.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # Before the descriptor is free: a late accept() would take the next server's connection.
        self._acceptor.join(timeout=10)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _close(each)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            # A client that gives up at once may already have ended the server together with this connection.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_deaf:
                self._stopping.wait(SECONDS)
            elif self._tls is None:
                self._converse(connection, number)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._converse(wrapped, number)
        except (OSError, ValueError):
            # The client left or refused our certificate, or the server is ending.
            pass
        finally:
            _close(connection)
            with self._lock:
                self._open.discard(connection)

    def wait_until_closed(self) -> None:
        """Wait until the server has closed every connection."""
        end = time.monotonic() + SECONDS
        while self._open:
            assert time.monotonic() < end, "a connection is still open"
            time.sleep(0.001)

    def _converse(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as reader:
            while not self._stopping.is_set():
                seen = read_request(reader, number)
                if seen is None:
                    return
                with self._lock:
                    self.seen.append(seen)
                if not self._answer(connection, self._handler(seen), with_body=seen.method != "HEAD"):
                    return

    def _answer(self, connection: socket.socket, answer: Answer, *, with_body: bool) -> bool:
        """Sends the answer; returns whether the connection may be used again."""
        if answer.is_silent:
            self._stopping.wait(SECONDS)
            return False
        if answer.delay_seconds:
            time.sleep(answer.delay_seconds)
        if answer.raw is not None:
            connection.sendall(answer.raw)
            return False
        head = f"HTTP/1.1 {answer.status} Whatever\r\nContent-Length: {len(answer.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        body = answer.body if answer.cut_after is None else answer.body[: answer.cut_after]
        # One write: separate writes of head and body cost 40 ms (Nagle and delayed acknowledgement).
        connection.sendall(head.encode("latin-1") + b"\r\n" + (body if with_body else b""))
        return answer.cut_after is None and not answer.closes


def read_request(reader: BinaryIO, connection: int) -> Seen | None:
    """The next request; None when the client sends no more."""
    line = reader.readline(65537).decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    method, target, _ = line.split(" ", 2)
    headers: list[tuple[str, str]] = []
    while (line := reader.readline(65537).decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        headers.append((name, value.strip(" \t")))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Seen(method, target, tuple(headers), reader.read(length), connection)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
