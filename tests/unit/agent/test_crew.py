"""The agent's worker threads: one computes at a time, and the system may be able to start few or none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Self

import pytest

from dsops.agent import thread_pool
from dsops.agent.request import ClientLimits
from dsops.agent.thread_pool import Crew

PATIENCE_SECONDS = 60


class Scarce:
    """A stub that starts a limited number of threads, as in a small container or under a process limit."""

    def __init__(self, threads: int) -> None:
        self.left = threads

    def __call__(self, run: Callable[[], None]) -> None:
        """Start a thread, or raise what `Thread.start` raises."""
        if not self.left:
            raise RuntimeError("can't start new thread")
        self.left -= 1
        threading.Thread(target=run, daemon=True).start()


@pytest.mark.parametrize("threads", [1, 3])
def test_with_fewer_threads_than_wanted_all_work_is_done(threads: int) -> None:
    """If the system allows fewer threads than requested, those threads do all the work one piece after another."""
    done: list[bytes] = []
    gate = threading.Event()
    all_done = threading.Event()

    def work(connection: socket.socket, data: bytes) -> None:
        assert gate.wait(PATIENCE_SECONDS)
        connection.close()
        done.append(data)
        if len(done) == 6:
            all_done.set()

    crew = Crew(work, ClientLimits(), begin=Scarce(threads))
    crew.start()
    for number in range(6):
        crew.take(socket.socket(), b"%d" % number)
    gate.set()
    assert all_done.wait(PATIENCE_SECONDS)
    assert sorted(done) == [b"%d" % number for number in range(6)]
    crew.end(PATIENCE_SECONDS)
    assert crew.load == 0


def test_without_threads_a_connection_is_closed_at_once() -> None:
    """If no thread can be started, the agent closes the connection at once, and the client does the work itself."""
    crew = Crew(lambda _connection, _data: None, ClientLimits(), begin=Scarce(0))
    crew.start()
    ours, theirs = socket.socketpair()
    with ours:
        crew.take(theirs, b"request")
        ours.settimeout(PATIENCE_SECONDS)
        assert ours.recv(10) == b""
    assert (crew.load, crew.held_bytes) == (0, 0)


class Pool:
    """A crew whose requests run the function of their number."""

    def __init__(self, *functions: Callable[[Crew], object], limits: ClientLimits = ClientLimits()) -> None:  # noqa: B008
        self._functions = functions
        self.done: list[int] = []
        self.crew = Crew(self._work, limits)
        self.crew.start()

    def _work(self, connection: socket.socket, data: bytes) -> None:
        with connection:
            self._functions[int(data)](self.crew)
            self.done.append(int(data))

    def __enter__(self) -> Self:
        for number in range(len(self._functions)):
            self.crew.take(socket.socket(), b"%d" % number)
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.end(PATIENCE_SECONDS)
        assert (self.crew.load, self.crew.held_bytes, self.crew._threads) == (0, 0, 0)


def test_one_request_computes_at_a_time() -> None:
    """Only one request computes at a time, even if requests wait many times."""
    inside: list[int] = []
    most: list[int] = []

    def compute(crew: Crew) -> None:
        for _ in range(20):
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            crew.outside(lambda: threading.Event().wait(0.0005))

    with Pool(*[compute] * 20) as pool:
        pass

    assert sorted(pool.done) == list(range(20))
    assert max(most) == 1


def test_a_request_that_waits_lets_others_compute() -> None:
    """While a request waits, other requests compute; after the wait, it continues alone."""
    gate = threading.Event()

    def wait(crew: Crew) -> None:
        crew.outside(lambda: crew.outside(lambda: gate.wait(PATIENCE_SECONDS)))
        assert crew._holder is crew._own.worker

    with Pool(wait, lambda _: None, lambda _: gate.set()) as pool:
        pass

    assert pool.done == [1, 2, 0]


def test_an_error_outside_is_raised_with_the_turn() -> None:
    """An error of the function that waits is raised, and the request has the turn again."""
    seen: list[bool] = []

    def fail() -> None:
        raise OSError("gone")

    def wait(crew: Crew) -> None:
        with pytest.raises(OSError, match="gone"):
            crew.outside(fail)
        seen.append(crew._holder is crew._own.worker)

    with Pool(wait):
        pass

    assert seen == [True]


def test_a_request_that_has_waited_comes_before_new_ones() -> None:
    """A request that has begun goes on as soon as the present one is done, before the requests in the queue."""
    begun = threading.Event()

    def first(crew: Crew) -> None:
        crew.outside(lambda: begun.wait(PATIENCE_SECONDS))

    def second(crew: Crew) -> None:
        begun.set()
        end = threading.Event()
        while not crew._resumed:
            assert not end.wait(0.001)

    with Pool(first, second, *[lambda _: None] * 5) as pool:
        pass

    assert pool.done[:2] == [1, 0]


def test_a_request_that_computes_for_long_loses_the_turn() -> None:
    """A request that neither ends nor waits does not keep the others from being answered."""
    gate = threading.Event()

    def hang(_crew: Crew) -> None:
        assert gate.wait(PATIENCE_SECONDS)

    def relieve() -> None:
        while not gate.wait(0.01):
            pool.crew.relieve()

    pool = Pool(hang, lambda _: None, lambda _: gate.set())
    threading.Thread(target=relieve, daemon=True).start()
    with pool:
        pass

    assert pool.done == [1, 2, 0]


def test_requests_do_the_rest_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request continues after the queued requests have computed as far; at most 16 of them wait for each other."""
    monkeypatch.setattr(thread_pool, "_LATE_SECONDS", PATIENCE_SECONDS)
    is_queued = threading.Event()
    steps: list[str] = []

    def work(crew: Crew) -> None:
        assert is_queued.wait(PATIENCE_SECONDS)
        steps.append("computed")
        crew.after_others()
        steps.append("rest")

    with Pool(*[work] * 20):
        is_queued.set()

    assert steps == ["computed"] * 16 + ["rest"] * 16 + ["computed"] * 4 + ["rest"] * 4


