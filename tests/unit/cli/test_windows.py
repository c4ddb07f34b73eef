"""dsops without POSIX's parts, and what it does differently on Windows. CI runs the same commands on Windows itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsops.cli.framework.windows import ask_on_console
from dsops.errors import AuditFailed, CommandNotExecutable, CommandNotFound
from dsops.pipeline.journal import LazyJournal
from dsops.process import windows
from dsops.runtime import Act, utc_now
from dsops.user_folders import config_folder, data_folder, home_folder, state_folder
from tests.permission import allow_found
from tests.unit.cli.stub_aws import Dsops, StubAws

STANDIN = str(Path(__file__).parents[2] / "windows_standin.py")


def run(dsops: Dsops, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run dsops without what Windows lacks."""
    allow_found(dsops.folder, dsops.environ)
    return subprocess.run(
        [sys.executable, STANDIN, *words],
        cwd=dsops.folder,
        env={**dsops.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_exec_runs_the_command_as_a_child_with_the_secret(tmp_path: Path) -> None:
    """`exec` starts a child process, which gets the secret, and returns the child's exit code."""
    program = "import os, sys; print(os.environ['TOKEN']); sys.exit(7)"
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        words = ("exec", "--config", str(dsops.folder / "dsops.yaml"), "--env", "production")
        done = run(dsops, *words, "--", sys.executable, "-c", program)
        assert aws.calls == ["AssumeRole", "GetSecretValue"]
    assert (done.stderr, done.returncode) == ("", 7)
    assert done.stdout == "hush-token\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "--mask", "--env", "production", "--", sys.executable), "`--mask` is not available on Windows"),
        (("exec", "--timeout", "3", "--env", "production", "--", sys.executable), "`--timeout` is not available"),
        (("agent", "status"), "`dsops agent` is not available on Windows"),
        (("audit",), "`dsops audit` is not available on Windows"),
        (("sandbox", "serve"), "`dsops sandbox` is not available on Windows"),
    ],
)
def test_what_needs_posix_is_refused_with_the_reason(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """On Windows, a command or flag that needs POSIX ends with a usage error that names WSL, not with a traceback."""
    with StubAws() as aws:
        done = run(Dsops(tmp_path, aws), *words)
        assert aws.calls == []
    assert said in done.stderr
    assert "WSL" in done.stderr


@pytest.mark.parametrize(("setting", "is_refused"), [("required", True), ("on", False), ("off", False)])
def test_a_required_audit_trail_stops_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    is_refused: bool,  # noqa: FBT001
) -> None:
    """With `audit: required`, no secret is returned on Windows, where the trail is not written."""
    folder = tmp_path / "dsops"
    folder.mkdir(mode=0o700)
    (folder / "config.yaml").write_text(f"audit: {setting}\n")
    (folder / "config.yaml").chmod(0o600)
    monkeypatch.setattr(sys, "platform", "win32")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    journal = LazyJournal(environ, str(tmp_path), utc_now, pytest.fail, pytest.fail)
    journal.add(Act("Exec"))
    if is_refused:
        with pytest.raises(AuditFailed, match="can't be written on Windows"):
            journal.write()
    else:
        journal.write()
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize(
    ("environ", "config", "data"),
    [
        (
            {"APPDATA": r"C:\Users\ada\AppData\Roaming", "LOCALAPPDATA": r"C:\Users\ada\AppData\Local"},
            r"C:\Users\ada\AppData\Roaming\dsops",
            r"C:\Users\ada\AppData\Local\dsops",
        ),
        ({"APPDATA": "\\\\server\\ada\\", "LOCALAPPDATA": "relative"}, r"\\server\ada\dsops", ""),
        ({"HOME": "/home/ada", "XDG_CONFIG_HOME": "/etc"}, "", ""),
    ],
)
def test_the_folders_of_windows(environ: dict[str, str], config: str, data: str) -> None:
    """On Windows, settings are below %APPDATA%, data and state below %LOCALAPPDATA%; relative paths are ignored."""
    assert config_folder(environ, "win32") == config
    assert data_folder(environ, "win32") == state_folder(environ, "win32") == data


