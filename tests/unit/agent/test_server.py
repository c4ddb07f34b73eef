"""The agent's server: slow, silent, malformed and lost clients, and how the server ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from dsops.agent import (
    AGAIN,
    ASK,
    DECLINED,
    FAILED,
    HELLO,
    LONGEST,
    NOTE,
    REQUEST,
    RESULT,
    TYPED,
    client,
    pack,
    receive,
    send,
    thread_pool,
    unpack,
)
from dsops.agent.request import AgentAnswer, AgentRequest, ClientLimits, RequestClient, failed, result
from dsops.agent.server import AgentServer
from dsops.agent.start import listen
from dsops.errors import SecretNotFound
from tests.children import SECONDS, Child

PATIENCE_SECONDS = 60


def echo(asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
    """Return the request's parts as the answer."""
    del caller
    return result([asked.folder, *asked.words, *asked.environ])


@contextmanager
def serving(
    work: Callable[[AgentRequest, RequestClient], AgentAnswer] = echo,
    limits: ClientLimits = ClientLimits(),  # noqa: B008
    code: Callable[[], object] = lambda: "installed",
) -> Iterator[Running]:
    """Run a server in a thread, in a folder with a short name."""
    folder = tempfile.mkdtemp(prefix="dsops-")
    address = f"{folder}/s"
    running = Running(AgentServer(listen(address), work, limits, code=code), address)
    try:
        running.thread.start()
        yield running
    finally:
        if running.thread.is_alive():
            running.server.stop()
        running.thread.join(PATIENCE_SECONDS)
        shutil.rmtree(folder)
        assert not running.thread.is_alive()


class Running:
    """A running server."""

    def __init__(self, one: AgentServer, address: str) -> None:
        self.server = one
        self.address = address
        self.thread = threading.Thread(target=one.run, daemon=True)

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(self.address)
        return connection

    def ask(self, *words: bytes, mark: bytes = b"") -> tuple[int, list[bytes]]:
        """Send one request and return the answer."""
        with self.connect() as connection:
            send(connection, REQUEST, request(*words, mark=mark))
            return answer(connection)


def request(*words: bytes, mark: bytes = b"") -> bytes:
    """Return a request in the client's format."""
    return pack([mark or client.stamp(), b"/folder", b"", b"%d" % len(words), *words, b"NAME=VALUE"])


def answer(connection: socket.socket) -> tuple[int, list[bytes]]:
    """Return the frame that ends a request."""
    while True:
        frame = receive(connection)
        assert frame is not None, "the agent closed the connection"
        if frame[0] in {RESULT, FAILED, DECLINED}:
            return frame[0], unpack(frame[1]) if frame[0] == RESULT else [frame[1]]
        assert frame[0] in {HELLO, NOTE}


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition that should hold soon."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_request_is_answered() -> None:
    """The agent's server returns the result of the work, which gets folder, words and environment unchanged."""
    with serving() as running:
        assert running.ask(b"exec", b"--", b"x") == (RESULT, [b"/folder", b"exec", b"--", b"x", b"NAME=VALUE"])


def test_an_error_is_an_answer() -> None:
    """If the work raises an error, the client receives the error."""
    with serving(lambda _asked, _caller: failed(SecretNotFound("there is none"))) as running:
        kind, data = running.ask(b"exec")
    assert kind == FAILED
    assert b"there is none" in data[0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"R\xff\xff\xff\xff",
        b"X\0\0\0\0",
        b"R\0\0\0\1x",
        b"R\0\0\0\0",
        b"R" + (8).to_bytes(4, "big") + b"\0\0\0\1a\0\0\0",
    ],
)
def test_garbage_ends_its_connection_and_nothing_else(garbage: bytes) -> None:
    """Malformed input gets no answer and ends only its own connection; the next client is served."""
    with serving() as running:
        with running.connect() as connection:
            connection.sendall(garbage)
            assert connection.recv(10) == b""
        assert running.ask(b"exec")[0] == RESULT


def test_silent_clients_use_no_threads() -> None:
    """A hundred silent or incomplete connections use no thread."""
    with serving() as running:
        running.ask(b"exec")
        before = threading.active_count()
        silent = [running.connect() for _ in range(100)]
        for connection in silent[::2]:
            connection.sendall(b"R\0\0")
        assert running.ask(b"exec")[0] == RESULT
        assert threading.active_count() == before
        for connection in silent:
            connection.close()


