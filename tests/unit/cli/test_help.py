"""`dsops help` for commands and error codes."""

from __future__ import annotations

import pytest

from dsops.cli import main
from dsops.cli.framework.command import Command
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.help import command_text, overview_text, summary_of
from dsops.doctor.examination import CODES
from dsops.errors import DsopsError


def every_code() -> set[str]:
    """The set of all error codes."""
    found: set[str] = set()
    left = [DsopsError]
    while left:
        error = left.pop()
        found.add(error.code)
        left.extend(error.__subclasses__())
    return found


@pytest.mark.parametrize("code", sorted(every_code()))
def test_every_error_code_is_explained(code: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help CODE` prints the error's docstring and its exit code."""
    assert main(["help", code]) == 0
    first, explained = capfd.readouterr().out.split("\n", 1)
    assert first.startswith(f"{code} (exit code ")
    assert explained.split("\n\n")[0].strip().endswith(".")


def test_a_code_is_explained_with_its_causes(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help CODE` lists the error's causes, each with its remedy."""
    assert main(["help", "sso.login-required"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[3:] == ["- there is no login, or it has expired:", "  run `dsops login STORE`"]
    assert lines[2] == ""
    assert main(["help", "usage"]) == 0
    assert "- " not in capfd.readouterr().out


@pytest.mark.parametrize("code", CODES)
def test_every_check_of_doctor_is_explained(code: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help CODE` for a check of doctor says when the check is ok."""
    assert len(CODES[code]) <= 100
    assert main(["help", code]) == 0
    assert capfd.readouterr().out == f"{code}, a check of `dsops doctor`, is ok when\n{CODES[code]}\n"


def test_explanations_fit_a_terminal_of_a_hundred_columns(capfd: pytest.CaptureFixture[str]) -> None:
    """Explanations of error codes fit into 100 columns."""
    for code in every_code():
        main(["help", code])
    assert [] == [line for line in capfd.readouterr().out.splitlines() if line[:1] in "- " and len(line) > 100]


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.summary])
def test_help_of_a_command_is_the_same_in_both_ways(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help exec` and `dsops exec --help` print the same help."""
    assert main(["help", name]) == 0
    one = capfd.readouterr().out
    assert main([name, "--help"]) == 0
    assert capfd.readouterr().out == one
    assert one.startswith(f"usage: dsops {name}")


def test_help_of_a_member_of_a_family(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help sandbox run` shows the help of a subcommand."""
    assert main(["help", "sandbox", "run"]) == 0
    assert capfd.readouterr().out.startswith("usage: dsops sandbox run")


@pytest.mark.parametrize(
    ("topic", "meant"),
    [
        ("sts.acces-denied", "sts.access-denied"),
        ("exce", "exec"),
        ("config.invald", "config.invalid"),
        ("doctor.clok", "doctor.clock"),
    ],
)
def test_a_topic_that_is_not_there_is_answered_with_what_was_meant(
    topic: str, meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """An unknown topic is an error that suggests a command or code."""
    assert main(["help", topic]) == 2
    assert meant in capfd.readouterr().err


def test_summaries_are_short_and_say_what_is_done() -> None:
    """A command's summary is one short line in the imperative, without a full stop."""
    for entry in COMMANDS.values():
        assert len(entry.summary) < 75
        assert not entry.summary.endswith(".")
        assert entry.summary[:1] == entry.summary[:1].lower()


def every_command() -> list[tuple[str, Command]]:
    """Every public command with its name, including subcommands."""
    found: list[tuple[str, Command]] = []
    for name, entry in COMMANDS.items():
        command = load(name) if entry.summary else None
        if isinstance(command, Command):
            found.append((name, command))
        elif command is not None:
            found += [(f"{name} {member}", one) for member, one in command.commands.items()]
    return found


def test_the_first_line_about_a_member_of_a_family_is_a_sentence() -> None:
    """The first line of a subcommand's help is a sentence, because the list of subcommands shows only that line."""
    members = {name: summary_of(command) for name, command in every_command() if " " in name}
    assert {} == {name: summary for name, summary in members.items() if not summary.endswith(".")}


def test_help_fits_a_terminal_of_a_hundred_columns() -> None:
    """All help texts fit into 100 columns."""
    texts = [command_text(name, command) for name, command in every_command()]
    assert [] == [line for text in texts for line in text.splitlines() if len(line) > 100]


def test_a_family_with_a_default_command_shows_its_flags(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops audit --since 2h` works without `list`, so `dsops audit --help` shows the flags of `list`."""
    assert main(["audit", "--help"]) == 0
    shown = capfd.readouterr().out
    assert "`dsops audit` is `dsops audit list`:" in shown
    assert all(f"  {flag}" in shown for flag in ("--since TIME", "--failed", "--follow", "--sandbox"))
    assert main(["agent", "--help"]) == 0
    assert "flags:" not in capfd.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 100])
def test_help_is_filled_for_the_width_of_the_terminal(width: int) -> None:
    """Every help text is wrapped at the terminal's width; only the command line of an example may be longer."""
    texts = [command_text(name, command, width) for name, command in every_command()]
    lines = [line for text in (*texts, overview_text(width)) for line in text.splitlines()]
    assert [] == [line for line in lines if len(line) > width and not line.startswith("  ")]


def test_the_overview_begins_with_the_commands_of_every_day() -> None:
    """The overview shows an example of each daily command first, and every other command once, in its group."""
    first, *groups = overview_text().split("\n\n")[1:-1]
    assert first.startswith("every day:\n  dsops exec prod -- aws s3 ls  run a command")
    assert [group.partition("\n")[0] for group in groups] == [
        "run:",
        "look:",
        "log in:",
        "write secrets:",
        "policies:",
        "local AWS:",
        "set up:",
    ]
    listed = [line.split()[0] for group in groups for line in group.splitlines()[1:] if line[2] != " "]
    daily = [line.split()[1] for line in first.splitlines() if line.startswith("  dsops ")]
    assert sorted([*listed, *daily]) == sorted(name for name, entry in COMMANDS.items() if entry.summary)


def test_the_version_is_printed_by_a_command_too(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops version` prints what `dsops --version` prints."""
    assert main(["version"]) == 0
    printed = capfd.readouterr().out
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == printed
