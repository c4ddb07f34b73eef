"""The sandbox's HTTP server: one thread accepts connections, and reads, handles and answers requests.

One lock protects all state, so threads would only wait for each other and for the interpreter lock. waitress parses the
requests; its threads, its loop and its channels took half of the CPU time of a small request.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from secrets import token_hex
from selectors import EVENT_READ, DefaultSelector
from socket import IPPROTO_TCP, TCP_NODELAY, socket, socketpair
from time import time

from dsops.request.messages import HttpAnswer, HttpRequest, Wait
from dsops.sandbox.http.connection import Connection
from dsops.sandbox.http.long_polls import Waiting
from dsops.sandbox.http.parser import parser_limits

_IDLE_SECONDS = 120
_ARRIVING_SECONDS = 60
_CLEANUP_SECONDS = 10
_LONGEST_PAUSE = 1.0
_MOST_CONNECTIONS = 4096
_OTHER_DESCRIPTORS = 128
_PRODUCT = "dsops-sandbox"


class Loop:
    """A server that runs in the thread that calls `run`. `call` and `end` may be called from any thread."""

    def __init__(
        self,
        respond: Callable[[HttpRequest], HttpAnswer],
        listener: socket,
        max_body: int,
        maintain: Callable[[], None] = lambda: None,
    ) -> None:
        """Set up the server.

        - `respond`: must answer any request.
        - `listener`: a socket that is already listening.
        - `max_body`: the maximum size of a request body in bytes.
        - `maintain`: called about every ten seconds.
        """
        self.respond = respond
        self.header = f"{_PRODUCT}/{token_hex(4)}"
        """The value of the `Server` header.

        The id in it differs between runs, so clients notice when the server was restarted.
        """
        self.limits = parser_limits(max_body)
        self.socket = listener
        self.connections: set[Connection] = set()
        self._maintain = maintain
        self._maintain_at = 0.0
        self._most_connections = most_connections()
        self._polls: Waiting[Connection] = Waiting(
            Connection.deliver, lambda connection: not connection.is_open, self._most_connections // 2
        )
        self._unfinished: list[Connection] = []
        """The connections that have a complete request which was not handled in their turn."""
        self._is_ended = False
        self._calls: deque[Callable[[], None]] = deque()
        self._woken, self._waker = socketpair()
        self._selector = DefaultSelector()
        self._is_accepting = False
        self._more: dict[socket, str] = {}
        """Further listening sockets -> the address that their connections are said to come from."""
        for own in (listener, self._woken, self._waker):
            own.setblocking(False)
        self._selector.register(self._woken, EVENT_READ, self._make_calls)
        self._accept_if_possible()

    def run(self) -> None:
        """Serve until `end` is called or the process is interrupted."""
        with suppress(SystemExit, KeyboardInterrupt):
            while not self._is_ended:
                pause = 0 if self._unfinished else self._polls.pause(_LONGEST_PAUSE)
                for key, events in self._selector.select(pause):
                    key.data(events)
                unfinished, self._unfinished = self._unfinished, []
                for connection in unfinished:
                    connection.happened(0)
                self._polls.look()
                now = time()
                if now >= self._maintain_at:
                    self._maintain_at = now + _CLEANUP_SECONDS
                    self.maintenance(now)

    def run_as_process(self) -> None:
        """Serve until the process is interrupted. For a process that has no other work."""
        _allow_descriptors()
        # Service models and moto live as long as the process. Without freezing them, each garbage collection would scan
        # them for 20 ms.
        gc.freeze()
        self._most_connections = most_connections()
        self.run()

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the loop's thread."""
        self._calls.append(function)
        with suppress(BlockingIOError):  # if so many bytes are unread already, the loop wakes up anyway
            self._waker.send(b"x")

    def serve(self, listener: socket, peer: str) -> Callable[[], None]:
        """Serve on a further listening socket, and return a function that closes it. Callable from any thread.

        `peer` is the address from which all of its connections are said to come.
        """
        listener.setblocking(False)
        self.call(lambda: self._add_listener(listener, peer))
        return lambda: self.call(lambda: self._remove_listener(listener))

    def _add_listener(self, listener: socket, peer: str) -> None:
        self._more[listener] = peer
        if self._is_accepting:
            self._selector.register(listener, EVENT_READ, partial(self._accept, listener))

    def _remove_listener(self, listener: socket) -> None:
        if self._more.pop(listener, None) is not None and self._is_accepting:
            self._selector.unregister(listener)
        listener.close()

    def end(self) -> None:
        """Close all connections and make `run` return."""
        self.call(self._end)

    def close(self) -> None:
        """Release the port. The loop must not run any more."""
        self._selector.close()
        for own in (self.socket, self._woken, self._waker, *self._more):
            own.close()

    def maintenance(self, now: float) -> None:
        """Close idle connections and connections whose request takes too long to arrive."""
        for connection in list(self.connections):
            since = connection.arriving_since
            is_unused = connection.is_idle and connection.last_activity < now - _IDLE_SECONDS
            if is_unused or (since is not None and since < now - _ARRIVING_SECONDS):
                connection.close()
        self._maintain()

    def watch(self, connection: Connection, events: int) -> None:
        """Wait for these events of the connection's socket (0: none)."""
        watched = self._selector.get_map()
        if not events:
            self._selector.unregister(connection.socket)
        elif connection.socket in watched:
            self._selector.modify(connection.socket, events, connection.happened)
        else:
            self._selector.register(connection.socket, events, connection.happened)

    def poll(self, connection: Connection, answer: HttpAnswer, wait: Wait) -> None:
        """Set a long poll aside, and call `deliver` when the poll has an answer."""
        self._polls.add(connection, answer, wait)

    def go_on_later(self, connection: Connection) -> None:
        """Call `happened` after the events of other connections were handled."""
        self._unfinished.append(connection)

    def forget(self, connection: Connection) -> None:
        """Remove a connection, before its socket is closed."""
        if connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        self.connections.discard(connection)
        self._accept_if_possible()

    def _accept_if_possible(self) -> None:
        """Accept connections if and only if there are fewer than the maximum."""
        is_possible = len(self.connections) < self._most_connections and not self._is_ended
        for listener in (self.socket, *self._more):
            if is_possible and not self._is_accepting:
                self._selector.register(listener, EVENT_READ, partial(self._accept, listener))
            elif self._is_accepting and not is_possible:
                self._selector.unregister(listener)
        self._is_accepting = is_possible

    def _accept(self, listener: socket, _: int) -> None:
        try:
            accepted, address = listener.accept()
            accepted.setblocking(False)
            accepted.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError:  # The client has disconnected already.
            return
        connection = Connection(self, accepted, self._more.get(listener) or address[0])
        self.connections.add(connection)
        self._selector.register(accepted, EVENT_READ, connection.happened)
        self._accept_if_possible()

    def _make_calls(self, _: int) -> None:
        self._woken.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def _end(self) -> None:
        self._is_ended = True
        for connection in list(self.connections):
            connection.close()


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
