"""The sessions that an agent keeps from a sandbox end with that sandbox, however it ends; others stay."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.children import Child
from tests.permission import allow_found

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

DSOPS = str(Path(sys.executable).parent / "dsops")
SECONDS = 60
SEED = """
accounts:
  "123456789012":
    users: {ada: {}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}, Action: sts:AssumeRole}
"""
CONFIG = """
version: 1
secretStores:
  reader: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/Reader"}
"""


class Place:
    """A user with a home and an agent, and the sandboxes that this user starts."""

    def __init__(self, folder: Path, sockets: str, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": sockets}
        (folder / "seed.yaml").write_text(SEED)
        (folder / "dsops.yaml").write_text(CONFIG)
        allow_found(folder, self.environ)

    def dsops(self, *words: str, variables: dict[str, str] | None = None, is_checked: bool = True) -> str:
        """Run dsops to its end; return its stdout. With `is_checked` its exit code has to be 0."""
        return subprocess.run(
            [DSOPS, *words],
            cwd=self.folder,
            env=self.environ | (variables or {}),
            capture_output=True,
            check=is_checked,
            text=True,
            timeout=SECONDS,
        ).stdout

    def sandbox(self, port: int = 0) -> tuple[subprocess.Popen[str], str]:
        """Start a sandbox; return its process and URL."""
        process = self._stack.enter_context(
            Child(
                [DSOPS, "sandbox", "serve", "--port", str(port), "--seed", "seed.yaml"],
                cwd=self.folder,
                env=self.environ,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
        self._stack.callback(process.kill)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def use(self, url: str) -> None:
        """Get a session of the role Reader from that sandbox."""
        port = str(urlsplit(url).port)
        lines = self.dsops("sandbox", "env", "--as", "ada", "--port", port).splitlines()
        variables = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
        self.dsops("exec", "--credentials", "reader", "--", "true", variables=variables)

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions that the agent keeps."""
        sessions: list[dict[str, Any]] = json.loads(self.dsops("agent", "status", "--json", "--sandbox"))["sessions"]
        return sessions


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A user whose agent and sandboxes end with the test."""
    # A Unix socket's path is limited to about 100 bytes; pytest's folders are longer.
    sockets = tempfile.mkdtemp(prefix="dsops-")
    with ExitStack() as stack:
        user = Place(tmp_path, sockets, stack)
        yield user
        user.dsops("agent", "stop")
    shutil.rmtree(sockets, ignore_errors=True)


def test_a_dead_sandboxs_sessions_end_with_it(place: Place) -> None:
    """After `kill -9` of one sandbox, the agent has dropped its session, but keeps the session of another sandbox."""
    (first, first_url), (_, second_url) = place.sandbox(), place.sandbox()
    place.use(first_url)
    place.use(second_url)
    assert [session["is_of_sandbox"] for session in place.sessions()] == [True, True]
    keys = {session["key_id"] for session in place.sessions()}
    first.kill()
    first.wait(SECONDS)
    (left,) = place.sessions()
    assert left["key_id"] in keys
    assert " 0 held; and 1 of a sandbox\n" in place.dsops("doctor", is_checked=False)


def test_a_restarted_sandbox_does_not_keep_the_sessions_of_the_run_before(place: Place) -> None:
    """A sandbox that was started again on the same port does not get the sessions of the run before it."""
    process, url = place.sandbox()
    place.use(url)
    (before,) = place.sessions()
    process.kill()
    process.wait(SECONDS)
    _, again = place.sandbox(urlsplit(url).port or 0)
    assert again == url
    assert place.sessions() == []
    place.use(url)
    (after,) = place.sessions()
    assert after["key_id"] != before["key_id"]
