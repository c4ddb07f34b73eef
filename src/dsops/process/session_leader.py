"""The session leader of a command with a private terminal. `process/private.py` starts it.

The leader watches the command as dsops does on a shared terminal. It hands over the terminal, stops with the command
at Ctrl-Z, ends with it at Ctrl-C, and forwards signals. It imports few modules, and reads the command from a pipe.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import termios

from dsops.dumps import leave_no_core_dump
from dsops.errors import CommandFailed
from dsops.process.watch import watch


def main() -> None:
    """Run the command and exit with its exit code. If the command can't start, write the error to `error_pipe`."""
    leave_no_core_dump()
    job, error_pipe = int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(error_pipe, False)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    with open(job, "rb") as file:
        count, timeout, grace, command, *parts = file.read().split(b"\0")[:-1]
    arguments, variables = parts[: int(count)], parts[int(count) :]
    environment = dict([variable.split(b"=", 1) for variable in variables])
    try:
        code = watch(
            os.fsdecode(command),
            [os.fsdecode(argument) for argument in arguments],
            environment,
            timeout_seconds=None if timeout == b"None" else float(timeout),
            grace_seconds=float(grace),
        )
    except CommandFailed as error:
        text = {"code": error.code, "message": error.message, "why": error.why, "hint": error.hint}
        os.write(error_pipe, json.dumps(text).encode())
        code = error.exit_code
    os._exit(code)
