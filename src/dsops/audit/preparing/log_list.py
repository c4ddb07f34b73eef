"""The list of log files of a prepared folder, and which files are new or changed since it was written."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from dsops.audit.cloudtrail.files import LogFile, LogFiles
from dsops.audit.cloudtrail.prepared import LogCounts, Prepared, unreadable, write_private
from dsops.input_file import reason

_SETTLED_NANOSECONDS: Final = 2_000_000_000
"""A file that changed less than this time ago can change again without a new time stamp, so it is hashed again."""


class ListedFile(NamedTuple):
    """A log file whose records are in the prepared folder."""

    number: int
    """The number that its records have in the column `file`."""
    digest: str
    """SHA-256 of its content; "" if it could not be read."""
    stamp: tuple[int, ...]
    """Size, times and inode; empty if the content has to be hashed again."""
    counts: LogCounts = LogCounts()
    why: str = ""
    """Why it can't be read; "" for a file that was read."""


class Changes(NamedTuple):
    """What has to be done, and the list as it is before that."""

    listed: dict[str, ListedFile]
    """The path of each log file -> its entry. New and changed files are not in it."""
    work: tuple[tuple[LogFile, ListedFile], ...]
    """The files to read, in order, each with its new entry."""
    gone: tuple[int, ...]
    """The numbers of files that changed or became unreadable: their records are removed."""
    new: int
    changed: int
    unchanged: int
    kept: int
    """The number of files that no longer exist, and whose records are kept."""


def read_list(prepared: Prepared) -> dict[str, ListedFile]:
    """Return the listed log files, by path. Raises LogsUnreadable if the list is damaged."""
    if not prepared.generation:
        return {}
    try:
        with gzip.open(prepared.log_list, "rt", encoding="utf-8", errors="surrogateescape") as file:
            rows = [json.loads(line) for line in file]
        return {
            path: ListedFile(number, digest, tuple(stamp), LogCounts(*counts), why)
            for path, number, digest, stamp, counts, why in rows
        }
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise unreadable(prepared.folder, "the list of its log files is damaged") from error


def write_list(prepared: Prepared, listed: Mapping[str, ListedFile]) -> None:
    """Write the list of this generation."""
    lines = "".join(f"{json.dumps([path, *entry])}\n" for path, entry in sorted(listed.items()))
    write_private(prepared.log_list, gzip.compress(lines.encode(), 1))


def totals(listed: Iterable[ListedFile]) -> LogCounts:
    """Return the sums of the counts."""
    sums = [0, 0, 0, 0]
    for entry in listed:
        if any(entry.counts):
            sums = [total + number for total, number in zip(sums, entry.counts, strict=True)]
    return LogCounts(*sums)


def compare(found: LogFiles, listed: Mapping[str, ListedFile], *, next_number: int, started: int) -> Changes:
    """Compare the log files with the list by their content; `started` is the time in nanoseconds since 1970.

    A file with the size, times and inode of its entry is not read. A file whose content is listed under the path of a
    file that no longer exists was moved.
    """
    entries, unreadable = dict(listed), dict(found.unreadable)
    present = {file.path for batch in found.batches for file in batch.files} | set(unreadable)
    moved = {
        entry.digest: path
        for path, entry in entries.items()
        if entry.digest and path not in present and not os.path.lexists(path)
    }
    work: list[tuple[LogFile, ListedFile]] = []
    gone: list[int] = []
    number = next_number
    changed = 0
    for file in _by_day(found):
        old = entries.get(file.path)
        entry = _examined(file, old, started)
        if old is not None and old.digest and entry.digest == old.digest:
            entries[file.path] = old._replace(stamp=entry.stamp)
            continue
        if old is None and (former := moved.pop(entry.digest, None)) is not None:
            entries[file.path] = entries.pop(former)._replace(stamp=entry.stamp)
            continue
        if old is not None:
            del entries[file.path]
            gone += [old.number] if old.digest else []
        if entry.why:
            unreadable[file.path] = entry.why
        else:
            work.append((file, entry._replace(number=number)))
            changed += 0 if old is None else 1
            number += 1
    for path, why in unreadable.items():
        before = entries.get(path)
        gone += [before.number] if before is not None and before.digest else []
        entries[path] = ListedFile(-1, "", (), why=why)
    missing = [path for path in entries if path not in present and not os.path.lexists(path)]
    for path in missing:
        if entries[path].why:
            del entries[path]
    return Changes(
        entries,
        tuple(work),
        tuple(gone),
        new=len(work) - changed,
        changed=changed,
        unchanged=found.files - len(work) - len(unreadable),
        kept=sum(1 for path in missing if path in entries),
    )


def _by_day(found: LogFiles) -> list[LogFile]:
    """Return the files ordered by the day in their path, so that an interrupted run has finished whole days."""
    files = [file for batch in found.batches for file in batch.files]
    return sorted(files, key=lambda file: (_day_of(file.path), file.path))


def _day_of(path: str) -> str:
    """Return the folders `2026/11/20` of the path; "" for a path without a day."""
    parts = path.split("/")[-4:-1]
    return "/".join(parts) if all(part.isascii() and part.isdigit() for part in parts) else ""


def _examined(file: LogFile, old: ListedFile | None, started: int) -> ListedFile:
    """Return the entry of a file as it is now; its digest is computed only if its stamp differs."""
    try:
        with open(file.path, "rb") as log:
            status = os.fstat(log.fileno())
            stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            if old is not None and old.stamp == stamp:
                return old
            digest = hashlib.file_digest(log, "sha256").hexdigest()
    except OSError as error:
        return ListedFile(-1, "", (), why=reason(error))
    is_settled = max(status.st_mtime_ns, status.st_ctime_ns) < started - _SETTLED_NANOSECONDS
    return ListedFile(-1, digest, stamp if is_settled else ())
