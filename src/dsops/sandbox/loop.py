"""waitress without its threads: each request is carried out by the loop that read it.

One lock is around the world, so that waitress's threads did nothing but wait for each other and for the interpreter:
AssumeRole took 775 us of CPU with eight of them, 521 with one, and takes 250 with none. Connections are waitress's own,
with its parsing and its limits; what is added is a limit on how long a request may take to arrive.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from time import time
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

_IDLE_SECONDS = 120
_ARRIVING_SECONDS = 60
_CLEANUP_SECONDS = 10
_MOST_CONNECTIONS = 4096
_OTHER_DESCRIPTORS = 128
# Head and body of an answer go in one piece up to here; waitress sends each by itself otherwise.
_SEND_AT_ONCE = 65536
# waitress would stop and wait for its own loop to write when this much of an answer is not sent yet.
_NEVER_TOO_MUCH = 1 << 62


class _AsItIs(str):
    """A header's name that waitress leaves as it is: letters of S3's metadata mean something."""

    __slots__ = ()

    def split(self, *_: Any) -> list[Any]:
        """One part."""
        return [self]

    def capitalize(self) -> str:
        """The name."""
        return str(self)


class _Task(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """One request's answer."""

    response_headers: list[tuple[str, str]]

    def build_response_header(self) -> bytes:
        """The head of the answer."""
        self.response_headers = [
            (_AsItIs(name) if name.startswith("x-amz-meta-") else name, value) for name, value in self.response_headers
        ]
        head: bytes = super().build_response_header()
        return head


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """One connection. Its requests are carried out in turn as soon as they have been read."""

    task_class = _Task
    arriving_since: float = 0.0
    """When the first byte of a request came whose last one has not come yet."""

    def handle_read(self) -> None:
        """Reads what came, carries it out, and sends at once what can be sent."""
        if self.request is None:
            self.arriving_since = time()
        super().handle_read()
        self.server.carry_out()
        if self.total_outbufs_len or self.close_when_flushed:
            self.handle_write()


class Loop(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """A WSGI server in the thread that calls `run`; `end` may be called from any."""

    channel_class = Connection

    def __init__(self, application: Callable[..., object], listener: socket, max_body: int, backlog: int) -> None:
        """`listener` is bound and listening; `max_body` is in bytes."""
        self._tasks: deque[HTTPChannel] = deque()
        adjustments = Adjustments(
            ident="dsops-sandbox", max_request_body_size=max_body, clear_untrusted_proxy_headers=True, backlog=backlog,
            connection_limit=most_connections(), channel_timeout=_IDLE_SECONDS, cleanup_interval=_CLEANUP_SECONDS,
            outbuf_high_watermark=_NEVER_TOO_MUCH, asyncore_use_poll=True,
        )  # fmt: skip
        adjustments.send_bytes = _SEND_AT_ONCE  # as an argument it is deprecated: a later waitress may go without
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application, {}, _sock=listener, dispatcher=_NoThreads(), adj=adjustments, sockinfo=where, bind_socket=False
        )

    def add_task(self, task: HTTPChannel) -> None:
        """A connection has a request that is complete. It holds a lock of its own here: not yet."""
        self._tasks.append(task)

    def pull_trigger(self) -> None:
        """Nobody but the loop itself has anything to tell it."""

    def carry_out(self) -> None:
        """Answers all requests that are complete, those that came behind them on the same connection included."""
        while self._tasks:
            self._tasks.popleft().service()

    def maintenance(self, now: float) -> None:
        """Ends connections that are idle, and those whose request does not come to its end: a byte now and then."""
        super().maintenance(now)
        for connection in self.active_channels.values():
            if connection.request is not None and connection.arriving_since < now - _ARRIVING_SECONDS:
                connection.will_close = True

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


class _NoThreads:
    """In place of waitress's dispatcher, of which only the end is asked for."""

    def shutdown(self, **_: Any) -> None:
        """There is none to shut down."""


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
