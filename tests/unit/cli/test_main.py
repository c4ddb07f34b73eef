"""From argv to the exit code: imported modules, errors, Ctrl-C and closed pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import cast

import pytest

from dsops import __version__, cli
from dsops.cli.framework.command import Arguments, Command, Group
from dsops.cli.framework.commands import COMMANDS, CommandEntry
from dsops.errors import AccessDenied, CommandNotFound, UsageError
from dsops.runtime import Runtime


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add a command named `probe` that calls the function that a test passes."""

    def put(work: Callable[[], int], *, failure_code: int = 0, is_group: bool = False) -> None:
        def run(_arguments: Arguments, _runtime: Runtime) -> int:
            return work()

        module = ModuleType("probe")
        command = Command("Probes.", run, own_failure_code=failure_code)
        module.COMMAND = Group("A family.", {"one": command}) if is_group else command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "probe", module)
        table = cast("dict[str, CommandEntry]", COMMANDS)
        monkeypatch.setitem(table, "probe", CommandEntry("probe", "probe"))

    return put


def raises(error: BaseException) -> Callable[[], int]:
    """A function that raises the given error when called."""

    def work() -> int:
        raise error

    return work


def test_the_version_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops --version` prints only the version."""
    assert cli.main(["--version"]) == 0
    assert capfd.readouterr() == (f"dsops {__version__}\n", "")


def test_the_code_of_the_command_is_ours(install: Callable[..., None]) -> None:
    """The exit code of dsops is the return value of the command."""
    install(lambda: 6)
    assert cli.main(["probe"]) == 6


def test_without_a_command_the_list_of_them_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a command, `dsops` prints the list of commands on stderr; `dsops --help` prints it on stdout."""
    assert cli.main([]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert cli.main(["--help"]) == 0
    assert capfd.readouterr() == (err, "")


def test_an_unknown_command_is_answered_with_the_one_that_was_meant(capfd: pytest.CaptureFixture[str]) -> None:
    """An unknown command exits with 2 and suggests a similar command."""
    assert cli.main(["exce", "--", "true"]) == 2
    assert "did you mean `dsops exec`?" in capfd.readouterr().err


def test_flags_before_the_command_are_for_it(install: Callable[..., None]) -> None:
    """Flags may precede the command, as in the original tool's `dsops --config FILE plan`."""
    install(lambda: 0)
    assert cli.main(["--json", "--verbose", "probe"]) == 0
    assert cli.main(["--nonsense", "probe"]) == 2


def test_a_member_of_a_family_is_chosen(install: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops probe one` runs a subcommand, an unknown subcommand gets a suggestion, and both levels have --help."""
    install(lambda: 5, is_group=True)
    assert cli.main(["probe", "one"]) == 5
    assert cli.main(["probe", "onee"]) == 2
    assert "did you mean `dsops probe one`?" in capfd.readouterr().err
    assert cli.main(["probe", "--help"]) == 0
    assert "A family." in capfd.readouterr().out
    assert cli.main(["probe", "one", "--help"]) == 0
    assert "usage: dsops probe one" in capfd.readouterr().out
    assert cli.main(["probe"]) == 2


def test_an_error_becomes_a_message_and_its_code(
    install: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """An error is printed on stderr and sets the exit code."""
    install(raises(AccessDenied("not allowed", hint="ask")))
    assert cli.main(["probe"]) == 3
    assert capfd.readouterr() == ("", "dsops: error[access-denied]: not allowed\n  hint: ask\n")


@pytest.mark.parametrize("words", [["probe", "--json"], ["--json", "probe"]])
def test_with_json_the_error_is_json(
    install: Callable[..., None], capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """With `--json` every error is JSON, even a mistake in the command line."""
    install(raises(AccessDenied("not allowed")))
    assert cli.main(words) == 3
    assert json.loads(capfd.readouterr().err)["error"]["code"] == "access-denied"
    assert cli.main([*words, "--nonsense"]) == 2
    assert json.loads(capfd.readouterr().err)["error"]["code"] == "usage"


def test_the_json_flag_of_another_program_is_not_ours(
    install: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """`--json` after `--` belongs to the command that exec runs."""
    install(raises(AccessDenied("not allowed")))
    assert cli.main(["probe", "--nonsense", "--", "--json"]) == 2
    assert capfd.readouterr().err.startswith("dsops: error[usage]")


@pytest.mark.parametrize("error", [UsageError("no"), AccessDenied("no"), RuntimeError("no")])
def test_a_launchers_own_failures_have_one_code(install: Callable[..., None], error: Exception) -> None:
    """Every failure of dsops in a command that launches programs exits with 125, except for 126 and 127."""
    install(raises(error), failure_code=125)
    assert cli.main(["probe"]) == 125
    assert cli.main(["probe", "--nonsense"]) == 125
    install(raises(CommandNotFound("no")), failure_code=125)
    assert cli.main(["probe"]) == 127


def test_ctrl_c_is_130_without_a_message(install: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C exits with 130 and prints no message."""
    install(raises(KeyboardInterrupt()))
    assert cli.main(["probe"]) == 130
    assert capfd.readouterr() == ("", "")


