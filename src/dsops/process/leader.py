"""The process that leads a command's session on a terminal of its own; started by `process/private.py` alone.

It watches the command as dsops does on a terminal that is shared: gives it the terminal, stops with it at Ctrl-Z, ends
with it at Ctrl-C, and passes signals on. It imports little, reads the command from a pipe and holds nothing else.
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
    """Ends with the command's exit code; what went wrong before or besides is told through the second pipe."""
    leave_no_core_dump()
    job, told = int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(told, False)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    with open(job, "rb") as file:
        count, timeout, grace, command, *parts = file.read().split(b"\0")[:-1]
    arguments, variables = parts[: int(count)], parts[int(count) :]
    environment = dict([each.split(b"=", 1) for each in variables])
    try:
        code = watch(
            os.fsdecode(command),
            [os.fsdecode(each) for each in arguments],
            environment,
            timeout_seconds=None if timeout == b"None" else float(timeout),
            grace_seconds=float(grace),
        )
    except CommandFailed as error:
        text = {"code": error.code, "message": error.message, "why": error.why, "hint": error.hint}
        os.write(told, json.dumps(text).encode())
        code = error.exit_code
    os._exit(code)