def test_a_request_that_does_the_rest_with_others_is_not_overtaken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request in `after_others` continues soon, even if there are always new requests that do not call it."""
    monkeypatch.setattr(thread_pool, "_LATE_SECONDS", 0.01)
    is_queued = threading.Event()

    def first(crew: Crew) -> None:
        assert is_queued.wait(PATIENCE_SECONDS)
        crew.after_others()

    def second(crew: Crew) -> None:
        end = threading.Event()
        while monotonic() - crew._together_since <= 0.01:
            assert not end.wait(0.001)

    with Pool(first, second, *[lambda _: None] * 9) as pool:
        is_queued.set()

    assert pool.done[:2] == [1, 0]


def test_the_only_thread_does_not_wait_for_others() -> None:
    """If no other thread can run the queued requests, a request in `after_others` continues."""
    is_queued, all_done = threading.Event(), threading.Event()
    done: list[bytes] = []

    def work(connection: socket.socket, data: bytes) -> None:
        assert is_queued.wait(PATIENCE_SECONDS)
        connection.close()
        crew.after_others()
        done.append(data)
        if len(done) == 3:
            all_done.set()

    crew = Crew(work, ClientLimits(), begin=Scarce(1))
    crew.start()
    for number in range(3):
        crew.take(socket.socket(), b"%d" % number)
    is_queued.set()
    assert all_done.wait(PATIENCE_SECONDS)
    crew.end(PATIENCE_SECONDS)
    assert done == [b"0", b"1", b"2"]


def test_a_request_that_waits_for_aws_does_not_delay_the_rest_of_others() -> None:
    """A request in `after_others` continues when the last queued request begins to wait."""
    is_queued, is_over = threading.Event(), threading.Event()

    def first(crew: Crew) -> None:
        assert is_queued.wait(PATIENCE_SECONDS)
        crew.after_others()
        is_over.set()

    def second(crew: Crew) -> None:
        assert crew.outside(lambda: is_over.wait(PATIENCE_SECONDS))

    with Pool(first, second) as pool:
        is_queued.set()

    assert pool.done == [0, 1]


@pytest.mark.parametrize(("late_seconds", "done_before"), [(60.0, [0, 1, 2]), (0.0, [0])])
def test_the_server_reads_after_the_requests(
    monkeypatch: pytest.MonkeyPatch, late_seconds: float, done_before: list[int]
) -> None:
    """The server's thread reads when the queued requests are done, or between two of them if that takes too long."""
    monkeypatch.setattr(thread_pool, "_LATE_SECONDS", late_seconds)
    monkeypatch.setattr(thread_pool, "_LONGEST_TURN_SECONDS", PATIENCE_SECONDS)

    def first(crew: Crew) -> None:
        end = threading.Event()
        while crew._reader_waits_since == inf:
            assert not end.wait(0.001)

    with Pool(first, lambda _: None, lambda _: None) as pool, pool.crew.reading():
        assert pool.done == done_before
        assert pool.crew._holder is pool.crew._reader


def test_the_server_reads_without_the_turn_if_a_request_computes_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that keeps the turn does not keep the server from reading."""
    monkeypatch.setattr(thread_pool, "_LONGEST_TURN_SECONDS", 0.01)
    gate = threading.Event()

    with Pool(lambda _: gate.wait(PATIENCE_SECONDS)) as pool:
        with pool.crew.reading():
            assert pool.done == []
        gate.set()


class LateLock:
    """A worker's lock. The worker notices the first timeout only when `is_noticed` is set."""

    def __init__(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        self._acquire, self.release, self.locked = lock.acquire, lock.release, lock.locked
        self.has_timed_out, self.is_noticed = threading.Event(), threading.Event()

    def acquire(self, *, timeout: float = -1) -> bool:
        """Acquire the lock; the first call with a timeout fails."""
        if timeout >= 0 and not self.has_timed_out.is_set():
            self.has_timed_out.set()
            assert self.is_noticed.wait(PATIENCE_SECONDS)
            return False
        return self._acquire(timeout=timeout)


def test_a_request_at_the_idle_timeout_can_wait_for_the_turn() -> None:
    """A thread that gets a request at the moment of its idle timeout holds its lock while it works.

    Otherwise, the thread would not wait for the turn after `outside`, and compute beside another thread.
    """
    late, starts = LateLock(), list[Callable[[], None]]()
    is_held: list[bool] = []

    def work(connection: socket.socket, _data: bytes) -> None:
        connection.close()
        is_held.append(late.locked())

    crew = Crew(work, ClientLimits(ready=1), begin=starts.append)
    crew.start()
    crew._idle[0].lock = late  # type: ignore[assignment]
    Scarce(1)(starts[0])
    assert late.has_timed_out.wait(PATIENCE_SECONDS)
    crew.take(socket.socket(), b"request")
    late.is_noticed.set()
    crew.end(PATIENCE_SECONDS)

    assert is_held == [True]


def test_when_all_threads_wait_the_others_wait_for_them() -> None:
    """If as many requests wait as there may be threads, a new one is answered when one of them is done."""
    gate = threading.Event()

    def wait(crew: Crew) -> None:
        crew.outside(lambda: gate.wait(PATIENCE_SECONDS))

    with Pool(*[wait] * 3, lambda _: None, limits=ClientLimits(threads=3)) as pool:
        assert pool.crew.load == 4
        assert pool.done == []
        gate.set()

    assert sorted(pool.done) == [0, 1, 2, 3]
