"""Finds the user's shell, and decides whether an `exec` without a command opens it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime

from dsops.cli.framework.command import CREDENTIALS, ENVIRONMENT, NAME, Arguments
from dsops.cli.framework.output import is_quiet, tell
from dsops.cli.framework.process_runtime import is_terminal
from dsops.cli.framework.screen import dimmed, wrapped
from dsops.environment import ACTIVE, EXPIRES, PROMPT
from dsops.errors import CommandFailed, CommandNotFound, DsopsError, UsageError, nearest
from dsops.pipeline.configuration import read_config
from dsops.process import SHELL, find_command
from dsops.runtime import Runtime
from dsops.text import clean, duration_text


def with_shell(arguments: Arguments, runtime: Runtime) -> Arguments:
    """Return the arguments with the user's shell as the program to run.

    Raises UsageError in a shell that dsops has opened, and without a terminal.
    """
    active = runtime.environ.get(ACTIVE, "")
    if active:
        raise UsageError(
            f"this is already the shell of `{clean(active)}`",
            why="in a shell within a shell, it is easy to run a command with the wrong identity",
            hint="`exit` leaves it; `dsops exec NAME -- CMD` runs one command with another name",
        )
    if not os.isatty(0):
        raise UsageError(
            "a shell needs a terminal, and stdin is not one", hint="run a command instead: dsops exec NAME -- CMD"
        )
    shell = users_shell(runtime)
    if runtime.journal is not None:
        runtime.journal.about(program=shell)
    return arguments.with_command(shell)


def tell_shell(marks: Mapping[str, str], runtime: Runtime) -> None:
    """Print on a terminal which session the shell has and how long it lasts, unless the prompt shows that."""
    if runtime.environ.get(PROMPT) or not is_terminal() or is_quiet():
        return
    end = marks.get(EXPIRES, "")
    left = int((datetime.fromisoformat(end) - runtime.now()).total_seconds()) if end else 0
    until = f" for {duration_text(left)}" if end else ""
    line = f"dsops: shell of `{marks[ACTIVE]}`{until}; `exit` leaves it"
    lines = _IN_PROMPT.get(os.path.basename(users_shell(runtime)), "")
    tell(dimmed(wrapped(clean(f"{line}; show it in your prompt: {lines}" if lines else line), 2), 2))


_IN_PROMPT = {
    "bash": '`eval "$(dsops hook prompt bash)"` in ~/.bashrc',
    "zsh": '`eval "$(dsops hook prompt zsh)"` in ~/.zshrc',
    "fish": "`dsops hook prompt fish | source` in ~/.config/fish/config.fish",
}
"""Shell -> the line that shows the session in the prompt, and its file."""


def users_shell(runtime: Runtime) -> str:
    """Return the path of the user's shell.

    The path is that of SHELL, otherwise the shell of the user's account, otherwise /bin/sh. On Windows, it is the path
    in COMSPEC.
    """
    if sys.platform == "win32":
        return find_command(runtime.environ.get("COMSPEC") or "cmd.exe", runtime.environ.get("PATH"))
    import pwd

    try:
        of_account = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        of_account = ""
    for path in (runtime.environ.get("SHELL", ""), of_account):
        try:
            if os.path.isabs(path):
                return find_command(path, None)
        except CommandFailed:
            continue
    return SHELL


def target_of(arguments: Arguments, runtime: Runtime) -> Arguments | None:
    """Return the arguments that open a shell, if `exec` has no command or only a NAME; otherwise None.

    A single word is taken as NAME unless it is a program. Raises UsageError if `--` is missing between NAME and the
    command, and CommandNotFound for a misspelled NAME.
    """
    if not arguments.command:
        is_named = any(arguments.text(flag) for flag in (ENVIRONMENT.name, CREDENTIALS))
        return arguments if is_named else None
    word, *others = arguments.command
    try:
        config = read_config(runtime, arguments.text("--config"), names=None)
    except DsopsError:
        return None
    names = (*config.environments, *config.stores)
    if word in names and others:
        hint = f"write `--` before the command: dsops exec {clean(word)} -- {clean(others[0])} ..."
        raise UsageError(f"`--` is missing between `{clean(word)}` and the command", hint=hint)
    if word in names:
        return arguments.with_command().with_operand(NAME.name, word)
    near = nearest(word, names)
    if near and not others:
        raise CommandNotFound(
            f"there is no program, environment, store or profile `{clean(word)}`", hint=f"did you mean `{clean(near)}`?"
        )
    return None
