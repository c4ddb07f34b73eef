"""The threads that run requests: one at a time computes, the others wait for AWS, a user or a program.

Parsing, planning and resolving are CPU work. Python runs one thread at a time, so two threads that compute at once
take longer than one after the other. A thread therefore needs the *turn* to compute. It gives up the turn while it
waits (`Crew.outside`). When the thread with the turn has finished a request, it takes the next request. Two hundred
simultaneous requests that wait for nothing need only one thread.

The server's thread needs the turn as well, to read requests (`Crew.reading`). Otherwise, it would get Python's lock at
each system call of a request, and both threads would wait for each other.

A thread that keeps the turn for longer than `_LONGEST_TURN_SECONDS` loses it, and continues to compute beside the
others. Such a thread may be parsing a very large file, or reading from a file system that does not answer.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Condition, Lock, Thread, local
from time import monotonic
from typing import TypeVar

from dsops.agent.request import ClientLimits

T = TypeVar("T")

_LONGEST_TURN_SECONDS = 0.1
_LATE_SECONDS = 0.03
"""How long new requests get the turn before the server's thread, and before the workers in `Crew.after_others`."""
_MOST_TOGETHER = 16
"""The largest number of workers in `Crew.after_others`."""


class _Worker:
    """A thread of the pool. It sleeps until another thread releases its lock."""

    __slots__ = ("is_outside", "job", "lock")

    def __init__(self) -> None:
        self.lock = Lock()
        self.lock.acquire()
        self.job: tuple[socket.socket, bytes] | None = None
        self.is_outside = False


