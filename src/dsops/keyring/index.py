"""What is in the keyring, by name and without a secret: a file beside the folders of `dsops allow`.

A run reads it to know whether the keyring has anything for it (asking that costs 200 ms), a plan to tell two keys of
one name apart. It is believed only where it is the user's own, and nobody else's to write.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic, sleep

from dsops.errors import FileNotWritten, KeyringFailed
from dsops.input_file import read_file, reason
from dsops.startup import Any, NamedTuple, TypeVar

T = TypeVar("T")

VARIABLE = "DSOPS_KEYRING"
"""`off`: the keyring is not used, and a store of its keys gives those of the environment."""

_OFF = ("off", "0", "no", "false")
_VERSION = 1
_LOCK_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class SeedEntry(NamedTuple):
    """An MFA device whose seed the keyring has."""

    serial_number: str
    added: str
    """`2026-11-24T12:00:00Z`."""


class KeysEntry(NamedTuple):
    """A user's long-term key that the keyring has; with it may be the one before, and one that is still being tried."""

    name: str
    key_id: str
    """The access key that is used."""
    arn: str
    """The user's."""
    added: str
    created: str = ""
    """When AWS made it; "" where the user may not ask."""
    next_key_id: str = ""
    """Made by a rotation that has not come to its end: not used yet."""
    next_created: str = ""
    old_key_id: str = ""
    """The one before, which the rotation has not deleted."""
    old_is_off: bool = False
    """Whether the one before was made inactive."""


class Contents(NamedTuple):
    """The whole list."""

    seeds: Mapping[str, SeedEntry]
    keys: Mapping[str, KeysEntry]


EMPTY = Contents({}, {})
_MOST_BYTES = 1 << 24


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether the keyring is not to be used: in a sandbox, or in CI, where keys are in the environment."""
    return environ.get(VARIABLE, "").lower() in _OFF


def contents(environ: Mapping[str, str]) -> Contents:
    """What the keyring has. Raises KeyringFailed for a file that can't be read for what it is."""
    path = path_of(environ)
    try:
        text, status = read_file(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return EMPTY
    except OSError as error:
        raise KeyringFailed(f"{path} can't be read: {reason(error)}") from error
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not is_ours or (os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise KeyringFailed(
            f"{path} can't be relied on",
            why="it belongs to another user, or others may write it",
            hint=f"make it yours alone: chmod 600 {path}",
        )
    try:
        return _parsed(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeyringFailed(
            f"{path} is not the list of what the keyring has",
            why="it was changed, or a newer dsops has written it",
            hint="mend it or update dsops; without it the keyring's entries are not found, and have to be added again",
        ) from error


def write(environ: Mapping[str, str], new: Contents) -> None:
    """Puts another list in its place, in one step. Raises FileNotWritten."""
    path = path_of(environ)
    part = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    text = json.dumps(
        {
            "version": _VERSION,
            "mfa": [entry._asdict() for entry in new.seeds.values()],
            "keys": [entry._asdict() for entry in new.keys.values()],
        },
        indent=2,
    )
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(descriptor)
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
    except OSError as error:
        raise _not_written(path, error) from error


@contextmanager
def changing(environ: Mapping[str, str]) -> Iterator[Contents]:
    """The list, for somebody who is going to write another one; meanwhile nobody else is.

    Raises KeyringFailed where somebody else stays too long, FileNotWritten where nothing can be written.
    """
    path = path_of(environ)
    if not path:
        raise FileNotWritten(
            "there is no folder for the list of what the keyring has",
            why="neither XDG_DATA_HOME nor HOME is set",
            hint="set HOME to your home folder",
        )
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        _lock(descriptor)
        yield contents(environ)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if os.name != "posix":
        return
    import fcntl

    until = monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > until:
                raise KeyringFailed(
                    "another dsops is changing what the keyring has",
                    hint="wait for the other `dsops mfa` or `dsops keys` to end, then run this again",
                ) from None
            sleep(_LOOK_SECONDS)
        else:
            return


def path_of(environ: Mapping[str, str]) -> str:
    """The file, by the XDG base directory specification; "" where there is no home."""
    data = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):  # the specification: relative paths are to be ignored
        home = environ.get("HOME") or environ.get("USERPROFILE", "")
        data = os.path.join(home, ".local", "share") if os.path.isabs(home) else ""
    if not data:
        return ""
    return os.path.join(data, "dsops", "keyring.json")


def _parsed(value: Mapping[str, Any]) -> Contents:
    # Any: it is JSON, which is checked below.
    if value["version"] != _VERSION:
        raise ValueError("another version")
    seeds = [_entry(SeedEntry, each) for each in value["mfa"]]
    keys = [_entry(KeysEntry, each) for each in value["keys"]]
    return Contents({entry.serial_number: entry for entry in seeds}, {entry.name: entry for entry in keys})


def _entry(kind: type[T], fields: Mapping[str, object]) -> T:
    """One entry; what a newer dsops has added to it says nothing to this one."""
    known = {name: field for name, field in fields.items() if name in getattr(kind, "_fields", ())}
    for name, field in known.items():
        if not isinstance(field, bool if name == "old_is_off" else str):
            raise TypeError(name)
    return kind(**known)


def _not_written(path: str, error: OSError) -> FileNotWritten:
    return FileNotWritten(f"{path} can't be written: {(error.strerror or 'unknown reason').lower()}")
