"""Mark files, which let a shell detect changed files without starting a process.

A mark is an empty file with the modification time of a watched file. The shell compares the two times with `-nt` and
`-ot`, which compare nanoseconds (bash, zsh and fish). A missing mark means that the watched file is missing.
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
    """Return modification times in nanoseconds; None for a missing file. Call it before reading the files."""
    return {path: _time(path) for path in paths}


def set_marks(times: Mapping[str, int | None], shell_pid: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Create the marks of a shell in a separate folder; return watched file -> mark.

    Marks of shells that have ended are removed. Raises FileNotWritten if no private folder is available. Without
    marks, the shell would not detect that a permission was revoked.
    """
    parent = folder_of(environ)
    folder = os.path.join(parent, f"hook-{shell_pid}")
    if not make_folder(parent) or not make_folder(folder):
        raise FileNotWritten(
            f"the hook can't store its state in {folder}",
            why="the folder does not exist, or other users can access it",
            hint="set XDG_RUNTIME_DIR to a folder of your own, with mode 0700",
        )
    _remove_stale(parent)
    marks: dict[str, str] = {}
    try:
        for number, (path, time) in enumerate(times.items()):
            mark = os.path.join(folder, str(number))
            # If the file system's timestamps are too coarse for the exact time, the watched file would look changed at
            # every prompt. Such a file is not watched.
            if _set(mark, time):
                marks[path] = mark
    except OSError as error:
        why = (error.strerror or "").lower()
        hint = "check that the folder is yours and that its disk is not full"
        raise FileNotWritten(f"the hook can't store its state in {folder}", why=why, hint=hint) from error
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
    """Remove the marks of shells that have ended.

    A live shell that this process can't see (in a container) creates its marks again.
    """
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