def test_a_silent_client_is_dropped() -> None:
    """A connection that stays silent is closed after a while."""
    with serving(limits=ClientLimits(reading_seconds=0.05)) as running, running.connect() as connection:
        connection.sendall(b"R\0")
        assert connection.recv(10) == b""


def test_a_client_that_takes_no_answer_is_given_up() -> None:
    """If a client does not read its answer, its thread is freed after a timeout; others are served until then."""
    huge = [b"x" * (LONGEST // 2)]

    def work(asked: AgentRequest, _caller: RequestClient) -> AgentAnswer:
        return result(huge if asked.words[0] == b"huge" else [])

    with serving(work, ClientLimits(writing_seconds=0.1)) as running, running.connect() as connection:
        send(connection, REQUEST, request(b"huge"))
        assert running.ask(b"small") == (RESULT, [])
        wait_until(lambda: running.server._crew.load == 0)


def test_more_clients_than_there_is_room_for_wait_and_are_served() -> None:
    """Clients above the limit wait in the kernel's queue and are then served."""
    with serving(limits=ClientLimits(clients=4)) as running:
        connections = [running.connect() for _ in range(20)]
        for connection in connections:
            send(connection, REQUEST, request(b"exec"))
        assert [answer(connection)[0] for connection in connections] == [RESULT] * 20
        for connection in connections:
            connection.close()


def test_work_of_many_goes_on_side_by_side() -> None:
    """Requests are handled concurrently, so long work does not delay other requests."""
    gate = threading.Event()

    def work(asked: AgentRequest, _caller: RequestClient) -> AgentAnswer:
        if asked.words[0] == b"slow":
            assert gate.wait(PATIENCE_SECONDS)
        return result([])

    with serving(work) as running, running.connect() as slow:
        send(slow, REQUEST, request(b"slow"))
        assert [running.ask(b"quick")[0] for _ in range(5)] == [RESULT] * 5
        gate.set()
        assert answer(slow)[0] == RESULT


def test_two_hundred_at_once_are_all_served() -> None:
    """Two hundred concurrent clients each get their own answer."""
    with serving() as running:
        connections = [running.connect() for _ in range(200)]
        for number, connection in enumerate(connections):
            send(connection, REQUEST, request(b"%d" % number))
        for number, connection in enumerate(connections):
            assert answer(connection)[1][1] == b"%d" % number
            connection.close()


def test_threads_do_not_grow_with_requests() -> None:
    """Requests that wait for nothing need one thread, however many there are, one after another or at once."""
    with serving() as running:
        for _ in range(50):
            running.ask(b"exec")
        connections = [running.connect() for _ in range(200)]
        for connection in connections:
            send(connection, REQUEST, request(b"exec"))
        for connection in connections:
            assert answer(connection)[0] == RESULT
            connection.close()
        assert running.server._crew._threads == ClientLimits().ready


def test_a_question_to_a_user_blocks_no_other_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a client's user is asked, or a client does not read, the others are served without a time limit."""
    monkeypatch.setattr(thread_pool, "_LONGEST_TURN_SECONDS", 1000.0)

    def work(asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        if asked.words[0] == b"asks":
            return result([caller.ask("MFA code") or b""])
        return result([b"x" * (LONGEST // 2)] if asked.words[0] == b"huge" else [])

    with serving(work) as running, running.connect() as asks, running.connect() as huge:
        for connection, word in ((asks, b"asks"), (huge, b"huge")):
            send(connection, REQUEST, request(word))
            assert receive(connection) == (HELLO, b"")
        assert receive(asks) == (ASK, b"MFA code")
        assert [running.ask(b"quick")[0] for _ in range(5)] == [RESULT] * 5
        send(asks, TYPED, b"123456")
        assert answer(asks) == (RESULT, [b"123456"])
        assert len(answer(huge)[1][0]) == LONGEST // 2


def test_an_agent_ends_after_an_upgrade_of_dsops() -> None:
    """After an upgrade of dsops the old agent ends.

    The old agent tells a client of the newer dsops to retry; its socket is gone by then, so the client starts
    a new agent.
    """
    installed = ["old"]
    with serving(code=lambda: installed[0]) as running:
        installed[0] = "new"
        assert running.ask(b"exec", mark=b"0.0.9") == (DECLINED, [AGAIN])
        assert not os.path.exists(running.address)
        running.thread.join(PATIENCE_SECONDS)
        assert not running.thread.is_alive()


def test_a_client_of_another_version_does_its_own_work() -> None:
    """The agent declines the request of a client with an older or wrong version, and keeps its sessions."""
    with serving() as running:
        assert running.ask(b"exec", mark=b"0.0.9") == (DECLINED, [b""])
        assert running.ask(b"exec")[0] == RESULT


def test_an_idle_agent_ends_and_takes_its_socket_along() -> None:
    """An agent ends after its idle time and removes its socket."""
    with serving(limits=ClientLimits(idle_seconds=0.1)) as running:
        assert running.ask(b"exec")[0] == RESULT
        running.thread.join(PATIENCE_SECONDS)
        assert not running.thread.is_alive()
        assert not os.path.exists(running.address)


def test_an_agent_at_work_is_not_idle() -> None:
    """A working agent does not end as idle, because a user may need longer for an MFA code than the idle time."""
    gate = threading.Event()

    def work(_asked: AgentRequest, _caller: RequestClient) -> AgentAnswer:
        gate.wait(PATIENCE_SECONDS)
        return result([])

    with serving(work, ClientLimits(idle_seconds=0.05)) as running, running.connect() as connection:
        send(connection, REQUEST, request(b"slow"))
        assert receive(connection) == (HELLO, b"")
        time.sleep(0.2)
        assert running.thread.is_alive()
        gate.set()
        assert answer(connection)[0] == RESULT


def test_the_socket_of_a_successor_stays() -> None:
    """An agent that ends removes its own socket but not that of its successor."""
    with serving() as running:
        os.unlink(running.address)
        with listen(running.address):
            running.server.stop()
            running.thread.join(PATIENCE_SECONDS)
            assert os.path.exists(running.address)


def test_a_person_is_asked_through_the_client() -> None:
    """The client shows a prompt and sends back the typed text; a closed connection counts as no input."""
    answers: list[bytes | None] = []

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        answers.append(caller.ask("code: "))
        return result([])

    with serving(work) as running:
        with running.connect() as connection:
            send(connection, REQUEST, request(b"exec"))
            assert receive(connection) == (HELLO, b"")
            assert receive(connection) == (ASK, b"code: ")
            send(connection, TYPED, b"123456")
            assert answer(connection)[0] == RESULT
        with running.connect() as connection:
            send(connection, REQUEST, request(b"exec"))
            assert receive(connection) == (HELLO, b"")
            receive(connection)
        wait_until(lambda: len(answers) == 2)
    assert answers == [b"123456", None]


def be_asked(connection: socket.socket) -> None:
    """Send a request that leads to a prompt."""
    send(connection, REQUEST, request(b"exec"))
    assert receive(connection) == (HELLO, b"")
    assert receive(connection) == (ASK, b"code: ")


def outcome_of(caller: RequestClient) -> bytes:
    """Return the outcome of the prompt."""
    try:
        return caller.ask("code: ") or b"nobody"
    except TimeoutError:
        return b"too late"


@pytest.mark.parametrize("drip", [b"", b"T\0\0"], ids=["silent", "half"])
def test_waiting_for_a_clients_answer_has_a_limit(drip: bytes) -> None:
    """If a client does not answer a prompt within the limit, the next client is prompted."""
    limits = ClientLimits(asking_seconds=0.05)
    with serving(lambda _, caller: result([outcome_of(caller)]), limits) as running, running.connect() as connection:
        be_asked(connection)
        connection.sendall(drip)
        frame = receive(connection)
    assert frame == (RESULT, pack([b"too late"]))


def test_an_answer_byte_by_byte_has_the_same_time_limit() -> None:
    """The time limit covers the whole typed answer: single bytes do not extend it."""
    outcomes: list[bytes] = []

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        outcomes.append(outcome_of(caller))
        return result([])

    with serving(work, ClientLimits(asking_seconds=0.3)) as running, running.connect() as connection:
        be_asked(connection)
        connection.sendall(b"T" + (4000).to_bytes(4, "big"))
        end = time.monotonic() + PATIENCE_SECONDS
        while not outcomes:
            assert time.monotonic() < end
            with suppress(OSError):
                connection.send(b"x")
            time.sleep(0.01)
    assert outcomes == [b"too late"]


@pytest.mark.parametrize(
    "typed", [b"T\0\0\0\003123", b"T\0\x10\0\0" + b"x" * 5000, b"R\0\0\0\0"], ids=["code", "long", "other"]
)
def test_what_is_typed_is_short(typed: bytes) -> None:
    """The agent accepts a typed code, but no overlong text and no text that cannot be typed."""
    with serving(lambda _, caller: result([outcome_of(caller)])) as running, running.connect() as connection:
        be_asked(connection)
        connection.sendall(typed)
        frame = receive(connection)
    assert frame == (RESULT, pack([b"123" if typed.endswith(b"123") else b"nobody"]))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says whether a process is stopped")
def test_a_client_stopped_at_the_question_has_a_shorter_limit() -> None:
    """If Ctrl-Z stops the client at the prompt, the next client is prompted after some seconds."""
    was_asked = threading.Event()
    outcomes: list[bytes] = []

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        was_asked.set()
        outcomes.append(outcome_of(caller))
        return result([])

    program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    program += "s.sendall(bytes.fromhex(sys.argv[2])); print(s.recv(99)[:1]); input()"
    data = request(b"exec")
    frame = bytes((REQUEST,)) + len(data).to_bytes(4, "big") + data
    with serving(work, ClientLimits(stopped_seconds=0.5)) as running:
        child = Child(
            [sys.executable, "-c", program, running.address, frame.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert was_asked.wait(PATIENCE_SECONDS)
            child.send_signal(signal.SIGSTOP)
            # That is sooner than the two minutes for a user who looks for a phone.
            wait_until(lambda: outcomes == [b"too late"])
        finally:
            child.kill()
            child.communicate(timeout=SECONDS)


def test_a_client_that_misses_an_event_delays_the_work_once() -> None:
    """If a client fails to read one event, the agent sends it no further events and no partial answer."""
    seconds: list[float] = []

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        started = time.monotonic()
        for _ in range(5000):
            caller.event("something", ["key", "x" * 1000])
        seconds.append(time.monotonic() - started)
        return result([])

    with serving(work, ClientLimits(writing_seconds=0.2)) as running, running.connect() as connection:
        send(connection, REQUEST, request(b"exec"))
        wait_until(lambda: bool(seconds))
        assert seconds[0] < 5
        wait_until(lambda: running.server._crew.load == 0)


def test_a_bug_in_the_work_costs_no_thread() -> None:
    """If the work raises an unexpected exception, the client does the work itself, and the server keeps its thread."""

    def work(asked: AgentRequest, _caller: RequestClient) -> AgentAnswer:
        if asked.words[0] == b"bug":
            raise MemoryError
        return result([])

    with serving(work) as running:
        for _ in range(20):
            with running.connect() as connection:
                send(connection, REQUEST, request(b"bug"))
                assert receive(connection) == (HELLO, b"")
                assert receive(connection) is None
        assert running.ask(b"good") == (RESULT, [])
        wait_until(lambda: running.server._crew.load == 0)
        assert running.server._crew._threads == ClientLimits().ready


def test_threads_of_a_burst_end_some_time_after() -> None:
    """The extra threads of fifty simultaneous requests end some time later."""
    gate = threading.Event()

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        caller.outside(lambda: gate.wait(PATIENCE_SECONDS))
        return result([])

    with serving(work, ClientLimits(lingering_seconds=0.05)) as running:
        connections = [running.connect() for _ in range(50)]
        for connection in connections:
            send(connection, REQUEST, request(b"exec"))
        wait_until(lambda: running.server._crew._threads == 50)
        gate.set()
        assert [answer(connection)[0] for connection in connections] == [RESULT] * 50
        for connection in connections:
            connection.close()
        wait_until(lambda: running.server._crew._threads == ClientLimits().ready)
        assert running.ask(b"exec")[0] == RESULT


def test_requests_in_progress_count_towards_the_limit() -> None:
    """Requests in progress count towards the limit.

    A request above the limit is dropped, and its client does the work itself.
    """
    gate = threading.Event()

    def work(_asked: AgentRequest, _caller: RequestClient) -> AgentAnswer:
        gate.wait(PATIENCE_SECONDS)
        return result([])

    with serving(work, ClientLimits(unread_bytes=3_000_000)) as running:
        with running.connect() as first, running.connect() as second, running.connect() as third:
            for connection in (first, second):
                send(connection, REQUEST, request(b"x" * 1_400_000))
                assert receive(connection) == (HELLO, b"")
            with suppress(OSError):
                send(third, REQUEST, request(b"x" * 1_400_000))
            with suppress(OSError):
                assert third.recv(10) == b""
            gate.set()
            assert [answer(connection)[0] for connection in (first, second)] == [RESULT] * 2
        wait_until(lambda: running.server._crew.held_bytes == 0)
        assert running.ask(b"x" * 1_400_000)[0] == RESULT
