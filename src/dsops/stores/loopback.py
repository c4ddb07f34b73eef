"""One answer that a browser brings to this machine: a server on 127.0.0.1 that waits for it, and for nothing else."""

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

_MOST_BYTES = 16 * 1024
"""Of a request without a body."""

_MOST_CONNECTIONS = 32
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
"""How long a browser may take to say what it wants. Some open connections that they never use."""

_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>dsops</title></head>'
    '<body style="font-family: sans-serif; margin: 4em"><h1>{}</h1><p>{}</p></body></html>'
)
_ARRIVED = ("Done", "dsops has its answer: you can close this window and go back to the terminal.")
_NOT_OURS = (
    "Nothing has happened",
    "This window belongs to another login, or to one that is over. You can close it; the login that waits goes on.",
)
_NOT_HERE = ("There is nothing here", "dsops waits for one answer of a login, and this is not it.")


class BrowserRequest(NamedTuple):
    """What a browser wants."""

    method: str
    path: str
    query: Mapping[str, str]
    host: str
    body: bytes = b""


Judge = Callable[[BrowserRequest], bool]
"""Whether that is the answer which is awaited."""


def has_state(state: str) -> Judge:
    """Whether an answer belongs to the login that has this state."""
    return lambda asked: compare_digest(asked.query.get("state", "").encode(), state.encode())


class LoopbackPort:
    """A port of this machine on which one answer is awaited."""

    def __init__(self, path: str, port: int = 0, *, method: str = "GET", most_bytes: int = _MOST_BYTES) -> None:
        """Raises OSError where no port, or not this one, can be had."""
        self._path = path
        self._method = method
        self._most_bytes = most_bytes
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if port:
                # Connections of an earlier login may linger; another program's listener still stands in the way.
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
        """Where the browser is sent to."""
        return f"http://127.0.0.1:{self.port}{self._path}"

    def wait(self, judge: Judge, seconds: float, look: Callable[[], None] = lambda: None) -> BrowserRequest:
        """The first request for our path that `judge` takes. Raises LoginFailed when the time is up.

        Everything else is answered and ignored: an icon, another login's window, a page that guesses. `look` is
        called now and then, and may raise.
        """
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            look()
            ready, _, _ = select([self._socket, *self._waiting], [], [], min(left, _LOOK_SECONDS))
            for each in ready:
                if each is self._socket:
                    self._accept()
                    continue
                # An older one may have had to go for a new one just now.
                asked = self._read(each) if each in self._waiting else None
                if asked is None:
                    continue
                answer = self._answer(asked, judge)
                _send(each, asked.method, *answer)
                self._forget(each)
                if answer[1] is _ARRIVED:
                    return asked
            for connection in [each for each, (_, end) in self._waiting.items() if end < monotonic()]:
                self._forget(connection)
        raise LoginFailed("the browser brought no answer in time", hint="log in once more")

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
        """The request once it is complete; None before that, and for what is none."""
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
        return _parse(head.decode("latin-1"))._replace(body=body)

    def _answer(self, asked: BrowserRequest, judge: Judge) -> tuple[int, tuple[str, str]]:
        if asked.method not in ("GET", "HEAD", self._method) or asked.path != self._path:
            return 404, _NOT_HERE
        # Under another name it is a page of somebody else's that was made to point here.
        if asked.host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return 400, _NOT_HERE
        return (200, _ARRIVED) if asked.method == self._method and judge(asked) else (400, _NOT_OURS)

    def _forget(self, connection: socket.socket) -> None:
        self._waiting.pop(connection, None)
        connection.close()


def _length(head: bytes) -> int:
    """How many bytes of a body follow; none where it is not said."""
    length = re.search(rb"(?im)^content-length:[ \t]*([0-9]{1,7})[ \t]*\r?$", head)
    return int(length[1]) if length else 0


def _parse(head: str) -> BrowserRequest:
    """The request of this head; an empty one for what is none."""
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


def _send(connection: socket.socket, method: str, status: int, words: tuple[str, str]) -> None:
    page = _PAGE.format(*words).encode()
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'No'}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    try:
        connection.setblocking(True)
        connection.settimeout(_PATIENCE_SECONDS)
        connection.sendall(head.encode() + (b"" if method == "HEAD" else page))
        # What the browser still sends would turn the close into a reset, and the page would not be shown.
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has left: what it brought is here
