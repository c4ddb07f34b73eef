"""A session handed to a command's AWS SDKs while it runs, by the protocol that they speak in containers.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html: one GET with a token, answered by
JSON. Whoever runs on this machine can connect, so nobody but the holder of the token gets anything, however slow,
long or wrong what they send is.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from hmac import compare_digest
from time import monotonic
from typing import Protocol

from dsops.arn import parse_arn
from dsops.credentials import Credentials
from dsops.errors import DsopsError, UsageError
from dsops.secret import Secret

PATH = "/credentials"

_MOST_CLIENTS = 32
"""At once; one more, and the one that has been there for longest has to go: it is slow, or asks for nothing."""

_MOST_BYTES = 8192
"""Of a request. botocore's has 200."""

_CLIENT_SECONDS = 10.0
"""How long a connection may last, whatever it does."""

_PATIENCE_SECONDS = 1.8
"""How long a request waits for a session that is being renewed: the SDKs wait for 2 s, 1 s or longer, and ask again."""

_DEAF_SECONDS = 1.0
"""Without a free descriptor nobody can be let in, and who knocks would wake the loop without end."""

_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


class Source(Protocol):
    """Where the session comes from."""

    @property
    def current(self) -> Credentials | None:
        """The one that is valid now."""

    @property
    def is_under_way(self) -> bool:
        """Whether a new one is being fetched."""

    @property
    def failure(self) -> DsopsError | None:
        """Why there is none."""

    def hurry(self) -> None:
        """Asks for a new one."""


class _Client:
    """One connection: what has come, what is still to be sent."""

    __slots__ = ("connection", "inbox", "is_waiting", "outbox", "until")

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self.inbox = b""
        self.outbox = b""
        self.is_waiting = False
        """It has asked properly, and there is no session just now."""
        self.until = until


