"""Stores each receiver's progress in the trail, and its last failure, in a small file beside the trail.

The file `audit.jsonl.sent` has a cursor for each receiver, and is replaced atomically. The sending process holds a
lock (`flock`) on `audit.jsonl.sending`; a byte in that file says that a sender was started.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping

from dsops.audit.chain import is_hash
from dsops.audit.following import Position
from dsops.audit.lock import open_own
from dsops.errors import AuditFailed
from dsops.input_file import read_at
from dsops.startup import NamedTuple

_MOST_BYTES = 1 << 16
LONGEST_REST_SECONDS = 3600
"""The longest pause after a receiver's failures, in seconds."""
_END_OF_TIME = 253_402_300_799
"""The last second of the year 9999."""
_STARTING_SECONDS = 10
"""The number of seconds after which a sender that was started but has not begun is considered failed."""


class Cursor(NamedTuple):
    """The position of a receiver in the trail, and the last failure to send to it."""

    position: Position
    failure: str = ""
    """The error of the last attempt; "" if it succeeded."""
    since: int = 0
    """When the receiver began to fail, in seconds since 1970."""
    tries: int = 0
    retry_at: int = 0
    """No attempt is made before this time, in seconds since 1970."""
    lost: str = ""
    """A message about lines that the receiver will never get; shown once."""

    def is_resting(self, now: float) -> bool:
        """Whether the next attempt has to wait.

        A pause that is much too long comes from a wrong clock, and is ignored.
        """
        return now < self.retry_at <= now + LONGEST_REST_SECONDS


def load(path: str) -> dict[str, Cursor]:
    """Load the cursors by receiver name; {} if there is no file. Raises AuditFailed for a damaged file."""
    try:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            file = open_own(folder, _name(path), os.O_RDONLY, path)
        finally:
            os.close(folder)
        try:
            content = json.loads(read_at(file, _MOST_BYTES, 0))
        finally:
            os.close(file)
        return {name: _cursor(values) for name, values in content["receivers"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditFailed(
            f"can't read {path}.sent, which stores the position of each receiver in the trail",
            hint=f"remove {path}.sent: the receivers then get new events only",
        ) from error


def _cursor(values: Mapping[str, object]) -> Cursor:
    """Parse a cursor. Raises ValueError, KeyError or TypeError for malformed values."""
    number, hash_ = values["number"], values["hash"]
    numbers = [values[name] for name in ("length", "inode", "offset", "since", "tries", "retry_at")]
    texts = [values["failure"], values["lost"]]
    if not isinstance(number, int) or not isinstance(hash_, str) or not is_hash(hash_):
        raise TypeError
    length, inode, offset, since, tries, retry_at = [number for number in numbers if isinstance(number, int)]
    if min(number, length + 1, inode, offset, since, tries, retry_at) < 0 or since > _END_OF_TIME:
        raise ValueError
    if max(number, inode, offset, tries, retry_at) >= 1 << 64 or length >= max(offset, 1):
        raise ValueError
    failure, lost = [text for text in texts if isinstance(text, str)]
    return Cursor(Position(number, hash_, length, inode, offset), failure, since, tries, retry_at, lost)


def save(path: str, cursors: Mapping[str, Cursor]) -> None:
    """Replace the saved cursors. Raises OSError or AuditFailed."""
    receivers = {}
    for name, cursor in cursors.items():
        receivers[name] = {**cursor.position._asdict(), **cursor._asdict()}
        del receivers[name]["position"]
    data = json.dumps({"version": 1, "receivers": receivers}, indent=1).encode("ascii")
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        new = f"{_name(path)}.new"
        file = open_own(folder, new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, path)
        try:
            if os.write(file, data) < len(data):
                raise OSError("the disk is full")
        finally:
            os.close(file)
        os.rename(new, _name(path), src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


class SenderTurn:
    """The lock that a process needs to send: only one process at a time sends a trail's lines."""

    def __init__(self, path: str) -> None:
        """Open the lock file. Raises OSError or AuditFailed if it can't be used."""
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._file = open_own(folder, f"{os.path.basename(path)}.sending", os.O_RDWR | os.O_CREAT, path)
        finally:
            os.close(folder)

    def take(self) -> bool:
        """Try to take the lock; return whether it was free."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def give(self) -> None:
        """Release the lock, so that another process can send."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def announce(self, now: int) -> None:
        """Record in the lock file that a sender was started; that sender will also read the lines just written."""
        os.ftruncate(self._file, 1)
        os.utime(self._file, (now, now))

    def begin(self) -> None:
        """Record that the sender has begun: from now on, its lock shows that it is running."""
        os.ftruncate(self._file, 0)

    def is_announced(self, now: int) -> bool:
        """Return whether a sender was started within the last ten seconds but has not begun yet."""
        status = os.fstat(self._file)
        return status.st_size > 0 and 0 <= now - int(status.st_mtime) < _STARTING_SECONDS

    def close(self) -> None:
        """Close the lock file."""
        os.close(self._file)


def _name(path: str) -> str:
    return f"{os.path.basename(path)}.sent"
