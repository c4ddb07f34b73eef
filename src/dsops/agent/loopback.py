"""A small HTTP server on loopback for the event loop of process/watch.py: one GET per connection.

Every process of this machine can connect: a slow, long or malformed request must not delay other clients.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from time import monotonic

from dsops.errors import UsageError

_MOST_A_TURN = 32

_MOST_BYTES = 8192
"""Maximum bytes of a request; botocore sends about 200."""

CLIENT_SECONDS = 10.0
"""How long a connection may last."""

_DEAF_SECONDS = 1.0
"""How long no connection is accepted after the process ran out of descriptors, in seconds.

Without this pause, the waiting connection would wake the loop endlessly.
"""

_HTTP_PORT = 80
"""The port that a URL and a Host header leave out."""

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def _open(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        where = f"{address} port {port}" if port else address
        why = (error.strerror or "unknown reason").lower()
        hint = "leave out the port to use a free one, or name an address of this machine"
        raise UsageError(f"dsops can't listen on {where}", why=why, hint=hint) from error


class LoopbackConnection:
    """One connection: the received bytes, and the bytes to send."""

    __slots__ = ("connection", "inbox", "is_waiting", "outbox", "proceed", "query", "until")

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self.inbox = b""
        self.outbox = b""
        self.query = ""
        """The query of the request, without the question mark and not decoded."""
        self.is_waiting = False
        """Whether the request is complete but the answer is not available yet."""
        self.proceed: Callable[[bool], None] | None = None
        """A subclass's function that answers the waiting request if it can; with True, in any case."""
        self.until = until


