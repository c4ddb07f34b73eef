"""A prepared folder: the calls of log files as Parquet, partitioned by day, and the manifest that lists its files.

`audit prepare` writes new files beside the old ones and then replaces the manifest, so each manifest describes a
complete state. A file that the manifest does not list is left over from an interrupted run or from an earlier state.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from dsops.audit.cloudtrail.dialects import DUCKDB
from dsops.audit.cloudtrail.relations import COPIES, fields, records
from dsops.errors import LogsUnreadable
from dsops.input_file import reason

MANIFEST: Final = "dsops.manifest"
"""The manifest's name. It does not end like a log file's name, so `find_logs` does not read it."""
ISSUES, OTHERS, COPIED, KEYS = "issues", "others", "copies", "keys"
CALLS: Final = (ISSUES, OTHERS)
RECORDS: Final = (ISSUES, OTHERS, COPIED)
"""The kinds of files that have records: calls that issue sessions, other calls, and further copies of calls.

A file of the kind KEYS has the last use of each access key on that day.
"""
LAYOUT: Final = hashlib.sha256(
    "\n".join((fields(DUCKDB, "", has_details=True), records(DUCKDB, has_details=True), COPIES, "1")).encode()
).hexdigest()[:16]
"""Changes whenever dsops reads other columns from a record, or writes them otherwise."""
_AGAIN: Final = "run `dsops audit prepare --parquet` with the same logs again: it continues where it stopped"


class Day(NamedTuple):
    """The files of one day."""

    generation: int
    kinds: tuple[str, ...]
    calls: int
    first: datetime | None
    last: datetime | None


class LogCounts(NamedTuple):
    """What log files contain. The counts of records of sandboxes are not included in the others."""

    records: int = 0
    skipped: int = 0
    sandbox_records: int = 0
    sandbox_skipped: int = 0


class Prepared(NamedTuple):
    """The state of a prepared folder."""

    folder: str
    generation: int = 0
    is_complete: bool = False
    """Whether all log files of the last run were read."""
    next_number: int = 0
    """The number for the next log file."""
    files: int = 0
    """The number of log files, including unreadable ones."""
    counts: LogCounts = LogCounts()
    unreadable: tuple[tuple[str, str], ...] = ()
    days: Mapping[str, Day] = {}

    def paths(self, kinds: Sequence[str], days: Sequence[str] | None = None) -> list[str]:
        """Return the paths of the files of these kinds and days."""
        return [
            file_of(self.folder, day, kind, self.days[day].generation)
            for day in (self.days if days is None else days)
            for kind in kinds
            if kind in self.days[day].kinds
        ]

    @property
    def log_list(self) -> str:
        """The path of the list of log files."""
        return os.path.join(self.folder, f"log-files-{self.generation}.gz")


def file_of(folder: str, day: str, kind: str, generation: int) -> str:
    """Return the path of the file of one kind for a day, `YYYY-MM-DD`."""
    return os.path.join(folder, f"day={day}", f"{kind}-{generation}.parquet")


def is_prepared(folder: str) -> bool:
    """Whether `audit prepare` wrote the folder."""
    return os.path.isfile(os.path.join(folder, MANIFEST))


def read_manifest(folder: str) -> Prepared:
    """Return the state of a prepared folder.

    Raises LogsUnreadable if the manifest is damaged, or if another version of dsops wrote it.
    """
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
            value = json.load(file)
        if value["layout"] != LAYOUT:
            hint = "remove the folder, and run `dsops audit prepare --parquet` again"
            raise LogsUnreadable(f"another version of dsops prepared {folder}", hint=hint)
        return _state(folder, value)
    except OSError as error:
        raise unreadable(folder, reason(error)) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise unreadable(folder, "its manifest is damaged") from error


def unreadable(folder: str, why: str) -> LogsUnreadable:
    """Return the error for a damaged folder."""
    hint = "remove the folder, and run `dsops audit prepare --parquet` again"
    return LogsUnreadable(f"the prepared logs in {folder} can't be read", why=why, hint=hint)


def _state(folder: str, value: Any) -> Prepared:  # `value` is parsed JSON, which may have any type
    days = {name: _day(name, day) for name, day in value["days"].items()}
    return Prepared(
        folder,
        int(value["generation"]),
        value["is_complete"] is True,
        int(value["next_number"]),
        int(value["files"]),
        LogCounts(*map(int, value["counts"])),
        tuple((str(path), str(why)) for path, why in value["unreadable"]),
        days,
    )


def _day(name: str, value: Any) -> Day:  # `value` is parsed JSON, which may have any type
    if not all(character.isdigit() or character == "-" for character in name):
        raise ValueError(name)
    first, last = (None if each is None else datetime.fromisoformat(each) for each in (value["first"], value["last"]))
    kinds = tuple(kind for kind in (*RECORDS, KEYS) if kind in value["kinds"])
    return Day(int(value["generation"]), kinds, int(value["calls"]), first, last)


def check_complete(prepared: Prepared) -> None:
    """Raise LogsUnreadable if the last run was interrupted: the report's figures would be too low."""
    if not prepared.is_complete:
        raise LogsUnreadable(
            f"the prepared logs in {prepared.folder} are incomplete",
            why="`dsops audit prepare` was interrupted",
            hint=_AGAIN,
        )


def write_manifest(prepared: Prepared) -> None:
    """Replace the manifest atomically; after that, the listed files are the folder's state."""
    days = {
        name: {
            "generation": day.generation,
            "kinds": day.kinds,
            "calls": day.calls,
            "first": None if day.first is None else day.first.isoformat(),
            "last": None if day.last is None else day.last.isoformat(),
        }
        for name, day in sorted(prepared.days.items())
    }
    value = {"layout": LAYOUT, **prepared._asdict(), "days": days}
    del value["folder"]
    path = os.path.join(prepared.folder, MANIFEST)
    write_private(f"{path}.new", json.dumps(value).encode())
    os.replace(f"{path}.new", path)
    descriptor = os.open(prepared.folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: str, content: bytes) -> None:
    """Write a file with mode 0600 to the disk; an existing file is replaced."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def kept(folder: str) -> Iterator[None]:
    """Keep all files of the folder while a report reads them: `remove_unlisted` does nothing meanwhile."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def remove_unlisted(prepared: Prepared) -> None:
    """Remove the files that the manifest does not list, unless a report reads the folder: then a later run does it."""
    import fcntl

    descriptor = os.open(prepared.folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        listed = {*prepared.paths((*RECORDS, KEYS)), prepared.log_list}
        for name in sorted(os.listdir(prepared.folder)):
            path = os.path.join(prepared.folder, name)
            if name.startswith("day="):
                _remove_from_day(path, listed)
            elif name.startswith("log-files-") and path not in listed:
                os.unlink(path)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def _remove_from_day(folder: str, listed: set[str]) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if path not in listed:
            os.unlink(path)
    with suppress(OSError):  # a folder that is not empty can't be removed
        os.rmdir(folder)
