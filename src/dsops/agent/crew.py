"""Threads that do what clients ask for: as many as are needed at once, and fewer some time after."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic

from dsops.agent.request import ClientLimits


class Crew:
    """Threads that wait for work; a new one is started when all are busy, up to a number, and ends some time after."""

    def __init__(
        self,
        work: Callable[[socket.socket, bytes], None],
        limits: ClientLimits,
        begin: Callable[[Callable[[], None]], None] = lambda run: Thread(target=run, daemon=True).start(),
    ) -> None:
        """`begin` runs something in a new thread. Raises RuntimeError where there is none to be had."""
        self._work = work
        self._limits = limits
        self._begin = begin
        self._changed = Condition()
        self._queue: deque[tuple[socket.socket, bytes]] = deque()
        self._threads = 0
        self._idle = 0
        self._is_ending = False
        self.held_bytes = 0
        """Of the requests that are being worked on, or wait for it."""

    @property
    def load(self) -> int:
        """How many requests are being worked on, or wait for it."""
        with self._changed:
            return len(self._queue) + self._threads - self._idle

    def take(self, connection: socket.socket, data: bytes) -> None:
        """Has it done; where no thread can be had for it, the connection is closed."""
        with self._changed:
            self._queue.append((connection, data))
            self.held_bytes += len(data)
            if self._idle >= len(self._queue) or self._threads >= self._limits.threads:
                self._changed.notify()
                return
        if not self._hire():
            self._make_do()

    def start(self) -> None:
        """Has the first threads ready."""
        for _ in range(self._limits.ready):
            if not self._hire():
                break

    def _hire(self) -> bool:
        with self._changed:
            self._threads += 1
        try:
            self._begin(self._run)
        except RuntimeError:
            # No more threads for this user, or in this container.
            with self._changed:
                self._threads -= 1
            return False
        return True

    def _make_do(self) -> None:
        """Leaves the work to the threads that there are; without any, their clients do it by themselves."""
        with self._changed:
            self._changed.notify()
            if self._threads:
                return
            while self._queue:
                connection, data = self._queue.popleft()
                self.held_bytes -= len(data)
                connection.close()

    def end(self, seconds: float) -> None:
        """Waits that long for what is being worked on."""
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
            del connection, data  # its secrets are not kept until the next request
            with self._changed:
                self.held_bytes -= size
