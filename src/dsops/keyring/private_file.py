"""Replace a private file atomically, and lock it against other processes of dsops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

from dsops.errors import FileNotWritten, KeyringFailed

_LOCK_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def replace_file(path: str, data: bytes) -> None:
    """Write the file with mode 0600. A reader sees either the old or the new content. Raises FileNotWritten."""
    part = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
    except OSError as error:
        raise _not_written(path, error) from error


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of the file. Creates the file's folder if necessary.

    Raises KeyringFailed if another process keeps the lock too long, and FileNotWritten if the file can't be written.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if os.name != "posix":
        return
    import fcntl

    until = monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > until:
                raise KeyringFailed(
                    "another dsops process is changing the keyring",
                    hint="wait until the other `dsops mfa` or `dsops keys` has ended, then run the command again",
                ) from None
            sleep(_LOOK_SECONDS)
        else:
            return


def _not_written(path: str, error: OSError) -> FileNotWritten:
    return FileNotWritten(f"{path} can't be written: {(error.strerror or 'unknown reason').lower()}")