def test_an_internal_error_shows_its_place_but_no_message(
    install: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """An internal error shows its location but not its message, which could contain a secret."""
    hush = "hush"

    def work() -> int:
        return int(hush)

    install(work)
    assert cli.main(["probe"]) == 1
    err = capfd.readouterr().err
    assert "error[internal.bug]" in err
    assert "ValueError in test_main.py:" in err
    assert "--debug" in err
    assert "Traceback" not in err
    assert cli.main(["probe", "--debug"]) == 1
    err = capfd.readouterr().err
    assert "in work" in err
    assert "hush" not in err


def test_debug_shows_the_cause_of_an_ordinary_error(
    install: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """`--debug` also shows the cause of an expected error."""
    error = AccessDenied("not allowed")
    error.__cause__ = ConnectionError("hush")
    install(raises(error))
    cli.main(["probe"])
    assert "ConnectionError" not in capfd.readouterr().err
    cli.main(["probe", "--debug"])
    err = capfd.readouterr().err
    assert "builtins.ConnectionError" in err
    assert "hush" not in err


def dsops(*words: str, redirect: str = "") -> subprocess.CompletedProcess[str]:
    """The real program, optionally in a shell with a redirection."""
    command = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())", *words]
    if redirect:
        command = ["bash", "-c", f'"$@" {redirect}', "bash", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_reader_that_leaves_is_no_error() -> None:
    """`dsops schema | head -1` ends without a traceback, as if by SIGPIPE."""
    done = dsops("--help", redirect="| true; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "141"}  # 0 when dsops wrote its output before `true` ended


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_an_answer_that_can_not_be_written_is_an_error() -> None:
    """If stdout is full or closed, the command fails."""
    done = dsops("--help", redirect="> /dev/full")
    assert done.returncode == 2
    assert "error[output.not-written]" in done.stderr
    done = dsops("--version", redirect=">&-")
    assert done.returncode == 2
    assert "it is closed" in done.stderr


def test_only_the_chosen_commands_module_is_imported() -> None:
    """Only the chosen command's module is imported, and argparse is never imported."""
    program = """
    import sys
    from dsops.cli import main
    main(sys.argv[1:])
    print(*sorted(name for name in sys.modules if name.startswith("dsops.cli.") or name == "argparse"), file=sys.stderr)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]

    def modules(*words: str) -> list[str]:
        return subprocess.run([*command, *words], capture_output=True, text=True, check=True, timeout=60).stderr.split()

    framework = "dsops.cli.framework"
    names = ("command", "commands", "output", "parser", "process_runtime")
    every_command = {framework, *(f"{framework}.{name}" for name in names)}
    assert every_command == set(modules("--version"))
    assert every_command | {f"{framework}.help", f"{framework}.screen", "dsops.cli.look", "dsops.cli.look.help"} == set(
        modules("help", "help")
    )
