"""Read a file that a configuration or user names. Its size is limited, and reading never blocks.

Some paths would block a plain read: a pipe without a writer, a terminal, an endless device, or a file of /proc that
claims to be a regular file. Every failure is an OSError about this file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from dsops.startup import Any, NamedTuple, Protocol

_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PART_BYTES = 1 << 20


class InputFile(NamedTuple):
    """The bytes of a file, and the status of the open file from which they were read."""

    data: bytes
    status: os.stat_result


def read_file(
    path: str,
    most_bytes: int,
    *,
    takes_pipes: bool = False,
    follows_links: bool = True,
    check: Callable[[os.stat_result], None] | None = None,
) -> InputFile:
    """Read at most `most_bytes` bytes from the start of the file.

    To detect a file that is larger than a limit, pass the limit plus 1.

    - `takes_pipes`: accept a pipe, such as a shell's `<(...)` on a command line.
    - `check`: called with the status of the open file before anything is read. It may raise.

    Raises OSError if the file can't be read or is not a regular file.
    """
    try:
        descriptor = os.open(path, _FLAGS if follows_links else _FLAGS | _NO_FOLLOW)
    except ValueError as error:  # the path contains a NUL byte
        raise OSError(errno.EINVAL, str(error)) from error
    try:
        status = os.fstat(descriptor)
        if check is not None:
            check(status)
        if takes_pipes and stat.S_ISFIFO(status.st_mode):
            os.set_blocking(descriptor, True)
        elif stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "it is a folder")
        elif not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return InputFile(_read(descriptor, most_bytes), status)
    finally:
        os.close(descriptor)


def read_whole(path: str, most_bytes: int, *, takes_pipes: bool = False, follows_links: bool = True) -> bytes:
    """Read the whole file. Raises OSError as `read_file` does, and if the file is larger than `most_bytes`."""
    data = read_file(path, most_bytes + 1, takes_pipes=takes_pipes, follows_links=follows_links).data
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes")
    return data


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read `size` bytes at an offset, or up to the end of the file. Repeats pread(2), which may return fewer bytes."""
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(descriptor, size, offset)):
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)


def reason(error: OSError) -> str:
    """Return the OSError's reason, for an error message."""
    return (error.strerror or "unknown reason").lower()


def _read(descriptor: int, most_bytes: int) -> bytes:
    parts, left = [], most_bytes
    while left:
        part = os.read(descriptor, min(left, _PART_BYTES))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class FileCache(Protocol):
    """Protocol: keeps parsed files, by keys that contain the digests of the files."""

    def get(self, key: tuple[object, ...]) -> Any:  # Any: each key has values of one type
        """Return the value that was kept under the key; None if there is none."""

    def keep(self, key: tuple[object, ...], value: object, size: int) -> None:
        """Keep the value, which no code may change. `size` is the number of bytes of its file."""
