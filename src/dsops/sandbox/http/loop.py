"""Run waitress without its threads: the loop that reads a request also handles it.

One lock protects all state, so waitress's threads only waited for each other and for the interpreter lock. AssumeRole
took 775 us of CPU time with eight threads, 521 us with one thread, and takes 250 us without threads. waitress handles
connections, parsing and limits. This module adds two functions:

- a time limit for the arrival of a request
- long polls, which are set aside until they have an answer
"""

from __future__ import annotations

import gc
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from secrets import token_hex
from socket import socket
from time import time

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import Task
from waitress.utilities import build_http_date

from dsops.sandbox.http.long_polls import Waiting
from dsops.sandbox.http.messages import HttpAnswer, HttpRequest

_IDLE_SECONDS = 120
_ARRIVING_SECONDS = 60
_CLEANUP_SECONDS = 10
_MOST_CONNECTIONS = 4096
_OTHER_DESCRIPTORS = 128
# Parsing a header that is repeated n times takes time proportional to n squared. With waitress's own limit of 256 KB,
# this took 0.3 s.
_MOST_HEADER_BYTES = 65536
_PRODUCT = "dsops-sandbox"
# The head and body of an answer up to this size are sent together; waitress would send them separately.
_SEND_AT_ONCE = 65536
# waitress reads 8 KB at a time by default, and keeps bodies from 512 KB on in temporary files.
_READ_AT_ONCE = 262144
# Above this amount of unsent data, waitress would wait until its own loop has sent some. The limit is so high that it
# is never reached.
_NEVER_TOO_MUCH = 1 << 62
# The first bytes of a TLS ClientHello record (RFC 8446, 5.1). No HTTP method starts with these bytes.
_TLS_HANDSHAKE = b"\x16\x03"
_NO_REQUEST = b"TLS\r\n\r\n"
_WITH_UNDERSCORE = re.compile(rb"(?im)^x-amz-sso_bearer_token(?=:)")