class Crew:
    """A thread pool: starts another thread if all wait, up to a limit; an idle thread ends after a while."""

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
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._queue: deque[tuple[socket.socket, bytes]] = deque()
        self._resumed: deque[_Worker] = deque()
        """Workers that have finished waiting and need the turn again; they get it before new requests."""
        self._together: list[_Worker] = []
        """Workers in `after_others`."""
        self._together_since = inf
        self._reader = _Worker()
        """The server's thread."""
        self._reader_waits_since = inf
        self._idle: list[_Worker] = []
        self._threads = 0
        self._running = 0
        self._holder: _Worker | None = None
        """The worker that has the turn."""
        self._since = 0.0
        self._own = local()
        self._is_ending = False
        self.held_bytes = 0
        """The total bytes of all running and queued requests."""

    @property
    def load(self) -> int:
        """The number of requests that are running or queued."""
        with self._lock:
            return len(self._queue) + self._running

    @property
    def is_waited_for(self) -> bool:
        """Whether a worker or a request waits for the turn."""
        return bool(self._queue or self._resumed or self._together)

    def start(self) -> None:
        """Start the first threads."""
        with self._lock:
            for _ in range(self._limits.ready):
                if not self._hire(None):
                    break

    def take(self, connection: socket.socket, data: bytes) -> None:
        """Queue a request for a thread; if no thread can run, close its connection."""
        with self._lock:
            self._queue.append((connection, data))
            self.held_bytes += len(data)
            if self._holder is None:
                self._pass_on()

    def relieve(self) -> None:
        """Take the turn from a worker that has had it for too long, if others wait for it. Call it now and then."""
        with self._lock:
            if self.is_waited_for and self._holder and monotonic() - self._since > _LONGEST_TURN_SECONDS:
                self._holder = None
                self._pass_on()

    def outside(self, wait: Callable[[], T]) -> T:
        """Call a function that waits, and let other threads run during the wait.

        Returns what the function returns, or raises what it raises.
        """
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None or worker.is_outside:
            return wait()
        worker.is_outside = True
        with self._lock:
            self._give_up(worker)
        try:
            return wait()
        finally:
            worker.is_outside = False
            self._regain(worker)

    def after_others(self) -> None:
        """Wait until the queued requests have computed up to this call, too; then they continue one after another.

        So the first request that continues can write the audit records of all.
        """
        worker: _Worker | None = getattr(self._own, "worker", None)
        with self._lock:
            if worker is None or self._holder is not worker:
                return
            if not self._queue or len(self._together) + 1 >= _MOST_TOGETHER:
                self._resume_together()
                return
            if not self._together:
                self._together_since = monotonic()
            self._together.append(worker)
            self._give_up(worker)
        worker.lock.acquire()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Give the server's thread the turn, or let it continue without the turn after `_LONGEST_TURN_SECONDS`."""
        reader = self._reader
        with self._lock:
            is_free = self._holder is None
            if is_free:
                self._give(reader)
            else:
                self._reader_waits_since = monotonic()
        if not is_free and not reader.lock.acquire(timeout=_LONGEST_TURN_SECONDS):
            with self._lock:
                if self._holder is reader:
                    reader.lock.acquire()  # the lock was released between the timeout and this check
                self._reader_waits_since = inf
        try:
            yield
        finally:
            with self._lock:
                self._give_up(reader)

    def _regain(self, worker: _Worker) -> None:
        with self._lock:
            if self._holder is None:
                self._give(worker)
                return
            self._resumed.append(worker)
        worker.lock.acquire()

    def _give(self, worker: _Worker) -> None:
        self._holder, self._since = worker, monotonic()

    def _give_up(self, worker: _Worker) -> None:
        """Pass the turn on, unless the worker has lost it already."""
        if self._holder is worker:
            self._holder = None
        if self._holder is None:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the free turn to a worker that wants it back, or else to a worker for the next request."""
        now = monotonic()
        if now - self._together_since > _LATE_SECONDS:
            self._resume_together()
        if self._resumed:
            self._wake(self._resumed.popleft())
        elif now - self._reader_waits_since > _LATE_SECONDS or not (self._queue and self._begin_next()):
            self._pass_on_to_last()

    def _pass_on_to_last(self) -> None:
        """Give the turn to the server's thread, or else to the workers in `after_others`."""
        if self._reader_waits_since < inf:
            self._reader_waits_since = inf
            self._wake(self._reader)
        elif self._together:
            self._resume_together()
            self._wake(self._resumed.popleft())

    def _wake(self, worker: _Worker) -> None:
        self._give(worker)
        worker.lock.release()

    def _resume_together(self) -> None:
        self._resumed.extend(self._together)
        self._together.clear()
        self._together_since = inf

    def _begin_next(self) -> bool:
        """Give the turn to a worker for the next request; return False if no thread is left."""
        if self._idle:
            worker = self._idle.pop()
            self._accept(worker)
            worker.lock.release()
            return True
        if self._threads >= self._limits.threads:
            return False
        job = self._queue.popleft()
        if self._hire(job):
            return True
        self._queue.appendleft(job)
        self._close_if_no_thread()
        return False

    def _accept(self, worker: _Worker) -> None:
        """Give the turn and the next request to a worker."""
        worker.job = self._queue.popleft()
        self._running += 1
        self._give(worker)

    def _hire(self, job: tuple[socket.socket, bytes] | None) -> bool:
        """Start a worker, with the turn if it gets a request; return False if the system refuses another thread."""
        worker = _Worker()
        self._threads += 1
        if job is None:
            self._idle.append(worker)
        else:
            worker.job = job
            self._running += 1
            self._give(worker)
        try:
            self._begin(lambda: self._run(worker))
        except RuntimeError:
            self._threads -= 1
            if job is None:
                self._idle.remove(worker)
            else:
                self._running -= 1
                self._holder = None
            return False
        return True

    def _close_if_no_thread(self) -> None:
        """If no thread runs at all, close the queued connections: the clients do the work themselves."""
        while self._queue and not self._threads:
            connection, data = self._queue.popleft()
            self.held_bytes -= len(data)
            connection.close()

    def end(self, seconds: float) -> None:
        """Wait up to `seconds` for running requests."""
        until = monotonic() + seconds
        with self._changed:
            self._is_ending = True
            for worker in self._idle:
                worker.lock.release()
            self._idle.clear()
            while self._threads and monotonic() < until:
                self._changed.wait(until - monotonic())

    def _run(self, worker: _Worker) -> None:
        self._own.worker = worker
        while (job := self._next_of(worker)) is not None:
            connection, data = job
            size = len(data)
            self._work(connection, data)
            del job, connection, data  # release this request's secrets now, not when the next request arrives
            with self._lock:
                self._running -= 1
                self.held_bytes -= size
                if self._holder is worker and self._queue and not self._is_anyone_late():
                    self._accept(worker)
                else:
                    if not self._is_ending:
                        self._idle.append(worker)
                    self._give_up(worker)
        with self._changed:
            self._threads -= 1
            self._changed.notify_all()

    def _is_anyone_late(self) -> bool:
        """Whether a thread comes before the next request."""
        since = min(self._together_since, self._reader_waits_since)
        return bool(self._resumed) or monotonic() - since > _LATE_SECONDS

    def _next_of(self, worker: _Worker) -> tuple[socket.socket, bytes] | None:
        """Wait for the worker's next request and return it; None if the thread is to end."""
        while worker.job is None and not self._is_ending:
            is_woken = worker.lock.acquire(timeout=self._limits.lingering_seconds)
            with self._lock:
                if not is_woken and worker not in self._idle:
                    # the lock was released between the timeout and this check, for a request or the end
                    worker.lock.acquire()
                elif not is_woken and self._threads > self._limits.ready:
                    self._idle.remove(worker)
                    break
        job, worker.job = worker.job, None
        return job
