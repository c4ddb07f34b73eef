"""`dsops shell` and `dsops exec NAME` on a real terminal: the shell, its marks, its signals, and `danger: true`."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.groups import nightly_rest
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import CONFIG, Agent, StubAws

DANGER = CONFIG.replace("    external_id: the-external-id\n", "    external_id: the-external-id\n    danger: true\n")
END = "2099-01-01T00:00:00Z"
QUESTION = "Go on, and do not ask again for a day? [y/N] "

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="dsops does not run on Windows")


class Desk:
    """A home folder with a configuration, and shells on terminals."""

    def __init__(self, dsops: Agent) -> None:
        self.dsops = dsops
        self.home = dsops.folder
        (self.home / ".bashrc").write_text("PS1='in-$DSOPS_ACTIVE> '\nFROM_RC=read\n")
        program = self.home / "bin" / "dsops"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom dsops.__main__ import main\nsys.exit(main())\n")
        program.chmod(0o755)
        dsops.environ |= {
            "PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "SHELL": shutil.which("bash") or "",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "DSOPS_CONFIG": str(self.home / "dsops.yaml"),
        }

    def terminal(self, *words: str, **environ: str) -> Terminal:
        """Run a command on a new terminal."""
        variables = {**self.dsops.environ, **environ}
        return Terminal(
            ["env", "-i", "-C", str(self.home), *[f"{name}={value}" for name, value in variables.items()], *words]
        )

    @property
    def confirmations(self) -> list[Path]:
        """The files of the user's confirmations."""
        return sorted((self.home / ".local/state/dsops/danger").glob("*"))


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, aws: StubAws) -> Iterator[Desk]:
    """A home folder without a running agent."""
    with Agent(tmp_path, aws) as dsops:
        dsops.environ["DSOPS_AGENT"] = "off"
        yield Desk(dsops)


def shown(terminal: Terminal, expression: str) -> str:
    """Return the value of an expression in the shell on that terminal."""
    terminal.type(f'echo "<{expression}>"\n')
    return terminal.expect(">\r\n").rpartition("\n<")[2].removesuffix(">\r\n")


@pytest.mark.parametrize("words", [("shell", "target"), ("exec", "target")])
def test_a_line_says_how_long_the_session_lasts(desk: Desk, words: tuple[str, ...]) -> None:
    """Where the prompt does not show the session, a line names the store, the time left and the line for the prompt."""
    with desk.terminal("dsops", *words) as terminal:
        line = terminal.expect("in-target> ")
    assert re.search(r"dsops: shell of `target` for \d+ h[^;]*; `exit` leaves it; show it in your prompt: ", line)
    assert '`eval "$(dsops hook prompt bash)"` in ~/.bashrc' in line
    for variables in ({"DSOPS_PROMPT": "1"}, {"DSOPS_QUIET": "1"}):
        with desk.terminal("dsops", *words, **variables) as terminal:
            assert "leaves it" not in terminal.expect("in-target> ")


MARKS = "$DSOPS_ACTIVE|$DSOPS_EXPIRES|${DSOPS_DANGER-}"


@pytest.mark.parametrize("words", [("shell", "target"), ("exec", "target"), ("exec", "--credentials", "target")])
def test_a_store_opens_a_shell_with_its_session(desk: Desk, words: tuple[str, ...]) -> None:
    """`dsops shell` starts the user's shell with the session and DSOPS_ variables, and returns its exit code.

    The shell reads its startup files.
    """
    with desk.terminal("dsops", *words) as terminal:
        terminal.expect("in-target> ")
        assert shown(terminal, MARKS) == f"target|{END}|"
        assert shown(terminal, "$AWS_ACCESS_KEY_ID $FROM_RC") == "ASIAEXAMPLEEXAMPLE01 read"
        terminal.type("exit 37\n")
        assert terminal.code() == 37


@pytest.mark.parametrize(
    ("environment", "expected"), [("plain", "plain||"), ("keys", f"keys|{END}|"), ("production", "production||")]
)
def test_an_environment_opens_a_shell_with_its_variables(desk: Desk, environment: str, expected: str) -> None:
    """The shell of an environment has DSOPS_EXPIRES only if variables are parts of a session."""
    with desk.terminal("dsops", "exec", environment) as terminal:
        terminal.expect(f"in-{environment}> ")
        assert shown(terminal, MARKS) == expected


