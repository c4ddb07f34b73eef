"""Writes a new file; replaces an existing one only on request."""

from __future__ import annotations

import os

from dsops.errors import FileNotWritten, UsageError

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_new(folder: str, name: str, text: str, *, replaces: bool, how: str) -> None:
    """Write the file, relative to the folder; an existing file is replaced only if `replaces` is true.

    `how` is the hint that tells the user how to replace the file. Symbolic links, which a checked-out repository may
    contain, are not followed. Raises UsageError, or FileNotWritten.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC | _NO_FOLLOW if replaces else os.O_EXCL)
    path = os.path.join(folder, name)
    try:
        descriptor = os.open(path, flags, 0o666)
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
        file.write(text)
