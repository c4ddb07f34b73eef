"""Finds log files in files and folders, and groups them in batches that DuckDB reads at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from dsops.audit.cloudtrail.prepared import is_prepared
from dsops.input_file import reason

_ENDINGS: Final = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_LINES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_NO_LOGS: Final = frozenset({"CloudTrail-Digest"})
"""Folders in a trail's bucket that contain hashes of its files instead of records."""
_GZIP: Final = b"\x1f\x8b"
_BATCH_BYTES: Final = 64 << 20
_BATCH_TEXT: Final = 256 << 20
"""The length of a batch's texts in bytes. They are stored in the temporary folder, one batch at a time."""
_BATCH_FILES: Final = 2000
_LEAST_OBJECT: Final = 16 << 20


class Form(Enum):
    """The format of the records in a file."""

    OBJECT = "unstructured"
    """One object: `{"Records": [...]}`."""
    LINES = "newline_delimited"
    """One record per line, as in dsops' own trail."""


class LogFile(NamedTuple):
    """A log file, classified by its first and last bytes."""

    path: str
    size: int
    """The file's size in bytes."""
    object_bytes: int
    """The length in bytes of the file's uncompressed text, as recorded at the end of a gzip file."""
    is_gzip: bool
    form: Form


class FileBatch(NamedTuple):
    """Files of the same format and compression."""

    files: tuple[LogFile, ...]
    is_gzip: bool
    form: Form

    @property
    def size(self) -> int:
        """The size of the files on disk, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def longest_object(self) -> int:
        """The memory in bytes that the file with the longest text needs."""
        return max(_LEAST_OBJECT, *(file.object_bytes + 1024 for file in self.files))


class LogFiles(NamedTuple):
    """The log files that were found."""

    batches: tuple[FileBatch, ...]
    unreadable: tuple[tuple[str, str], ...]
    """The path of each unreadable file, and the reason."""
    prepared: tuple[str, ...] = ()
    """The folders that `audit prepare` wrote."""

    @property
    def files(self) -> int:
        """The number of files, including unreadable files, without those of prepared folders."""
        return sum(len(batch.files) for batch in self.batches) + len(self.unreadable)


def find_logs(paths: Iterable[str], *, form: Form | None = None) -> LogFiles:
    """Find the log files among these paths and in these folders; return them ordered by path.

    `form` is the format of files whose name does not show it. A file that is named twice is included once.
    `unreadable` has the files that are missing or can't be opened. The content of a prepared folder is not listed.
    """
    files: dict[str, LogFile] = {}
    unreadable: dict[str, str] = {}
    prepared: dict[str, None] = {}
    for path in paths:
        if is_prepared(path):
            prepared[path] = None
            continue
        for name in _walk(path, unreadable):
            if name not in files and name not in unreadable:
                try:
                    files[name] = _examine(name, form)
                except OSError as error:
                    unreadable[name] = reason(error)
    return LogFiles(tuple(batches_of(files.values())), tuple(sorted(unreadable.items())), tuple(prepared))


def _walk(path: str, unreadable: dict[str, str]) -> Iterator[str]:
    """Yield the files of a folder, or the path itself if it is not a folder."""
    if not os.path.isdir(path):
        yield path
        return

    def fail(error: OSError) -> None:
        unreadable[error.filename or path] = reason(error)

    for folder, folders, names in os.walk(path, onerror=fail):
        folders[:] = sorted(set(folders) - _NO_LOGS)
        for name in sorted(names):
            # A name with a leading dot marks an incomplete file.
            if name.endswith(_ENDINGS) and not name.startswith("."):
                yield os.path.join(folder, name)


def _examine(path: str, form: Form | None) -> LogFile:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "It is not a regular file")
        size = status.st_size
        if not size:
            raise OSError(0, "It is empty")
        is_gzip = os.pread(descriptor, 2, 0) == _GZIP
        text_size = size
        if is_gzip and size >= 18:
            # RFC 1952, 2.3.1: ISIZE, the length of the text modulo 2^32, is in the last four bytes.
            text_size = int.from_bytes(os.pread(descriptor, 4, size - 4), "little")
            text_size = text_size if text_size < 1032 * size else size  # Deflate compresses at most 1032 to 1.
            if not text_size:
                raise OSError(0, "It is empty")
    finally:
        os.close(descriptor)
    form = form or (Form.LINES if path.endswith(_LINES) else Form.OBJECT)
    return LogFile(path, size, text_size if form is Form.OBJECT else 0, is_gzip, form)


def batches_of(files: Iterable[LogFile]) -> Iterator[FileBatch]:
    """Group the files, in order, into batches of a limited size."""
    waiting: dict[tuple[bool, Form], list[LogFile]] = {}
    sizes: dict[tuple[bool, Form], tuple[int, int]] = {}
    for file in files:
        kind = file.is_gzip, file.form
        batch = waiting.setdefault(kind, [])
        size, text_size = sizes.get(kind, (0, 0))
        size, text_size = size + file.size, text_size + file.object_bytes
        if batch and (size > _BATCH_BYTES or text_size > _BATCH_TEXT or len(batch) >= _BATCH_FILES):
            yield FileBatch(tuple(batch), *kind)
            batch.clear()
            size, text_size = file.size, file.object_bytes
        sizes[kind] = size, text_size
        batch.append(file)
    for kind, batch in waiting.items():
        if batch:
            yield FileBatch(tuple(batch), *kind)
