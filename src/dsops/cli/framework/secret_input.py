"""Reads a secret for a command: typed without echo, piped in, or from a file; never from the command line."""

from __future__ import annotations

import os
import stat
import sys

from dsops.cli.framework.command import Flag
from dsops.cli.framework.output import note
from dsops.errors import UsageError
from dsops.input_file import read_file, reason
from dsops.runtime import Runtime
from dsops.secret import Secret

FROM_FILE = Flag(
    "--from-file", "read the secret from this file instead of asking for it; `-` is standard input", value="FILE"
)

_MOST_BYTES = 16384


def piped_or_in_file(path: str, most_bytes: int = _MOST_BYTES) -> Secret | None:
    """Return the content of the file, or of stdin if it is piped.

    Returns None without a file or pipe; the user then has to be asked.
    """
    if path not in {"", "-"}:
        return _in_file(path, most_bytes)
    if sys.stdin is None or (not path and sys.stdin.isatty()):
        return None
    try:
        data = _all_of(0, most_bytes)
    except OSError as error:
        why, hint = (error.strerror or "").lower(), "pipe the value in: `... < FILE`"
        raise UsageError("standard input can't be read", why=why, hint=hint) from error
    # An empty stdin counts as no input: services, tests and editors start programs with an empty stdin, and there may
    # still be a terminal on which the user can be asked.
    return Secret.from_bytes(data) if data.strip() or path else None


def ask_for(what: str, runtime: Runtime, command: str) -> Secret:
    """Return what the user types. Raises UsageError without a terminal or an answer."""
    typed = runtime.ask(f"{what}: ")
    if typed is None:
        raise UsageError(
            f"the {what[:1].lower()}{what[1:]} was not entered",
            why="there is no terminal to ask on, or nothing was typed",
            hint=f"pipe it in: `{command} < FILE`, or name the file: `{command} --from-file FILE`",
        )
    return typed


def _in_file(path: str, most_bytes: int) -> Secret:
    try:
        data, status = read_file(path, most_bytes + 1, takes_pipes=True)
    except OSError as error:
        hint = "name a file that you can read, or `-` for standard input"
        raise UsageError(f"`{path}` can't be read", why=reason(error), hint=hint) from error
    _check_length(data, most_bytes)
    if os.name == "posix" and stat.S_ISREG(status.st_mode):
        is_open = status.st_mode & (stat.S_IRGRP | stat.S_IROTH)
        others = " and others can read it: `chmod 600` it, or" if is_open else ":"
        note(f"`{path}` still contains the secret{others} delete it when you are done")
    return Secret.from_bytes(data)


def _all_of(descriptor: int, most_bytes: int) -> bytes:
    data = b""
    while piece := os.read(descriptor, _MOST_BYTES):
        data += piece
        _check_length(data, most_bytes)
    return data


def _check_length(data: bytes, most_bytes: int) -> None:
    if len(data) > most_bytes:
        raise UsageError(f"the secret is longer than {most_bytes} bytes", hint="pass only the secret")
