"""The trail's files, to which any number of processes add lines under a lock, each line with its hash.

    audit.jsonl                 the current lines
    audit.000000001234.jsonl    rotated: the lines up to number 1234
    audit.jsonl.head            the last line's number and hash, and the file's size; its lock is the trail's lock
    audit.jsonl.lost            the count of lines that could not be written and that no later line has reported

There is no fsync, which would cost more than the run. If the whole machine crashes, lost lines show later as a gap.
The next writer adds a line that marks an incomplete line, or lines that are missing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence

from dsops.audit.chain import (
    HEAD_BYTES,
    LINK_BYTES,
    START,
    Head,
    hash_of,
    link,
    link_of,
    pack_head,
    parse_head,
    record_in,
)
from dsops.audit.lock import Locked, open_own
from dsops.audit.lost_lines import LOST, Counted
from dsops.audit.settings import TrailLimits
from dsops.errors import AuditFailed
from dsops.input_file import read_at
from dsops.startup import NamedTuple, Protocol

_MOST_ADOPTED = 1 << 24
_DIGITS = 12

DAMAGED = "TrailDamaged"
"""The event that marks damage to the lines before it; `kind` names the kind of damage."""
PRUNED = "TrailPruned"
"""The event for a rotated file that was removed, because the trail exceeded the limits in the configuration."""
TORN, CUT, MISSING, HEADLESS, FOREIGN = "torn", "cut", "missing", "headless", "foreign"

Mark = Callable[[str, Mapping[str, object]], bytes]
"""A function that encodes a line about the trail itself: (event name, facts) -> JSON object."""

Lose = Callable[[str], None]
"""A function that is called with the reason why lines could not be written."""


class WriteResult(NamedTuple):
    """The result of a write."""

    head: Head
    is_first: bool
    """Whether these are the first lines of a trail."""
    before: Head
    """The head before the write."""


class Append(Protocol):
    """Protocol: adds lines to a trail. Implemented by `append`, and by a writer that threads share."""

    def __call__(
        self, path: str, bodies: Sequence[bytes], mark: Mark, now: int, limits: TrailLimits, lose: Lose, /
    ) -> WriteResult:
        """Add the lines. Raises AuditFailed."""


def append(
    path: str,
    bodies: Sequence[bytes],
    mark: Mark,
    now: int,
    limits: TrailLimits = TrailLimits(),  # noqa: B008 - a value
    lose: Lose = lambda _why: None,
) -> WriteResult:
    """Add lines with these JSON objects, all of them or none; `now` is in seconds since 1970.

    If AuditFailed is raised, the trail is unchanged. `lose` is called with the reason whenever the lines are not
    written.
    """
    is_alone = False
    try:
        with Locked(path) as locked:
            is_alone = True
            return _Writer(path, locked.folder, locked.lock, mark, now, limits).add(bodies)
    except OSError as error:
        failed = _failed(path, error)
        lose(failed.why)
        raise failed from error
    except AuditFailed as error:
        lose(error.why)
        raise
    except Exception as error:
        lose(f"a bug: {type(error).__name__}")
        raise
    except BaseException:
        # An interrupt while the lock is held can only hit the write itself (0.1 ms). The lines may be in the trail, so
        # they are not reported as lost.
        if not is_alone:
            lose("it was interrupted while it waited for the lock")
        raise


def put_away_name(path: str, number: int) -> str:
    """Return the name of the rotated file whose last line has that number."""
    stem, dot, ending = os.path.basename(path).rpartition(".")
    return f"{stem}.{number:0{_DIGITS}d}{dot}{ending}" if dot else f"{ending}.{number:0{_DIGITS}d}"


def put_away(path: str, folder: int | str) -> list[tuple[int, str]]:
    """Return the trail's rotated files, each with the number of its last line."""
    stem, dot, ending = os.path.basename(path).rpartition(".")
    begin, end = (f"{stem}.", f"{dot}{ending}") if dot else (f"{ending}.", "")
    rotated = []
    for name in os.listdir(folder):
        number = name[len(begin) : len(name) - len(end)]
        is_number = len(number) >= _DIGITS and number.isascii() and number.isdigit()
        if is_number and name.startswith(begin) and name.endswith(end):
            rotated.append((int(number), name))
    return sorted(rotated)


