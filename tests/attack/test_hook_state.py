"""The hook restores only values that it saved in this shell; state in the inherited environment is ignored."""

from __future__ import annotations

from shutil import which

import pytest

from dsops.errors import NotAllowed
from dsops.hook.names import require_harmless
from tests.unit.cli.test_hook import House, aws, house, shell, show

__all__ = ["aws", "house", "shell"]  # fixtures

STATE = ("names", "was", "plain", "new", "own", "key", "found", "files", "marks", "inherited", "count", "is_there")


def forged(path: str) -> dict[str, str]:
    """An environment with forged hook state for PATH, LD_PRELOAD and EDITOR, in every form that dsops ever used."""
    values = {"PATH": "/evil", "LD_PRELOAD": "/evil.so", "EDITOR": "/evil.sh"}
    loaded = {"PATH": path, "EDITOR": "vi"}
    environ = {
        "EDITOR": "vi",
        "DSOPS_HOOK_VARS": " PATH LD_PRELOAD EDITOR",
        "__dsops_is_there": "1",
        "__dsops_key": "none",
        "__dsops_names": "PATH",
        "__dsops_was": "exported:/evil",
        "__dsops_new": f"x{path}",
        "__dsops_loaded": "1",
        "__dsops_own": " ",
        "__dsops_found": "/evil/dsops.yaml",
        "__dsops_count": "1",
        "__dsops_inherited": " PATH ",
    }
    for name, value in values.items():
        environ |= {f"DSOPS_HOOK_WAS_{name}": value, f"__dsops_was_{name}": value, f"__dsops_plain_{name}": value}
    return environ | {f"__dsops_new_{name}": value for name, value in loaded.items()}


def as_before(path: str) -> list[str]:
    """The output of `show` for the three variables in a shell that never ran the hook."""
    return [f"PATH={path}", "LD_PRELOAD=unset", "EDITOR=vi"]


SHOWN = show("PATH", "LD_PRELOAD", "EDITOR")
LEFT = "env | grep -c -E '^(__dsops_|DSOPS_HOOK_WAS_)'"


def test_a_hostile_environment_puts_nothing_back(house: House, shell: str) -> None:
    """Forged hook state in the inherited environment has no effect, whether in the folder or after leaving it."""
    house.allow()
    path = house.dsops.environ["PATH"]
    printed = house.shell(
        shell, SHOWN, "cd project", SHOWN, show("GREETING"), "cd ..", SHOWN, show("GREETING"), LEFT, **forged(path)
    )
    assert printed == [*as_before(path) * 2, "GREETING=hello", *as_before(path), "GREETING=unset", "0"]


def test_what_is_exported_into_a_running_shell_puts_nothing_back(house: House, shell: str) -> None:
    """Forged hook state exported in a running shell (by a tool that loads `.env`) has no effect."""
    house.allow()
    path = house.dsops.environ["PATH"]
    word = "set -gx {} '{}'" if shell == "fish" else "export {}='{}' 2>/dev/null"
    lines = [word.format(name, value) for name, value in forged(path).items()]
    printed = house.shell(shell, "cd project", show("GREETING"), *lines, SHOWN, "cd ..", SHOWN)
    assert printed == ["GREETING=hello", *as_before(path) * 2]


@pytest.mark.parametrize("name", ["DSOPS_HOOK_VARS", "DSOPS_HOOK_WAS_PATH", *(f"__dsops_{entry}" for entry in STATE)])
def test_a_configuration_may_not_set_the_state(name: str) -> None:
    """A configuration cannot set the hook's state variables, even if it is allowed."""
    with pytest.raises(NotAllowed):
        require_harmless([name])


@pytest.mark.parametrize(
    "name",
    ["PROMPT2", "PROMPT3", "PROMPT4", "BAUD", "PERIOD", "REPORTMEMORY", "MENUSCROLL", "LISTPROMPT", "TEXTDOMAINDIR"],
)
def test_what_a_shell_evaluates_is_not_set(name: str) -> None:
    """Variables whose value a shell evaluates cannot be set.

    zsh runs commands that a prompt or a numeric value (`path[$(command)]`) contains. bash reads its messages from
    TEXTDOMAINDIR.
    """
    with pytest.raises(NotAllowed):
        require_harmless([name])


def test_no_program_sees_what_was_there_before(house: House, shell: str) -> None:
    """The hook does not export the values that it saved, even under `set -a`; DSOPS_HOOK_VARS contains only names."""
    house.allow()
    everything = [] if shell == "fish" else ["set -a"]
    printed = house.shell(
        shell,
        *everything,
        "cd project",
        "env | grep -c before",
        LEFT,
        show("DSOPS_HOOK_VARS"),
        "cd ..",
        show("GREETING", "DSOPS_HOOK_VARS"),
        LEFT,
        GREETING="before",
    )
    assert printed == ["0", "0", "DSOPS_HOOK_VARS= GREETING NUMBER", "GREETING=before", "DSOPS_HOOK_VARS=unset", "0"]


def test_the_next_command_of_the_line_has_nothing_of_the_folder(house: House, shell: str) -> None:
    """In `cd .. && cmd`, zsh and fish remove the folder's variables before `cmd`.

    bash removes them at the next prompt.
    """
    if shell == "bash":
        pytest.skip("bash has no hook for a change of folder: docs/how-to/shell-hook.md says so")
    house.allow()
    printed = house.shell(
        shell,
        "cd project",
        show("GREETING"),
        f"cd ..; {show('GREETING')}",
        f"cd project; {show('GREETING')}",
        show("GREETING"),
        f"cd below; {show('GREETING')}",
        GREETING="before",
    )
    assert printed == ["GREETING=hello", "GREETING=before", "GREETING=before", "GREETING=hello", "GREETING=hello"]
    assert house.loads() == 2


@pytest.mark.clients
def test_a_subshell_that_leaves_has_nothing_of_the_folder(house: House) -> None:
    """A subshell that leaves the folder loses the folder's variables; the parent shell keeps them."""
    house.allow()
    if not which("zsh"):
        pytest.skip("zsh is not installed")
    printed = house.shell("zsh", "cd project", f"(cd ..; {show('GREETING')})", show("GREETING"))
    assert printed == ["GREETING=unset", "GREETING=hello"]


def test_a_list_of_paths_is_put_away_as_well(house: House, shell: str) -> None:
    """In fish, the hook removes list variables, too: fish splits `a:b` if the variable's name ends in PATH."""
    (house.project / "dsops.yaml").write_text("version: 1\nenvs: {dev: {DATA_PATH: {literal: 'a:b'}}}\n")
    house.allow()
    changed = "set -gx DATA_PATH a c" if shell == "fish" else "export DATA_PATH=a:c"
    printed = house.shell(
        shell,
        "cd project",
        show("DATA_PATH"),
        "cd ..",
        show("DATA_PATH"),
        "cd project",
        changed,
        "cd ..",
        show("DATA_PATH"),
    )
    assert printed == ["DATA_PATH=a:b", "DATA_PATH=unset", "DATA_PATH=a:c"]
    before = house.shell(shell, "cd project", "cd ..", show("DATA_PATH"), DATA_PATH="x:y")
    assert before == ["DATA_PATH=x:y"]
