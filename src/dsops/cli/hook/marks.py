"""Marks by which a shell sees, without starting anything, that a file is another one than when it was read.

A mark is an empty file with exactly the time of the file that it stands for. A shell compares the two by itself
(`-nt`, `-ot`: bash, zsh and fish do so to the nanosecond); a mark that is missing stands for a missing file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from dsops.agent.client import folder_of, make_folder
from dsops.errors import FileNotWritten

_OF_A_SHELL = re.compile(r"hook-(\d+)")


def times_of(paths: Iterable[str]) -> dict[str, int | None]:
    """When each file was changed, in nanoseconds; None where it isn't there. To be asked before they are read."""
    return {path: _time(path) for path in paths}


def set_marks(times: Mapping[str, int | None], shell_pid: int, environ: Mapping[str, str]) -> dict[str, str]:
    """File -> its mark, in a folder of that shell's own; the marks of shells that are gone are removed.

    Raises FileNotWritten where there is no place of the user's own for them: a permission that was taken back would
    go unnoticed.
    """
    parent = folder_of(environ)
    folder = os.path.join(parent, f"hook-{shell_pid}")
    if not make_folder(parent) or not make_folder(folder):
        raise FileNotWritten(
            f"the hook's marks can't be kept in {folder}",
            why="there is no such folder, or others may enter it",
            hint="set XDG_RUNTIME_DIR to a folder of your own, with mode 0700",
        )
    _remove_stale(parent)
    marks: dict[str, str] = {}
    try:
        for number, (path, time) in enumerate(times.items()):
            mark = os.path.join(folder, str(number))
            # A file system that keeps times more roughly would have the file look changed at every prompt.
            if _set(mark, time):
                marks[path] = mark
    except OSError as error:
        why = (error.strerror or "").lower()
        hint = "is that folder yours, and its disk not full?"
        raise FileNotWritten(f"the hook's marks can't be kept in {folder}", why=why, hint=hint) from error
    return marks


def _set(mark: str, time: int | None) -> bool:
    with suppress(FileNotFoundError):
        os.unlink(mark)
    if time is not None:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.utime(mark, ns=(time, time))
    return _time(mark) == time


def _time(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _remove_stale(parent: str) -> None:
    """Removes the marks of shells that are gone; one that is only elsewhere (a container) makes its own anew."""
    for name in os.listdir(parent):
        match = _OF_A_SHELL.fullmatch(name)
        if not match or _is_running(int(match[1])):
            continue
        folder = os.path.join(parent, name)
        with suppress(OSError):
            for mark in os.listdir(folder):
                os.unlink(os.path.join(folder, mark))
            os.rmdir(folder)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
