"""If an agent or client is suspended, slow or sends garbage, the other side waits only a limited time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dsops.agent import (
    ALIVE,
    ASK,
    CODE,
    EVENT,
    FAILED,
    HELLO,
    LONGEST,
    NOTE,
    REQUEST,
    RESULT,
    client,
    pack,
    receive,
    send,
    server,
)
from dsops.agent.failure import unpack_error
from dsops.agent.request import AgentAnswer, AgentRequest, ClientLimits, RequestClient, result
from dsops.agent.server import AgentServer
from dsops.agent.start import listen
from tests.stubs.aws import parameters_of
from tests.stubs.server import Answer as AwsAnswer
from tests.stubs.server import Seen
from tests.unit.cli.stub_aws import Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the agent's socket as Linux has it")

SILENT_SECONDS = 0.3
PATIENCE_SECONDS = 60
WHOLE = bytes((RESULT,)) + (9).to_bytes(4, "big") + pack([b"value"])


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with short timeouts."""
    monkeypatch.setattr("dsops.agent.SILENT_SECONDS", SILENT_SECONDS)
    monkeypatch.setattr(client, "_HEARD_SECONDS", SILENT_SECONDS)
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 4 * SILENT_SECONDS)


@pytest.fixture
def _heard(_quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with short timeouts that waits for the first frame of an agent on a busy machine."""
    monkeypatch.setattr(client, "_HEARD_SECONDS", PATIENCE_SECONDS)


@contextmanager
def agent(
    monkeypatch: pytest.MonkeyPatch, says: Callable[[socket.socket], None], *, accepts: bool = True
) -> Iterator[None]:
    """Run an agent at this user's address that behaves on its connection as `says` does."""
    runtime = tempfile.mkdtemp(prefix="dsops-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    folder = client.folder_of(os.environ)
    os.mkdir(folder, 0o700)
    listener = listen(client.address_in(folder))
    over = threading.Event()

    def run() -> None:
        with suppress(OSError):
            while not over.is_set():
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    receive(connection)
                    says(connection)
                    over.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=run, daemon=True)
    if accepts:
        thread.start()
    try:
        yield
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        if accepts:
            thread.join(PATIENCE_SECONDS)
        shutil.rmtree(runtime)


def ask(person: Callable[[int, bytes], bytes | None] = lambda _kind, _data: None) -> tuple[int, bytes] | None:
    """The result of a client's request."""
    return client.ask([b"exec"], person, watches=False, starts=False)


def drip(data: bytes) -> Callable[[socket.socket], None]:
    """Return a function that sends single bytes, each within the silence timeout."""

    def says(connection: socket.socket) -> None:
        send(connection, HELLO)
        for number in data:
            connection.sendall(bytes([number]))
            time.sleep(SILENT_SECONDS / 3)

    return says


def sending(*parts: bytes) -> Callable[[socket.socket], None]:
    """Return a function that sends these bytes, then nothing."""
    return lambda connection: connection.sendall(b"".join(parts))


def frame(kind: int, data: bytes = b"") -> bytes:
    """Encode a frame."""
    return bytes((kind,)) + len(data).to_bytes(4, "big") + data


SILENT: dict[str, Callable[[socket.socket], None]] = {
    "nothing at all": sending(),
    "after HELLO": sending(frame(HELLO)),
    "after a note and an event": sending(frame(HELLO), frame(NOTE, b""), frame(EVENT, pack([b"x"]))),
    "within a head": sending(frame(HELLO), WHOLE[:3]),
    "within a result": sending(frame(HELLO), WHOLE[:-1]),
    "a byte at a time": drip(frame(RESULT, pack([b"a long value" * 10]))),
    "garbage": sending(frame(HELLO), bytes(range(256))),
    "a frame of no kind": sending(frame(HELLO), frame(0x7A, b"data")),
    "a frame too long": sending(frame(HELLO), b"X" + (LONGEST + 1).to_bytes(4, "big")),
}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("says", SILENT.values(), ids=SILENT.keys())
def test_the_client_does_the_work_itself(
    monkeypatch: pytest.MonkeyPatch, says: Callable[[socket.socket], None]
) -> None:
    """If the agent is silent, slow or sends garbage, the client does the work itself."""
    with agent(monkeypatch, says):
        assert ask() is None


@pytest.mark.usefixtures("_quick")
def test_an_agent_that_is_stopped_before_it_accepts_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the kernel accepts the connection, and never the agent, the client does the work itself."""
    with agent(monkeypatch, sending(), accepts=False):
        assert ask() is None


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize("says", [sending(frame(CODE)), sending(frame(CODE), frame(HELLO), WHOLE[:-1])])
def test_what_may_have_used_a_code_is_not_done_twice(
    monkeypatch: pytest.MonkeyPatch, says: Callable[[socket.socket], None]
) -> None:
    """If an MFA code may have been used, the client fails with a hint instead of retrying: AWS accepts a code once."""
    with agent(monkeypatch, says):
        answer = ask()
    assert answer is not None
    assert answer[0] == FAILED
    error = unpack_error(answer[1])
    assert (error.code, error.exit_code) == ("agent.unavailable", 2)
    assert "MFA code" in error.why
    assert "dsops doctor" in error.hint


@pytest.mark.usefixtures("_heard")
def test_an_agent_at_work_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits for an agent that keeps reporting that it works (counter-example)."""
    monkeypatch.setattr("dsops.agent.SILENT_SECONDS", 6 * SILENT_SECONDS)
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", PATIENCE_SECONDS)

    def says(connection: socket.socket) -> None:
        send(connection, HELLO)
        for _ in range(7):
            time.sleep(SILENT_SECONDS)
            send(connection, ALIVE)
        connection.sendall(WHOLE)

    with agent(monkeypatch, says):
        assert ask() == (RESULT, pack([b"value"]))


@pytest.mark.usefixtures("_quick")
def test_an_agent_that_is_at_work_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up after the overall timeout, even if the agent keeps reporting that it works."""

    def says(connection: socket.socket) -> None:
        while True:
            send(connection, ALIVE)
            time.sleep(SILENT_SECONDS / 3)

    with agent(monkeypatch, says):
        assert ask() is None


@pytest.mark.usefixtures("_heard")
def test_a_person_may_take_longer_than_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client does not time out while the user types, although the agent is silent."""

    def says(connection: socket.socket) -> None:
        connection.sendall(frame(HELLO) + frame(ASK, b"code: "))
        kind, typed = receive(connection, PATIENCE_SECONDS) or (0, b"")
        send(connection, RESULT, pack([bytes((kind,)), typed]))

    def person(kind: int, _data: bytes) -> bytes | None:
        if kind == ASK:
            time.sleep(2 * SILENT_SECONDS)
        return b"123456" if kind == ASK else None

    with agent(monkeypatch, says):
        assert ask(person) == (RESULT, pack([b"T", b"123456"]))


# --- the agent's side ----------------------------------------------------------------------------------------------


@contextmanager
def serving(work: Callable[[AgentRequest, RequestClient], AgentAnswer], limits: ClientLimits) -> Iterator[str]:
    """Run a real agent server; yields its address."""
    folder = tempfile.mkdtemp(prefix="dsops-")
    one = AgentServer(listen(f"{folder}/s"), work, limits, code=lambda: "installed")
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    try:
        yield f"{folder}/s"
    finally:
        one.stop()
        thread.join(PATIENCE_SECONDS)
        shutil.rmtree(folder)


def connect(address: str) -> socket.socket:
    """Open a client connection and send a request on it."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(address)
    send(connection, REQUEST, pack([client.stamp(), b"/", b"", b"1", b"word", b"NAME=VALUE"]))
    return connection


def kinds_until_the_end(connection: socket.socket) -> list[int]:
    """The kinds of all frames until the end of the stream."""
    kinds = []
    while (one := receive(connection, PATIENCE_SECONDS)) is not None:
        kinds.append(one[0])
    return kinds


def test_an_agent_says_that_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent reports that it is at work, even while the user types a code, until it sends its result."""
    monkeypatch.setattr(server, "_PULSE_SECONDS", 0.01)
    go_on = threading.Event()

    def work(_asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        caller.expect_code()
        go_on.wait(PATIENCE_SECONDS)
        return result([b"done"])

    with serving(work, ClientLimits()) as address, connect(address) as connection:
        heard: list[int] = []
        while heard.count(ALIVE) < 3:
            one = receive(connection, PATIENCE_SECONDS)
            assert one is not None
            heard.append(one[0])
        go_on.set()
        heard += kinds_until_the_end(connection)
        assert [kind for kind in heard if kind != ALIVE] == [HELLO, CODE, RESULT]
        assert heard[-1] == RESULT


def test_clients_that_are_stopped_delay_no_pulse_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspended clients with full sockets do not delay the agent's reports to other clients."""
    monkeypatch.setattr(server, "_PULSE_SECONDS", 0.001)
    go_on = threading.Event()

    def work(asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        if caller.pid and asked.words == [b"word"]:
            go_on.wait(PATIENCE_SECONDS)
        return result([b"done"])

    with serving(work, ClientLimits()) as address:
        stopped = [connect(address) for _ in range(5)]
        with connect(address) as reader:
            # Send many times more than fits into the socket of a client that does not read.
            for _ in range(1000):
                assert receive(reader, PATIENCE_SECONDS) is not None
            go_on.set()
            assert kinds_until_the_end(reader)[-1] == RESULT
        assert [kinds_until_the_end(connection)[-1] for connection in stopped] == [RESULT] * 5
        for connection in stopped:
            connection.close()


# --- real processes ------------------------------------------------------------------------------------------------


class SlowAws(StubAws):
    """A stub of AWS that answers AssumeRole slowly."""

    def _answer(self, seen: Seen) -> AwsAnswer:
        is_role = parameters_of(seen).get("Action") == "AssumeRole"
        return super()._answer(seen)._replace(delay_seconds=2.0 if is_role else 0.0)


@pytest.mark.parametrize("uses_code", [False, True])
def test_an_agent_that_is_stopped_in_the_middle(tmp_path: Path, *, uses_code: bool) -> None:
    """If the agent is suspended midway and used no MFA code, the client redoes the work and runs its command once."""
    words = ("exec", "--env", "keys", "--", "sh", "-c", "echo once >>ran")
    with SlowAws() as aws, Agent(tmp_path, aws) as dsops:
        if uses_code:
            file = dsops.folder / "dsops.yaml"
            device = "    serial_number: arn:aws:iam::111122223333:mfa/ada\n    token_code: ${MFA_TOKEN}\n"
            lines = file.read_text().splitlines(keepends=True)
            at = next(number for number, line in enumerate(lines) if "role_arn" in line)
            file.write_text("".join([*lines[: at + 1], device, *lines[at + 1 :]]))
        dsops.run("agent", "start")
        pid = dsops.status()["pid"]
        assert isinstance(pid, int)
        process = dsops.start(*words, MFA_TOKEN="123456")
        end = time.monotonic() + PATIENCE_SECONDS
        while not aws.calls:
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(pid, signal.SIGSTOP)
        try:
            _, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)
        ran = dsops.folder / "ran"
        if uses_code:
            assert process.returncode == 125
            assert b"error[agent.unavailable]" in err
            assert not ran.exists()
            assert aws.calls == ["AssumeRole"]
        else:
            assert (process.returncode, err) == (0, b"")
            assert ran.read_text() == "once\n"
            assert aws.calls == ["AssumeRole"] * 2
