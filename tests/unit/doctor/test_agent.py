"""Doctor's checks of the agent, and its repairs for sockets of agents that no longer run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsops import __version__
from dsops.agent import AGAIN, DECLINED, HELLO, RESULT, client, pack, receive, send, unpack
from dsops.doctor.agent import check_agent
from dsops.doctor.check import Check
from dsops.doctor.repairs import Repair, agent_repairs, mend

SESSION = json.dumps({"store": "role", "expiration": "2026-11-24T13:00:00Z"}).encode()
LONG_TERM = json.dumps({"store": None, "expiration": None}).encode()
RUNNING = (RESULT, pack([b"4711", b"2", b"2026-11-24T12:00:00Z", SESSION, LONG_TERM]))


@pytest.fixture
def world() -> Iterator[dict[str, str]]:
    """Yield an environment with a folder for sockets, because pytest's own folders have too long names."""
    folder = tempfile.mkdtemp(prefix="dsops-")
    os.mkdir(f"{folder}/dsops", 0o700)
    yield {"XDG_RUNTIME_DIR": folder}
    shutil.rmtree(folder)


def address_in(world: dict[str, str]) -> str:
    """Return the address of the agent of this dsops."""
    return client.address_in(client.folder_of(world))


def leave_socket(address: str) -> None:
    """Leave a socket without a listener."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(address)


@contextmanager
def agent_that_answers(address: str, kind: int, data: bytes) -> Iterator[list[list[bytes]]]:
    """Run an agent that gives one answer; yield the requests."""
    requests: list[list[bytes]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(8)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    frame = receive(connection)
                    if frame is None:
                        continue
                    requests.append(unpack(frame[1]))
                    send(connection, HELLO)
                    send(connection, kind, data)

        threading.Thread(target=serve, daemon=True).start()
        yield requests
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"CI": "true"}, "CI is set"),
        ({"DSOPS_AGENT": "off"}, "DSOPS_AGENT is off"),
        ({"DSOPS_NO_AGENT": "1"}, "DSOPS_NO_AGENT is set"),
    ],
)
def test_why_no_agent_is_used_is_said(environ: dict[str, str], why: str) -> None:
    """If settings switch the agent off, the check passes and gives the reason."""
    assert list(check_agent(environ)) == [Check("doctor.agent", "agent", "skipped", f"not used: {why}")]


def test_an_unwanted_agent_is_not_looked_for(world: dict[str, str]) -> None:
    """With `--no-agent` doctor does not look for an agent."""
    [check] = check_agent(world, is_refused=True)
    assert check.detail == "not used: --no-agent was given"


def test_a_missing_agent_is_fine(world: dict[str, str]) -> None:
    """If no agent runs, the check passes, because an agent is started on demand."""
    [check] = check_agent(world)
    assert (check.status, check.detail) == ("ok", "none runs: the next `dsops exec` starts it")


def test_a_running_agent_reports_its_age_and_contents(world: dict[str, str]) -> None:
    """The check's detail has the agent's age and contents; nothing of doctor's environment is sent to the agent."""
    with agent_that_answers(address_in(world), *RUNNING) as requests:
        agent, sessions = check_agent(world)
    assert agent.detail == f"dsops {__version__}, process 4711, since 2026-11-24T12:00:00Z"
    assert sessions.detail == "2 held: role until 2026-11-24T13:00:00Z, (base); and 2 values of secrets"
    assert requests == [[client.stamp(), b"/", b"", b"1", b"status"]]


def test_the_sessions_that_end_first_are_named(world: dict[str, str]) -> None:
    """The check's detail lists the sessions that end first; `dsops agent status` lists all of them."""
    held_sessions = [
        json.dumps({"store": f"s{n}", "expiration": f"2026-11-24T1{9 - n}:00:00Z"}).encode() for n in range(5)
    ]
    first = "s4 until 2026-11-24T15:00:00Z, s3 until 2026-11-24T16:00:00Z, s2 until 2026-11-24T17:00:00Z"
    for sessions, detail in ((held_sessions, f"5 held: {first}, 2 more"), ([], "0 held")):
        with agent_that_answers(address_in(world), RESULT, pack([b"1", b"0", b"2026-11-24T12:00:00Z", *sessions])):
            assert [check.detail for check in check_agent(world)][1] == detail
        os.unlink(address_in(world))


def test_an_older_agent_ends_when_asked(world: dict[str, str]) -> None:
    """An older agent ends by itself at doctor's request, so the user need not act."""
    with agent_that_answers(address_in(world), DECLINED, AGAIN):
        [check] = check_agent(world)
    assert check.status == "ok"
    assert "has just ended" in check.detail


def test_an_agent_of_another_python_is_a_repairable_warning(world: dict[str, str]) -> None:
    """An agent of another Python is a warning, and the repair removes its socket.

    The next client starts a new agent, and the old agent ends when it is idle.
    """
    address = address_in(world)
    with agent_that_answers(address, DECLINED, b""):
        [check] = check_agent(world)
        assert (check.status, check.code) == ("warning", "doctor.agent")
        [repair] = agent_repairs(world)
        assert mend(repair) == ""
    assert not os.path.lexists(address)