def test_exec_has_the_same_marks_with_and_without_an_agent(desk: Desk) -> None:
    """A command gets the DSOPS_ variables of its own run, also from the agent, and never those of its parent."""
    parent = {"DSOPS_ACTIVE": "theirs", "DSOPS_EXPIRES": "theirs", "DSOPS_DANGER": "1"}
    for agent in ("off", "on", "on"):
        for name, expected in (("keys", f"keys|{END}|"), ("plain", "plain||")):
            words = ("exec", "--env", name, "--keep-existing", "--", "sh", "-c", f'echo "{MARKS}"')
            done = desk.dsops.run(*words, DSOPS_AGENT=agent, DSOPS_CONFIG="", **parent)
            assert done.stdout.decode().strip() == expected, (agent, done.stderr)


def test_a_nested_shell_is_refused(desk: Desk) -> None:
    """A shell within a shell is refused, and the error names the alternatives; `exec` of one command works."""
    with desk.terminal("dsops", "shell", "plain") as terminal:
        terminal.expect("in-plain> ")
        for words in ("shell production", "exec production"):
            terminal.type(f"dsops {words}; echo code $?\n")
            error = terminal.expect("code 125")
            assert "this is already the shell of `plain`" in error
            assert "`exit` leaves it" in error
        terminal.type("dsops exec keys -- sh -c 'echo $DSOPS_ACTIVE.'\n")
        terminal.expect("keys.")


def test_a_program_of_that_name_wins(desk: Desk) -> None:
    """`exec WORD` runs the program of that name if there is one, and opens a shell only without `--`."""
    program = desk.home / "bin" / "plain"
    program.write_text("#!/bin/sh\necho I am the program\n")
    program.chmod(0o755)
    with desk.terminal("dsops", "exec", "plain", DSOPS_ENV="production") as terminal:
        terminal.expect("I am the program")
    with desk.terminal("dsops", "exec", "--env", "production", "--", "keys") as terminal:
        terminal.expect("the command `keys` was not found")


@pytest.mark.parametrize(
    ("words", "expected", "code"),
    [
        (("shell", "targt"), b"did you mean `target`?", 125),
        (("exec", "targt"), b"did you mean `target`?", 127),
        (("exec", "target", "aws", "s3"), b"write `--` before the command: dsops exec target -- aws ...", 125),
        (("exec", "no-such-program"), b"was not found", 127),
        (("exec", "--", "target"), b"the command `target` was not found", 127),
    ],
    ids=str,
)
def test_a_mistyped_command_line_is_explained(
    desk: Desk, aws: StubAws, words: tuple[str, ...], expected: bytes, code: int
) -> None:
    """For a misspelled name, and a name without `--` before the command, the error shows the corrected form."""
    with desk.terminal("dsops", *words, DSOPS_ENV="plain" if words[1] in {"--", "no-such-program"} else "") as terminal:
        terminal.expect(expected.decode())
        assert terminal.code() == code
    assert aws.calls == []


def test_without_a_file_a_shell_needs_a_name(desk: Desk) -> None:
    """In an empty home folder, the error of `dsops shell` says that the name of a profile is enough."""
    (desk.home / "dsops.yaml").unlink()
    with desk.terminal("dsops", "shell", DSOPS_CONFIG="") as terminal:
        terminal.expect("name an AWS profile: dsops shell NAME")


@pytest.mark.parametrize("words", [("shell", "plain"), ("exec", "plain"), ("exec", "--env", "plain")])
def test_without_a_terminal_there_is_no_shell(desk: Desk, words: tuple[str, ...]) -> None:
    """A script whose command is missing gets an error, not a shell that reads the script's input."""
    done = desk.dsops.run(*words)
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"a shell needs a terminal" in done.stderr


@pytest.mark.parametrize("words", [("exec", "plain", "--"), ("exec", "--")])
def test_an_empty_command_opens_no_shell(desk: Desk, words: tuple[str, ...]) -> None:
    """`dsops exec NAME -- $COMMAND` with an empty variable is an error."""
    with desk.terminal("dsops", *words) as terminal:
        terminal.expect("there is no command to run")
        assert terminal.code() == 125


