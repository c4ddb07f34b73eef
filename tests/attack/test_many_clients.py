"""Hundreds of concurrent clients: none is refused, and each is served before its timeout."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from dsops.agent import ALIVE, HELLO, NOTE, REQUEST, RESULT, pack, receive, send
from dsops.agent.client import stamp
from dsops.agent.request import ClientLimits
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.seed.file import read_seed
from tests.sandboxes import Keys, Lab, Person
from tests.stubs.aws import parameters_of
from tests.stubs.server import Answer, Seen
from tests.unit.cli.stub_aws import Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")

CLIENTS = 200
PROCESSES = 30
SECONDS = 60
SEED = """
accounts:
  "111111111111":
    users:
      alice:
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}]
"""


class SlowAws(StubAws):
    """A stub of AWS that answers AssumeRole slowly."""

    def _answer(self, seen: Seen) -> Answer:
        is_role = parameters_of(seen).get("Action") == "AssumeRole"
        return super()._answer(seen)._replace(delay_seconds=1.0 if is_role else 0.0)


def asked(program: Agent, environment: str) -> bytes:
    """The bytes of an `exec` request, as the client sends them."""
    words = [b"exec", b"--env", environment.encode(), b"--", b"true"]
    environ = [os.fsencode(f"{name}={value}") for name, value in program.environ.items()]
    return pack([stamp(), os.fsencode(program.folder), b"", b"%d" % len(words), *words, *environ])


def ended(connections: list[socket.socket]) -> list[int]:
    """The kind of the last frame on each connection."""
    kinds = []
    for connection in connections:
        kind = HELLO
        while kind in {HELLO, ALIVE, NOTE}:
            frame = receive(connection, SECONDS)
            kind = 0 if frame is None else frame[0]
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize("environment", ["plain", "keys"])
@pytest.mark.parametrize("clients", [CLIENTS, ClientLimits().clients + 100])
def test_an_agent_serves_all(tmp_path: Path, environment: str, clients: int) -> None:
    """While AWS is slow, an agent serves more clients than it has threads, with one AssumeRole call for all."""
    with SlowAws() as aws, Agent(tmp_path, aws) as program, ExitStack() as stack:
        program.run("agent", "start")
        address = str(program.status()["socket"])
        request = asked(program, environment)
        connections = []
        for _ in range(clients):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(SECONDS)
            connection.connect(address)
            send(connection, REQUEST, request)
            connections.append(connection)
        assert ended(connections) == [RESULT] * clients
        assert aws.calls == (["AssumeRole"] if environment == "keys" else [])


def test_real_clients_are_all_served_among_them(tmp_path: Path) -> None:
    """The agent serves thirty real clients while two hundred other connections stay silent."""
    with SlowAws() as aws, Agent(tmp_path, aws) as program, ExitStack() as stack:
        program.run("agent", "start")
        address = str(program.status()["socket"])
        for _ in range(CLIENTS):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(address)
        started = [program.start("exec", "--env", "keys", "--", "true") for _ in range(PROCESSES)]
        for process in started:
            process.communicate(timeout=SECONDS)
        assert [process.returncode for process in started] == [0] * PROCESSES
        assert aws.calls == ["AssumeRole"]


def test_a_sandbox_serves_all() -> None:
    """The sandbox serves hundreds of concurrent connections."""
    with open_server(read_seed(SEED, "seed.yaml")) as server, ExitStack() as stack:
        user = ask(server.url, "identity?as=alice")
        keys = Keys(access_key_id=user["AccessKeyId"], secret_access_key=user["SecretAccessKey"])
        made = Person(Lab(server.sandbox), keys).request("sts", "GetCallerIdentity")
        lines = [f"POST {made.path} HTTP/1.1", *(f"{name}: {value}" for name, value in made.headers.items())]
        if "content-length" not in made.headers:
            lines.append(f"Content-Length: {len(made.body)}")
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + made.body
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS))
            for _ in range(CLIENTS)
        ]
        for connection in connections:
            connection.sendall(request)
        answers = [connection.recv(65536) for connection in connections]
        assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * CLIENTS


@pytest.mark.parametrize(
    ("request_", "status"),
    [(b"GET http://[::1 HTTP/1.1\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 40_000 + b"\r\n", b"431")],
    ids=["a target that is no URL", "one name 40,000 times"],
)
def test_a_sandbox_refuses_rubbish_and_serves_on(
    caplog: pytest.LogCaptureFixture, request_: bytes, status: bytes
) -> None:
    """The sandbox answers malformed requests with an error, in linear time and without traceback, and keeps serving."""
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
            with suppress(ConnectionError):  # the server stops reading a refused request
                connection.sendall(request_)
            assert connection.recv(12).split()[1] == status
        assert ask(server.url, "identity?as=alice")["AccessKeyId"]
    assert caplog.records == []