def test_an_agent_of_another_installation_is_left_alone(world: dict[str, str]) -> None:
    """The socket of another installation's agent has another name and a listener, so doctor leaves it alone."""
    other = f"{client.folder_of(world)}/0123456789abcdef"
    with agent_that_answers(other, DECLINED, b"") as requests:
        assert [check.status for check in check_agent(world)] == ["ok"]
        assert list(agent_repairs(world)) == []
    assert requests == []


@pytest.mark.parametrize("name", ["", "0123456789abcdef"])
def test_a_socket_without_an_agent_is_a_warning_and_removed(world: dict[str, str], name: str) -> None:
    """A socket without a listener is a warning and is removed by the repair, whichever dsops made it.

    Other files in the folder stay.
    """
    address = f"{client.folder_of(world)}/{name}" if name else address_in(world)
    leave_socket(address)
    others = [f"{client.folder_of(world)}/notes", f"{client.folder_of(world)}/fedcba9876543210"]
    for other in others:
        Path(other).write_text("not a socket")

    checks = [check for check in check_agent(world) if check.status == "warning"]
    assert [(check.code, check.name) for check in checks] == [("doctor.agent-socket", f"socket {address}")]
    repairs = list(agent_repairs(world))
    assert repairs == [Repair("socket", "doctor.agent-socket", address, "no process listens there", "removed")]
    assert mend(repairs[0]) == ""

    assert not os.path.lexists(address)
    assert all(map(os.path.exists, others))
    assert list(agent_repairs(world)) == []


def test_an_agent_that_comes_meanwhile_keeps_its_socket(world: dict[str, str]) -> None:
    """If an agent starts between check and repair, its socket stays, because the repair checks again under the lock."""
    address = address_in(world)
    leave_socket(address)
    [repair] = agent_repairs(world)
    os.unlink(address)
    with agent_that_answers(address, *RUNNING):
        assert mend(repair) == "an agent has come meanwhile"
        assert os.path.lexists(address)


def test_a_folder_that_others_can_enter_is_a_warning_and_closed(world: dict[str, str]) -> None:
    """A socket folder that other users can enter is a warning, and the repair removes their access.

    Until then dsops does not use the folder, and doctor does not check the sockets in it.
    """
    folder = client.folder_of(world)
    Path(folder).chmod(0o755)
    [warning] = check_agent(world)
    assert (warning.code, warning.status) == ("doctor.agent-folder", "warning")
    assert f"`chmod 700 {folder}`" in warning.hint
    [repair] = agent_repairs(world)
    assert (repair.path, repair.before, repair.after) == (folder, "mode 755", "mode 700")
    assert mend(repair) == ""
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert {check.status for check in check_agent(world)} == {"ok"}


def test_an_open_parent_folder_is_reported_and_left_alone(world: dict[str, str]) -> None:
    """If the parent folder is open to others, doctor reports it but does not change its mode.

    The parent folder may be the home folder.
    """
    folder = world["XDG_RUNTIME_DIR"]
    Path(folder).chmod(0o755)
    warning, agent = check_agent(world)
    assert (warning.code, warning.status, agent.status) == ("doctor.agent-folder", "warning", "ok")
    assert list(agent_repairs(world)) == []


@pytest.mark.parametrize("answer", [b"", pack([b"4711", b"2"])])
def test_an_unresponsive_agent_is_a_warning(world: dict[str, str], answer: bytes) -> None:
    """If an agent does not respond, doctor warns but does not end the agent, which may be busy."""
    address = address_in(world)
    with agent_that_answers(address, RESULT, answer):
        [check] = check_agent(world)
        assert list(agent_repairs(world)) == []
    assert (check.status, check.detail) == ("warning", "it runs, and does not answer")
    assert address in check.hint


def test_a_folder_behind_a_link_is_reported_and_left_alone(world: dict[str, str]) -> None:
    """If the socket folder is reached through a link, doctor warns but does not change the target.

    The owner of the link decides where it leads.
    """
    folder = client.folder_of(world)
    os.rename(folder, f"{folder}-real")
    Path(f"{folder}-real").chmod(0o755)
    os.symlink(f"{folder}-real", folder)
    [check] = check_agent(world)
    assert (check.status, check.hint) == ("warning", f"look at it: ls -ld {folder}")
    assert list(agent_repairs(world)) == []


@pytest.mark.parametrize(
    ("folder_of", "detail"),
    [
        (lambda folder: f"{folder}/missing", "there is no such folder"),
        (lambda folder: f"{folder}/{'x' * 60}", "its name is too long for a socket"),
    ],
)
def test_a_runtime_folder_that_can_not_be_used_is_a_warning(
    world: dict[str, str], folder_of: Callable[[str], str], detail: str
) -> None:
    """Problems of the runtime folder are warnings without a repair."""
    environ = {"XDG_RUNTIME_DIR": folder_of(world["XDG_RUNTIME_DIR"])}
    check = next(check for check in check_agent(environ) if check.code == "doctor.agent-folder")
    assert (check.status, check.detail) == ("warning", detail)
