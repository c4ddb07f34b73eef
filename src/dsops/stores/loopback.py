"""A server on 127.0.0.1 that waits for one request from the user's browser."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from hmac import compare_digest
from select import select
from time import monotonic
from typing import NamedTuple, Self
from urllib.parse import parse_qsl

from dsops.errors import LoginFailed
from dsops.secret import Secret

_MOST_BYTES = 16 * 1024
"""The maximum size of a request without a body."""

_MOST_CONNECTIONS = 32
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
"""The timeout of one browser connection. Some browsers open connections that they never use."""

_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>dsops</title></head>'
    '<body style="font-family: sans-serif; margin: 4em"><h1>{}</h1><p>{}</p></body></html>'
)
_ARRIVED = ("Done", "dsops has its answer: you can close this window and go back to the terminal.")
_NOT_OURS = (
    "Nothing has happened",
    "This window belongs to another login or to one that has ended. You can close it; the waiting login continues.",
)
_NOT_HERE = ("There is nothing here", "dsops waits for one answer of a login, and this is not it.")


class BrowserRequest(NamedTuple):
    """A request from the browser."""

    method: str
    path: str
    query: Mapping[str, str]
    host: str
    body: bytes = b""
    client: int = 0
    """The port number at the client's end of the connection."""


Judge = Callable[[BrowserRequest], bool]
"""A function that decides whether a request is the expected one."""


def has_state(state: str) -> Judge:
    """Return a judge for one login. It accepts only requests that contain the login's `state`."""
    return lambda request: compare_digest(request.query.get("state", "").encode(), state.encode())


def uid_of_client(client: int, port: int) -> int | None:
    """Return the user id of the process that is connected from port `client` to `port`; None if unknown.

    Only Linux lists connections in files (proc(5), /proc/net/tcp and tcp6). A line contains the local and remote
    address in hex, and the user id as eighth field. An IPv6 socket can also connect to the port, at the address
    ::ffff:127.0.0.1.
    """
    for name, address in (("tcp", "0100007F"), ("tcp6", "0000000000000000FFFF00000100007F")):
        ends = [f"{address}:{number:04X}" for number in (client, port)]
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                fields = next((fields for line in file if (fields := line.split())[1:3] == ends), None)
            if fields:
                return int(fields[7])
        except (OSError, ValueError, IndexError):
            continue
    return None


class LoopbackPort:
    """A local port that waits for one request."""

    def __init__(
        self,
        path: str,
        port: int = 0,
        *,
        method: str = "GET",
        most_bytes: int = _MOST_BYTES,
        location: Secret | None = None,
    ) -> None:
        """Listen on `port`; 0 means any free port. Raises OSError if the port is not available.

        The response to the accepted request is a page, or a redirect to `location`.
        """
        self._location = location
        self._path = path
        self._method = method
        self._most_bytes = most_bytes
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if port:
                # With this option, connections of an earlier login do not block the port. If another program listens on
                # the port, bind still fails.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen(8)
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._waiting: dict[socket.socket, tuple[bytes, float]] = {}
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._waiting:
            connection.close()
        self._socket.close()

    @property
    def address(self) -> str:
        """The URL that the browser calls at the end of the login."""
        return f"http://127.0.0.1:{self.port}{self._path}"

    def wait(self, judge: Judge, seconds: float, look: Callable[[], None] = lambda: None) -> BrowserRequest:
        """Return the first request for the login's path that `judge` accepts. Raises LoginFailed on timeout.

        All other requests are answered and ignored. They can be requests for an icon, from the window of another
        login, or from an attacker's page. `look` is called from time to time and may raise an exception.
        """
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            look()
            ready, _, _ = select([self._socket, *self._waiting], [], [], min(left, _LOOK_SECONDS))
            for connection_ready in ready:
                if connection_ready is self._socket:
                    self._accept()
                    continue
                # This connection may just have been dropped to make room for a new one.
                request = self._read(connection_ready) if connection_ready in self._waiting else None
                if request is None:
                    continue
                answer = self._answer(request, judge)
                _send(connection_ready, request.method, *answer, self._location if answer[1] is _ARRIVED else None)
                self._forget(connection_ready)
                if answer[1] is _ARRIVED:
                    return request
            for connection in [late for late, (_, end) in self._waiting.items() if end < monotonic()]:
                self._forget(connection)
        raise LoginFailed("the login in the browser was not completed in time", hint="log in again")

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        if len(self._waiting) >= _MOST_CONNECTIONS:
            self._forget(next(iter(self._waiting)))
        connection.setblocking(False)
        self._waiting[connection] = (b"", monotonic() + _PATIENCE_SECONDS)

    def _read(self, connection: socket.socket) -> BrowserRequest | None:
        """Read more data of the request, and return the request once it is complete; None otherwise.

        Malformed requests and requests that are too large also return None.
        """
        data, end = self._waiting[connection]
        try:
            piece = connection.recv(65536)
        except OSError:
            piece = b""
        data += piece
        if not piece or len(data) > self._most_bytes:
            self._forget(connection)
            return None
        head, complete, body = data.partition(b"\r\n\r\n")
        if not complete or len(body) < _length(head):
            self._waiting[connection] = (data, end)
            return None
        return _parse(head.decode("latin-1"))._replace(body=body, client=connection.getpeername()[1])

    def _answer(self, request: BrowserRequest, judge: Judge) -> tuple[int, tuple[str, str]]:
        if request.method not in ("GET", "HEAD", self._method) or request.path != self._path:
            return 404, _NOT_HERE
        # Another host name means DNS rebinding: an attacker's page made its own name resolve to this machine.
        if request.host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return 400, _NOT_HERE
        return (200, _ARRIVED) if request.method == self._method and judge(request) else (400, _NOT_OURS)

    def _forget(self, connection: socket.socket) -> None:
        self._waiting.pop(connection, None)
        connection.close()


def _length(head: bytes) -> int:
    """Return the length of the request's body from the header Content-Length; 0 without that header."""
    length = re.search(rb"(?im)^content-length:[ \t]*([0-9]{1,7})[ \t]*\r?$", head)
    return int(length[1]) if length else 0


def _parse(head: str) -> BrowserRequest:
    """Parse a request's head. If it is not HTTP/1, return an empty request."""
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return BrowserRequest("", "", {}, "")
    path, _, query = words[1].partition("?")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        pairs = {}
    return BrowserRequest(words[0], path, pairs, headers.get("host", "").lower())


def _send(connection: socket.socket, method: str, status: int, words: tuple[str, str], location: Secret | None) -> None:
    page = _PAGE.format(*words).encode()
    first = f"302 Found\r\nLocation: {location.reveal()}" if location else f"{status} {'OK' if status == 200 else 'No'}"
    head = (
        f"HTTP/1.1 {first}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    try:
        connection.setblocking(True)
        connection.settimeout(_PATIENCE_SECONDS)
        connection.sendall(head.encode() + (b"" if method == "HEAD" else page))
        # If unread bytes remained, closing would reset the connection, and the browser would not show the page.
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the browser has closed the connection, but its request was read before
