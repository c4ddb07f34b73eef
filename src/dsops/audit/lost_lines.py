"""Counts lines that could not be written, in a file beside the trail, until a later line reports them.

The file `audit.jsonl.lost` always has the same size, so that counting needs no space on a full disk. Its own lock is
held only for a moment: a process that can't get the trail's lock can still get this lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime
from time import sleep

from dsops.audit.lock import open_folder, open_own, take
from dsops.errors import AuditFailed
from dsops.input_file import read_at
from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

LOST = "TrailLost"
"""The event of a line that reports lost lines: how many were lost before it, when, by which processes, and why."""

_BYTES = 4096
_BLANK = b" " * (_BYTES - 1) + b"\n"
_MOST_PROCESSES = 20
_MOST_WHY = 200
_MOST_COMMAND = 40
_TRIES, _PAUSE_SECONDS = 200, 0.005


class Author(NamedTuple):
    """The process whose lines were lost."""

    pid: int = 0
    command: str = ""


class ProcessLoss(NamedTuple):
    """The number of lines that one process lost."""

    pid: int
    command: str
    lines: int


class LostLines(NamedTuple):
    """A record of lines that are missing from the trail."""

    lines: int
    """The number of lost lines; 0 if unknown."""
    first: str
    """The time of the first lost line, in the format of records."""
    last: str
    processes: tuple[ProcessLoss, ...]
    """The first twenty processes that lost lines."""
    why: str
    """The reason why the last of these lines could not be written."""

    def facts(self) -> dict[str, object]:
        """Return the loss as the fields of a record."""
        return {**self._asdict(), "processes": [share._asdict() for share in self.processes]}


def lost_name(path: str) -> str:
    """Return the name of the file that counts lost lines."""
    return f"{os.path.basename(path)}.lost"


def count_lost(path: str, author: Author, lines: int, why: str, now: int) -> bool:
    """Add to the count of lost lines; returns whether that succeeded."""
    try:
        folder = open_folder(path)
        try:
            file = open_own(folder, lost_name(path), os.O_RDWR | os.O_CREAT, path)
        finally:
            os.close(folder)
    except (OSError, AuditFailed):
        return False
    try:
        if not _try_lock(file):
            return False
        _put(file, _sum(_loss_in(_content(file)), author, lines, why, now))
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _try_lock(file: int) -> bool:
    for _ in range(_TRIES):
        if take(file):
            return True
        sleep(_PAUSE_SECONDS)
    return False


def read_lost(path: str, folder: int) -> LostLines | None:
    """Read the count that no line has reported yet; None without lost lines. Raises OSError or AuditFailed."""
    try:
        file = open_own(folder, lost_name(path), os.O_RDONLY, path)
    except FileNotFoundError:
        return None
    try:
        return _loss_in(read_at(file, _BYTES + 1, 0))
    finally:
        os.close(file)


class Counted:
    """The count of lost lines for the record that reports it. Use it only while holding the trail's lock.

    The lock of the count is not held while the line is written, so that a suspended process does not block processes
    that count their lost lines.
    """

    def __init__(self, path: str, folder: int) -> None:
        """Read the count. Raises OSError or AuditFailed."""
        self._file = open_own(folder, lost_name(path), os.O_RDWR | os.O_CREAT, path)
        self.loss: LostLines | None = None
        self._told = b""
        try:
            # If another process is adding to the count right now, a later line will report the loss.
            if _content(self._file).strip() and take(self._file):
                self._told = _content(self._file)
                self.loss = _loss_in(self._told)
                fcntl.flock(self._file, fcntl.LOCK_UN)
        except OSError:
            os.close(self._file)
            raise

    def clear(self) -> None:
        """Remove the reported loss from the count; keep what was added since the count was read."""
        if self.loss is None or not _try_lock(self._file):
            return  # Without the lock, the count is not reset: the loss is reported twice, which is better than never.
        content = _content(self._file)
        rest = None if content == self._told else _loss_since(self.loss, _loss_in(content))
        if rest is not None:
            _put(self._file, rest)
        else:
            os.pwrite(self._file, _BLANK, 0)
            os.ftruncate(self._file, _BYTES)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _content(file: int) -> bytes:
    """Return the file's content. A new file is written at full size, so that counting works on a full disk later."""
    data = read_at(file, _BYTES + 1, 0)
    if len(data) < _BYTES and not data.strip():
        os.pwrite(file, _BLANK, 0)
    return data


def _put(file: int, loss: LostLines) -> None:
    text = json.dumps(loss.facts(), separators=(",", ":"))
    os.pwrite(file, text.encode("ascii").ljust(_BYTES - 1) + b"\n", 0)


def _loss_in(data: bytes) -> LostLines | None:
    """Parse the file's content; None if it is empty. A damaged file is returned as a loss of unknown size."""
    if not data.strip(b" \n\0"):
        return None
    try:
        return loss_of(json.loads(data)) or _DAMAGED
    except (ValueError, RecursionError):
        return _DAMAGED


def loss_of(facts: Any) -> LostLines | None:  # Any: the value comes from a file and may be any JSON value
    """Parse the loss in a record or in the file of lost lines; None if it is malformed."""
    try:
        shares = [ProcessLoss(**process) for process in facts["processes"]]
        loss = LostLines(facts["lines"], facts["first"], facts["last"], tuple(shares), facts["why"])
    except (KeyError, TypeError):
        return None
    numbers = [loss.lines, *[number for share in shares for number in (share.pid, share.lines)]]
    texts = [loss.first, loss.last, loss.why, *[share.command for share in shares]]
    is_valid = all(isinstance(number, int) for number in numbers) and all(isinstance(text, str) for text in texts)
    return loss if is_valid else None


_DAMAGED = LostLines(0, "", "", (), "the count of lost lines is damaged")


def _sum(before: LostLines | None, author: Author, lines: int, why: str, now: int) -> LostLines:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    loss = before or LostLines(0, moment, moment, (), "")
    shares = {(share.pid, share.command): share.lines for share in loss.processes}
    place = (author.pid, author.command[:_MOST_COMMAND])
    if place in shares or len(shares) < _MOST_PROCESSES:
        shares[place] = shares.get(place, 0) + lines
    processes = tuple([ProcessLoss(pid, command, count) for (pid, command), count in shares.items()])
    return LostLines(loss.lines + lines, loss.first, moment, processes, why[:_MOST_WHY])


def _loss_since(reported: LostLines, now: LostLines | None) -> LostLines | None:
    """Return the loss that was added after `reported` was read.

    Returns the whole loss if the file has changed so that the new part can't be determined.
    """
    if now is None or not reported.lines or now.lines <= reported.lines:
        return now
    before = {(share.pid, share.command): share.lines for share in reported.processes}
    shares = [share._replace(lines=share.lines - before.get((share.pid, share.command), 0)) for share in now.processes]
    left = tuple([share for share in shares if share.lines > 0])
    return LostLines(now.lines - reported.lines, now.last, now.last, left, now.why)