class Exchange(Task):  # type: ignore[misc]  # waitress ships no types
    """Writes the answer to one request. WSGI is bypassed, because it took time and changed the case of header names."""

    complete = True

    def execute(self) -> None:
        """Write the head and body of the answer."""
        request = self.request
        answer: HttpAnswer = self.channel.answer
        status = HTTPStatus(answer.status)
        self.status = f"{status.value} {status.phrase}"
        length = next(value for name, value in answer.headers if name.lower() == "content-length")
        if request.command != "HEAD" and int(length) != len(answer.body):
            raise ValueError("the answer has another length than it says")
        self.response_headers = [
            (name, value) for name, value in answer.headers if self.has_body or name.lower() != "content-length"
        ]
        # The answer to a HEAD request has the Content-Length of the answer to a GET request, but no body.
        self.write(b"" if request.command == "HEAD" else answer.body)

    def build_response_header(self) -> bytes:
        """Return the head of the answer. Raises ValueError if a header contains a line break."""
        connection_header = self.request.headers.get("CONNECTION", "").lower()
        headers = [
            *self.response_headers,
            ("Server", self.channel.server.server_header),
            ("Date", build_http_date(self.start_time)),
        ]
        if connection_header == "close" or (self.version == "1.0" and connection_header != "keep-alive"):
            self.close_on_finish = True
            headers.append(("Connection", "close"))
        elif self.version == "1.0":
            headers.append(("Connection", "Keep-Alive"))
        lines = [f"HTTP/{self.version} {self.status}", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join(lines)
        if head.count("\n") != len(headers) or head.count("\r") != len(headers):
            self.response_headers = []
            raise ValueError("a line ends inside of a header of the answer")
        return f"{head}\r\n\r\n".encode("latin-1")


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """waitress's request parser with three changes.

    - It accepts the only AWS header with `_` in its name (IAM Identity Center's token). waitress drops such headers.
      If a client sends the header in both spellings, the values are joined, which is not a valid token.
    - It sends no `100 Continue` to a request that is already complete or refused. waitress sends it and then waits for
      more data.
    - It rejects a request target that is not a URL. waitress itself would raise another exception.
    """

    def received(self, data: bytes) -> int:
        """Parse received data; return how many bytes belong to this request.

        A complete request gets no `100 Continue`, because a server may omit it in this case (RFC 9110, 10.1.1).
        """
        consumed: int = super().received(data)
        if self.completed:
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers. Raises ParsingError."""
        try:
            super().parse_header(_WITH_UNDERSCORE.sub(b"x-amz-sso-bearer-token", header_plus))
        except ValueError as error:  # raised for a target such as `http://[::1`
            raise ParsingError("the request target can't be read") from error


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection. Its requests are handled in order, as soon as they are read."""

    task_class = Exchange
    parser_class = Parser
    arriving_since: float = 0.0
    """The time at which the first byte of a still incomplete request arrived."""
    answer: HttpAnswer | None = None
    """The answer to the connection's first unanswered request."""

    def handle_read(self) -> None:
        """Read available data, handle complete requests, and send what can be sent without blocking."""
        if self.request is None:
            self.arriving_since = time()
        super().handle_read()
        self.server.carry_out()
        self.send_what_is_there()

    def handle_write(self) -> None:
        """Send what can be sent, even if a long poll is queued on this connection.

        waitress would delay an answer while another request is queued, because one of its threads may be working on
        that request. This server has no such threads.
        """
        if self.requests and self.total_outbufs_len:
            self._flush_exception(self._flush_some_if_lockable)
        super().handle_write()

    def send_what_is_there(self) -> None:
        """Send the buffered data now, without waiting for the next iteration of the loop."""
        if self.total_outbufs_len or self.close_when_flushed:
            self.handle_write()

    def first_request(self) -> HttpRequest | None:
        """Return the connection's first request; None if waitress answers the request itself."""
        parsed_request = self.requests[0]
        if parsed_request.error or not self.connected:
            return None
        path, _, query = parsed_request.request_uri.partition("?")
        headers = {name.replace("_", "-").lower(): value for name, value in parsed_request.headers.items()}
        body: bytes = parsed_request.get_body_stream().read()
        return HttpRequest(parsed_request.command.upper(), path, query, headers, body, self.addr[0])

    def received(self, data: bytes) -> bool:
        """Parse received data; answer a TLS handshake with an error.

        A client configured with https:// instead of http:// would wait for the handshake until its timeout, 60 s in
        boto3. An answer in plain text makes OpenSSL fail with `wrong version number` at once.
        """
        is_handshake = self.request is None and data.startswith(_TLS_HANDSHAKE)
        return bool(super().received(_NO_REQUEST if is_handshake else data))


class Loop(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """A server that runs in the thread that calls `run`. `end` may be called from any thread."""

    channel_class = Connection

    def __init__(
        self,
        respond: Callable[[HttpRequest], HttpAnswer],
        listener: socket,
        max_body: int,
        backlog: int,
        maintain: Callable[[], None] = lambda: None,
    ) -> None:
        """Set up the server.

        - `respond`: must answer any request.
        - `listener`: a socket that is already listening.
        - `max_body`: the maximum size of a request body in bytes.
        - `maintain`: called about every ten seconds.
        """
        self.respond = respond
        self.server_header = f"{_PRODUCT}/{token_hex(4)}"
        """The value of the `Server` header.

        The id in it differs between runs, so clients notice when the server was restarted.
        """
        self._maintain = maintain
        self._tasks: deque[Connection] = deque()
        connections = most_connections()
        self._waiting: Waiting[Connection] = Waiting(
            self._deliver, lambda connection: not connection.connected, connections // 2
        )
        adjustments = Adjustments(
            ident=self.server_header,
            max_request_body_size=max_body,
            clear_untrusted_proxy_headers=False,
            backlog=backlog,
            connection_limit=connections,
            channel_timeout=_IDLE_SECONDS,
            cleanup_interval=_CLEANUP_SECONDS,
            outbuf_high_watermark=_NEVER_TOO_MUCH,
            outbuf_overflow=_NEVER_TOO_MUCH,
            inbuf_overflow=_NEVER_TOO_MUCH,
            recv_bytes=_READ_AT_ONCE,
            max_request_header_size=_MOST_HEADER_BYTES,
            channel_request_lookahead=1,  # With 0, a client that disconnects while it polls would go unnoticed.
        )
        adjustments.send_bytes = _SEND_AT_ONCE  # as an argument it is deprecated, and waitress may drop it
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            None, {}, _sock=listener, dispatcher=object(), adj=adjustments, sockinfo=where, bind_socket=False
        )

    def add_task(self, task: Connection) -> None:
        """Queue a connection that has a complete request.

        The request is not handled here, because waitress holds the connection's lock.
        """
        self._tasks.append(task)

    def pull_trigger(self) -> None:
        """Do nothing: tasks are added only in the loop's own thread, which needs no wake-up."""

    def carry_out(self) -> None:
        """Answer all complete requests, including requests pipelined on the same connection.

        A long poll without a result is set aside, and later requests on its connection have to wait for it.
        """
        while self._tasks:
            connection = self._tasks.popleft()
            request = connection.first_request()
            answer = None if request is None else self.respond(request)
            if answer is not None and answer.wait is not None:
                self._waiting.add(connection, answer, answer.wait)
            else:
                connection.answer = answer
                connection.service()

    def _deliver(self, connection: Connection, answer: HttpAnswer) -> None:
        """Answer a long poll, then handle the requests queued behind it on the connection."""
        connection.answer = answer
        connection.service()
        self.carry_out()
        connection.send_what_is_there()

    def run(self) -> None:
        """Serve until `end` is called or the process is interrupted."""
        with suppress(SystemExit, KeyboardInterrupt):
            while self._map:
                # Check all connections once, waiting at most a second for events, as waitress does.
                self.asyncore.loop(timeout=self._waiting.pause(1.0), use_poll=True, map=self._map, count=1)
                self._waiting.look()

    def maintenance(self, now: float) -> None:
        """Close idle connections and connections whose request takes too long to arrive."""
        super().maintenance(now)
        for connection in self.active_channels.values():
            if connection.request is not None and connection.arriving_since < now - _ARRIVING_SECONDS:
                connection.will_close = True
        self._maintain()

    def run_as_process(self) -> None:
        """Serve until the process is interrupted. For a process that has no other work."""
        _allow_descriptors()
        # Service models and moto live as long as the process. Without freezing them, each garbage collection would scan
        # them for 20 ms.
        gc.freeze()
        self.adj.connection_limit = most_connections()
        self.run()

    def end(self) -> None:
        """Close all connections and make `run` return."""
        self.trigger.pull_trigger(self._end)

    def _end(self) -> None:
        for connection in list(self.active_channels.values()):
            connection.handle_close()
        self._map.clear()  # The loop ends when its map of connections is empty.


def most_connections() -> int:
    """Return the maximum number of connections.

    The limit keeps some file descriptors free for files. Without a free descriptor, accept() fails.
    """
    with suppress(ImportError):  # Windows has no limit on descriptors.
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            return max(16, min(_MOST_CONNECTIONS, soft - _OTHER_DESCRIPTORS))
    return _MOST_CONNECTIONS


def _allow_descriptors() -> None:
    """Raise the limit on open file descriptors to the required number, or else to the allowed maximum.

    Most systems start with a limit of 1,024.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = _MOST_CONNECTIONS + _OTHER_DESCRIPTORS
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        if soft != resource.RLIM_INFINITY and soft < limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
