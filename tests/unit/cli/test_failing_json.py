"""Every command that fails with `--json` prints one JSON object on stderr."""

from __future__ import annotations

import json

import pytest

from dsops.cli import main
from dsops.cli.framework.command import Group
from dsops.cli.framework.commands import COMMANDS, load

KEYS = {"code", "message", "why", "hint", "next", "where", "tried", "aws", "problems", "errors"}


def every_name() -> list[str]:
    """The names of all commands, including subcommands (`sandbox run`)."""
    found = []
    for name in COMMANDS:
        command = load(name)
        found += [f"{name} {member}" for member in command.commands] if isinstance(command, Group) else [name]
    return found


@pytest.mark.parametrize("name", every_name())
def test_every_command_tells_its_failure_as_json(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """If a command with `--json` fails, stderr has only JSON with the exit code, and stdout is empty."""
    code = main([*name.split(), "--json", "--no-such-flag"])
    out, err = capfd.readouterr()
    told = json.loads(err)
    assert ("", code) == (out, told["exit_code"])
    assert set(told["error"]) == KEYS
    assert told["error"]["code"] == "usage"
    assert told["error"]["hint"]
    assert code in {2, 125}


def test_an_unknown_command_fails_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    """An unknown command with `--json` or DSOPS_JSON fails with a JSON error, too."""
    assert 2 == main(["--json", "exce"])
    assert json.loads(capfd.readouterr().err)["error"]["hint"] == "did you mean `dsops exec`?"


def test_the_words_of_the_other_program_are_not_ours(capfd: pytest.CaptureFixture[str]) -> None:
    """`--json` after `--` belongs to the command that exec runs."""
    assert 125 == main(["exec", "--no-such-flag", "--", "true", "--json"])
    assert capfd.readouterr().err.startswith("dsops: error[usage]: ")
