"""Write a new file for the user, or replace a file of the user atomically."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from dsops.errors import FileNotWritten, UsageError
from dsops.input_file import read_file
from dsops.runtime import empty_file

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def write_new(folder: str, name: str, text: str, *, replaces: bool, how: str, is_private: bool = False) -> None:
    """Write the file, relative to the folder; an existing file is replaced only if `replaces` is true.

    Only the user can read a private file. `how` is the hint that tells the user how to replace the file. Symbolic
    links, which a checked-out repository may contain, are not followed. Raises UsageError, or FileNotWritten.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC | _NO_FOLLOW if replaces else os.O_EXCL)
    path = os.path.join(folder, name)
    try:
        descriptor = os.open(path, flags, _PRIVATE_FILE if is_private else 0o666)
    except FileExistsError as error:
        raise UsageError(f"{name} exists already", hint=how) from error
    except OSError as error:
        if os.path.islink(path):
            what = f"{name} was not written: it is a symbolic link to {os.path.realpath(path)}"
            raise FileNotWritten(what, hint="name the file itself, or remove the link") from error
        parent = os.path.dirname(name)
        hint = f"make the folder first: `mkdir -p {parent}`" if parent and isinstance(error, FileNotFoundError) else ""
        reason = os.strerror(error.errno or 0).lower()
        raise FileNotWritten(f"{name} can't be written", why=reason, hint=hint) from error
    with open(descriptor, "w", encoding="utf-8") as file:
        if is_private and hasattr(os, "fchmod"):
            os.fchmod(descriptor, _PRIVATE_FILE)
        file.write(text)


def replace_file(path: str, old: bytes | None, new: bytes, backup: str) -> str:
    """Replace the content `old` (None: no file exists) with `new`; return the backup's path, or "".

    The file keeps its mode and owner, and a backup of the old content is written beside it. Follows a symbolic link.
    Raises FileNotWritten, also if the file's content is no longer `old`.
    """
    refuse_empty_file(path)
    path = os.path.realpath(path)
    if old is None:
        try:
            os.makedirs(os.path.dirname(path), _PRIVATE_FOLDER, exist_ok=True)
            _put(path, new, None)
        except OSError as error:
            raise _not_written(path, error) from error
        return ""
    write_over(path, old, new, backup)
    return f"{path}{backup}"


def write_over(path: str, old: bytes, new: bytes, backup: str = "") -> None:
    """Replace the content `old` with `new` atomically. The file keeps its mode and owner. Follows a symbolic link.

    With `backup`, the old content is written to a file whose name has this ending. Raises FileNotWritten, also if the
    file's content is no longer `old`.
    """
    path = os.path.realpath(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotWritten(f"`{path}` was not written: it is not a regular file", hint="name another file")
        if read_file(path, len(old) + 1).data != old:
            raise FileNotWritten(f"`{path}` was not written: another program has changed it", hint="try again")
        if backup:
            _put(f"{path}{backup}", old, status)
        _put(path, new, status)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: str, error: OSError) -> FileNotWritten:
    why = os.strerror(error.errno or 0).lower()
    return FileNotWritten(f"`{path}` was not written", why=why, hint="check the owner and mode of its folder")


def refuse_empty_file(path: str) -> None:
    """Raise FileNotWritten for the empty file that a sandbox uses in place of the user's AWS files."""
    if os.path.realpath(path) == os.path.realpath(empty_file()):
        raise FileNotWritten(
            "dsops does not write to the file in AWS_CONFIG_FILE: it is an empty placeholder that dsops made",
            why="`dsops sandbox run` and `dsops exec --serve` set it to hide your profiles from the command",
            hint="set it to a file of your own: `export AWS_CONFIG_FILE=~/.aws/config`",
        )


def _put(path: str, data: bytes, like: os.stat_result | None) -> None:
    """Write a temporary file in the same folder, then rename it, which is atomic within a file system."""
    part = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), _PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if like is not None:
            if (like.st_uid, like.st_gid) != (os.stat(part).st_uid, os.stat(part).st_gid):
                os.chown(part, like.st_uid, like.st_gid)
            os.chmod(part, stat.S_IMODE(like.st_mode))
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
