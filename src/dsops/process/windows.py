"""What stands in for execve on Windows, where no process becomes another: start, wait, pass the code on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from shutil import which

from dsops.errors import CommandNotExecutable, CommandNotFound, CommandTimedOut


def find(name: str, path: str | None) -> str:
    """The file that would be run for that name; raises CommandNotFound."""
    found = which(name, path=path)
    if found is None:
        raise CommandNotFound(f"the command `{name}` was not found", why="no folder of the PATH has it")
    return found


def run(
    command: str,
    arguments: Sequence[str],
    environment: Mapping[bytes, bytes],
    *,
    timeout_seconds: float | None,
) -> int:
    """The command's exit code. Ctrl-C reaches it through the console; the time limit ends itself alone."""
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
    try:
        process = subprocess.Popen([command, *arguments[1:]], env=variables)
    except OSError as error:
        reason = str(error.strerror)
        raise CommandNotExecutable(f"the command `{command}` can't be started", why=reason) from error
    with process:
        while True:
            try:
                return process.wait(timeout_seconds)
            except KeyboardInterrupt:
                continue
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise CommandTimedOut(
                    f"`{arguments[0]}` ran longer than {timeout_seconds:g} s and was ended"
                ) from error
