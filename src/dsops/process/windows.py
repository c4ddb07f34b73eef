"""Runs the user's command on Windows as a child process, because a process can't replace itself there.

The code follows Microsoft's and Python's documentation. Tests on other systems pass Windows' settings as arguments. CI
also runs dsops on Windows.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from dsops.errors import CommandNotExecutable, CommandNotFound

_ENDINGS = ".COM;.EXE;.BAT;.CMD"
"""The endings of programs if PATHEXT is not set."""
_OF_SHELL = frozenset('"%!^&|<>()\r\n')
"""Characters that cmd.exe interprets in the arguments of a batch file, even within quotes."""


def find(name: str, path: str | None, endings: str | None, exists: Callable[[str], bool] = os.path.isfile) -> str:
    r"""Return the path of the program with that name; without an ending, the endings in PATHEXT are tried.

    A name with `\` or `/` is a path. Any other name is searched in the folders of PATH. The working folder is not
    searched (as in PowerShell), because a program in a cloned repository must not replace `aws`. Raises
    CommandNotFound.
    """
    choices = [ending for ending in (endings or _ENDINGS).split(";") if ending]
    has_ending = any(name.lower().endswith(ending.lower()) for ending in choices)
    is_path = any(mark in name for mark in "\\/:")
    names = [] if has_ending else [f"{name}{ending}" for ending in choices]
    if has_ending or is_path:
        names.append(name)
    folders = [""] if is_path else [folder.strip('"').rstrip("\\/") for folder in (path or "").split(";")]
    for folder in folders:
        if folder in ("", ".") and not is_path:
            continue
        for candidate in names:
            found = candidate if is_path else f"{folder}\\{candidate}"
            if exists(found):
                return found
    why = "there is no such program" if is_path else "it is in no folder of the PATH"
    raise CommandNotFound(f"the command `{name}` was not found", why=why, hint=_hint(name))


def _hint(name: str) -> str:
    return f'to run a shell command line, write `-- cmd /c "{name}"`' if " " in name else ""


def check_arguments(command: str, arguments: Sequence[str]) -> None:
    """Check the arguments. Raises CommandNotExecutable for arguments that cmd.exe would interpret.

    Windows runs a batch file with cmd.exe, which has no quoting that is safe for every argument (CVE-2024-24576).
    """
    # Windows ignores dots and spaces at the end of a file's name (CVE-2024-43402).
    if not command.rstrip(". ").lower().endswith((".bat", ".cmd")):
        return
    for argument in arguments[1:]:
        if _OF_SHELL & set(argument):
            raise CommandNotExecutable(
                f"the batch file `{command}` can't be started with these arguments",
                why='cmd.exe would interpret a character of one argument: one of `"%!^&|<>()` or a line break',
                hint="name the program that the batch file starts, or write the arguments into the batch file",
            )


def run(command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
    """Run the command, wait until it ends, and return its exit code. Raises CommandNotExecutable.

    Windows sends Ctrl-C to every process of the console. The command decides what it does with Ctrl-C; this process
    ignores it, so that it can return the command's exit code.
    """
    import subprocess

    check_arguments(command, arguments)
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
    # SIG_IGN is not used: a console program that ignores Ctrl-C may pass this setting on to its child.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        # Windows gets the arguments as one command line. With `executable`, Windows does not search for the program.
        code = subprocess.Popen(list(arguments), executable=command, env=variables).wait()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "check that the file is a program for Windows, or name its interpreter"
        raise CommandNotExecutable(f"the command `{command}` can't be started", why=reason, hint=hint) from error
    finally:
        signal.signal(signal.SIGINT, before)
    return code
