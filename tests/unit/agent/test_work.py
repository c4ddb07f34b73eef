"""How the agent handles a request when its process lacks file descriptors or a configuration."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from dsops.agent import DECLINED, FAILED, RESULT
from dsops.agent.request import AgentRequest, ClientLimits, RequestClient
from dsops.agent.work import SessionKeeper
from dsops.cli.run.command_lines import ClientLines
from dsops.pipeline.configuration import read_config
from tests.fakes import FixedClock, make_runtime
from tests.permission import allow_found

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

import resource

CONFIG = "version: 1\nenvs:\n  plain:\n    PLAIN: {literal: info}\n"


def answer_kind(folder: Path, *, files: bool, environment: bytes = b"plain") -> int:
    """Return the kind of answer to an `exec` request; without `files` the process cannot open more descriptors."""
    asked = AgentRequest(
        os.fsencode(folder),
        watches=False,
        words=[b"exec", b"--env=" + environment, b"--", b"x"],
        environ=[b"HOME=" + os.fsencode(folder)],
    )
    keeper = SessionKeeper(FixedClock(), ClientLines())
    ours, theirs = socket.socketpair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    with ours, theirs:
        try:
            if not files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            return keeper.work(asked, RequestClient(ours, ClientLimits())).kind
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_the_agent_declines(tmp_path: Path) -> None:
    """If no file descriptor is free, the agent declines the request, so the client does the work itself."""
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    allow_found(tmp_path, {"HOME": str(tmp_path)})
    assert answer_kind(tmp_path, files=True) == RESULT
    assert answer_kind(tmp_path, files=False) == DECLINED


def test_requests_do_not_change_what_is_kept(tmp_path: Path) -> None:
    """The parsed configuration is shared by all clients, so no request changes it."""
    (tmp_path / "dsops.yaml").write_text(f"{CONFIG}    OTHER: {{literal: more}}\n")
    environ = {"HOME": str(tmp_path)}
    allow_found(tmp_path, environ)
    keeper = SessionKeeper(FixedClock(), ClientLines())
    lines = [
        [b"exec", b"plain", b"--", b"x"],
        [b"answer", b"get", b"PLAIN", b"--env=plain"],
        [b"answer", b"render", b"--env=plain"],
        [b"answer", b"complete", b"--", b"get", b""],
    ]
    ours, theirs = socket.socketpair()
    seen = []
    runtime = make_runtime(environ, folder=str(tmp_path))
    with ours, theirs:
        for _ in range(2):
            for words in lines:
                asked = AgentRequest(
                    os.fsencode(tmp_path), watches=False, words=words, environ=[b"HOME=" + os.fsencode(tmp_path)]
                )
                assert keeper.work(asked, RequestClient(ours, ClientLimits())).kind == RESULT
            seen.append(repr(read_config(runtime._replace(kept=keeper.parsed), "")))
    assert seen[0] == seen[1] == repr(read_config(runtime, ""))


def test_a_missing_configuration_is_the_clients_error(tmp_path: Path) -> None:
    """If the configuration does not exist, the client gets the error."""
    assert answer_kind(tmp_path, files=True) == FAILED


def test_an_open_choice_is_left_to_the_client(tmp_path: Path) -> None:
    """If no environment is named, the agent leaves the request to the client, whose user can choose one."""
    assert answer_kind(tmp_path, files=True, environment=b"") == DECLINED
    (tmp_path / "dsops.yaml").write_text(f"{CONFIG}  other: {{}}\n")
    allow_found(tmp_path, {"HOME": str(tmp_path)})
    assert answer_kind(tmp_path, files=True, environment=b"") == DECLINED
