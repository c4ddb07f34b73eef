"""`dsops hook prompt` in real shells on a terminal: what the prompt shows, and that nothing of it is evaluated."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pyte
import pytest

from dsops.cli.framework.parser import parse
from dsops.cli.hook.hook import COMMAND
from dsops.hook.prompt import PROMPTS
from tests.fakes import make_runtime
from tests.terminal import Terminal

OWN_PROMPT = {
    "bash": "PS1='own> '",
    "zsh": "PROMPT='own> '",
    "fish": "function fish_prompt; test $status -eq 0; or echo -n 'failed '; echo -n 'own> '; end",
}
HOSTILE = "$(touch${IFS}ran)`touch${IFS}ran`%F{red}%n\\u\\[!!a[$(touch${IFS}ran)]"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="dsops does not run on Windows")


class Prompt:
    """A shell with the prompt's code on a terminal of 100 columns, and its screen."""

    def __init__(self, shell: str, home: Path, **environ: str) -> None:
        """Start the shell; skip the test if the shell is not installed."""
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        self.home = home
        code = home / ".zshrc"
        code.write_text("\n".join([environ.pop("before", ""), OWN_PROMPT[shell], PROMPTS[shell], PROMPTS[shell]]))
        start = {
            "bash": ["bash", "--noprofile", "--rcfile", str(code), "-i"],
            "zsh": ["zsh", "-d", "-i"],
            "fish": ["fish", "--no-config", "-i", "-C", f"source {code}"],
        }[shell]
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "ZDOTDIR": str(home),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            **environ,
        }
        words = ["env", "-i", "-C", str(home), *[f"{name}={value}" for name, value in variables.items()], *start]
        self.terminal = Terminal(words)
        self.terminal.resize(100)
        self.screen = pyte.Screen(100, 24)
        self._stream = pyte.Stream(self.screen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminal.__exit__()

    def line(self) -> str:
        """Wait for a prompt, and return its line on the screen."""
        self._stream.feed(self.terminal.expect("own> "))
        return self.screen.display[self.screen.cursor.y].rstrip()

    def colour(self) -> str:
        """Return the colour of the mark in the current line."""
        line = self.screen.buffer[self.screen.cursor.y]
        return line[self.screen.display[self.screen.cursor.y].index("[") + 1].fg


def after(**passed: float) -> str:
    """Return the time that much later, as in DSOPS_EXPIRES."""
    return (datetime.now(UTC) + timedelta(**passed)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("shell", PROMPTS)
def test_the_prompt_shows_the_name_and_the_minutes_left(shell: str, tmp_path: Path) -> None:
    """The prompt shows one mark with name and minutes left, not in red, even if the code runs twice."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="staging", DSOPS_EXPIRES=after(minutes=42, seconds=-20)) as prompt:
        assert prompt.line() == "[staging 42m] own>"
        assert prompt.colour() == "cyan"


@pytest.mark.parametrize("shell", PROMPTS)
def test_danger_is_red_and_has_a_sign(shell: str, tmp_path: Path) -> None:
    """With DSOPS_DANGER, the mark in the prompt is red, and has a `!` for users who see no colours."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_DANGER="1", DSOPS_EXPIRES=after(hours=2)) as prompt:
        assert prompt.line() in {"[prod! 120m] own>", "[prod! 121m] own>"}
        assert prompt.colour() == "red"


@pytest.mark.parametrize("shell", PROMPTS)
def test_an_ended_session_is_expired(shell: str, tmp_path: Path) -> None:
    """After the end of the session, the prompt says `expired`."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_EXPIRES=after(seconds=-5)) as prompt:
        assert prompt.line() == "[prod expired] own>"


@pytest.mark.parametrize("shell", PROMPTS)
@pytest.mark.parametrize("day", ["2024-02-29T23:59:59Z", "2000-03-01T00:00:00Z", "2096-12-31T08:09:09Z"])
def test_the_calendar_is_exact(shell: str, day: str, tmp_path: Path) -> None:
    """The prompt's minutes are those of Python's calendar, also on leap days and with leading zeros."""
    end = datetime.fromisoformat(day)
    minutes = -((datetime.now(UTC) - end) // timedelta(minutes=1))
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_EXPIRES=day) as prompt:
        shown = prompt.line()
    if end < datetime.now(UTC):
        assert shown == "[prod expired] own>"
    else:
        assert shown in {f"[prod {minutes + late}m] own>" for late in (-1, 0, 1)}


@pytest.mark.parametrize("shell", PROMPTS)
@pytest.mark.parametrize("expires", ["", "soon", "a[$(touch ran)]", "2026-11-28T10:30:00+01:00", "9" * 30])
def test_without_a_time_only_the_name_is_shown(shell: str, expires: str, tmp_path: Path) -> None:
    """A missing or malformed DSOPS_EXPIRES is neither evaluated nor shown."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_EXPIRES=expires) as prompt:
        assert prompt.line() == "[prod] own>"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", PROMPTS)
def test_nothing_is_shown_without_a_session(shell: str, tmp_path: Path) -> None:
    """Without a loaded session, the hook does not change the user's prompt."""
    with Prompt(shell, tmp_path) as prompt:
        assert prompt.line() == "own>"


@pytest.mark.parametrize("before", ["", "setopt prompt_subst prompt_bang"])
@pytest.mark.parametrize("shell", PROMPTS)
def test_a_hostile_name_is_shown_literally(shell: str, before: str, tmp_path: Path) -> None:
    """Command substitutions, prompt escapes and control characters in a name run nothing and change no colour."""
    if before and shell != "zsh":
        pytest.skip("an option of zsh")
    name = f"{HOSTILE}\n\x1b[31m\x07\r"
    with Prompt(
        shell, tmp_path, before=before, DSOPS_ACTIVE=name, DSOPS_EXPIRES=after(minutes=9, seconds=-9)
    ) as prompt:
        assert prompt.line() == f"[{HOSTILE}??[31m?? 9m] own>"
        assert prompt.colour() == "cyan"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
@pytest.mark.parametrize("shell", PROMPTS)
def test_colours_can_be_off(shell: str, environ: dict[str, str], tmp_path: Path) -> None:
    """With NO_COLOR, or on a dumb terminal, the prompt has the same text without colours."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_DANGER="1", **environ) as prompt:
        assert prompt.line() == "[prod!] own>"
        assert prompt.colour() == "default"


@pytest.mark.parametrize("shell", PROMPTS)
def test_the_exit_code_is_kept_and_no_process_starts(shell: str, tmp_path: Path) -> None:
    """The prompt's code keeps `$?` and works with an empty PATH, because it starts no program."""
    with Prompt(shell, tmp_path, DSOPS_ACTIVE="prod", DSOPS_EXPIRES=after(minutes=5, seconds=-5)) as prompt:
        prompt.line()
        prompt.terminal.type({"fish": "set -e PATH; false\n"}.get(shell, "PATH=; false\n"))
        assert prompt.line().endswith({"fish": "[prod 5m] failed own>"}.get(shell, "[prod 5m] own>"))
        if shell != "fish":
            prompt.terminal.type("echo code:$?:\n")
            prompt.terminal.expect("code:1:")


@pytest.mark.parametrize("shell", PROMPTS)
def test_the_command_prints_the_code(shell: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`dsops hook prompt` prints the code of each shell."""
    command = COMMAND.commands["prompt"]
    assert command.run(parse(command, [shell], {}), make_runtime()) == 0
    assert capfdbinary.readouterr().out.decode() == PROMPTS[shell].lstrip()


@pytest.mark.clients
def test_powerlevel10k_gets_a_segment(tmp_path: Path) -> None:
    """With powerlevel10k loaded, zsh gets the segment `dsops`, with `%` doubled, instead of a changed prompt."""
    before = 'p10k() { print -r -- "p10k:$*:" }'
    environ = {"DSOPS_ACTIVE": "100%n", "DSOPS_DANGER": "1"}
    with Prompt("zsh", tmp_path, before=before, **environ) as prompt:
        assert prompt.line() == "own>"
        prompt.terminal.type("prompt_dsops\n")
        prompt.terminal.expect("p10k:segment -f 1 -t 100%%n!:")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"DSOPS_ACTIVE": HOSTILE}, {"dsops": HOSTILE}),
        ({"DSOPS_ACTIVE": HOSTILE, "DSOPS_DANGER": "1"}, {"dsops_danger": f"{HOSTILE}!"}),
        ({"DSOPS_ACTIVE": "dev", "DSOPS_EXPIRES": "in an hour"}, {"dsops": "dev", "dsops_minutes": "60m"}),
        ({"DSOPS_EXPIRES": "2020-01-01T00:00:00Z"}, {"dsops_minutes": "expired"}),
        ({"DSOPS_EXPIRES": "$(touch ran)"}, {"dsops_minutes": ""}),
    ],
    ids=str,
)
def test_the_commands_for_starship_print_the_mark(
    tmp_path: Path, environ: dict[str, str], expected: dict[str, str]
) -> None:
    """The documented starship modules, run by `sh` as starship does, show the same text and evaluate nothing."""
    page = (Path(__file__).parents[3] / "docs/how-to/shell.md").read_text()
    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block
    shown = {}
    for name, module in tomllib.loads(block[1])["custom"].items():
        variables = {"PATH": "/usr/bin:/bin", **environ}
        if environ.get("DSOPS_EXPIRES") == "in an hour":
            variables["DSOPS_EXPIRES"] = after(minutes=60, seconds=-30)
        command = [*module["shell"], "-c"]
        if (
            subprocess.run([*command, module["when"]], env=variables, cwd=tmp_path, check=False, timeout=60).returncode
            == 0
        ):
            done = subprocess.run(
                [*command, module["command"]],
                env=variables,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            shown[name] = done.stdout.rstrip("\n")
    assert shown == expected
    assert not (tmp_path / "ran").exists()
