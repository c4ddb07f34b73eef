"""waitress without its threads: each request is carried out by the loop that read it.

One lock is around the world, so that waitress's threads did nothing but wait for each other and for the interpreter:
AssumeRole took 775 us of CPU with eight of them, 521 with one, and takes 250 with none. Connections are waitress's own,
with its parsing and its limits; what is added is a limit on how long a request may take to arrive, and that a long poll
is put aside until there is something for it.
"""

from __future__ import annotations

import gc
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
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
# A name that comes again and again takes the square of its times: 256 KB, waitress's own limit, took 0.3 s.
_MOST_HEADER_BYTES = 65536
_NAME = "dsops-sandbox"
# Head and body of an answer go in one piece up to here; waitress sends each by itself otherwise.
_SEND_AT_ONCE = 65536
# waitress would stop and wait for its own loop to write when this much of an answer is not sent yet.
_NEVER_TOO_MUCH = 1 << 62
# RFC 8446, 5.1: the record of a ClientHello; no method of HTTP begins so.
_TLS_HANDSHAKE = b"\x16\x03"
_NO_REQUEST = b"TLS\r\n\r\n"
_WITH_UNDERSCORE = re.compile(rb"(?im)^x-amz-sso_bearer_token(?=:)")


class Exchange(Task):  # type: ignore[misc]  # waitress ships no types
    """One request and its answer, without WSGI between them: that took time, and changed the letters of headers."""

    complete = True

    def execute(self) -> None:
        """Answers."""
        asked = self.request
        answer: HttpAnswer = self.channel.answer
        status = HTTPStatus(answer.status)
        self.status = f"{status.value} {status.phrase}"
        length = next(value for name, value in answer.headers if name.lower() == "content-length")
        if asked.command != "HEAD" and int(length) != len(answer.body):
            raise ValueError("the answer has another length than it says")
        self.response_headers = [
            (name, value) for name, value in answer.headers if self.has_body or name.lower() != "content-length"
        ]
        # A HEAD's answer says how long that to a GET would be, and has no body.
        self.write(b"" if asked.command == "HEAD" else answer.body)

    def build_response_header(self) -> bytes:
        """The head of the answer. Refuses to let what a request put into a header end its line."""
        wish = self.request.headers.get("CONNECTION", "").lower()
        headers = [*self.response_headers, ("Server", _NAME), ("Date", build_http_date(self.start_time))]
        if wish == "close" or (self.version == "1.0" and wish != "keep-alive"):
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
    """waitress's parser with three changes.

    It drops every header with `_` in its name, and of AWS's there is one (IAM Identity Center's token). A client that
    sends the name both ways has two tokens in one header, which is no token.
    It also sends `100 Continue` to a request that is complete or refused already, and then waits for more of it; and it
    fails at a target that is no URL.
    """

    def received(self, data: bytes) -> int:
        """Takes what came, and returns how much of it was this request's.

        A request without content has nothing to wait for: RFC 9110, 10.1.1 has the server ignore the expectation.
        """
        taken: int = super().received(data)
        if self.completed:
            self.expect_continue = False
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Reads the first line and the headers. Raises ParsingError."""
        try:
            super().parse_header(_WITH_UNDERSCORE.sub(b"x-amz-sso-bearer-token", header_plus))
        except ValueError as error:  # of a target such as `http://[::1`
            raise ParsingError("the request target can't be read") from error


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """One connection. Its requests are carried out in turn as soon as they have been read."""

    task_class = Exchange
    parser_class = Parser
    arriving_since: float = 0.0
    """When the first byte of a request came whose last one has not come yet."""
    answer: HttpAnswer | None = None
    """To the first of its requests."""

    def handle_read(self) -> None:
        """Reads what came, carries it out, and sends at once what can be sent."""
        if self.request is None:
            self.arriving_since = time()
        super().handle_read()
        self.server.carry_out()
        self.send_what_is_there()

    def handle_write(self) -> None:
        """Sends what can be sent, also while a long poll waits behind it.

        waitress keeps an answer back while there is another request: here no thread is at work on that.
        """
        if self.requests and self.total_outbufs_len:
            self._flush_exception(self._flush_some_if_lockable)
        super().handle_write()

    def send_what_is_there(self) -> None:
        """Sends at once what can be sent."""
        if self.total_outbufs_len or self.close_when_flushed:
            self.handle_write()

    def first_request(self) -> HttpRequest | None:
        """The request whose turn it is; None for what waitress answers itself."""
        asked = self.requests[0]
        if asked.error or not self.connected:
            return None
        path, _, query = asked.request_uri.partition("?")
        headers = {name.replace("_", "-").lower(): value for name, value in asked.headers.items()}
        body: bytes = asked.get_body_stream().read()
        return HttpRequest(asked.command.upper(), path, query, headers, body, self.addr[0])

    def received(self, data: bytes) -> bool:
        """Takes what came.

        A client that was told https:// instead of http:// waits for a handshake for as long as it waits for anything,
        60 s in boto3. What is no request is answered, and OpenSSL says `wrong version number` of that at once.
        """
        is_handshake = self.request is None and data.startswith(_TLS_HANDSHAKE)
        return bool(super().received(_NO_REQUEST if is_handshake else data))


class Loop(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """A server in the thread that calls `run`; `end` may be called from any."""

    channel_class = Connection

    def __init__(
        self,
        respond: Callable[[HttpRequest], HttpAnswer],
        listener: socket,
        max_body: int,
        backlog: int,
        maintain: Callable[[], None] = lambda: None,
    ) -> None:
        """`respond` answers whatever it is asked; `listener` is bound and listening; `max_body` is in bytes.

        `maintain` is called about every ten seconds.
        """
        self.respond = respond
        self._maintain = maintain
        self._tasks: deque[Connection] = deque()
        connections = most_connections()
        self._waiting: Waiting[Connection] = Waiting(self._deliver, lambda one: not one.connected, connections // 2)
        adjustments = Adjustments(
            ident=_NAME,
            max_request_body_size=max_body,
            clear_untrusted_proxy_headers=False,
            backlog=backlog,
            connection_limit=connections,
            channel_timeout=_IDLE_SECONDS,
            cleanup_interval=_CLEANUP_SECONDS,
            outbuf_high_watermark=_NEVER_TOO_MUCH,
            max_request_header_size=_MOST_HEADER_BYTES,
            channel_request_lookahead=1,  # else a client that hangs up during its long poll would not be noticed
        )
        adjustments.send_bytes = _SEND_AT_ONCE  # as an argument it is deprecated: a later waitress may go without
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            None, {}, _sock=listener, dispatcher=object(), adj=adjustments, sockinfo=where, bind_socket=False
        )

    def add_task(self, task: Connection) -> None:
        """A connection has a request that is complete. It holds a lock of its own here: not yet."""
        self._tasks.append(task)

    def pull_trigger(self) -> None:
        """Nobody but the loop itself has anything to tell it."""

    def carry_out(self) -> None:
        """Answers all requests that are complete, those that came behind them on the same connection included.

        A long poll for which nothing is there yet waits, and with it what came behind it.
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
        """Ends a long poll, and goes on with what came behind it."""
        connection.answer = answer
        connection.service()
        self.carry_out()
        connection.send_what_is_there()

    def run(self) -> None:
        """Serves until it is ended, or the process interrupted."""
        with suppress(SystemExit, KeyboardInterrupt):
            while self._map:
                # One look at all connections; waitress waits at most a second for them, too.
                self.asyncore.loop(timeout=self._waiting.pause(1.0), use_poll=True, map=self._map, count=1)
                self._waiting.look()

    def maintenance(self, now: float) -> None:
        """Ends connections that are idle, and those whose request does not come to its end: a byte now and then."""
        super().maintenance(now)
        for connection in self.active_channels.values():
            if connection.request is not None and connection.arriving_since < now - _ARRIVING_SECONDS:
                connection.will_close = True
        self._maintain()

    def run_as_process(self) -> None:
        """Serves in a process that is there for nothing else, until it is interrupted."""
        _allow_descriptors()
        # Service models and moto stay as long as the process; looking through them for garbage takes 20 ms each time.
        gc.freeze()
        self.adj.connection_limit = most_connections()
        self.run()

    def end(self) -> None:
        """Makes `run` return, with every connection closed."""
        self.trigger.pull_trigger(self._end)

    def _end(self) -> None:
        for connection in list(self.active_channels.values()):
            connection.handle_close()
        self._map.clear()  # the loop ends when there is nothing to listen to


def most_connections() -> int:
    """So many that a descriptor is left for everything else: accepting without one would fail for ever."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            return max(16, min(_MOST_CONNECTIONS, soft - _OTHER_DESCRIPTORS))
    return _MOST_CONNECTIONS


def _allow_descriptors() -> None:
    """Takes as many as are needed and the system lets a process have; mostly it begins with 1,024."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_CONNECTIONS + _OTHER_DESCRIPTORS
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
