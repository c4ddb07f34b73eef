"""Fake agents that send what a test says, and record what a client sends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from dsops.agent import LONGEST, pack, unpack
from tests.launched import installation, program

SECONDS = 60

CONFIG = "version: 1\nenvs:\n  plain:\n    PLAIN: {literal: here}\n"
"""A configuration whose environment needs no AWS, so that a client can do the work itself."""

EXEC = ("exec", "--env", "plain", "--", "env", "-0")


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Encode a frame."""
    return kind + len(data).to_bytes(4, "big") + data


def result(*fields: bytes) -> bytes:
    """Encode the result of a request."""
    return frame(b"X", pack(list(fields)))


ENVIRONMENT = (b"PATH=/usr/bin:/bin", b"FROM=agent")
"""The variables of a fake result."""


class Done(NamedTuple):
    """What a client did."""

    code: int
    out: bytes
    err: bytes
    requests: tuple[tuple[bytes, ...], ...]
    """The fields of the requests that reached the fake agent."""
    replies: tuple[bytes, ...]
    """Bytes that the client sent after each request."""


class FakeAgent:
    """Listens at the agent's address for a user with an own home, folder and runtime folder.

    Each connection gets the next answer of `answers`: parts of bytes, sent one after another. A connection beyond the
    last answer is closed once its request has come. `silent` answers are held until the client leaves.
    """

    def __init__(self, answers: Sequence[Sequence[bytes]], *, listens: bool = True, holds: bool = False) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[bytes, ...]] = []
        self.replies: list[bytes] = []
        self.base = Path(tempfile.mkdtemp(prefix="dsops-fake-"))
        self.folder = self.base / "run" / "dsops"
        self.folder.mkdir(parents=True, mode=0o700)
        self.work = self.base / "work"
        self.work.mkdir()
        (self.work / "dsops.yaml").write_text(CONFIG)
        (self.base / "home").mkdir()
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.base / "home"),
            "XDG_RUNTIME_DIR": str(self.base / "run"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.address, self.stamp = self._of_installation()
        self._holds = holds
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if listens:
            self._listener.bind(self.address)
            self._listener.listen()

    def _of_installation(self) -> tuple[str, bytes]:
        """The address and the stamp of the agents of the installation that is tested."""
        code = f"from dsops.agent import client; print(client.address_in({str(self.folder)!r}), client.stamp().hex())"
        words = [str(installation() / "bin" / "python"), "-c", code]
        printed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=SECONDS).stdout.split()
        return printed[0], bytes.fromhex(printed[1])

    def __enter__(self) -> Self:
        allow = [str(program("python")), "allow"]
        environ = {**self.environ, "DSOPS_AGENT": "off"}
        subprocess.run(allow, cwd=self.work, env=environ, check=True, capture_output=True, timeout=SECONDS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(SECONDS)
                with suppress(OSError):
                    self._answer(connection)
                self.replies += [b""] * (len(self.requests) - len(self.replies))

    def _answer(self, connection: socket.socket) -> None:
        request = _read_frame(connection)
        self.requests.append(tuple(unpack(request)))
        for part in self.answers.pop(0) if self.answers else ():
            connection.sendall(part)
        if not self._holds:
            connection.shutdown(socket.SHUT_WR)
        reply = b""
        while part := connection.recv(1 << 16):
            reply += part
        self.replies.append(reply)

    def run(self, client: str, *words: str | bytes, environ: Mapping[str, str] | None = None, before: str = "") -> Done:
        """Run a client with these words; `before` are commands of a shell that then becomes the client."""
        command: list[str | bytes] = [str(program(client)), *words]
        if before:
            command = ["/bin/sh", "-c", f'{before}; exec "$@"', "sh", *command]
        self.requests.clear()
        self.replies.clear()
        done = subprocess.run(
            command,
            cwd=self.work,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
            timeout=SECONDS,
        )
        end = time.monotonic() + SECONDS
        while len(self.replies) < len(self.requests) and time.monotonic() < end:
            time.sleep(0.001)
        return Done(done.returncode, done.stdout, done.stderr, tuple(self.requests), tuple(self.replies))


def _read_frame(connection: socket.socket) -> bytes:
    data = b""
    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[1:5], "big"):
        part = connection.recv(1 << 18)
        if not part or len(data) > LONGEST + 5:
            raise OSError("no request")
        data += part
    return data[5:]


def variables(out: bytes) -> dict[bytes, bytes]:
    """The variables that `env -0` printed."""
    return dict(line.split(b"=", 1) for line in out.split(b"\0") if line)


def is_root() -> bool:
    """Whether this process may become other users."""
    return os.geteuid() == 0