def test_the_home_folder_of_windows() -> None:
    """On Windows, USERPROFILE is the home folder if HOME is not set; elsewhere, only HOME counts."""
    environ = {"USERPROFILE": r"C:\Users\ada"}
    assert home_folder(environ, "win32") == r"C:\Users\ada"
    assert home_folder(environ, "linux") == ""
    assert home_folder({**environ, "HOME": "/home/ada"}, "win32") == "/home/ada"


FILES = {r"C:\bin\aws.EXE", r"C:\tools\npm.CMD", r"C:\repo\aws.exe", r"tool.exe"}


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("aws", r"C:\tools;C:\bin", r"C:\bin\aws.EXE"),
        ("npm", '"C:\\tools\\";C:\\bin', r"C:\tools\npm.CMD"),
        (r"C:\repo\aws.exe", "", r"C:\repo\aws.exe"),
    ],
)
def test_a_program_is_found_with_an_ending_of_pathext(name: str, path: str, found: str) -> None:
    """A name without an ending is searched in PATH with each ending of PATHEXT."""
    assert windows.find(name, path, ".EXE;.CMD", FILES.__contains__) == found


@pytest.mark.parametrize(("name", "path"), [("tool", ""), ("tool", ".;;"), ("aws", r"C:\tools"), ("", r"C:\bin")])
def test_the_working_folder_is_not_searched(name: str, path: str) -> None:
    """On Windows, a program in the working folder is not run in place of a program on the PATH."""
    with pytest.raises(CommandNotFound):
        windows.find(name, path, ".exe", FILES.__contains__)


@pytest.mark.parametrize("argument", ["a&calc", "%PATH%", 'a" b', "a\nb", "x|y", "^"])
def test_a_batch_file_gets_no_argument_that_cmd_would_interpret(argument: str) -> None:
    """A batch file is not run if cmd.exe would interpret a character of an argument (CVE-2024-24576)."""
    with pytest.raises(CommandNotExecutable, match=r"npm\.CMD"):
        windows.check_arguments(r"C:\tools\npm.CMD", ["npm", "plain", argument])
    for same in (r"C:\tools\npm.cmd.", r"C:\tools\npm.cmd .. "):
        with pytest.raises(CommandNotExecutable, match=r"npm\.cmd"):
            windows.check_arguments(same, ["npm", argument])
    windows.check_arguments(r"C:\tools\npm.CMD", ["npm", "run", "a b", "--x=1"])
    windows.check_arguments(r"C:\bin\aws.EXE", ["aws", argument])


class Keys:
    """A console on which these keys are pressed."""

    def __init__(self, keys: str) -> None:
        self._keys = iter(keys)
        self.shown = ""

    def getwch(self) -> str:
        """Return the next key."""
        return next(self._keys)

    def putwch(self, character: str) -> None:
        """Show a character."""
        self.shown += character


@pytest.mark.parametrize(
    ("keys", "is_hidden", "answer", "shown"),
    [
        ("12x\b3\r", True, "123", "code: \r\n"),
        ("y\r", False, "y", "code: y\r\n"),
        ("a\b\bb\xe0Hc\r", False, "bc", "code: a\b \bbc\r\n"),
        ("12\x1a", True, None, "code: \r\n"),
    ],
)
def test_a_question_on_the_console(keys: str, is_hidden: bool, answer: str | None, shown: str) -> None:  # noqa: FBT001
    """On the console, erased characters are not in the answer, hidden input is not shown, Ctrl-Z gives no answer."""
    console = Keys(keys)
    typed = ask_on_console("code: ", is_hidden=is_hidden, console=console, has_console=lambda: True)
    assert (None if typed is None else typed.reveal(), console.shown) == (answer, shown)


def test_ctrl_c_at_a_question_ends_the_command() -> None:
    """Ctrl-C, which the console passes as a character, raises KeyboardInterrupt."""
    with pytest.raises(KeyboardInterrupt):
        ask_on_console("code: ", is_hidden=True, console=Keys("1\x03"), has_console=lambda: True)


def test_without_a_console_there_is_no_answer() -> None:
    """Without a console, as in a CI job, dsops does not prompt, because reading keys would wait forever."""
    assert ask_on_console("code: ", is_hidden=True, console=Keys(""), has_console=lambda: False) is None