class Endpoint:
    """An attendant of the command's loop (process/watch.py). Its socket is open when it has been made."""

    def __init__(
        self,
        source: Source,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Raises UsageError for an address that is not this machine's, or a port that is taken."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._listener = socket.create_server((address, port), family=family, backlog=64)
        except OSError as error:
            where = f"{address} port {port}" if port else address
            why = (error.strerror or "unknown reason").lower()
            hint = "leave the port out for a free one, or name an address of this machine"
            raise UsageError(f"can't listen on {where}", why=why, hint=hint) from error
        self._listener.setblocking(False)
        self.token = Secret(os.urandom(32).hex())
        """Unknown to everybody but the command, which has it in its environment."""
        self._source = source
        self._clock = clock
        self._clients: dict[int, _Client] = {}
        self._deaf_until = 0.0
        port = int(self._listener.getsockname()[1])
        host = f"[{address}]" if ":" in address else address
        self.address = f"http://{host}:{port}{PATH}"
        # A forwarder in a container passes on the name by which it was called.
        self._hosts = {f"{name}:{port}" for name in (host, "127.0.0.1", "localhost", "[::1]")}

    def readers(self) -> Iterable[int]:
        """The listener, and who has something to say."""
        listener = () if self._clock() < self._deaf_until else (self._listener.fileno(),)
        return (*listener, *[number for number, each in self._clients.items() if not each.outbox])

    def writers(self) -> Iterable[int]:
        """Who has not taken all of an answer."""
        return [number for number, each in self._clients.items() if each.outbox]

    def seconds(self) -> float | None:
        """Until the next connection has lasted too long."""
        now = self._clock()
        moments = [each.until for each in self._clients.values()]
        if now < self._deaf_until:
            moments.append(self._deaf_until)
        return max(0.0, min(moments) - now) if moments else None

    def turn(self, ready: Collection[int]) -> None:
        """Serves whoever can be served at once."""
        for number in [number for number in self._clients if number in ready]:
            self._converse(self._clients[number])
        if self._listener.fileno() in ready:
            self._accept()
        now = self._clock()
        for client in list(self._clients.values()):
            if client.is_waiting:
                self._answer_waiting(client, is_late=client.until <= now)
            elif client.until <= now:
                self._drop(client)

    def end(self) -> None:
        """Nobody is served any more, and the port is free."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._listener.close()

    def _accept(self) -> None:
        # Bounded: somebody who connects without end must not keep the loop from the command's signals.
        for _ in range(_MOST_CLIENTS):
            try:
                connection, _peer = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                self._deaf_until = self._clock() + _DEAF_SECONDS
                return
            connection.setblocking(False)
            if len(self._clients) >= _MOST_CLIENTS:
                self._drop(next(iter(self._clients.values())))
            client = _Client(connection, self._clock() + _CLIENT_SECONDS)
            self._clients[connection.fileno()] = client

    def _converse(self, client: _Client) -> None:
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
            self._refuse(client, 431, "the request is too long")
        elif end:
            self._handle(client, head)

    def _handle(self, client: _Client, head: bytes) -> None:
        """One request, whose end has come."""
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = _headers(lines)
        words = line.split(" ")
        if headers is None or len(words) != 3 or not words[2].startswith("HTTP/1."):
            self._refuse(client, 400, "this is not a request")
        elif headers.get("host", "") not in self._hosts:
            # A web page whose name leads here (DNS rebinding) says the name.
            self._refuse(client, 403, "the Host header names another host")
        elif not compare_digest(headers.get("authorization", "").encode("latin-1"), self.token.reveal_bytes()):
            self._refuse(client, 401, "the Authorization header is not the token of this endpoint")
        elif words[0] != "GET":
            self._refuse(client, 405, "only GET is answered")
        elif words[1].partition("?")[0] != PATH:
            self._refuse(client, 404, f"there is only {PATH}")
        else:
            client.is_waiting = True
            client.until = min(client.until, self._clock() + _PATIENCE_SECONDS)
            self._answer_waiting(client, is_late=False)

    def _answer_waiting(self, client: _Client, *, is_late: bool) -> None:
        """The session, or when there is none to come why."""
        credentials = self._source.current
        if credentials is None:
            self._source.hurry()
            if self._source.is_under_way and not is_late:
                return
        client.is_waiting = False
        client.until = self._clock() + _CLIENT_SECONDS
        if credentials is not None:
            self._answer(client, 200, _content(credentials))
            return
        failure = self._source.failure
        self._refuse(client, 503, f"the session could not be renewed: {failure}" if failure else "try again")

    def _refuse(self, client: _Client, status: int, message: str) -> None:
        self._answer(client, status, {"code": _REASONS[status].replace(" ", ""), "message": message})

    def _answer(self, client: _Client, status: int, content: Mapping[str, str]) -> None:
        body = json.dumps(content).encode("ascii")
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        client.outbox = head.encode("ascii") + body
        self._send(client)

    def _send(self, client: _Client) -> None:
        try:
            client.outbox = client.outbox[client.connection.send(client.outbox):]
        except BlockingIOError:
            return
        except OSError:
            client.outbox = b""
        if not client.outbox:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.connection.fileno(), None)
        client.connection.close()


def _headers(lines: Iterable[str]) -> dict[str, str] | None:
    """Small names -> values; None when one is no header, or one that decides stands there twice."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        small = name.lower()
        if not colon or not name or name != name.strip() or (small in {"host", "authorization"} and small in found):
            return None
        found[small] = value.strip()
    return found


def _content(credentials: Credentials) -> dict[str, str]:
    """All of one snapshot. Every SDK takes an expiry as sooner or later the time to ask again."""
    token = credentials.session_token
    content = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.reveal(),
        "Token": token.reveal() if token else "",
        "Expiration": credentials.expiration_text,
    }
    arn = parse_arn(credentials.arn)
    return {**content, "AccountId": arn.account} if arn is not None else content
