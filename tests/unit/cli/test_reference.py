"""docs/reference/cli.md documents every command, flag variable and exit code of the program.

Help blocks are compared by tests/scripts/test_documents.py; this file checks that the page is complete.
DSOPS_UPDATE_GOLDEN=1 regenerates the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.cli.framework.command import COMMON, Command, Flag
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.help import command_text
from tests.scripts.test_scripts import UPDATE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"

HEAD = """\
# The command line

    dsops COMMAND [FLAGS] ...

Write flags as `--name VALUE` or `--name=VALUE`, before or after the command's name; they cannot be abbreviated. Each
flag can also be set by a variable; the command line overrides it. A switch is on for `1`, `true`, `yes`, `on`, and
off for `0`, `false`, `no`, `off`; an empty variable counts as unset. stdout contains only the result. Errors, notes
and progress go to stderr, prompts to the terminal.

This page is generated from the program (`tests/unit/cli/test_reference.py`).

## Exit codes

| code | meaning |
|---|---|
| 0 | success |
| 1 | a bug in dsops |
| 2 | the configuration or the command line is wrong |
| 3 | no credentials, or access was denied |
| 4 | a secret could not be resolved |
| 5 | a service was unreachable, or throttled the calls |
| 6 | a check found something: `validate`, `doctor`, `explain`, `policy`, `plan --check`, `graph --check` |
| 130 | ended by Ctrl-C |

`dsops exec` exits with the exit code of the command, or with 128 + n if signal n ended the command. Its own exit codes:
124 for `--timeout`, 126 for a command that cannot be executed, 127 for a command that was not found, and 125 for every
other failure of dsops itself; the error's code says which. `dsops help CODE` explains an error code.

If you press Ctrl-C before the first line of dsops runs, while Python or the installer's start script is still
loading, the signal ends the process, with a Python traceback.

## Variables

| variable | flag | commands |
|---|---|---|
"""


def every_command() -> Iterator[tuple[str, Command]]:
    """Each public command with its name, including subcommands."""
    for name, entry in COMMANDS.items():
        command = load(name)
        if isinstance(command, Command):
            if entry.summary:
                yield name, command
        else:
            yield from ((f"{name} {member}", each) for member, each in command.commands.items())


def variables() -> dict[str, tuple[Flag, list[str]]]:
    """For each variable: its flag, and the commands with that flag."""
    found: dict[str, tuple[Flag, list[str]]] = {}
    for name, command in every_command():
        for flag in command.flags:
            found.setdefault(flag.variable, (flag, []))[1].append(name)
    for flag in COMMON:
        found[flag.variable] = (flag, ["every command"])
    return dict(sorted(found.items()))


def page() -> str:
    """The expected text of the page docs/reference/cli.md."""
    table = "".join(
        f"| `{variable}` | `{flag.name}` | {', '.join(names)} |\n" for variable, (flag, names) in variables().items()
    )
    blocks = "".join(
        f"\n## dsops {name}\n\n```console\n$ dsops {name} --help\n{command_text(name, command)}\n```\n"
        for name, command in every_command()
    )
    return f"{HEAD}{table}{blocks}"


def test_the_page_is_what_the_program_says() -> None:
    """The reference page has every flag with its current name and help text."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_each_variable_means_one_flag() -> None:
    """All flags with the same variable accept the same values."""
    for variable in variables():
        flags = {
            (flag.name, flag.kind, flag.choices)
            for _, command in every_command()
            for flag in command.flags + COMMON
            if flag.variable == variable
        }
        assert len(flags) == 1, variable


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in every_command()])
def test_each_flag_has_a_variable_and_a_help(name: str, command: Command) -> None:
    """Every flag has a `DSOPS_*` variable and a help text without a full stop."""
    assert command.help
    names = [flag.name for flag in command.flags + COMMON]
    assert len(set(names)) == len(names), name
    for flag in command.flags + COMMON:
        assert flag.variable.startswith("DSOPS_")
        assert flag.help
        assert not flag.help.endswith(".")
