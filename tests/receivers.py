"""Receivers of the audit trail on this machine: datagram sockets, and streams of length-prefixed messages."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

PATIENCE_SECONDS = 60

# RFC 5424, section 6: HEADER SP STRUCTURED-DATA SP MSG; header fields are printable ASCII without spaces.
_MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32})"
    rb" - (.*)",
    re.DOTALL,
)


class Message(NamedTuple):
    """A syslog message."""

    facility: int
    severity: int
    time: str
    host: str
    program: str
    pid: str
    name: str
    text: bytes


def parse(data: bytes) -> Message:
    """Parse an RFC 5424 message."""
    match = _MESSAGE.fullmatch(data)
    assert match is not None, data[:200]
    priority, *fields, text = match.groups()
    time, host, program, pid, name = (field.decode() for field in fields)
    return Message(int(priority) // 8, int(priority) % 8, time, host, program, pid, name, text)


class Datagrams:
    """A datagram socket: a Unix socket if a path is given, otherwise UDP."""

    def __init__(self, path: Path | None = None) -> None:
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(str(path) if path else ("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE_SECONDS)
        self.target = str(path) if path else f"udp://127.0.0.1:{self.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def take(self, count: int) -> list[bytes]:
        """Receive the next datagrams."""
        return [self.socket.recv(1 << 20) for _ in range(count)]


class Stream:
    """A stream listener that reads everything; with `is_deaf` it reads nothing, with `breaks` it closes early."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        is_deaf: bool = False,
        breaks: bool = False,
    ) -> None:
        if path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(path))
            self._listener.listen()
            self.target = str(path)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.target = f"{'tls' if tls else 'tcp'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._tls, self._is_deaf, self._breaks = tls, is_deaf, breaks
        self._parts: list[bytes] = []
        self._held: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=PATIENCE_SECONDS)
        for connection in self._held:
            connection.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self._is_deaf:
                    self._held.append(connection)
                    continue
                if self._breaks:
                    # Closing a socket with unread data sends a reset to the peer.
                    connection.recv(1)
                    connection.close()
                    continue
                with suppress(OSError):
                    if self._tls:
                        connection = self._tls.wrap_socket(connection, server_side=True)
                    while part := connection.recv(65536):
                        self._parts.append(part)
                    self._ended.set()
                connection.close()

    def messages(self) -> list[bytes]:
        """All messages until the connection was closed, split by octet counts (RFC 6587, 3.4.1)."""
        assert self._ended.wait(PATIENCE_SECONDS)
        data, found = b"".join(self._parts), []
        while data:
            length, _, data = data.partition(b" ")
            found.append(data[: int(length)])
            assert len(found[-1]) == int(length)
            data = data[int(length) :]
        return found
