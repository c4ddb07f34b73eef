"""Beside a `dsops.yaml` that is not allowed, the user's own stores use the agent, which keeps to the client's plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.permission import allow_found
from tests.stubs.aws import parameters_of
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import PROGRAM, Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")

STORE = "version: 1\nsecretStores:\n  {}: {{{}type: aws.sts, region: us-east-1, role_arn: 'arn:aws:iam::1:role/{}'}}\n"
MFA = "serial_number: 'arn:aws:iam::1:mfa/ada', "
DANGER = "danger: true, "
FOREIGN = STORE.format("theirs", "", "Foreign").replace("::1:", "::111122223333:")
QUESTION = "Go on, and do not ask again for a day? [y/N] "


class Ada(Agent):
    """A user with an own file, in a repository with a file that she has not allowed."""

    def __init__(self, folder: Path, aws: StubAws) -> None:
        super().__init__(folder, aws)
        self.aws = aws
        self.allows = False
        self.home = folder / "home"
        self.environ["HOME"] = str(self.home)
        self.file = folder / "dsops.yaml"
        self.file.write_text(FOREIGN)
        self.own = self.home / ".config" / "dsops" / "dsops.yaml"
        self.own.parent.mkdir(parents=True)

    def write_own(self, name: str, settings: str) -> None:
        """Write the user's own file, with one store."""
        self.own.write_text(STORE.format(name, settings, "Own").replace("::1:", "::111122223333:"))

    def write_project(self, name: str, settings: str) -> None:
        """Write the repository's file, with one store, and allow it."""
        self.file.write_text(STORE.format(name, settings, "Project").replace("::1:", "::111122223333:"))
        allow_found(self.folder, self.environ)

    def at_terminal(self, *words: str) -> Terminal:
        """Start dsops at a terminal."""
        return Terminal([*PROGRAM, *words], environ=self.environ, folder=self.folder)

    def roles(self) -> list[str]:
        """The names of the roles that were assumed."""
        return [parameters_of(seen)["RoleArn"].rpartition("/")[2] for seen in self.aws.server.seen if seen.body]


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[Ada]:
    """A user with an agent."""
    with StubAws() as aws, Ada(tmp_path, aws) as user:
        yield user


@pytest.mark.parametrize(
    "words", [("exec", "mine", "--", "true"), ("credentials", "mine", "--format", "env")], ids=lambda words: words[0]
)
def test_the_second_run_needs_no_code(ada: Ada, words: tuple[str, ...]) -> None:
    """The session that a run with an MFA code has got serves later runs, beside the foreign file too."""
    ada.write_own("mine", MFA)
    with ada.at_terminal(*words) as terminal:
        terminal.expect("is not used: you have not allowed it")
        terminal.expect("MFA")
        terminal.type("123456\n")
        assert terminal.code() == 0

    done = ada.run(*words)

    assert (done.returncode, done.stderr.count(b"is not used: you have not allowed it")) == (0, 1)
    assert ada.roles() == ["Own"]
    assert len(ada.status()["sessions"]) == 1


def test_explain_uses_the_session_beside_a_foreign_file(ada: Ada) -> None:
    """`explain` needs no second code for the user's own store."""
    ada.write_own("mine", MFA)
    with ada.at_terminal("exec", "mine", "--", "true") as terminal:
        terminal.expect("MFA")
        terminal.type("123456\n")
        assert terminal.code() == 0

    done = ada.run("explain", "mine")

    assert done.returncode == 0, done.stdout
    assert [name for name in ada.aws.calls if name == "AssumeRole"] == ["AssumeRole"]


def _remove(ada: Ada) -> None:
    ada.file.unlink()


def _replace(ada: Ada) -> None:
    ada.file.write_text(FOREIGN)


def _allow_another(ada: Ada) -> None:
    ada.file.write_text(FOREIGN)
    allow_found(ada.folder, ada.environ)


@pytest.mark.parametrize("change", [_remove, _replace, _allow_another], ids=lambda change: change.__name__)
def test_a_projects_store_never_becomes_the_users_own(ada: Ada, change: Callable[[Ada], None]) -> None:
    """The command gets the session that was confirmed, even if the project's file changes after the question."""
    ada.write_own("prod", DANGER)
    ada.write_project("prod", DANGER)
    with ada.at_terminal("exec", "prod", "--", "true") as terminal:
        terminal.expect(QUESTION)
        change(ada)
        terminal.type("y\n")
        assert terminal.code() == 0
    assert ada.roles() == ["Project"]


def test_a_users_own_store_never_becomes_the_projects(ada: Ada) -> None:
    """The command gets the user's own session, even if an allowed file with the name comes after the question."""
    ada.write_own("prod", DANGER)
    with ada.at_terminal("exec", "prod", "--", "true") as terminal:
        terminal.expect(QUESTION)
        ada.write_project("prod", "")
        terminal.type("y\n")
        assert terminal.code() == 0
    assert ada.roles() == ["Own"]
