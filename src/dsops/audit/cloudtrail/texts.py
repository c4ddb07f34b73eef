"""Decompresses log files for DuckDB into a temporary folder, because DuckDB reads plain text with less CPU time.

docs/decisions/0049-report-engine.md has the measurements.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from dsops.audit.cloudtrail.files import FileBatch, Form, LogFile

_MOST_TEXT: Final = 64 << 20
"""The longest text in bytes that is decompressed in memory. CloudTrail's files have up to 50 MB of text."""
_ANY_GZIP: Final = 31
"""The value of zlib's `wbits` that reads a gzip file and verifies its checksum."""


@contextmanager
def plain_files(batch: FileBatch, folder: str) -> Iterator[Sequence[str] | None]:
    """Yield paths of files with the texts of the batch, for `read_text`; remove them at the end.

    Yields None if the batch must be read in another way, because:

    - the files have one record per line
    - a gzip file has several members, is damaged, or has a wrong length field
    - a text is too long
    - the disk is full
    """
    if batch.form is Form.LINES or any(file.object_bytes > _MOST_TEXT for file in batch.files):
        yield None
    elif not batch.is_gzip:
        yield [file.path for file in batch.files]
    else:
        place = tempfile.mkdtemp(prefix="texts-", dir=folder)
        try:
            yield _decompressed(batch.files, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _decompressed(files: Sequence[LogFile], place: str) -> list[str] | None:
    """Decompress each file into the folder, on all processors; return the new paths, or None if one file fails."""
    paths = [os.path.join(place, f"{number}.json") for number in range(len(files))]
    # zlib releases Python's lock, so threads suffice. Ctrl-C waits only for the files that are being decompressed.
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        return paths if all(pool.map(_decompress, files, paths)) else None
    except OSError:
        return None
    finally:
        pool.shutdown(cancel_futures=True)


def _decompress(file: LogFile, path: str) -> bool:
    """Write the file's text to the new path. Return False unless it is one gzip member of the recorded length."""
    with open(file.path, "rb") as compressed:
        content = compressed.read()
    member = zlib.decompressobj(_ANY_GZIP)
    try:
        text = member.decompress(content, file.object_bytes + 1)
    except zlib.error:
        return False
    if not member.eof or member.unused_data or len(text) != file.object_bytes:
        return False
    with open(path, "xb", buffering=0) as plain:
        return plain.write(text) == len(text)
