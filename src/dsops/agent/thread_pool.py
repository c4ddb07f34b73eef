"""A pool of threads that work on requests: grows up to a limit, and shrinks when idle."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic

from dsops.agent.request import ClientLimits


class Crew:
    """A thread pool: starts another thread when all are busy, up to a limit; an idle thread ends after a while."""

    def __init__(
        self,
        work: Callable[[socket.socket, bytes], None],
        limits: ClientLimits,
        begin: Callable[[Callable[[], None]], None] = lambda run: Thread(target=run, daemon=True).start(),
    ) -> None:
        """`begin` runs a function in a new thread. Raises RuntimeError if the system can't start one."""
        self._work = work
        self._limits = limits
        self._begin = begin
        self._changed = Condition()
        self._queue: deque[tuple[socket.socket, bytes]] = deque()
        self._threads = 0
        self._idle = 0
        self._is_ending = False
        self.held_bytes = 0
        """The total bytes of all running and queued requests."""

    @property
    def load(self) -> int:
        """The number of requests that are running or queued."""
        with self._changed:
            return len(self._queue) + self._threads - self._idle

    def take(self, connection: socket.socket, data: bytes) -> None:
        """Queue a request for a thread; if no thread can run, close its connection."""
        with self._changed:
            self._queue.append((connection, data))
            self.held_bytes += len(data)
            if self._idle >= len(self._queue) or self._threads >= self._limits.threads:
                self._changed.notify()
                return
        if not self._hire():
            self._make_do()

    def start(self) -> None:
        """Start the first threads."""
        for _ in range(self._limits.ready):
            if not self._hire():
                break

    def _hire(self) -> bool:
        with self._changed:
            self._threads += 1
        try:
            self._begin(self._run)
        except RuntimeError:
            # The system refuses a further thread for this user or container.
            with self._changed:
                self._threads -= 1
            return False
        return True

    def _make_do(self) -> None:
        """If no further thread can be started, leave the queue to the running threads.

        If no thread runs at all, the connections in the queue are closed, and the clients do the work themselves.
        """
        with self._changed:
            self._changed.notify()
            if self._threads:
                return
            while self._queue:
                connection, data = self._queue.popleft()
                self.held_bytes -= len(data)
                connection.close()

    def end(self, seconds: float) -> None:
        """Wait up to `seconds` for running requests."""
        until = monotonic() + seconds
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            while self._threads and monotonic() < until:
                self._changed.wait(until - monotonic())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                is_needed = True
                while not self._queue and not self._is_ending and is_needed:
                    is_woken = self._changed.wait(self._limits.lingering_seconds)
                    is_needed = is_woken or self._threads <= self._limits.ready
                self._idle -= 1
                if not self._queue:
                    self._threads -= 1
                    self._changed.notify_all()
                    return
                connection, data = self._queue.popleft()
            size = len(data)
            self._work(connection, data)
            del connection, data  # release this request's secrets now, not when the next request arrives
            with self._changed:
                self.held_bytes -= size
