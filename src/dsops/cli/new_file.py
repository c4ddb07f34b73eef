"""A file that a command makes, and that nobody has yet."""

from __future__ import annotations

import os

from dsops.errors import FileNotWritten, UsageError


def write_new(folder: str, name: str, text: str, *, replaces: bool, how: str) -> None:
    """Writes the file, relative to the folder; one that exists is only replaced where that was asked for.

    `how` says how to ask. Raises UsageError, or FileNotWritten.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replaces else os.O_EXCL)
    try:
        descriptor = os.open(os.path.join(folder, name), flags, 0o666)
    except FileExistsError as error:
        raise UsageError(f"{name} exists already", hint=how) from error
    except OSError as error:
        parent = os.path.dirname(name)
        hint = f"make the folder first: `mkdir -p {parent}`" if parent and isinstance(error, FileNotFoundError) else ""
        reason = os.strerror(error.errno or 0).lower()
        raise FileNotWritten(f"{name} can't be written", why=reason, hint=hint) from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
