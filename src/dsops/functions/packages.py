"""Extract deployment packages and layers, within Lambda's limits and without leaving the folder."""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import zipfile
import zlib

MOST_BYTES = 250 * 1024 * 1024
"""Lambda's quota for a package and its layers, extracted (Lambda Developer Guide, "Lambda quotas")."""
_MOST_FILES = 20_000
_ENTRY, _MOST_ENTRIES = b"PK\x01\x02", 100_000
"""The start of an entry in a directory, and how often it may occur: also in archives that the archive contains."""
_DEEPEST = 100
"""The most folders in each other. Python removes folders recursively."""
_CHUNK = 1 << 20


class PackageInvalid(Exception):
    """A package that can't be extracted. The message says why."""


def extract(package: bytes, folder: str, most_bytes: int = MOST_BYTES) -> int:
    """Extract a zip archive into an empty folder, or over what an earlier archive left in it; return its size.

    Raises PackageInvalid, also for entries outside of the folder and for links.
    """
    if package.count(_ENTRY) > _MOST_ENTRIES:  # before zipfile creates an object for each of them
        raise PackageInvalid(f"it has more than {_MOST_FILES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_FILES:
                raise PackageInvalid(f"it has more than {_MOST_FILES} files")
            left = most_bytes
            for entry in entries:
                left -= _extract_entry(archive, entry, folder, left)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise PackageInvalid(f"it is not a readable zip archive: {error}") from error
    except OSError as error:
        raise PackageInvalid(f"{error.strerror or error}") from error
    return most_bytes - left


def _extract_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: str, most_bytes: int) -> int:
    parts = entry.filename.replace("\\", "/").split("/")
    if entry.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in entry.filename:
        raise PackageInvalid(f"the path {entry.filename!r} leaves the package")
    if len(parts) > _DEEPEST:
        raise PackageInvalid(f"a path has more than {_DEEPEST} parts")
    mode = entry.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
        raise PackageInvalid(f"{entry.filename!r} is a link or a special file, which the sandbox does not extract")
    path = os.path.join(folder, *[part for part in parts if part not in {"", "."}])
    if entry.is_dir():
        os.makedirs(path, exist_ok=True)
        return 0
    os.makedirs(os.path.dirname(path), exist_ok=True)
    written = 0
    with archive.open(entry) as source, open(path, "wb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > most_bytes:
                raise PackageInvalid(f"it has more than {MOST_BYTES} bytes when it is extracted")
            target.write(chunk)
    os.chmod(path, 0o755 if mode & 0o111 else 0o644)
    return written
