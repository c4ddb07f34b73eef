"""A secret that a command is given: typed unseen, piped in, or in a file; never a word of the command line."""

from __future__ import annotations

import os
import stat
import sys

from dsops.cli.command import Flag
from dsops.cli.output import note
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.secret import Secret

FROM_FILE = Flag("--from-file", "read it from this file instead of asking; `-` is standard input", value="FILE")

_MOST_BYTES = 16384


def piped_or_in_file(path: str) -> Secret | None:
    """What the file holds, or what was piped in where none is named; None when somebody has to be asked."""
    if path not in {"", "-"}:
        return _in_file(path)
    if sys.stdin is None or (not path and sys.stdin.isatty()):
        return None
    try:
        data = _all_of(0)
    except OSError as error:
        why, hint = (error.strerror or "").lower(), "pipe the value in: `... < FILE`"
        raise UsageError("standard input can't be read", why=why, hint=hint) from error
    # Nothing is what a service, a test or an editor gives for standard input; a person may be there all the same.
    return Secret.from_bytes(data) if data.strip() or path else None


def ask_for(what: str, runtime: Runtime, command: str) -> Secret:
    """What the person types. Raises UsageError where there is nobody, or nothing was typed."""
    typed = runtime.ask(f"{what}: ")
    if typed is None:
        raise UsageError(
            f"nobody gave the {what[:1].lower()}{what[1:]}",
            why="there is no terminal to ask on, or the question was not answered",
            hint=f"pipe it in: `{command} < FILE`, or name the file: `{command} --from-file FILE`",
        )
    return typed


def _in_file(path: str) -> Secret:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            mode = os.fstat(descriptor).st_mode
            data = _all_of(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        why, hint = (error.strerror or "").lower(), "name a file of yours, or `-` for standard input"
        raise UsageError(f"`{path}` can't be read", why=why, hint=hint) from error
    if os.name == "posix" and stat.S_ISREG(mode):
        others = " and others can read it: `chmod 600` it, or" if mode & (stat.S_IRGRP | stat.S_IROTH) else ":"
        note(f"`{path}` still has it{others} delete it when you are done")
    return Secret.from_bytes(data)


def _all_of(descriptor: int) -> bytes:
    data = b""
    while piece := os.read(descriptor, _MOST_BYTES):
        data += piece
        if len(data) > _MOST_BYTES:
            raise UsageError(f"that is longer than {_MOST_BYTES} bytes", hint="give nothing but what is asked for")
    return data
