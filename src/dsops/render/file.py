"""Write a file with secrets atomically, so that only its owner can read it."""

from __future__ import annotations

import os
import stat

from dsops.errors import FileNotWritten

_MODE = 0o600


def write_private(path: str, data: bytes) -> None:
    """Write a file with these bytes and mode 0600 atomically; replace an existing file.

    Raises FileNotWritten if the path is a symbolic link, which may lead anywhere, or is no regular file.
    """
    _refuse_what_is_no_file(path)
    # The temporary file is in the target's folder, because a rename is atomic only within one file system.
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except OSError as error:
        hint = f"make the folder first: `mkdir -p {folder}`" if isinstance(error, FileNotFoundError) else ""
        raise _failure(path, error, hint) from error
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        # The umask may have removed some permission bits when the file was created.
        os.chmod(part, _MODE)
        os.replace(part, path)
    except OSError as error:
        os.unlink(part)
        raise _failure(path, error, "") from error
    except BaseException:
        os.unlink(part)
        raise


def _refuse_what_is_no_file(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        target = os.path.realpath(path)
        raise FileNotWritten(
            f"`{path}` was not written: it is a symbolic link to `{target}`",
            hint="name the file itself, or remove the link; without `--out`, the output goes to stdout",
        )
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise FileNotWritten(
            f"`{path}` was not written: it is {kind}", hint="without `--out`, the output goes to stdout"
        )


def _failure(path: str, error: OSError, hint: str) -> FileNotWritten:
    return FileNotWritten(f"`{path}` was not written", why=os.strerror(error.errno or 0).lower(), hint=hint)
