"""`audit prepare --parquet`: reads new and changed log files, and merges their records into the prepared folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dsops.audit.cloudtrail.duck import open_database
from dsops.audit.cloudtrail.files import LogFile, LogFiles, batches_of
from dsops.audit.cloudtrail.prepared import (
    LogCounts,
    Prepared,
    is_prepared,
    read_manifest,
    remove_unlisted,
    write_manifest,
)
from dsops.audit.preparing.log_list import Changes, ListedFile, compare, read_list, totals, write_list
from dsops.audit.preparing.merging import count_records, merge
from dsops.config.file_lock import FileLock
from dsops.errors import FileNotWritten, UsageError
from dsops.input_file import reason

_PART_BYTES: Final = 1 << 30
"""The log files are merged in parts of this size, compressed. An interrupted run keeps the finished parts."""

Work = Sequence[tuple[LogFile, ListedFile]]


class Preparation(NamedTuple):
    """The result of a run."""

    prepared: Prepared
    changes: Changes


def prepare(
    folder: str, found: LogFiles, *, now: datetime, report_read: Callable[[int], None] = lambda _: None
) -> Preparation:
    """Bring the prepared folder up to date with the log files, and return its state.

    The folder is made if it does not exist. Raises UsageError for a folder with other files, or while another process
    prepares it, LogsUnreadable if its manifest is damaged or the disk is full, and FileNotWritten.
    """
    lock = FileLock(os.path.join(folder, "dsops.manifest"))
    try:
        _make_folder(folder)
        if not lock.take():
            hint = "wait until it ends"
            raise UsageError(f"another process runs `dsops audit prepare` with {folder}", hint=hint)
        return _prepare(folder, found, now, report_read)
    except OSError as error:
        hint = "name a folder that you can write to"
        raise FileNotWritten(f"the prepared logs can't be written to {folder}", why=reason(error), hint=hint) from error
    finally:
        lock.release()


def _make_folder(folder: str) -> None:
    """Make the folder, for its owner only."""
    os.makedirs(folder, 0o700, exist_ok=True)
    if not is_prepared(folder):
        strangers = sorted(set(os.listdir(folder)) - {"dsops.manifest.lock", "dsops.manifest.new"})
        if strangers and not all(name.startswith(("day=", "log-files-")) for name in strangers):
            hint = "name a new folder, or a folder that only dsops writes to"
            raise UsageError(f"{folder} has other files, such as {strangers[0]}", hint=hint)
        os.chmod(folder, 0o700)


def _prepare(folder: str, found: LogFiles, now: datetime, report_read: Callable[[int], None]) -> Preparation:
    prepared = read_manifest(folder) if is_prepared(folder) else Prepared(folder)
    remove_unlisted(prepared)
    started = int(now.timestamp() * 1_000_000_000)
    before = read_list(prepared)
    changes = compare(found, before, next_number=prepared.next_number, started=started)
    listed, gone = changes.listed, changes.gone
    if prepared.is_complete and not changes.work and listed == before:
        return Preparation(prepared, changes)
    parts = list(_parts(changes.work)) or [()]
    for number, part in enumerate(parts, 1):
        prepared = _merge_part(prepared, part, gone, listed, report_read)
        # The first commit removes the records of all changed log files; the same or a later commit adds their new
        # records.
        gone = ()
        prepared = _commit(prepared, listed, is_complete=number == len(parts))
    remove_unlisted(prepared)
    return Preparation(prepared, changes)


def _parts(work: Work) -> Iterator[Work]:
    """Split the files into parts of about `_PART_BYTES`."""
    part: list[tuple[LogFile, ListedFile]] = []
    size = 0
    for file, entry in work:
        part.append((file, entry))
        size += file.size
        if size >= _PART_BYTES:
            yield tuple(part)
            part, size = [], 0
    if part:
        yield tuple(part)


def _merge_part(
    prepared: Prepared,
    part: Work,
    gone: Sequence[int],
    listed: dict[str, ListedFile],
    report_read: Callable[[int], None],
) -> Prepared:
    """Read the files, write the files of the changed days, and add the log files to the list."""
    if not part and not gone:
        return prepared
    with open_database(has_details=True, has_origin=True) as database:
        database.numbers = {file.path: entry.number for file, entry in part}
        database.load(tuple(batches_of(file for file, _ in part)), report_read)
        counts = count_records(database)
        days = merge(database, prepared, gone)
        unreadable = dict(database.unreadable)
    for file, entry in part:
        why = unreadable.get(file.path, "")
        listed[file.path] = (
            entry._replace(why=why) if why else entry._replace(counts=counts.get(entry.number, LogCounts()))
        )
    number = max((entry.number + 1 for _, entry in part), default=prepared.next_number)
    return prepared._replace(days=days, next_number=max(number, prepared.next_number))


def _commit(prepared: Prepared, listed: dict[str, ListedFile], *, is_complete: bool) -> Prepared:
    """Write the list and the manifest of the next generation."""
    state = prepared._replace(
        generation=prepared.generation + 1,
        is_complete=is_complete,
        files=len(listed),
        counts=totals(listed.values()),
        unreadable=tuple(sorted((path, entry.why) for path, entry in listed.items() if entry.why)),
    )
    write_list(state, listed)
    write_manifest(state)
    return state
