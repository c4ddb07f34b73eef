"""Locks the trail's folder, so that one process at a time writes; rejects files that other users may write."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from _thread import allocate_lock, start_new_thread
from time import monotonic

from dsops.audit.chain import HEAD_BYTES
from dsops.errors import AuditFailed
from dsops.input_file import read_at

_STUCK_SECONDS = 3.0
"""How long a process waits for the lock while no line is added.

After that time, the process that has the lock is considered suspended or hung.
"""
_LONGEST_SECONDS = 30.0
"""How long a process waits while other processes keep adding lines."""


def head_name(path: str) -> str:
    """Return the name of the head file, which records the trail's end. The trail's `flock` is a lock on this file."""
    return f"{os.path.basename(path)}.head"


class Locked:
    """The trail's folder and head file, open and locked.

    This is a class with `__enter__`, since importing `contextlib` would cost a cold run a millisecond.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.folder = self.lock = -1

    def __enter__(self) -> Locked:  # noqa: PYI034 - Self is of typing
        try:
            self.folder = open_folder(self._path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self.folder = open_folder(self._path)
        try:
            self._take()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A child process that another thread has just forked shares the descriptor, so closing it would not unlock the
        # file.
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        self._close()

    def _close(self) -> None:
        for descriptor in (self.lock, self.folder):
            if descriptor >= 0:
                os.close(descriptor)

    def _take(self) -> None:
        name = head_name(self._path)
        until = monotonic() + _LONGEST_SECONDS
        while True:
            self.lock = open_own(self.folder, name, os.O_RDWR | os.O_CREAT, self._path)
            if not take(self.lock):
                self._wait(until)
            if _is_same_file(self.folder, name, self.lock):
                return
            # Another process has removed the head file: the next process would create a new file and lock that one.
            os.close(self.lock)
            self.lock = -1

    def _wait(self, until: float) -> None:
        """Wait for the lock. Raises AuditFailed if no process adds a line during the wait, or after 30 s."""
        descriptor, self.lock = self.lock, -1  # from here on, `place` owns the descriptor, until it has the lock
        place = _place_for(self._path, descriptor)
        try:
            why = _why_not_reached(place, until)
        except BaseException:
            place.leave(self._path)
            raise
        if why:
            place.leave(self._path)
            message, hint = f"the audit trail {self._path} was not written", f"`fuser {self._path}.head` shows which"
            raise AuditFailed(message, why=why, hint=hint)
        self.lock = place.descriptor


def _why_not_reached(place: _Place, until: float) -> str:
    """Wait until the place has the lock. Return "", or the reason why it did not get the lock."""
    seen = read_at(place.descriptor, HEAD_BYTES, 0)
    while not place.is_reached(_STUCK_SECONDS):
        is_late, head = monotonic() > until, read_at(place.descriptor, HEAD_BYTES, 0)
        if head == seen:
            return f"another process has held its lock for more than {_STUCK_SECONDS:.0f} s"
        if is_late:
            return f"other processes have written to it for more than {_LONGEST_SECONDS:.0f} s"
        seen = head
    return ""


class _Place:
    """A thread that waits in the kernel's queue for the trail's lock; the kernel serves the queue in order.

    A thread waits for the lock, since flock(2) has no timeout. Polling needs no thread but is not fair: of 1,000
    processes that polled, 3 % waited for 30 s.
    """

    def __init__(self, descriptor: int) -> None:
        """Start the thread that waits for the lock. Raises OSError if no thread can be started."""
        self.descriptor = descriptor
        self.pid = os.getpid()
        self._change = allocate_lock()
        self._reached = allocate_lock()
        self._reached.acquire()
        self._is_wanted, self._has_ended = True, False
        self._error: OSError | None = None
        try:
            start_new_thread(self._queue_up, ())
        except RuntimeError as error:
            os.close(descriptor)
            raise OSError(errno.EAGAIN, "no thread is left to wait for the lock") from error

    def is_reached(self, seconds: float) -> bool:
        """Wait up to that many seconds; return whether the lock has been acquired. Raises OSError."""
        if not self._reached.acquire(timeout=seconds):
            return False
        if self._error is not None:
            raise self._error
        return True

    def leave(self, path: str) -> None:
        """Stop waiting. The thread can't be stopped, so the next caller in this process takes over its place."""
        with self._change:
            self._is_wanted = False
            if self._has_ended:
                os.close(self.descriptor)
            else:
                _left.setdefault(path, []).append(self)

    def take_over(self) -> bool:
        """Take over an abandoned place; return False if the place is no longer in the queue."""
        with self._change:
            self._is_wanted = not self._has_ended
            return self._is_wanted

    def _queue_up(self) -> None:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._error = error
        with self._change:
            self._has_ended = True
            if not self._is_wanted:
                os.close(self.descriptor)
        self._reached.release()


_left: dict[str, list[_Place]] = {}
"""Abandoned places in the lock's queue, by trail path: the caller gave up, but the thread still waits.

The dict is global, since the kernel's queue also belongs to the process.
"""


def _place_for(path: str, descriptor: int) -> _Place:
    """Take over an abandoned place in the lock's queue, or create a place. The place then owns the descriptor."""
    places = _left.get(path, [])
    while places:
        place = places.pop()
        if place.pid == os.getpid() and place.take_over():
            os.close(descriptor)
            return place
    return _Place(descriptor)


def take(descriptor: int) -> bool:
    """Lock an open file unless another process holds the lock; return whether it was locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_folder(path: str) -> int:
    """Open the trail's folder, which no other user may write. Raises OSError, AuditFailed."""
    name = os.path.dirname(path)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _check(os.fstat(folder), name, is_folder=True)
    except BaseException:
        os.close(folder)
        raise
    return folder


def open_own(folder: int, name: str, flags: int, path: str) -> int:
    """Open a regular file of this user that no other user may write. Raises OSError; AuditFailed for any other file."""
    # With O_NONBLOCK, opening a pipe does not block even if no process has its other end open.
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        _check(status, os.path.join(os.path.dirname(path), name))
        if flags & os.O_CREAT and status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(status: os.stat_result, shown_path: str, *, is_folder: bool = False) -> None:
    why = ""
    if not is_folder and not stat.S_ISREG(status.st_mode):
        why = "it is not a regular file"
    elif status.st_uid != os.geteuid():
        why = "it belongs to another user"
    elif status.st_mode & 0o022:
        why = "other users can write it"
    elif not is_folder and status.st_nlink != 1:
        why = "it has more than one hard link"
    if why:
        hint = f"inspect it with `ls -ld {shown_path}`; move it away, or make it writable for you only"
        raise AuditFailed(f"the audit trail was not written: {shown_path} is not trusted", why=why, hint=hint)


def _is_same_file(folder: int, name: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return False
