"""MFA prompts in a window: which dialog program runs, with which arguments, and when none runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsops.cli.framework.dialog import ask
from dsops.secret import Secret
from tests.terminal import Terminal, python
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

QUESTION = "MFA code of arn:aws:iam::111122223333:mfa/ada_1 for prod: "
WINDOW = """\
#!{python} -I
import os, sys
open({log!r}, "a").write(repr(sys.argv[1:]) + "\\n")
{body}
"""
TYPED = "os.write(1, b'012345\\n')"


class Desktop:
    """A folder of stub dialog programs that log their arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.environ = {"PATH": str(folder), "DISPLAY": ":7"}

    def install(self, name: str, body: str = TYPED) -> None:
        """Install a program of that name that runs `body`."""
        file = self.folder / name
        file.write_text(WINDOW.format(python=sys.executable, log=str(self.log), body=body))
        file.chmod(0o755)

    @property
    def told(self) -> str:
        """The arguments of every call so far, one per line."""
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def desktop(tmp_path: Path) -> Desktop:
    """A desktop on which no dialog program is installed."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return Desktop(folder)


def test_what_is_typed_arrives_whole(desktop: Desktop) -> None:
    """A typed code keeps its leading zeros, the window hides the input, and its prompt names the device."""
    desktop.install("zenity")
    assert ask(QUESTION, desktop.environ) == Secret("012345")
    text = "MFA code of arn:aws:iam::111122223333:mfa/ada__1 for prod"
    assert desktop.told == f"['--entry', '--hide-text', '--title=dsops', '--text={text}']\n"


def test_each_desktop_has_its_own(desktop: Desktop) -> None:
    """kdialog is used on KDE or if zenity is missing; on macOS osascript gets the text as data, not as code."""
    desktop.install("kdialog")
    assert ask(QUESTION, desktop.environ) == Secret("012345")
    desktop.install("zenity", "os.write(1, b'999999\\n')")
    assert ask(QUESTION, desktop.environ) == Secret("999999")
    assert ask(QUESTION, {**desktop.environ, "XDG_CURRENT_DESKTOP": "KDE"}) == Secret("012345")
    assert desktop.told.count("--password") == 2
    desktop.install("osascript", "os.write(1, b'777777\\n')")
    mac = {"PATH": desktop.environ["PATH"]}
    assert ask('" & (do shell script "id")', mac, platform="darwin") == Secret("777777")
    assert desktop.told.splitlines()[-1].endswith("""'end run', '" & (do shell script "id")']""")
    assert ask(QUESTION, {**mac, "SSH_CONNECTION": "1.2.3.4"}, platform="darwin") is None


@pytest.mark.parametrize(
    "more",
    [{"DISPLAY": ""}, {"DSOPS_DIALOG": "off"}, {"DSOPS_DIALOG": "0"}, {"CI": "true"}, {"PATH": "/nowhere"}],
    ids=str,
)
def test_without_a_window_there_is_no_prompt(desktop: Desktop, more: Mapping[str, str]) -> None:
    """No window opens without a desktop or dialog program, in CI, or with DSOPS_DIALOG off."""
    desktop.install("zenity")
    assert ask(QUESTION, {**desktop.environ, **more}) is None
    assert desktop.told == ""


@pytest.mark.parametrize("body", ["sys.exit(1)", "os.write(1, b'123456\\n'); sys.exit(5)", "os.write(1, b'1' * 9999)"])
def test_a_window_that_is_closed_is_no_answer(desktop: Desktop, body: str) -> None:
    """A cancelled or timed-out window, or a malformed code, counts as no input."""
    desktop.install("zenity", body)
    assert ask(QUESTION, desktop.environ) is None


def test_a_window_that_stays_open_is_closed(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that stays open is closed after a timeout: two minutes, which the test shortens."""
    monkeypatch.setattr("dsops.cli.framework.dialog._SECONDS", 0.5)
    desktop.install("zenity", "import time; time.sleep(60)")
    started = time.monotonic()
    assert ask(QUESTION, desktop.environ) is None
    assert time.monotonic() - started < 40


CONFIG = """\
version: 1
secretStores:
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
    serial_number: arn:aws:iam::111122223333:mfa/ada
"""
PROCESS = ("credentials", "target", "--format", "process")


def on_desktop(program: Dsops, desktop: Desktop) -> Dsops:
    """The program as a desktop application starts it, with a role that requires MFA."""
    (program.folder / "dsops.yaml").write_text(CONFIG)
    program.environ |= {"DISPLAY": ":7", "PATH": f"{desktop.folder}{os.pathsep}{os.environ['PATH']}"}
    return program


def test_credential_process_of_a_desktop_program_asks_in_a_window(tmp_path: Path, desktop: Desktop) -> None:
    """If a credential_process has no terminal, dsops asks for the code in a window and prints only the credentials."""
    desktop.install("zenity")
    with StubAws() as aws:
        done = on_desktop(Dsops(tmp_path, aws), desktop).run(*PROCESS)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b'"Version": 1' in done.stdout
        assert b"TokenCode=012345" in aws.server.seen[0].body
    assert "MFA code of arn:aws:iam::111122223333:mfa/ada for target" in desktop.told


def test_the_window_is_the_clients_and_not_the_agents(tmp_path: Path, desktop: Desktop) -> None:
    """The client opens the window, not the agent, and one code is enough for the following runs."""
    desktop.install("zenity")
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        for _ in range(2):
            assert on_desktop(dsops, desktop).run(*PROCESS).returncode == 0
        assert aws.calls == ["AssumeRole"]
    assert len(desktop.told.splitlines()) == 1


def test_a_window_that_is_closed_ends_the_run_with_what_to_set(tmp_path: Path, desktop: Desktop) -> None:
    """If the user closes the window, the run fails with the same error as without a desktop."""
    desktop.install("zenity", "sys.exit(1)")
    with StubAws() as aws:
        done = on_desktop(Dsops(tmp_path, aws), desktop).run(*PROCESS)
        assert (done.returncode, aws.calls) == (3, [])
    assert b"mfa.required" in done.stderr


def test_a_terminal_comes_first(desktop: Desktop) -> None:
    """If there is a terminal, the prompt appears there and not in a window."""
    desktop.install("zenity")
    asking = "from dsops.cli.framework.prompt import ask; print('answer', ask('MFA code: ').reveal(), flush=True)"
    environ = [f"{name}={value}" for name, value in desktop.environ.items()]
    with Terminal(["env", *environ, *python(asking)]) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("111111\n")
        terminal.expect("answer 111111")
    assert desktop.told == ""


def test_in_the_background_of_a_terminal_a_window_is_opened(desktop: Desktop) -> None:
    """A background process of a terminal shows the prompt in a window if there is a desktop."""
    desktop.install("zenity")
    asking = "from dsops.cli.framework.prompt import ask; print('answer', ask('MFA code: ').reveal(), flush=True)"
    environ = [f"{name}={value}" for name, value in desktop.environ.items()]
    shell = ["/bin/bash", "-c", 'set -m; "$@" & wait; echo done', "bash", *python(asking)]
    with Terminal(["env", *environ, *shell]) as terminal:
        assert "MFA code" not in terminal.expect("answer 012345")
        terminal.expect("done")
    assert "MFA code" in desktop.told
