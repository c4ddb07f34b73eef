"""The server of a guarded run listens at once and is loaded later; its decisions are written together."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest

from dsops.guard.authority import Authority
from dsops.guard.http.upstream import Network
from dsops.guard.run.attendant import GuardAttendant
from dsops.guard.run.late_server import LateServer
from dsops.guard.server import GuardServer
from dsops.process.signals import Signals
from tests.guard_fakes import OK, SECONDS, FakeGate, FakeUpstream, answering

GET = b"GET /k HTTP/1.1\r\nHost: s3.eu-west-1.amazonaws.com\r\nConnection: close\r\n\r\n"


def drive(server: LateServer, until: Callable[[], bool]) -> None:
    """Run the loop that watches a command, until a condition is met."""
    end = monotonic() + SECONDS
    with Signals() as signals:
        while not until():
            assert monotonic() < end
            pause = server.seconds()
            woken = signals.wait(0.05 if pause is None else pause, list(server.readers()))
            server.turn(woken.ready)


@contextmanager
def late(make: Callable[[socket.socket], GuardServer]) -> Iterator[tuple[LateServer, list[BaseException]]]:
    """A server that is loaded later, and its errors."""
    errors: list[BaseException] = []
    server = LateServer(("127.0.0.1", 0), make, errors.append)
    try:
        yield server, errors
    finally:
        server.end()


def test_a_connection_before_the_server_is_loaded_is_served() -> None:
    """A request that arrives while the server is not loaded waits, and gets its response."""
    answers: list[bytes] = []

    def ask(address: tuple[str, int]) -> None:
        with socket.create_connection(address, timeout=SECONDS) as client:
            client.sendall(GET)
            while data := client.recv(65_536):
                answers.append(data)

    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        with late(lambda listener: GuardServer(gate, Authority(datetime.now(UTC)), Network({}), listen=listener)) as (
            server,
            errors,
        ):
            client = threading.Thread(target=ask, args=(server.address,), daemon=True)
            client.start()
            drive(server, lambda: not client.is_alive())
    assert not errors
    assert b"".join(answers).startswith(b"HTTP/1.1 200 OK")
    assert len(gate.heads) == 1


def test_without_a_connection_the_server_is_loaded_after_a_delay() -> None:
    """A command that runs for longer finds a loaded server."""
    loaded = threading.Event()

    def make(listener: socket.socket) -> GuardServer:
        loaded.set()
        return GuardServer(FakeGate(("127.0.0.1", 1)), Authority(datetime.now(UTC)), Network({}), listen=listener)

    with late(make) as (server, errors):
        drive(server, loaded.is_set)
    assert not errors


def test_a_command_that_ends_at_once_loads_nothing() -> None:
    """Before the delay, nothing is loaded, and the end closes the socket."""
    made: list[socket.socket] = []

    def make(listener: socket.socket) -> GuardServer:
        made.append(listener)
        raise AssertionError

    with late(make) as (server, errors):
        address = server.address
        assert 0 < (server.seconds() or 0) <= 0.03
        server.turn(())
    assert (made, errors) == ([], [])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=SECONDS)


def test_a_server_that_cannot_be_made_serves_nothing() -> None:
    """The error is reported, and connections are refused."""

    def make(_: socket.socket) -> GuardServer:
        raise ValueError("a bug")

    with late(make) as (server, errors):
        address = server.address
        drive(server, lambda: bool(errors))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=SECONDS)
    assert [str(error) for error in errors] == ["a bug"]


def test_what_can_wait_is_written_together() -> None:
    """After a turn with work, later work runs in one turn at the end of a pause of 20 ms."""
    done: list[str] = []
    attendant = GuardAttendant(lambda: None, lambda: done.append("written"))
    (reader,) = attendant.readers()
    attendant.post(lambda: done.append("first"), can_wait=True)
    attendant.turn((reader,))
    for name in ("second", "third"):
        attendant.post(lambda name=name: done.append(name), can_wait=True)  # type: ignore[misc]
    attendant.turn(())
    assert done == ["first", "written"]

    pause = attendant.seconds()
    assert pause is not None
    assert pause <= 0.02
    sleep(pause)
    attendant.turn(())

    assert done == ["first", "written", "second", "third", "written"]
    attendant.end()


def test_what_cannot_wait_ends_the_pause() -> None:
    """A denial wakes the loop at once, and what was posted before it is written with it."""
    done: list[str] = []
    attendant = GuardAttendant(lambda: None, lambda: done.append("written"))
    (reader,) = attendant.readers()
    with Signals() as signals:
        attendant.post(lambda: done.append("first"), can_wait=True)
        attendant.turn(signals.wait(1, (reader,)).ready)
        attendant.post(lambda: done.append("allowed"), can_wait=True)
        assert reader not in signals.wait(0, (reader,)).ready
        attendant.post(lambda: done.append("denied"))
        attendant.turn(signals.wait(1, (reader,)).ready)
    assert done == ["first", "written", "allowed", "denied", "written"]
    attendant.end()


def test_the_end_writes_what_waits() -> None:
    """What the server posts until its end is written, too."""
    done: list[str] = []

    def close() -> None:
        attendant.post(lambda: done.append("last"), can_wait=True)

    attendant = GuardAttendant(close, lambda: done.append("written"))
    attendant.post(lambda: done.append("first"), can_wait=True)
    attendant.turn(tuple(attendant.readers()))
    attendant.post(lambda: done.append("second"), can_wait=True)
    attendant.end()

    assert done == ["first", "written", "second", "last", "written"]
