"""Write the file with the certificates that a guarded command trusts: the user's or the system's, and the guard's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from dsops.aws.http.network import Trust, system_trust, trust_from
from dsops.errors import FileNotWritten
from dsops.input_file import reason


def write_trust_file(
    authority: str, environ: Mapping[str, str], folder: str, path: str = ""
) -> tuple[str, Callable[[], None]]:
    """Write the file; return its path and a function that deletes it.

    - `authority`: the guard's own certificate as PEM. The file holds only certificates, no keys.
    - `folder`: the folder to which paths in `environ` are relative
    - `path`: where to write the file; "" for a temporary file

    Raises ConfigError if a variable names a path that does not exist, FileNotWritten.
    """
    trust = trust_from(environ, folder) or system_trust()
    try:
        if path:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        else:
            descriptor, path = _temporary_file(environ)
    except OSError as error:
        raise FileNotWritten(
            f"the file with the guard's certificate was not written{f': {path}' if path else ''}",
            why=reason(error),
            hint="name another folder with `--out`" if path else "set TMPDIR to a folder that you can write to",
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii", errors="ignore") as file:
        file.write(authority)
        for text in _certificates(trust):
            file.write(text if text.endswith("\n") else f"{text}\n")

    def delete() -> None:
        Path(path).unlink(missing_ok=True)

    return path, delete


def _temporary_file(environ: Mapping[str, str]) -> tuple[int, str]:
    """Create a file that only this user can read; return its descriptor and path. Raises OSError.

    To import `tempfile` for it would take 4 ms.
    """
    folder = environ.get("TEMP", ".") if sys.platform == "win32" else environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a new name
    path = os.path.abspath(os.path.join(folder, f"dsops-guard-{os.urandom(8).hex()}.pem"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags, 0o600), path


def _certificates(trust: Trust | None) -> list[str]:
    if trust is None:
        return []
    if trust.file:
        return [Path(trust.file).read_text(encoding="ascii", errors="ignore")]
    # In a folder of hashed certificates, each certificate is a file, with a link whose name ends in `.0` or more.
    files = {os.path.realpath(entry.path) for entry in os.scandir(trust.folder) if entry.name[-2:-1] == "."}
    return [Path(file).read_text(encoding="ascii", errors="ignore") for file in sorted(files)]
