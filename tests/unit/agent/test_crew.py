"""The agent's worker threads when the system can start few or none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from dsops.agent.request import ClientLimits
from dsops.agent.thread_pool import Crew

PATIENCE_SECONDS = 20


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
