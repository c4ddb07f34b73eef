"""The agent makes a plan for a client only from the files that the client has read, and decides as the client did."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.agent import DECLINED, RESULT, unpack
from dsops.agent.messages import PipelineRequest, request_fields
from dsops.agent.parsed_files import ParsedFiles
from dsops.agent.request import AgentAnswer, AgentRequest, ClientLimits, RequestClient
from dsops.agent.work import SessionKeeper
from dsops.cli.run.command_lines import ClientLines
from dsops.config import load
from dsops.model import Config, ReadFiles
from dsops.pipeline.configuration import read_config
from tests.fakes import FixedClock, make_runtime
from tests.permission import allow_found

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

OWN = "version: 1\nenvs:\n  mine: {WHOSE: {literal: own}}\n"
THEIRS = "version: 1\ninclude: more.yaml\nenvs:\n  theirs: {WHOSE: {literal: theirs}}\n"
WITH_NAME = "version: 1\nenvs:\n  mine: {WHOSE: {literal: project}}\n"
MORE = "version: 1\nenvs: {}\n"


class World:
    """A home folder with the user's own file, a repository, and an agent."""

    def __init__(self, folder: Path) -> None:
        self.own = folder / ".config" / "dsops" / "dsops.yaml"
        self.own.parent.mkdir(parents=True)
        self.own.write_text(OWN)
        self.repository = folder / "repository"
        self.repository.mkdir()
        self.file = self.repository / "dsops.yaml"
        self.file.write_text(THEIRS)
        (self.repository / "more.yaml").write_text(MORE)
        self.environ = {"HOME": str(folder)}
        self.keeper = SessionKeeper(FixedClock(), ClientLines())

    def read(self) -> Config:
        """What a client reads for `dsops exec mine`."""
        runtime = make_runtime(self.environ, folder=str(self.repository))
        return read_config(runtime, "", either="mine", is_alone=True)

    def ask(self, read: ReadFiles) -> AgentAnswer:
        """The agent's answer to a client that has read these files for `dsops exec mine`."""
        return self.send([b"secrets", *request_fields(PipelineRequest("exec", environment="mine", read=read))])

    def send(self, words: list[bytes]) -> AgentAnswer:
        """The agent's answer to a request."""
        environ = [os.fsencode(f"{name}={value}") for name, value in self.environ.items()]
        asked = AgentRequest(os.fsencode(self.repository), watches=False, words=words, environ=environ)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            return self.keeper.work(asked, RequestClient(ours, ClientLimits()))

    def value(self, read: ReadFiles) -> bytes:
        """The value that a client gets from the agent; its first field says whether AWS answered."""
        answer = self.ask(read)
        assert answer.kind == RESULT
        return unpack(answer.data)[2]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A user whose repository has a file that is not allowed."""
    return World(tmp_path)


def test_a_file_that_the_client_left_out_is_left_out(world: World) -> None:
    """The agent serves a client that left a file out, and does not parse that file."""
    read = world.read().read
    assert [os.path.basename(file.path) for file in read.left_out] == ["dsops.yaml", "more.yaml"]

    assert world.value(read) == b"own"
    kept = world.keeper.parsed._entries
    assert not any("dsops.yaml" in str(key) and read.left_out[0].sha256 in str(key) for key in kept)


def _allow(world: World) -> None:
    allow_found(world.repository, world.environ)


def _add_name(world: World) -> None:
    world.file.write_text(WITH_NAME)


def _allow_name(world: World) -> None:
    world.file.write_text(WITH_NAME)
    _allow(world)


def _edit(world: World) -> None:
    world.file.write_text(f"{THEIRS}\n")


def _edit_included(world: World) -> None:
    (world.repository / "more.yaml").write_text(WITH_NAME)


def _add_local(world: World) -> None:
    (world.repository / "dsops.local.yaml").write_text(MORE)


def _replace_by_link(world: World) -> None:
    world.file.rename(world.repository / "other.yaml")
    world.file.symlink_to("other.yaml")


def _remove(world: World) -> None:
    world.file.unlink()


def _edit_own(world: World) -> None:
    world.own.write_text(f"{OWN}\n")


CHANGES = (_allow, _add_name, _allow_name, _edit, _edit_included, _add_local, _replace_by_link, _remove, _edit_own)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_after_any_change_the_client_keeps_its_own_plan(world: World, change: Callable[[World], None]) -> None:
    """If the files or the permission change after the client's plan, the agent leaves the work to the client."""
    read = world.read().read
    change(world)
    assert world.ask(read).kind == DECLINED


@pytest.mark.parametrize(
    "change", [_remove, _edit, _edit_included, _add_local, _edit_own], ids=lambda change: change.__name__
)
def test_a_file_that_the_client_used_is_used(world: World, change: Callable[[World], None]) -> None:
    """The agent does not use the user's own `mine` for a client whose plan has the project's `mine`."""
    world.file.write_text(WITH_NAME.replace("envs", "include: more.yaml\nenvs"))
    _allow(world)
    read = world.read().read
    assert read.left_out == ()
    assert world.value(read) == b"project"

    change(world)
    _allow(world)
    assert world.ask(read).kind == DECLINED


def test_a_file_of_another_folder_is_not_left_out(world: World) -> None:
    """The listed file has to be the one that the agent finds."""
    read = world.read().read
    inner = world.repository / "inner"
    inner.mkdir()
    (inner / "dsops.yaml").write_text(WITH_NAME)
    world.repository = inner
    assert world.ask(read).kind == DECLINED


def test_the_agent_leaves_no_file_out_by_itself(world: World) -> None:
    """A file that is replaced by an allowed one, just after the agent has read it, is not left out."""
    _allow_name(world)
    path = str(world.file)

    def read(kept: ParsedFiles | None) -> Config:
        drafts = {path: THEIRS.encode()}
        folder = str(world.repository)
        return load(folder=folder, environ=world.environ, drafts=drafts, either="mine", kept=kept, is_alone=True)

    assert read(None).read.left_out
    assert not read(ParsedFiles()).is_allowed
    _remove(world)
    world.file.write_text(THEIRS)
    assert world.send([b"exec", b"mine", b"--", b"x"]).kind == DECLINED


def test_cached_sessions_of_other_files_are_not_returned(world: World) -> None:
    """The sessions for `dsops explain` are those of the client's plan."""
    world.own.write_text(f"{OWN}secretStores:\n  store: {{type: aws.sts, region: us-east-1}}\n")
    config = world.read()

    def answer() -> int:
        request = PipelineRequest("explain", store="store", read=config.read)
        return world.send([b"cached", *request_fields(request)]).kind

    assert answer() == RESULT
    _add_name(world)
    assert answer() == DECLINED
