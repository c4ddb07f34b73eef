"""A client that waits for a code or for a slow AWS blocks no other client of the agent."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

from dsops.agent import (
    ALIVE,
    ASK,
    CODE,
    EVENT,
    HELLO,
    NOTE,
    REQUEST,
    RESULT,
    TYPED,
    client,
    pack,
    receive,
    send,
    thread_pool,
)
from dsops.agent.work import SessionKeeper
from dsops.cli.run.command_lines import ClientLines
from dsops.runtime import utc_now
from tests.permission import allow_found
from tests.stubs.server import Answer, Seen
from tests.unit.agent.test_server import Running, serving
from tests.unit.cli.stub_aws import CONFIG, StubAws

PATIENCE_SECONDS = 60
DEVICE = "arn:aws:iam::111122223333:mfa/ada"


class SlowAws(StubAws):
    """A stub of AWS that answers only after `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.is_asked = threading.Event()

    def _answer(self, seen: Seen) -> Answer:
        self.is_asked.set()
        assert self.go.wait(PATIENCE_SECONDS)
        return super()._answer(seen)


class Clients:
    """The clients of an agent, whose requests never lose their turn to compute."""

    def __init__(self, running: Running, folder: Path, aws: SlowAws) -> None:
        self.running = running
        self.folder = folder
        self.aws = aws
        self.environ = {
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE01",
            "AWS_SECRET_ACCESS_KEY": "hush-base-key",
            "AWS_ENDPOINT_URL": aws.server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def send(self, *words: bytes) -> socket.socket:
        """Send a request; return the connection after the agent has confirmed the request."""
        connection = self.running.connect()
        pairs = [os.fsencode(f"{name}={value}") for name, value in self.environ.items()]
        head = [client.stamp(), os.fsencode(self.folder), b"1", b"%d" % len(words)]
        send(connection, REQUEST, pack([*head, *words, *pairs]))
        assert receive(connection) == (HELLO, b"")
        return connection

    def frame(self, connection: socket.socket) -> tuple[int, bytes]:
        """Return the next frame that is no event."""
        while True:
            frame = receive(connection, PATIENCE_SECONDS)
            assert frame is not None
            if frame[0] not in (EVENT, CODE, ALIVE, NOTE):
                return frame

    def assert_others_are_served(self) -> None:
        """Another client gets its answers."""
        for _ in range(3):
            with self.send(b"exec", b"plain", b"--", b"x") as other:
                assert self.frame(other)[0] == RESULT


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """An agent in this process and a slow AWS; no request loses its turn only because it takes long."""
    monkeypatch.setattr(thread_pool, "_LONGEST_TURN_SECONDS", 1000.0)
    keyed = CONFIG.replace("    external_id:", f"    serial_number: {DEVICE}\n    external_id:")
    for name, text in (("slow", CONFIG), ("mfa", keyed)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dsops.yaml").write_text(text)
        allow_found(tmp_path / name, {"HOME": str(tmp_path)})
    keeper = SessionKeeper(utc_now, ClientLines())
    with SlowAws() as aws, serving(keeper.work) as running:
        yield Clients(running, tmp_path, aws)
        aws.go.set()
        for driver in keeper._shared.drivers._idle:
            driver.close()
    del keeper, aws, running
    gc.collect()  # a descriptor that is closed later would disturb a test that needs all of them


def test_a_slow_aws_blocks_only_its_own_client(clients: Clients) -> None:
    """While AWS does not answer one client, the others are served."""
    clients.folder /= "slow"
    with clients.send(b"exec", b"production", b"--", b"x") as slow:
        assert clients.aws.is_asked.wait(PATIENCE_SECONDS)
        clients.assert_others_are_served()
        clients.aws.go.set()
        kind, data = clients.frame(slow)
    assert kind == RESULT
    assert b"TOKEN=hush-token" in data


def test_a_question_for_a_code_blocks_only_its_own_client(clients: Clients) -> None:
    """While one client's user has not typed the MFA code, the others are served."""
    clients.folder /= "mfa"
    clients.aws.go.set()
    with clients.send(b"exec", b"production", b"--", b"x") as asked:
        assert clients.frame(asked)[0] == ASK
        clients.assert_others_are_served()
        send(asked, TYPED, b"123456")
        kind, data = clients.frame(asked)
    assert kind == RESULT
    assert b"TOKEN=hush-token" in data
