"""Prompts on the terminal: hidden input, missing terminals, and restored terminal settings."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dsops.cli.framework.prompt import ask
from tests.terminal import Terminal, python

ASKING = """
from dsops.cli.framework.prompt import ask
answer = ask("MFA code: ")
print("answer", answer and answer.reveal(), flush=True)
"""
SHOWING_ECHO = "stty -a < /dev/tty | grep -o -e '-\\?echo\\b'"


def shell(line: str, *words: str) -> list[str]:
    """The command line of a shell that runs the line of code."""
    return ["bash", "-c", line, "bash", *words]


def test_the_answer_is_not_seen_and_arrives_whole() -> None:
    """The typed answer is not echoed, and keeps its leading zeros."""
    with Terminal(python(ASKING)) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("012345\n")
        assert "012345" not in terminal.expect("answer ")
        terminal.expect("012345\r\n")
        assert terminal.code() == 0


def test_control_characters_in_a_prompt_are_escaped() -> None:
    """Control characters in a prompt are shown as codes, but the prompt's newlines are kept."""
    asking = "from dsops.cli.framework.prompt import ask; ask('roles:\\n \\x1b[2Jone \\udcff: '); print('asked')"
    with Terminal(python(asking)) as terminal:
        shown = terminal.expect("\\xdcff: ")
        assert "roles:\r\n \\x1b[2Jone" in shown
        assert "\x1b" not in shown
        terminal.type("\n")
        terminal.expect("asked")


def test_pipes_on_all_sides_do_not_matter() -> None:
    """The prompt uses the terminal even if stdin, stdout and stderr are pipes."""
    with Terminal(shell('echo no | "$@" 2>/dev/null | cat', *python(ASKING))) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("123456\n")
        terminal.expect("answer 123456")


def test_echo_is_back_afterwards() -> None:
    """The echo is restored after the prompt."""
    with Terminal(shell(f'"$@"; {SHOWING_ECHO}', *python(ASKING))) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("123456\n")
        terminal.expect("answer 123456\r\necho\r\n")


def test_a_terminal_that_gives_single_keys_is_asked_for_a_line() -> None:
    """A terminal in raw mode is switched to line input for the prompt and back to raw mode afterwards."""
    line = 'stty -icanon -icrnl min 1 < /dev/tty; "$@"; stty -a < /dev/tty | grep -o -e "-icanon" -e "-icrnl"'
    with Terminal(shell(line, *python(ASKING))) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("123456\r")
        terminal.expect("answer 123456")
        terminal.expect("-icrnl")
        terminal.expect("-icanon")


CONFIRMING = """
from dsops.cli.framework.prompt import confirm
print("agreed", confirm("Allow it? [y/N] "), flush=True)
"""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("y", "True"), ("Yes", "True"), ("n", "False"), ("", "False"), ("yes please", "False"), (" y", "False")],
)
def test_only_a_yes_agrees_and_it_is_seen(typed: str, expected: str) -> None:
    """Only a yes confirms; the typed answer is echoed, and an empty line means no."""
    with Terminal(shell('echo y | "$@" 2>/dev/null | cat', *python(CONFIRMING))) as terminal:
        terminal.expect("Allow it? [y/N] ")
        terminal.type(f"{typed}\n")
        assert terminal.expect("agreed ").startswith(f"{typed}\r\n")
        terminal.expect(f"{expected}\r\n")


def test_without_a_terminal_nothing_is_confirmed(tmp_path: Path) -> None:
    """Without a terminal a confirmation fails, even on a desktop.

    A dialog is too small for the list of things to confirm.
    """
    window = tmp_path / "zenity"
    window.write_text("#!/bin/sh\necho y\n")
    window.chmod(0o755)
    done = subprocess.run(
        python(CONFIRMING),
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "DISPLAY": ":0"},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "agreed None\n" == done.stdout


def test_ctrl_d_means_no_answer() -> None:
    """Ctrl-D at the prompt returns None; an empty line returns an empty text."""
    with Terminal(python(ASKING)) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("\x04")
        terminal.expect("answer None")
    with Terminal(python(ASKING)) as terminal:
        terminal.expect("MFA code: ")
        terminal.type("\n")
        terminal.expect("answer \r\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_echo_is_back_whatever_ends_the_question(number: signal.Signals) -> None:
    """Ctrl-C or a signal during the prompt restores the echo."""
    line = f'trap : INT; "$@"; {SHOWING_ECHO}; exit 7'
    with Terminal(shell(line, *python(f"import os; print(os.getpid())\n{ASKING}"))) as terminal:
        pid = int(terminal.expect("\r\n"))
        terminal.expect("MFA code: ")
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            os.kill(pid, number)
        assert "-echo" not in terminal.expect("echo\r\n")
        assert terminal.code() == 7


def test_ctrl_z_pauses_the_question_and_fg_asks_it_again() -> None:
    """Ctrl-Z suspends the prompt and restores the echo; `fg` prompts again with hidden input."""
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.type("PS1='prompt''> '\n")
        terminal.expect("prompt> ")
        terminal.type(" ".join("'" + word.replace("'", "'\\''") + "'" for word in python(ASKING)) + "\n")
        terminal.expect("\rMFA code: ")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect("prompt> ")
        terminal.type("fg\n")
        # At the start of a line, because the shell also echoes the command, which contains the same words.
        terminal.expect("\nMFA code: ")
        terminal.type("123456\n")
        assert "123456" not in terminal.expect("answer ")
        terminal.expect("123456")


def test_without_a_terminal_a_question_fails_at_once() -> None:
    """Without a terminal the prompt fails within a second and says what to set, so that CI jobs do not hang."""
    started = time.monotonic()
    done = subprocess.run(
        python(ASKING), start_new_session=True, capture_output=True, text=True, check=True, input="no\n", timeout=60
    )
    assert done.stdout == "answer None\n"
    assert done.stderr == ""
    assert time.monotonic() - started < 30  # includes the start of an interpreter on a busy machine


def test_in_the_background_no_prompt_is_shown() -> None:
    """A background process shows no prompt, because reading the terminal would suspend it until the user types `fg`."""
    line = 'set -m; "$@" & wait; echo done'
    with Terminal(shell(line, *python(ASKING))) as terminal:
        assert "MFA code" not in terminal.expect("answer None")
        terminal.expect("done")


def test_a_terminal_that_can_not_be_opened_is_none() -> None:
    """If /dev/tty cannot be opened, the program behaves as if it had no terminal."""
    assert ask("MFA code: ", terminal="/no/such/terminal") is None