class LoopbackAttendant:
    """Base class of an HTTP server in the loop of process/watch.py. Its port is open after `__init__`."""

    most_silent = 256
    """Maximum number of connections without a complete request; when one more connects, the oldest is closed."""
    most_clients = 512
    """Maximum number of connections, including those with a complete request; others wait in the kernel's queue."""

    def __init__(
        self,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        listener: socket.socket | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Open the port, or use a listening Unix socket.

        Raises UsageError if the address is not of this machine, or the port is taken.
        """
        self._listener = _open(address, port) if listener is None else listener
        self._listener.setblocking(False)
        self.clock = clock
        self._clients: dict[int, LoopbackConnection] = {}
        self._deaf_until = 0.0
        self._hosts: set[str] | None = None
        """The accepted Host headers; None for a Unix socket, which a web page can't reach."""
        self.port, self.url = 0, "http://localhost"
        if listener is None:
            self.port = int(self._listener.getsockname()[1])
            host = f"[{address}]" if ":" in address else address
            self.url = f"http://{host}" if self.port == _HTTP_PORT else f"http://{host}:{self.port}"
            # A port forwarder in a container passes on its client's Host header, so loopback names are accepted, too.
            names = (host, "127.0.0.1", "localhost", "[::1]")
            self._hosts = {f"{name}:{self.port}" for name in names}
            if self.port == _HTTP_PORT:
                self._hosts.update(names)

    # Methods that a subclass overrides or calls:

    def asked(self, client: LoopbackConnection, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Answer a request, or set its `is_waiting`. The Host header has been checked; `path` has no query."""
        raise NotImplementedError

    def wait(self, client: LoopbackConnection, *, is_late: bool) -> None:
        """Answer a waiting request if possible; with `is_late`, always. Called in each turn of the loop."""
        raise NotImplementedError

    def answer(self, client: LoopbackConnection, status: int, content_type: str, body: bytes) -> None:
        """Sends the answer, and ends the connection."""
        client.is_waiting = False
        client.until = self.clock() + CLIENT_SECONDS
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        client.outbox = head.encode("ascii") + body
        self._send(client)

    def refuse(self, client: LoopbackConnection, status: int, message: str) -> None:
        """Sends an error, and ends the connection."""
        self.answer(client, status, "text/plain; charset=utf-8", f"{message}\n".encode())

    # Methods that the event loop calls:

    def readers(self) -> Iterable[int]:
        """Return the descriptors to read from: the listener, and clients that have not been answered."""
        is_closed = self.clock() < self._deaf_until or len(self._clients) >= self.most_clients
        listener = () if is_closed else (self._listener.fileno(),)
        return (*listener, *[number for number, client in self._clients.items() if not client.outbox])

    def writers(self) -> Iterable[int]:
        """Return the descriptors of clients that have not received the whole answer."""
        return [number for number, client in self._clients.items() if client.outbox]

    def seconds(self) -> float | None:
        """Seconds until the next connection times out; None without connections."""
        now = self.clock()
        moments = [client.until for client in self._clients.values()]
        if now < self._deaf_until:
            moments.append(self._deaf_until)
        return max(0.0, min(moments) - now) if moments else None

    def turn(self, ready: Collection[int]) -> None:
        """Serves the descriptors that are ready."""
        for number in [number for number in self._clients if number in ready]:
            self._converse(self._clients[number])
        if self._listener.fileno() in ready:
            self._accept()
        now = self.clock()
        for client in list(self._clients.values()):
            if client.is_waiting:
                self.wait(client, is_late=client.until <= now)
            elif client.until <= now:
                self._drop(client)

    def end(self) -> None:
        """Closes all connections and the port."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._listener.close()

    def _accept(self) -> None:
        # The number of connections accepted in one turn is limited. Otherwise, a client that connects endlessly would
        # keep the loop from handling signals for the command.
        for _ in range(min(_MOST_A_TURN, self.most_clients - len(self._clients))):
            try:
                connection, _peer = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                self._deaf_until = self.clock() + _DEAF_SECONDS
                return
            connection.setblocking(False)
            silent = [client for client in self._clients.values() if not client.is_waiting]
            if len(silent) >= self.most_silent:
                self._drop(silent[0])
            client = LoopbackConnection(connection, self.clock() + CLIENT_SECONDS)
            self._clients[connection.fileno()] = client

    def _converse(self, client: LoopbackConnection) -> None:
        if client.outbox:
            self._send(client)
            return
        try:
            piece = client.connection.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._drop(client)
            return
        if client.is_waiting:
            return
        client.inbox += piece
        head, end, _ = client.inbox.partition(b"\r\n\r\n")
        if len(head) > _MOST_BYTES or (not end and len(client.inbox) > _MOST_BYTES):
            self.refuse(client, 431, "the request is too long")
        elif end:
            self._handle(client, head)

    def _handle(self, client: LoopbackConnection, head: bytes) -> None:
        """Handles a complete request."""
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = _headers(lines)
        words = line.split(" ")
        if headers is None or len(words) != 3 or not words[2].startswith("HTTP/1."):
            self.refuse(client, 400, "this is not a request")
        elif self._hosts is not None and headers.get("host", "") not in self._hosts:
            # Protects against DNS rebinding: a web page can make its own host name resolve to this address, and then
            # its requests have that name in the Host header.
            self.refuse(client, 403, "the Host header names another host")
        else:
            path, _, client.query = words[1].partition("?")
            self.asked(client, words[0], path, headers)

    def _send(self, client: LoopbackConnection) -> None:
        try:
            client.outbox = client.outbox[client.connection.send(client.outbox) :]
        except BlockingIOError:
            return
        except OSError:
            client.outbox = b""
        if not client.outbox:
            self._drop(client)

    def _drop(self, client: LoopbackConnection) -> None:
        self._clients.pop(client.connection.fileno(), None)
        client.connection.close()


def _headers(lines: Iterable[str]) -> dict[str, str] | None:
    """Lower-case names -> values; None for a malformed line, and for a repeated Host or Authorization."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        small = name.lower()
        if not colon or not name or name != name.strip() or (small in {"host", "authorization"} and small in headers):
            return None
        headers[small] = value.strip()
    return headers
