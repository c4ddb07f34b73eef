"""Names of files and folders -> the log files in them, in batches that an engine reads at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

_ENDINGS: Final = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_LINES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_NO_LOGS: Final = frozenset({"CloudTrail-Digest"})
"""Folders of a trail's bucket that hold hashes of its files, no records."""
_GZIP: Final = b"\x1f\x8b"
_BATCH_BYTES: Final = 64 << 20
_BATCH_FILES: Final = 2000
_LEAST_OBJECT: Final = 16 << 20


class Form(Enum):
    """How the records stand in a file."""

    OBJECT = "unstructured"
    """In one object: `{"Records": [...]}`."""
    LINES = "newline_delimited"
    """One a line, as dsops' own trail has them."""


class LogFile(NamedTuple):
    """A file, by what its first and last bytes say."""

    path: str
    size: int
    """Of the file, in bytes."""
    object_bytes: int
    """So long its text is, as far as a gzip file's end says it."""
    is_gzip: bool
    form: Form


class FileBatch(NamedTuple):
    """Files that are read alike."""

    files: tuple[LogFile, ...]
    is_gzip: bool
    form: Form

    @property
    def size(self) -> int:
        """In bytes, as they stand on the disk."""
        return sum(file.size for file in self.files)

    @property
    def longest_object(self) -> int:
        """The room that the longest of them needs, in bytes."""
        return max(_LEAST_OBJECT, *(file.object_bytes + 1024 for file in self.files))


class LogFiles(NamedTuple):
    """What is there."""

    batches: tuple[FileBatch, ...]
    unreadable: tuple[tuple[str, str], ...]
    """Path, and why."""

    @property
    def files(self) -> int:
        """How many there are, those that can't be read too."""
        return sum(len(batch.files) for batch in self.batches) + len(self.unreadable)


def find_logs(paths: Iterable[str], *, form: Form | None = None) -> LogFiles:
    """The log files that are named, and those in folders that are named, in the order of their paths.

    `form` says how records stand in them where their names do not.
    A file that is named twice counts once. What can't be opened is among the unreadable; so is what is not there.
    """
    files: dict[str, LogFile] = {}
    unreadable: dict[str, str] = {}
    for path in paths:
        for name in _walk(path, unreadable):
            if name not in files and name not in unreadable:
                try:
                    files[name] = _look(name, form)
                except OSError as error:
                    unreadable[name] = _why(error)
    return LogFiles(tuple(_batches(files.values())), tuple(sorted(unreadable.items())))


def _walk(path: str, unreadable: dict[str, str]) -> Iterator[str]:
    """The path itself where it is no folder."""
    if not os.path.isdir(path):
        yield path
        return

    def fail(error: OSError) -> None:
        unreadable[error.filename or path] = _why(error)

    for folder, folders, names in os.walk(path, onerror=fail):
        folders[:] = sorted(set(folders) - _NO_LOGS)
        for name in sorted(names):
            # One that begins with a dot is not finished yet.
            if name.endswith(_ENDINGS) and not name.startswith("."):
                yield os.path.join(folder, name)


def _look(path: str, form: Form | None) -> LogFile:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "It is no plain file")
        size = status.st_size
        if not size:
            raise OSError(0, "It is empty")
        is_gzip = os.pread(descriptor, 2, 0) == _GZIP
        text_size = size
        if is_gzip and size >= 18:
            # RFC 1952, 2.3.1: ISIZE, the length of the text modulo 2^32, are the last four bytes.
            text_size = int.from_bytes(os.pread(descriptor, 4, size - 4), "little")
            text_size = text_size if text_size < 1032 * size else size  # deflate does not press more than that
            if not text_size:
                raise OSError(0, "It is empty")
    finally:
        os.close(descriptor)
    form = form or (Form.LINES if path.endswith(_LINES) else Form.OBJECT)
    return LogFile(path, size, text_size if form is Form.OBJECT else 0, is_gzip, form)


def _batches(files: Iterable[LogFile]) -> Iterator[FileBatch]:
    waiting: dict[tuple[bool, Form], list[LogFile]] = {}
    sizes: dict[tuple[bool, Form], int] = {}
    for file in files:
        kind = file.is_gzip, file.form
        batch = waiting.setdefault(kind, [])
        if batch and (sizes[kind] + file.size > _BATCH_BYTES or len(batch) >= _BATCH_FILES):
            yield FileBatch(tuple(batch), *kind)
            batch.clear()
        sizes[kind] = (sizes[kind] if batch else 0) + file.size
        batch.append(file)
    for kind, batch in waiting.items():
        if batch:
            yield FileBatch(tuple(batch), *kind)


def _why(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