def test_exec_alone_lets_the_user_choose_a_shell(desk: Desk) -> None:
    """`dsops exec` on a terminal shows a list, and opens a shell with the choice; elsewhere the error has the names."""
    with desk.terminal("dsops", "exec") as terminal:
        terminal.expect("a number, or words to filter")
        terminal.type("target\n")
        terminal.expect("a number, or words to filter")
        terminal.type("1\n")
        terminal.expect("in-target> ")
    done = desk.dsops.run("exec")
    assert done.returncode == 125
    assert b"error[usage]: there is no command to run" in done.stderr
    assert b"name one of production, " in done.stderr


@pytest.mark.parametrize("named", ["", "bash", "/nonexistent/shell", "/etc"])
def test_a_shell_that_does_not_exist_is_passed_over(desk: Desk, named: str) -> None:
    """If SHELL can't be used, dsops opens the account's shell, or /bin/sh."""
    with desk.terminal("dsops", "shell", "plain", SHELL=named, PS1="ready> ") as terminal:
        terminal.type("echo $((6 * 7)).\n")
        terminal.expect("42.")


@pytest.mark.parametrize("flags", [(), ("--serve",)], ids=["replaced", "served"])
def test_signals_belong_to_the_shell(desk: Desk, flags: tuple[str, ...]) -> None:
    """In the shell, Ctrl-C ends a command and not the shell; Ctrl-Z stops a command, and `fg` continues it."""
    with desk.terminal("dsops", "shell", *flags, "target") as terminal:
        terminal.expect("in-target> ")
        terminal.type("sleep 60\n")
        terminal.expect("sleep 60")
        _press(terminal, "\x03", "sleep")
        terminal.expect("in-target> ")
        terminal.type("cat\n")
        terminal.expect("cat")
        _press(terminal, "\x1a", "cat")
        terminal.expect("Stopped")
        terminal.expect("in-target> ")
        terminal.type("fg\n")
        terminal.expect("cat")
        terminal.type("line of cat\n")
        terminal.expect("line of cat\r\nline of cat")
        terminal.type("\x04")
        terminal.expect("in-target> ")
        terminal.type("exit 5\n")
        assert terminal.code() == 5


def _press(terminal: Terminal, key: str, program: str) -> None:
    """Press the key once the program is the terminal's foreground process."""
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while datetime.now(UTC) < deadline:
        group = os.tcgetpgrp(terminal._descriptor)
        try:
            if Path(f"/proc/{group}/comm").read_text().strip() == program:
                terminal.type(key)
                return
        except OSError:
            continue
    raise AssertionError(f"{program} does not start")


def test_a_served_shell_has_no_end(desk: Desk) -> None:
    """With --serve, the shell gets an endpoint instead of keys, and no DSOPS_EXPIRES: the session is renewed."""
    with desk.terminal("dsops", "shell", "--serve", "target") as terminal:
        terminal.expect("in-target> ")
        assert shown(terminal, MARKS) == "target||"
        assert shown(terminal, "${AWS_ACCESS_KEY_ID-none}") == "none"
        assert shown(terminal, "$AWS_CONTAINER_CREDENTIALS_FULL_URI").startswith("http://127.0.0.1:")


@pytest.mark.parametrize("agent", nightly_rest(2, ["on", "off"], str))
@pytest.mark.parametrize("words", [("--credentials", "target"), ("--env", "production"), ("target",)], ids=" ".join)
def test_danger_is_asked_once_a_day(desk: Desk, aws: StubAws, agent: str, words: tuple[str, ...]) -> None:
    """On a terminal, the user must type `y` before any call. The answer is valid for a day, in a file of mode 0600."""
    (desk.home / "dsops.yaml").write_text(DANGER)
    run = ("dsops", "exec", *words, "--", "sh", "-c", f'echo "{MARKS}."')
    with desk.terminal(*run, DSOPS_AGENT=agent) as terminal:
        assert "`target` (arn:aws:iam::111122223333:role/Target)" in terminal.expect(QUESTION)
        terminal.type("n\n")
        terminal.expect("danger.not-confirmed")
        assert terminal.code() == 125
    assert (aws.calls, desk.confirmations) == ([], [])
    with desk.terminal(*run, DSOPS_AGENT=agent) as terminal:
        terminal.expect(QUESTION)
        terminal.type("y\n")
        terminal.expect("|1.")
    (file,) = desk.confirmations
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with desk.terminal(*run, DSOPS_AGENT=agent) as terminal:
        assert QUESTION not in terminal.expect("|1.")
    file.write_text((datetime.now(UTC) - timedelta(days=1, seconds=1)).isoformat())
    with desk.terminal(*run, DSOPS_AGENT=agent) as terminal:
        terminal.expect(QUESTION)


