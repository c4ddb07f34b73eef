"""A lock for files that several dsops processes change: flock(2) on a second file beside the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

LOCK_SECONDS = 30.0
"""How many seconds to wait for a lock: as long as a call to AWS can take. A suspended process may never release it."""

LOOK_SECONDS = 0.05


class FileLock:
    """The lock of one file. The kernel releases the lock when the process ends."""

    def __init__(self, path: str) -> None:
        self._path = f"{path}.lock"
        self._descriptor = -1

    def take(self) -> bool:
        """Take the lock; return False if another process has it.

        Also returns True where no lock can be made (Windows, a folder that can't be written to). Reading and logging
        in must work there, too.
        """
        if os.name == "nt":
            return True
        import fcntl

        try:
            if self._descriptor < 0:
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(self._path, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def release(self) -> None:
        """Release the lock. The lock's file is not removed, because a waiting process has it open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of the file. If it is not free within LOCK_SECONDS, continue without it."""
    lock = FileLock(path)
    until = monotonic() + LOCK_SECONDS
    try:
        while not lock.take() and monotonic() < until:
            sleep(LOOK_SECONDS)
        yield
    finally:
        lock.release()
