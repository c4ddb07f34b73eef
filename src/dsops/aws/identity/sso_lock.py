"""The lock of a token file among processes of dsops: flock(2) on a file beside it.

A refresh token may work only once. Without a lock, two processes that renew the same login at once can end it: one is
refused, or the older answer replaces the newer one (aws-cli#10628). The AWS CLI takes no lock, so `stores.sso_login`
also reads the file again after a refusal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

LOCK_SECONDS = 30.0
"""How long to wait for the lock: as long as a call to AWS may take. A suspended process may hold the lock for ever."""

LOOK_SECONDS = 0.05


class TokenLock:
    """The lock of one token file. The kernel releases it when the process ends."""

    def __init__(self, path: str) -> None:
        self._path = f"{path}.lock"
        self._descriptor = -1

    def take(self) -> bool:
        """Take the lock; return False if another process has it.

        Where no lock can be made (Windows, a folder that can't be written to), the result is True, because a login
        must work there, too.
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
        """Release the lock. The file stays, because a process that waits has it open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def locked_token(path: str) -> Iterator[None]:
    """Hold the token file's lock while a login is saved or removed; after LOCK_SECONDS, go on without the lock."""
    lock = TokenLock(path)
    until = monotonic() + LOCK_SECONDS
    try:
        while not lock.take() and monotonic() < until:
            sleep(LOOK_SECONDS)
        yield
    finally:
        lock.release()
