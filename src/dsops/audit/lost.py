"""Lines that could not be written: counted beside the trail until the next line tells of them.

`audit.jsonl.lost` always has the same size, so that counting takes no room on a full disk. It has a lock of its own,
held for a moment: a process that can't get the trail's lock still gets this one.
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
"""The line that tells how many lines were lost before it, when, in which processes, and why."""

_BYTES = 4096
_BLANK = b" " * (_BYTES - 1) + b"\n"
_MOST_PROCESSES = 20
_MOST_WHY = 200
_MOST_COMMAND = 40
_TRIES, _PAUSE_SECONDS = 200, 0.005


class Author(NamedTuple):
    """The process that a line is about."""

    pid: int = 0
    command: str = ""


class Share(NamedTuple):
    """The lost lines of one process."""

    pid: int
    command: str
    lines: int


class Loss(NamedTuple):
    """Lines that are not on the trail."""

    lines: int
    """0 where the number is not known."""
    first: str
    """The time of the first one, as records have it."""
    last: str
    processes: tuple[Share, ...]
    """The first twenty of them."""
    why: str
    """Of the last one."""

    def facts(self) -> dict[str, object]:
        """The loss as a record has it."""
        return {**self._asdict(), "processes": [share._asdict() for share in self.processes]}


def lost_name(path: str) -> str:
    """The file that counts them."""
    return f"{os.path.basename(path)}.lost"


def count_lost(path: str, author: Author, lines: int, why: str, now: int) -> bool:
    """Adds lines that are not on the trail; says whether that could be counted."""
    try:
        folder = open_folder(path)
        try:
            file = open_own(folder, lost_name(path), os.O_RDWR | os.O_CREAT, path)
        finally:
            os.close(folder)
    except (OSError, AuditFailed):
        return False
    try:
        if not _take_soon(file):
            return False
        _put(file, _sum(_loss_in(_content(file)), author, lines, why, now))
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _take_soon(file: int) -> bool:
    for _ in range(_TRIES):
        if take(file):
            return True
        sleep(_PAUSE_SECONDS)
    return False


def read_lost(path: str, folder: int) -> Loss | None:
    """What is counted and not told by any line; None for nothing. Raises OSError, AuditFailed."""
    try:
        file = open_own(folder, lost_name(path), os.O_RDONLY, path)
    except FileNotFoundError:
        return None
    try:
        return _loss_in(read_at(file, _BYTES + 1, 0))
    finally:
        os.close(file)


class Counted:
    """What was lost, for a line that tells of it. Used under the trail's lock.

    The count's own lock is not held while the line is written: a process that is stopped there stops no other count.
    """

    def __init__(self, path: str, folder: int) -> None:
        """Reads the count. Raises OSError, AuditFailed."""
        self._file = open_own(folder, lost_name(path), os.O_RDWR | os.O_CREAT, path)
        self.loss: Loss | None = None
        self._told = b""
        try:
            # What a process is counting just now is told by the next line.
            if _content(self._file).strip() and take(self._file):
                self._told = _content(self._file)
                self.loss = _loss_in(self._told)
                fcntl.flock(self._file, fcntl.LOCK_UN)
        except OSError:
            os.close(self._file)
            raise

    def clear(self) -> None:
        """Keep only what was counted since: a line on the trail tells of the rest."""
        if self.loss is None or not _take_soon(self._file):
            return  # it is told once more, which is better than never
        found = _content(self._file)
        rest = None if found == self._told else _rest(self.loss, _loss_in(found))
        if rest is not None:
            _put(self._file, rest)
        else:
            os.pwrite(self._file, _BLANK, 0)
            os.ftruncate(self._file, _BYTES)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def _content(file: int) -> bytes:
    """What the file says. A new one takes all of its room: a full disk must not keep a loss from being counted."""
    data = read_at(file, _BYTES + 1, 0)
    if len(data) < _BYTES and not data.strip():
        os.pwrite(file, _BLANK, 0)
    return data


def _put(file: int, loss: Loss) -> None:
    text = json.dumps(loss.facts(), separators=(",", ":"))
    os.pwrite(file, text.encode("ascii").ljust(_BYTES - 1) + b"\n", 0)


def _loss_in(data: bytes) -> Loss | None:
    """What the file says; None for nothing. A file that can't be read is a loss of which no more is known."""
    if not data.strip(b" \n\0"):
        return None
    try:
        return loss_of(json.loads(data)) or _DAMAGED
    except (ValueError, RecursionError):
        return _DAMAGED


def loss_of(facts: Any) -> Loss | None:  # any JSON: it stands in a file
    """The loss that a record or the file tells of; None for what is none."""
    try:
        shares = [Share(**each) for each in facts["processes"]]
        loss = Loss(facts["lines"], facts["first"], facts["last"], tuple(shares), facts["why"])
    except (KeyError, TypeError):
        return None
    numbers = [loss.lines, *[number for share in shares for number in (share.pid, share.lines)]]
    texts = [loss.first, loss.last, loss.why, *[share.command for share in shares]]
    is_one = all(isinstance(each, int) for each in numbers) and all(isinstance(each, str) for each in texts)
    return loss if is_one else None


_DAMAGED = Loss(0, "", "", (), "the count of lost lines is damaged")


def _sum(before: Loss | None, author: Author, lines: int, why: str, now: int) -> Loss:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    loss = before or Loss(0, moment, moment, (), "")
    shares = {(share.pid, share.command): share.lines for share in loss.processes}
    place = (author.pid, author.command[:_MOST_COMMAND])
    if place in shares or len(shares) < _MOST_PROCESSES:
        shares[place] = shares.get(place, 0) + lines
    processes = tuple([Share(pid, command, count) for (pid, command), count in shares.items()])
    return Loss(loss.lines + lines, loss.first, moment, processes, why[:_MOST_WHY])


def _rest(told: Loss, now: Loss | None) -> Loss | None:
    """What has been lost besides; all of it again where that can't be told apart."""
    if now is None or not told.lines or now.lines <= told.lines:
        return now
    before = {(share.pid, share.command): share.lines for share in told.processes}
    shares = [share._replace(lines=share.lines - before.get((share.pid, share.command), 0)) for share in now.processes]
    left = tuple([share for share in shares if share.lines > 0])
    return Loss(now.lines - told.lines, now.last, now.last, left, now.why)
