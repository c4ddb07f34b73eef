"""Reads the trail's lines after a position, also across rotated files: for `--follow` and for the sender."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping

from dsops.audit.chain import START, hash_of, link_of, record_in
from dsops.audit.reading import unreadable
from dsops.audit.trail import put_away
from dsops.errors import TrailUnreadable
from dsops.input_file import read_at
from dsops.startup import Any, NamedTuple

_MOST_BYTES = 1 << 20
_LONGEST_LINE = 1 << 22


class Position(NamedTuple):
    """The position after the last line that was read. Inode and offset are tried first; the hash confirms them."""

    number: int = 0
    """The number of the last line that was read; 0 before the first."""
    hash: str = START
    """The hash of the last line that was read."""
    length: int = 0
    """The length in bytes of the last line that was read, without its newline."""
    inode: int = 0
    """The inode of the file that contains the last line that was read."""
    offset: int = 0
    """The offset in that file after the newline of the last line that was read."""


class LinesRead(NamedTuple):
    """Complete lines without their newlines, and the position after them."""

    lines: tuple[bytes, ...]
    position: Position


def look(path: str, position: Position, most_bytes: int = _MOST_BYTES) -> LinesRead:
    """Read the next lines, from one file at a time; none if there are no new lines. Raises TrailUnreadable.

    Rotated files are found by their line numbers. If a new trail was started, it is read from its start.
    """
    try:
        # The current file is opened before rotated files are listed: if it is rotated in between, the list contains it.
        current = _open(path)
        try:
            return _look_in_files(path, current, position, most_bytes) or LinesRead((), position)
        finally:
            if current is not None:
                os.close(current)
    except OSError as error:
        raise unreadable(path, error) from error


def end_of(path: str) -> Position:
    """Return the position at the end of the trail. Raises TrailUnreadable."""
    try:
        before = Position(max((number for number, _ in _rotated_files(path)), default=0))
        file = _open(path)
        if file is None:
            return before
        try:
            size = os.fstat(file).st_size
            start = max(0, size - _LONGEST_LINE)
            data = read_at(file, size - start, start)
            whole = data[: data.rfind(b"\n") + 1]
            return _position_after(whole[:-1].split(b"\n"), before, os.fstat(file).st_ino, start + len(whole))
        finally:
            os.close(file)
    except OSError as error:
        raise unreadable(path, error) from error


def records_after(path: str, position: Position, wait: Callable[[], None]) -> Iterator[Mapping[str, Any]]:
    """Yield each record after a position, endlessly; `wait` is called while there is no new record."""
    while True:
        lines, position = look(path, position)
        for line in lines:
            record = record_in(line)
            if record is not None:
                yield record
        if not lines:
            wait()


def _look_in_files(path: str, current: int | None, position: Position, most_bytes: int) -> LinesRead | None:
    if current is not None and os.fstat(current).st_ino == position.inode:
        return _read(current, position, most_bytes)
    for number, name in _rotated_files(path):
        older = _open(os.path.join(os.path.dirname(path), name)) if number > position.number else None
        if older is not None:
            try:
                older_look = _read(older, position, most_bytes)
            finally:
                os.close(older)
            if older_look is not None:
                return older_look
    return _read(current, position, most_bytes) if current is not None else None


def _rotated_files(path: str) -> list[tuple[int, str]]:
    try:
        return put_away(path, os.path.dirname(path))
    except FileNotFoundError:
        return []


def _open(path: str) -> int | None:
    """Open the file; return None if it does not exist. Raises TrailUnreadable for anything but a regular file."""
    try:
        # Without O_NONBLOCK, opening a pipe that no process writes to would block.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        hint = "move the file away: the next event starts a new trail"
        raise TrailUnreadable(f"{path} can't be followed: it is not a regular file", hint=hint)
    return file


def _read(file: int, position: Position, most_bytes: int) -> LinesRead | None:
    """Read the new lines of an open file; None if there are none."""
    status = os.fstat(file)
    if status.st_ino == position.inode and status.st_size == position.offset:
        return None
    start = position.offset if _stands_at(file, status, position) else _offset_of(file, position)
    start, data = _next_data(file, start, most_bytes)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return None
    lines = whole[:-1].split(b"\n")
    return LinesRead(tuple(lines), _position_after(lines, position, status.st_ino, start + len(whole)))


def _next_data(file: int, start: int, most_bytes: int) -> tuple[int, bytes]:
    """Return the offset and the bytes of the next lines; skip a line that is longer than dsops ever writes."""
    while True:
        data = read_at(file, most_bytes, start)
        if b"\n" not in data:
            data = read_at(file, _LONGEST_LINE, start)
        if b"\n" in data or len(data) < _LONGEST_LINE:
            return start, data
        while data and b"\n" not in data:
            start += len(data)
            data = read_at(file, _MOST_BYTES, start)
        if not data:
            return start, data  # the line is still incomplete
        start += data.index(b"\n") + 1


def _position_after(lines: list[bytes], position: Position, inode: int, offset: int) -> Position:
    """Return the position from which to read on: the offset, the line number, and the hash of the last record."""
    for line in reversed(lines):
        place = link_of(record_in(line))
        if place is not None and line is lines[-1]:
            return Position(place.number, hash_of(line), len(line), inode, offset)
        if place is not None:
            # Later lines are not part of the chain of hashes, so the offset can't be verified; readers use the line
            # number.
            return Position(place.number, hash_of(line), -1, inode, offset)
    return position._replace(length=-1, inode=inode, offset=offset)


def _stands_at(file: int, status: os.stat_result, position: Position) -> bool:
    """Whether the last line that was read still ends at that offset: a new file may have reused the inode."""
    if status.st_ino != position.inode or status.st_size < position.offset:
        return False
    if position.length < 0:
        return position.offset == 0 or os.pread(file, 1, position.offset - 1) == b"\n"
    line = read_at(file, position.length, position.offset - position.length - 1)
    return hash_of(line) == position.hash


def _offset_of(file: int, position: Position) -> int:
    """Return the offset after the last line that was read, in a file not opened before; 0 if the line is not there."""
    offset, rest = 0, b""
    while True:
        part = read_at(file, _MOST_BYTES, offset + len(rest))
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            offset += len(line) + 1
            place = link_of(record_in(line))
            if place is not None and place.number >= position.number:
                is_it = place.number == position.number and hash_of(line) == position.hash
                return offset if is_it else 0
        if not part or len(rest) > _LONGEST_LINE:
            return 0
