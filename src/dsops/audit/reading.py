"""Reads the lines of the trail's files, oldest first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from dsops.audit.chain import HEAD_BYTES, Head, parse_head
from dsops.audit.lock import head_name, open_own
from dsops.audit.lost_lines import LostLines, read_lost
from dsops.audit.trail import put_away
from dsops.errors import AuditFailed, TrailUnreadable
from dsops.input_file import read_at
from dsops.runtime import SANDBOX
from dsops.startup import NamedTuple

_PART = 1 << 20
_LONGEST_LINE = 1 << 22


class Line(NamedTuple):
    """A line, without its newline."""

    file: str
    line: int
    """The number of the line in its file, from 1."""
    data: bytes
    is_whole: bool
    """Whether the line ends with a newline."""


class Trail(NamedTuple):
    """The files of a trail, and the trail's end according to its head file."""

    files: tuple[str, ...]
    """The files in the order of their lines."""
    head: Head | None
    """The head; None if it does not exist or can't be read."""
    has_begun: bool
    """Whether any file of the trail exists."""
    lost: LostLines | None = None
    """Lines that were lost after the last line of the trail."""
    why_unknown: str = ""
    """The reason why the number of lost lines is unknown; "" if the number is known."""


def is_of_sandbox(record: Mapping[str, object]) -> bool:
    """Return whether the record is about an act in a sandbox on this machine."""
    facts = record.get("additionalEventData")
    return isinstance(facts, dict) and facts.get(SANDBOX) is True


def find_trail(path: str) -> Trail:
    """Find the files of the trail at that path. Raises TrailUnreadable."""
    folder = os.path.dirname(path)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Trail((), None, has_begun=False)
    except OSError as error:
        raise unreadable(folder, error) from error
    try:
        older = [os.path.join(folder, name) for _, name in put_away(path, descriptor)]
        files = [*older, path] if os.path.lexists(path) else older
        head = _head(path, descriptor)
        has_head = os.path.lexists(os.path.join(folder, head_name(path)))
        lost, why_unknown = None, ""
        try:
            lost = read_lost(path, descriptor)
        except AuditFailed as error:
            why_unknown = error.why  # the file of lost lines is not trusted, because other users can write it
        return Trail(tuple(files), head, has_begun=bool(files) or has_head, lost=lost, why_unknown=why_unknown)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _head(path: str, folder: int) -> Head | None:
    try:
        descriptor = open_own(folder, head_name(path), os.O_RDONLY, path)
    except (OSError, AuditFailed):
        return None
    try:
        return parse_head(read_at(descriptor, HEAD_BYTES + 1, 0))
    finally:
        os.close(descriptor)


def lines_of(path: str) -> Iterator[Line]:
    """Yield the lines of one file. Raises TrailUnreadable."""
    try:
        # With O_NONBLOCK, opening a pipe that no process writes to does not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        number, rest = 0, b""
        while True:
            try:
                part = os.read(descriptor, _PART)
            except OSError as error:
                raise unreadable(path, error) from error
            *whole, rest = (rest + part).split(b"\n")
            for data in whole:
                number += 1
                yield Line(path, number, data, is_whole=True)
            if not part or len(rest) > _LONGEST_LINE:
                break
        if rest:
            yield Line(path, number + 1, rest, is_whole=False)
    finally:
        os.close(descriptor)


def last_lines(path: str, most: int) -> list[Line]:
    """Return the last lines of one file, oldest first, read backwards from its end; line numbers are 0."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        start = os.fstat(descriptor).st_size
        data = b""
        while start and data.count(b"\n") <= most:
            begin = max(0, start - _PART)
            data = read_at(descriptor, start - begin, begin) + data
            start = begin
        *whole, rest = data.split(b"\n")
        lines = [Line(path, 0, line, is_whole=True) for line in (whole if not start else whole[1:])]
        if rest:
            lines.append(Line(path, 0, rest, is_whole=False))
        return lines[-most:]
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def unreadable(path: str, error: OSError) -> TrailUnreadable:
    """Return the error for a file of the trail that can't be read."""
    why = (error.strerror or "unknown reason").lower()
    return TrailUnreadable(f"{path} can't be read", why=why, hint="name an audit trail file that you can read")
