"""A client's connection: read requests, answer them in order, and send the answers."""

from __future__ import annotations

import sys
import traceback
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from socket import socket
from time import time
from typing import Any, Protocol

from dsops.request.messages import HttpAnswer, HttpRequest, Wait
from dsops.sandbox.http.answer_bytes import CONTINUE, answer_parts, error_parts, failure_parts
from dsops.sandbox.http.parser import Parser

_READ_AT_ONCE = 262144
# Answers up to this size are sent together, in one system call.
_SEND_AT_ONCE = 65536
# After this number of requests on one connection, the other connections are served.
_REQUESTS_IN_TURN = 16
# Above this number of unanswered requests, nothing is read. Behind a long poll one more request is read, because a
# client that disconnects would go unnoticed otherwise.
_MOST_REQUESTS_AHEAD = 1
# The first bytes of a TLS ClientHello record (RFC 8446, 5.1). No HTTP method starts with these bytes.
_TLS_HANDSHAKE = b"\x16\x03"
_NO_REQUEST = b"TLS\r\n\r\n"


class Server(Protocol):
    """What a connection needs of its server."""

    respond: Callable[[HttpRequest], HttpAnswer]
    """Answers a request. Never raises."""
    header: str
    """The value of the `Server` header."""
    limits: Any
    """The settings of `Parser`."""

    def watch(self, connection: Connection, events: int) -> None:
        """Wait for these events of the connection's socket (0: none)."""

    def poll(self, connection: Connection, answer: HttpAnswer, wait: Wait) -> None:
        """Set a long poll aside, and call `deliver` when the poll has an answer."""

    def go_on_later(self, connection: Connection) -> None:
        """Call `happened` after the events of other connections were handled."""

    def forget(self, connection: Connection) -> None:
        """Remove a closed connection."""


class Connection:
    """A connection. Its requests are handled in order, as soon as they are read.

    While a part of an answer can't be sent, no request is read or handled. So the answers to a client that does not
    read them do not accumulate.
    """

    def __init__(self, server: Server, opened: socket, peer: str) -> None:
        self.socket = opened
        self.is_open = True
        self.last_activity = time()
        self.arriving_since: float | None = None
        """The time at which the first byte of a still incomplete request arrived; None without such a request."""
        self._server = server
        self._peer = peer
        self._parser: Parser | None = None
        """The incomplete request."""
        self._requests: deque[Parser] = deque()
        """Complete requests without an answer."""
        self._is_polling = False
        """Whether the first of the requests is a long poll that waits for its answer."""
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._is_ending = False
        """Whether the connection is closed when everything has been sent."""
        self._watched = EVENT_READ

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        return not self._requests

    def happened(self, events: int) -> None:
        """Handle events of the socket (0: none), and requests. A bug in this handling closes the connection."""
        try:
            if events & EVENT_WRITE:
                self._send()
            elif events & EVENT_READ:
                self._receive()
            self._go_on()
        except Exception:  # noqa: BLE001 - the server keeps serving
            traceback.print_exc(file=sys.stderr)
            self.close()

    def deliver(self, answer: HttpAnswer) -> None:
        """Send the answer to the long poll, and handle the requests behind it."""
        self._is_polling = False
        if self.is_open:
            self._answer(answer)
            self._go_on()

    def close(self) -> None:
        """Close the connection and drop what was not sent."""
        if self.is_open:
            self.is_open = False
            self._requests.clear()
            self._unsent.clear()
            self._unsent_bytes = 0
            self._server.forget(self)
            self.socket.close()

    def _receive(self) -> None:
        try:
            data = self.socket.recv(_READ_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.last_activity = time()
        if self._parser is None and data.startswith(_TLS_HANDSHAKE):
            # A client configured with https:// instead of http:// would wait for the handshake until its timeout, 60 s
            # in boto3. An answer in plain text makes OpenSSL fail with `wrong version number` at once.
            data = _NO_REQUEST
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        while data:
            parser = self._parser
            if parser is None:
                parser = self._parser = Parser(self._server.limits)
                self.arriving_since = self.last_activity
            used = parser.received(data)
            if parser.completed:
                self._parser = self.arriving_since = None
                if not parser.empty:
                    self._requests.append(parser)
            data = data[used:]

    def _go_on(self) -> None:
        """Handle and answer some requests, then wait for the next event."""
        if not self.is_open:
            return
        if not self._unsent:
            self._handle_some()
        if self._parser is not None and self._parser.awaits_continue and self.is_idle and not self._is_ending:
            self._parser.expect_continue = False
            self._add(CONTINUE)
        if self._unsent:
            self._send()
        if self._is_ending and not self._unsent:
            self.close()
        if self.is_open:
            self._watch()

    def _handle_some(self) -> None:
        for _ in range(_REQUESTS_IN_TURN):
            if not self._requests or self._is_polling or self._is_ending or self._unsent_bytes > _SEND_AT_ONCE:
                return
            self._handle(self._requests[0])

    def _handle(self, asked: Parser) -> None:
        if asked.error:
            self._finish(error_parts(asked, self._server.header, time()), is_last=True)
            return
        answer = self._server.respond(asked.request(self._peer))
        if answer.wait is None:
            self._answer(answer)
        else:
            self._is_polling = True
            self._server.poll(self, answer, answer.wait)

    def _answer(self, answer: HttpAnswer) -> None:
        asked, header = self._requests[0], self._server.header
        try:
            parts = answer_parts(answer, asked, header, time())
        except Exception:  # noqa: BLE001 - the client gets an error
            traceback.print_exc(file=sys.stderr)
            self._finish(failure_parts(asked, header, time()), is_last=True)
        else:
            self._finish(parts, is_last=asked.closes)

    def _finish(self, parts: tuple[bytes, bytes], *, is_last: bool) -> None:
        """Add the answer to the first request to the unsent answers."""
        for part in parts:
            self._add(part)
        self._requests.popleft()
        if is_last:
            self._is_ending = True
            self._requests.clear()

    def _add(self, data: bytes) -> None:
        self._unsent.append(memoryview(data))
        self._unsent_bytes += len(data)

    def _send(self) -> None:
        """Send what can be sent without blocking."""
        unsent = self._unsent
        if len(unsent) > 1 and self._unsent_bytes <= _SEND_AT_ONCE:
            together = memoryview(b"".join(unsent))
            unsent.clear()
            unsent.append(together)
        try:
            while unsent:
                sent = self.socket.send(unsent[0])
                self._unsent_bytes -= sent
                if sent == len(unsent[0]):
                    unsent.popleft()
                else:
                    unsent[0] = unsent[0][sent:]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        self.last_activity = time()

    def _watch(self) -> None:
        if self._unsent:
            events = EVENT_WRITE
        elif len(self._requests) > _MOST_REQUESTS_AHEAD:
            events = 0
        else:
            events = EVENT_READ
        if self._requests and not (self._unsent or self._is_polling):
            self._server.go_on_later(self)
        if events != self._watched:
            self._watched = events
            self._server.watch(self, events)