@pytest.mark.parametrize("key", ["\x04", "\x03", "\n", "x\n"], ids=["Ctrl-D", "Ctrl-C", "Enter", "x"])
def test_only_yes_is_a_confirmation(desk: Desk, aws: StubAws, key: str) -> None:
    """The end of input, Ctrl-C and any answer except yes stop the run before any call."""
    (desk.home / "dsops.yaml").write_text(DANGER)
    with desk.terminal("dsops", "shell", "target") as terminal:
        terminal.expect(QUESTION)
        terminal.type(key)
        assert terminal.code() == (130 if key == "\x03" else 125)
    assert (aws.calls, desk.confirmations) == ([], [])


@pytest.mark.parametrize("agent", ["off", "on"])
def test_danger_asks_nothing_without_a_terminal_and_in_ci(desk: Desk, agent: str) -> None:
    """A background or CI job is not asked to confirm, and its run does not count as a confirmation."""
    (desk.home / "dsops.yaml").write_text(DANGER)
    words = ("exec", "--env", "production", "--", "sh", "-c", 'echo "$DSOPS_DANGER$TOKEN."')
    done = desk.dsops.run(*words, DSOPS_AGENT=agent, DSOPS_CONFIG="")
    assert done.stdout == b"1hush-token.\n", done.stderr
    with desk.terminal("dsops", *words, CI="true", DSOPS_AGENT=agent) as terminal:
        assert "[y/N]" not in terminal.expect("1hush-token.")
    assert desk.confirmations == []


@pytest.mark.parametrize("change", ["mode", "future", "text", "link", "role"])
def test_a_confirmation_that_can_not_be_relied_on_does_not_count(desk: Desk, change: str) -> None:
    """A confirmation is ignored if other users can write it, its time is wrong, it is a link, or its role differs."""
    config = desk.home / "dsops.yaml"
    config.write_text(DANGER)
    run = ("dsops", "exec", "target", "--", "true")
    with desk.terminal(*run) as terminal:
        terminal.expect(QUESTION)
        terminal.type("y\n")
        assert terminal.code() == 0
    (file,) = desk.confirmations
    if change == "mode":
        file.chmod(0o666)
    elif change == "future":
        file.write_text((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    elif change == "text":
        file.write_text("2026-11-28T10:00:00")
    elif change == "link":
        file.rename(desk.home / "elsewhere")
        file.symlink_to(desk.home / "elsewhere")
    else:
        config.write_text(DANGER.replace("role/Target", "role/Other"))
    with desk.terminal(*run) as terminal:
        terminal.expect(QUESTION)


def test_each_asks_before_its_first_command(desk: Desk, aws: StubAws) -> None:
    """`each` asks once for all its stores, and gives each command the DSOPS_ variables of its store."""
    (desk.home / "dsops.yaml").write_text(DANGER)
    run = ("dsops", "each", "t*", "--", "sh", "-c", f'echo "{MARKS}."')
    with desk.terminal(*run) as terminal:
        terminal.expect(QUESTION)
        terminal.type("n\n")
        assert terminal.code() == 125
    assert (aws.calls, desk.confirmations) == ([], [])
    with desk.terminal(*run) as terminal:
        terminal.expect(QUESTION)
        terminal.type("yes\n")
        terminal.expect(f"target | target|{END}|1.")
        assert terminal.code() == 0
    with desk.terminal(*run) as terminal:
        assert QUESTION not in terminal.expect(f"target | target|{END}|1.")


def test_plan_and_stores_show_danger(desk: Desk) -> None:
    """`plan` and `stores` mark the dangerous store, in text and in JSON."""
    (desk.home / "dsops.yaml").write_text(DANGER)
    assert "\n      danger, as test" in desk.dsops.run("plan", "--env", "production").stdout.decode()
    assert re.search(r"(?m)^target \(danger\) ", desk.dsops.run("stores").stdout.decode())
    assert b'"danger": true' in desk.dsops.run("stores", "--json").stdout
    assert b'"danger": true' in desk.dsops.run("plan", "--env", "production", "--json").stdout
