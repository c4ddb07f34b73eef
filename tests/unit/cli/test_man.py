"""Manual pages: `dsops help --man`."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dsops.cli import main
from dsops.cli.framework.command import COMMON, Command
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.look.man import page
from dsops.errors import UsageError

needs_groff = pytest.mark.skipif(shutil.which("groff") is None, reason="groff, which formats manual pages, is missing")
TOPICS = [(), *[(name,) for name, entry in COMMANDS.items() if entry.summary], ("audit", "list")]


def formatted(text: str) -> tuple[str, str]:
    """The page as groff prints it on a terminal, and groff's warnings."""
    command = ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=100n"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, done.stderr


@needs_groff
@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: " ".join(topic) or "dsops")
@pytest.mark.clients
def test_a_manual_page_is_free_of_warnings(topic: tuple[str, ...]) -> None:
    """groff formats every page without a warning."""
    printed, warnings = formatted(page(topic))
    assert warnings == ""
    assert printed.startswith(f"{'-'.join(('DSOPS', *map(str.upper, topic)))}(1)")


@needs_groff
@pytest.mark.clients
def test_a_manual_page_has_every_flag_with_its_variable() -> None:
    """A command's manual page lists its own flags, the common flags, and the variable of each flag."""
    command = load("exec")
    assert isinstance(command, Command)
    printed, _ = formatted(page(("exec",)))
    for flag in command.flags + COMMON:
        assert f"{flag.name}" in printed
        assert f"Variable: {flag.variable}." in " ".join(printed.split())
    assert "dsops exec --env production -- deploy.sh --fast" in printed


def test_the_page_is_printed_by_help(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops help --man exec` prints the page in troff, whose dashes are not turned into other characters."""
    assert main(["help", "--man", "exec"]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith('.TH DSOPS\\-EXEC 1 "" ')
    assert ".B \\-e, \\-\\-env NAME\n" in printed


@pytest.mark.parametrize(("topic", "meant"), [(("exce",), "exec"), (("audit", "lst"), "audit list")])
def test_a_page_that_does_not_exist(topic: tuple[str, ...], meant: str) -> None:
    """An unknown command is an error that suggests a known one."""
    with pytest.raises(UsageError) as raised:
        page(topic)
    assert meant in raised.value.hint
