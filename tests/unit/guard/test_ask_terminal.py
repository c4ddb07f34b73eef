"""The question of `exec --ask` on a real terminal, while the command has the terminal."""

from __future__ import annotations

import pytest

from dsops.cli.run.guard_ask import ask_user
from dsops.guard.run.options import Asked
from tests.terminal import Terminal, python

COMMAND_HAS_TERMINAL = """
    import os, signal, sys
    from dsops.cli.run.guard_ask import ask_user
    from dsops.guard.run.options import Asked
    from dsops.process.watch import spawn
    from dsops.process.terminal import SharedTerminal
    pid = spawn("/bin/cat", ["cat"], {})
    terminal = SharedTerminal(pid)
    print("before", terminal.is_given)
    print(ask_user(Asked(sys.argv[1], sys.argv[2], True, ""), *sys.argv[3:]))
    print("after", terminal.is_given)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    terminal.close()
"""
"""Gives the terminal to `cat`, and asks."""


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("o", "once"), ("y", "once"), ("r", "run"), ("n", "no"), ("a", "no"), ("", "no"), ("please", "no")],
)
def test_the_answer_of_a_person(typed: str, answer: str) -> None:
    """The question takes the terminal from the command, and gives it back after the answer."""
    with Terminal(python(COMMAND_HAS_TERMINAL, "s3:DeleteObject", "arn:aws:s3:::b/k")) as terminal:
        terminal.expect("before True")
        shown = terminal.expect("[n] ")
        terminal.type(f"{typed}\n")
        terminal.expect(f"{answer}\r\n")
        terminal.expect("after True")
        assert terminal.code() == 0
    assert "\x1b[1;31ms3:DeleteObject\x1b[0m on arn:aws:s3:::b/k" in shown


@pytest.mark.parametrize(("typed", "answer"), [("a", "always"), ("Always", "always"), ("r", "run"), ("", "no")])
def test_always_is_offered_with_the_name_of_the_file(typed: str, answer: str) -> None:
    """The question names the file into which `always` writes."""
    words = ("s3:GetObject", "arn:aws:s3:::b/k", "guard.yaml, which the command can change, too")
    with Terminal(python(COMMAND_HAS_TERMINAL, *words)) as terminal:
        shown = terminal.expect("[n] ")
        terminal.type(f"{typed}\n")
        terminal.expect(f"{answer}\r\n")
        terminal.expect("after True")
    assert "[a]lways (into guard.yaml, which the command can change, too), or [n]ot at all? [n]" in shown


def test_a_name_with_control_characters_does_not_change_the_screen() -> None:
    """A command chooses the names of its resources: escape sequences in them are not sent to the terminal."""
    name = "arn:aws:s3:::b/k\x1b[2K\rdsops: the command wants s3:GetObject on nothing"
    with Terminal(python(COMMAND_HAS_TERMINAL, "s3:DeleteObject", name)) as terminal:
        shown = terminal.expect("[n] ")
        terminal.type("n\n")
        terminal.expect("after True")
    assert "\x1b[2K" not in shown
    assert shown.count("\r\ndsops:") == 1


def test_without_a_terminal_the_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is asked, and nothing is allowed."""
    monkeypatch.setattr("dsops.cli.run.guard_ask._TERMINAL", "/nonexistent")

    assert ask_user(Asked("s3:GetObject", "arn:aws:s3:::b/k", is_destructive=False, exact=""), "guard.yaml") == "no"