def _failed(path: str, error: OSError) -> AuditFailed:
    hint = "`audit: off` in your own configuration ends the trail, and `file` under `audit:` puts it elsewhere"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room on that disk"
    if error.errno == errno.ELOOP:
        hint = "the path is a symbolic link, which dsops does not follow: move the link away"
    why = (error.strerror or "unknown reason").lower()
    return AuditFailed(f"the audit trail {path} was not written", why=why, hint=hint)


class _Writer:
    """One write to the trail, made while the lock is held."""

    def __init__(self, path: str, folder: int, lock: int, mark: Mark, now: int, limits: TrailLimits) -> None:
        self._path, self._name = path, os.path.basename(path)
        self._folder = folder
        self._lock = lock
        self._mark = mark
        self._now = now
        self._limits = limits
        self._marks: list[bytes] = []
        """Lines about the trail itself, written before the other lines."""

    def add(self, bodies: Sequence[bytes]) -> WriteResult:
        """Write the lines, preceded by a line that reports lost lines if there are any."""
        counted = Counted(self._path, self._folder)
        try:
            result = self._add(bodies, [] if counted.loss is None else [self._mark(LOST, counted.loss.facts())])
            counted.clear()
        finally:
            counted.close()
        return result

    def _add(self, bodies: Sequence[bytes], lost: Sequence[bytes]) -> WriteResult:
        data = read_at(self._lock, HEAD_BYTES + 1, 0)
        saved_head = parse_head(data)
        if saved_head is None and data.startswith(b"dsops-audit ") and not data.startswith(b"dsops-audit 1 "):
            raise AuditFailed(
                f"the audit trail {self._path} was not written",
                why="a newer version of dsops has written it in another format",
                hint="use the newer version, or move the trail away",
            )
        file = open_own(self._folder, self._name, os.O_RDWR | os.O_CREAT | os.O_APPEND, self._path)
        try:
            size = os.fstat(file).st_size
            head, lead = self._checked_end(file, size, saved_head)
            if size and self._is_full(head, sum([len(body) + LINK_BYTES for body in bodies])):
                file, head, lead, size = self._rotate(file, head, lead, size)
                if not size:
                    self._prune()
            before = head
            if not size:
                head = head._replace(size=0, began=self._now)
            lines = [lead] if lead else []
            number, previous = head.number, head.hash
            for body in (*self._marks, *lost, *bodies):
                number += 1
                line = link(body, number, previous)
                previous = hash_of(line)
                lines += [line, b"\n"]
            data = b"".join(lines)
            head = head._replace(number=number, hash=previous, size=size + len(data))
            self._put(file, data, size)
        finally:
            os.close(file)
        self._put_head(head)
        return WriteResult(head, is_first=not before.number, before=before)

    def _put(self, file: int, data: bytes, size: int) -> None:
        """Write all of the data; if that fails, restore the file's size."""
        count = 0
        try:
            count = os.write(file, data)
        finally:
            if count < len(data):
                os.ftruncate(file, size)
        if count < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _put_head(self, head: Head) -> None:
        os.pwrite(self._lock, pack_head(head), 0)

    def _checked_end(self, file: int, size: int, saved_head: Head | None) -> tuple[Head, bytes]:
        """Return the trail's end, and the bytes to write before the next line; mark damage since the last write."""
        if saved_head is not None and saved_head.size == size:
            return saved_head, b""
        if saved_head is not None and size and self._was_rotated(saved_head):
            # The lines about to be written are the first after the rotation.
            saved_head = saved_head._replace(size=0, began=self._now)
        if saved_head is None:
            saved_head = self._without_head(file, size)
            if saved_head.size == size:
                return saved_head, b""
        elif not size:
            if not self._was_rotated(saved_head):
                self._note(MISSING, lines=saved_head.number)
            return saved_head, b""
        elif size < saved_head.size:
            self._note(CUT, bytes=saved_head.size - size)
            return saved_head, b"" if os.pread(file, 1, size - 1) == b"\n" else b"\n"
        return self._adopted(file, size, saved_head)

    def _adopted(self, file: int, size: int, saved_head: Head) -> tuple[Head, bytes]:
        """Accept complete lines whose writer died before it updated the head; mark an incomplete line."""
        data = read_at(file, min(size - saved_head.size, _MOST_ADOPTED), saved_head.size)
        head = saved_head
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            line = data[start : end if end >= 0 else len(data)]
            place = link_of(record_in(line))
            if place is None or place.number != head.number + 1 or place.previous != head.hash:
                rest = data[start:]
                if end >= 0:
                    self._note(FOREIGN, bytes=len(rest))
                else:
                    self._note(TORN, bytes=len(rest), sha256=hash_of(rest))
                break
            head = Head(place.number, hash_of(line), head.size + len(line) + 1, head.began or self._now)
            start += len(line) + 1
        return head, b"" if data.endswith(b"\n") else b"\n"

    def _without_head(self, file: int, size: int) -> Head:
        """Return the end of a trail that has no head file, or of a new trail."""
        older = put_away(self._path, self._folder)
        if not size and not older:
            return Head(began=self._now)
        head = Head(began=self._now)
        if older and not size:
            other = open_own(self._folder, older[-1][1], os.O_RDONLY, self._path)
            try:
                head = self._last_in(other, os.fstat(other).st_size)._replace(size=0)
            finally:
                os.close(other)
        elif size:
            head = self._last_in(file, size)
        self._note(HEADLESS, lines=head.number)
        return head

    def _last_in(self, file: int, size: int) -> Head:
        """Return the head that belongs to the last complete line of a file."""
        start = max(0, size - _MOST_ADOPTED)
        data = read_at(file, size - start, start)
        whole = data[: data.rfind(b"\n") + 1]
        line = whole[:-1].rpartition(b"\n")[2]
        place = link_of(record_in(line))
        number, hash_ = (place.number, hash_of(line)) if place is not None else (0, START)
        return Head(number, hash_, start + len(whole), self._now)

    def _was_rotated(self, head: Head) -> bool:
        """Return whether a writer rotated the file but died before it updated the head."""
        try:
            name = put_away_name(self._path, head.number)
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_size == head.size
        except OSError:
            return False

    def _is_full(self, head: Head, more: int) -> bool:
        age = self._now - head.began  # the age is negative if the clock was set back
        return head.size + more > self._limits.max_bytes or age > self._limits.max_days * 86_400

    def _rotate(self, file: int, head: Head, lead: bytes, size: int) -> tuple[int, Head, bytes, int]:
        """Rename the file after its last line's number; return a new file, or the old one if the name is taken."""
        name = put_away_name(self._path, head.number)
        try:
            os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            return file, head, lead, size  # another file with that name is never overwritten
        if lead:
            self._put(file, lead, size)
        # If this process dies before it writes the next lines, this head lets the next process detect the rotation.
        self._put_head(head._replace(size=size + len(lead)))
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        new = open_own(self._folder, self._name, os.O_RDWR | os.O_CREAT | os.O_APPEND, self._path)
        os.close(file)
        return new, head, b"", 0

    def _prune(self) -> None:
        older = put_away(self._path, self._folder)
        oldest = self._now - self._limits.keep_days * 86_400
        surplus = len(older) - self._limits.keep
        for position, (number, name) in enumerate(older):
            is_old = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime < oldest
            if position >= surplus and not is_old:
                break
            os.unlink(name, dir_fd=self._folder)
            self._marks.append(self._mark(PRUNED, {"file": name, "last": number}))

    def _note(self, kind: str, **facts: object) -> None:
        self._marks.append(self._mark(DAMAGED, {"kind": kind, **facts}))
