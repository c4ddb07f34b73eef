"""Colours, widths and tables for a person at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from dsops.agent.client import is_plain
from dsops.cli import main
from dsops.cli.framework import screen
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, Command
from dsops.cli.framework.output import table
from dsops.cli.framework.parser import parse

HEADINGS = ("CHECK", "STATUS", "USES", "DETAIL")
ROWS = [
    ("endpoint sts.eu-central-1", "ok", "12", "answers"),
    ("store deploy", "failed", "3", "AWS does not let the caller assume the role, says STS"),
]


def shown(columns: int, monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """The table on a terminal of that width."""
    monkeypatch.setattr(screen, "_is_terminal", lambda _descriptor: True)
    monkeypatch.setattr(screen, "columns", lambda _descriptor: columns)
    for name, value in {"TERM": "xterm", **environ}.items():
        monkeypatch.setenv(name, value)
    return table(HEADINGS, ROWS, state="STATUS", least=("USES",))


@pytest.mark.parametrize(
    ("environ", "is_coloured"),
    [
        ({}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "0"}, False),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
    ],
)
def test_variables_decide_about_colours_in_a_pipe(environ: Mapping[str, str], *, is_coloured: bool) -> None:
    """In a pipe, CLICOLOR_FORCE turns colours on, unless NO_COLOR is set."""
    reading, writing = os.pipe()
    try:
        assert screen.has_colour(writing, environ) is is_coloured
    finally:
        os.close(reading)
        os.close(writing)


def test_a_coloured_error_has_the_text_of_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours add codes and change no character; `error[` inside a message stays plain."""
    text = (
        "dsops: error[usage]: no command `x: error[y]`\n  why: a: error[b]: c\n  hint: run `dsops`\ndsops.yaml:2: bad"
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    coloured = screen.shown_error(text, 2)
    assert coloured.split("\n") == [
        "\x1b[1mdsops: \x1b[0m\x1b[1;31merror[usage]\x1b[0m\x1b[1m: no command `x: error[y]`\x1b[0m",
        "  why: a: error[b]: c",
        "\x1b[2m  hint: run `dsops`\x1b[0m",
        "dsops.yaml:2: bad",
    ]
    finding = screen.shown_error("a b.json:3: warning[sts.open]: Principal: anyone", 2)
    assert "\x1b[1;33mwarning[sts.open]\x1b[0m" in finding


WHY = "  why: the trust policy asks for sts:ExternalId and none was sent"
HINT = "  hint: write it after `--`: dsops exec NAME -- CMD; `dsops shell NAME` opens a shell"


LONG = "`dsops get a b c d e f g h i j k l m n o p q`"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        (WHY, 200, [WHY]),
        (WHY, 40, ["  why: the trust policy asks for", "    sts:ExternalId and none was sent"]),
        (HINT, 60, ["  hint: write it after `--`: dsops exec NAME -- CMD;", "    `dsops shell NAME` opens a shell"]),
        # A command that is longer than a row stays whole: the terminal continues it.
        (f"  hint: {LONG} x", 40, [f"  hint: {LONG}", "    x"]),
        # Wide characters need two columns.
        ("e\u0301e \u6f22 " + "\u6f22" * 18, 40, ["e\u0301e \u6f22", "    " + "\u6f22" * 18]),
        (WHY, 20, [WHY]),
    ],
)
def test_a_long_line_is_wrapped_between_words(
    monkeypatch: pytest.MonkeyPatch, text: str, columns: int, expected: list[str]
) -> None:
    """On a terminal, lines are wrapped without cutting a word or command; below 40 columns they are not wrapped."""
    shown(columns, monkeypatch)
    assert screen.wrapped(text, 2).split("\n") == expected


def test_a_pipe_gets_the_line_as_it_is() -> None:
    """Without a terminal nothing is wrapped, so that programs can read a line."""
    reading, writing = os.pipe()
    assert screen.wrapped(WHY * 9, writing) == WHY * 9
    os.close(reading)
    os.close(writing)


def test_an_error_loads_no_rich() -> None:
    """Coloured errors and help are printed without importing rich."""
    program = "import sys; from dsops.cli import main; main(sys.argv[1:]); sys.exit('rich' in sys.modules)"
    for words in (["stors"], ["--help"], ["exec", "--help"]):
        environ = {**os.environ, "CLICOLOR_FORCE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, *words], env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        assert "\x1b[1m" in done.stdout + done.stderr


def test_a_wide_terminal_gets_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a wide terminal, a table has bold headings, and each state is a word in its colour."""
    first, second, third = shown(200, monkeypatch).splitlines()
    assert all(f"\x1b[1m{heading}" in first for heading in HEADINGS)
    assert "\x1b[32mok " in second
    assert "\x1b[31mfailed\x1b[0m" in third


def test_without_colours_the_table_is_that_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a wide terminal with NO_COLOR, a table has the same text as in a pipe."""
    plain = table(HEADINGS, ROWS)
    assert shown(200, monkeypatch, NO_COLOR="1") == plain


def test_a_narrow_terminal_drops_the_least_important_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 50 columns the least important column is dropped, and the last one is wrapped."""
    lines = shown(50, monkeypatch, NO_COLOR="1").splitlines()
    assert lines[0].split() == ["CHECK", "STATUS", "DETAIL"]
    assert len(lines) > 3
    assert max(map(len, lines)) <= 50


@pytest.mark.parametrize("columns", [1, 3, 10, 20])
def test_a_very_narrow_terminal_gets_blocks(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the terminal is too narrow for a table, each row is a block that fits the width."""
    lines = shown(columns, monkeypatch, NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= columns
    assert "failed" in "".join("".join(lines).split())


def test_short_flags() -> None:
    """`-e` and `-c` mean `--env` and `--config`, and `exec` with them is still sent to the agent without parsing."""
    command = Command("x", lambda _arguments, _runtime: 0, flags=(CONFIG, ENVIRONMENT))
    arguments = parse(command, ["-e", "prod", "-c=x.yaml"], {})
    assert (arguments.text("--env"), arguments.text("--config")) == ("prod", "x.yaml")
    assert is_plain(["-e", "prod", "-c", "x.yaml"])
    assert not is_plain(["-q"])


@pytest.mark.parametrize("flags", [["-q"], ["--quiet"], []])
def test_quiet_leaves_notes_out(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """`-q` prints the result and errors, but no notes."""
    program = "import sys; from dsops.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *flags, "policy", "check", "missing.json", "-"],
        input='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert ("dsops: note: " in done.stderr) is (not flags)
    assert "error[policy.unreadable]" in done.stderr
    assert main(["-q", "version"]) == 0
    assert capfd.readouterr().err == ""
