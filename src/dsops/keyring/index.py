"""The list of the keyring's entries, without secrets. It is a file next to the folders of `dsops allow`.

A run checks in the list whether the keyring has an entry that it needs, because a request to the keyring takes 200 ms.
A plan uses the list to distinguish two keys of the same name. The list is trusted only if the user owns the file and
no other user can write to it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dsops.errors import FileNotWritten, KeyringFailed
from dsops.input_file import read_file, reason
from dsops.keyring.backend import DESKTOP
from dsops.keyring.private_file import locked, replace_file
from dsops.startup import Any, NamedTuple, TypeVar
from dsops.user_folders import data_folder

T = TypeVar("T")

VARIABLE = "DSOPS_KEYRING"
"""The environment variable that names the backends to use; the value `off` disables the keyring."""

_OFF = ("off", "0", "no", "false")
_VERSION = 1


class SeedEntry(NamedTuple):
    """An entry for an MFA device whose seed is in the keyring."""

    serial_number: str
    added: str
    """When the seed was added: `2026-11-24T12:00:00Z`."""
    backend: str = DESKTOP
    """The backend that stores the seed. Entries written before dsops had several backends lack this field."""


class KeysEntry(NamedTuple):
    """The list's entry for a user's long-term key. During a rotation it also names the previous key and a new key."""

    name: str
    key_id: str
    """The id of the key in use."""
    arn: str
    """The user's ARN."""
    added: str
    created: str = ""
    """When AWS created the key; "" if the user lacks the permission to read the time."""
    next_key_id: str = ""
    """The key that an unfinished rotation has created and that is not in use yet."""
    next_created: str = ""
    old_key_id: str = ""
    """The previous key; "" if there is none or the rotation has deleted it."""
    old_is_off: bool = False
    """Whether the rotation has deactivated the previous key."""
    backend: str = DESKTOP
    """The backend that stores the secrets."""


class Contents(NamedTuple):
    """All entries of the list."""

    seeds: Mapping[str, SeedEntry]
    keys: Mapping[str, KeysEntry]


EMPTY = Contents({}, {})
_MOST_BYTES = 1 << 24


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether DSOPS_KEYRING disables the keyring, for example in a sandbox, or in CI with keys in variables."""
    return environ.get(VARIABLE, "").lower() in _OFF


def contents(environ: Mapping[str, str]) -> Contents:
    """Read the list. Raises KeyringFailed if it can't be read or trusted."""
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
            f"{path} is not trusted",
            why="the file belongs to another user, or other users can write it",
            hint=f"make the file yours alone: `chmod 600 {path}`",
        )
    try:
        return _parsed(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeyringFailed(
            f"{path} is not a valid list of the keyring's entries",
            why="the file was changed, or a newer dsops has written it",
            hint="repair the file or update dsops; without the file, add the keys and seeds to the keyring again",
        ) from error


def write(environ: Mapping[str, str], new: Contents) -> None:
    """Replace the list atomically. Raises FileNotWritten."""
    text = json.dumps(
        {
            "version": _VERSION,
            "mfa": [entry._asdict() for entry in new.seeds.values()],
            "keys": [entry._asdict() for entry in new.keys.values()],
        },
        indent=2,
    )
    replace_file(path_of(environ), f"{text}\n".encode())


@contextmanager
def changing(environ: Mapping[str, str]) -> Iterator[Contents]:
    """Lock the list for a change, and yield its contents.

    Raises KeyringFailed if another process keeps the lock too long, and FileNotWritten if the list can't be written.
    """
    path = path_of(environ)
    if not path:
        raise FileNotWritten(
            "there is no folder for the list of the keyring's entries",
            why="neither XDG_DATA_HOME nor HOME is set",
            hint="set HOME to your home folder",
        )
    with locked(path):
        yield contents(environ)


def path_of(environ: Mapping[str, str]) -> str:
    """Return the path of the list, or "" without a home folder."""
    return data_file(environ, "keyring.json")


def data_file(environ: Mapping[str, str], name: str) -> str:
    """Return the path of a data file, or "" without a home folder."""
    data = data_folder(environ)
    return os.path.join(data, name) if data else ""


def _parsed(value: Mapping[str, Any]) -> Contents:
    # The value has type Any because it is parsed JSON; it is checked below.
    if value["version"] != _VERSION:
        raise ValueError("another version")
    seeds = [_entry(SeedEntry, fields) for fields in value["mfa"]]
    keys = [_entry(KeysEntry, fields) for fields in value["keys"]]
    return Contents({entry.serial_number: entry for entry in seeds}, {entry.name: entry for entry in keys})


def _entry(kind: type[T], fields: Mapping[str, object]) -> T:
    """Parse one entry. Fields that a newer dsops has added are ignored."""
    known_fields = {name: field for name, field in fields.items() if name in getattr(kind, "_fields", ())}
    for name, field in known_fields.items():
        if not isinstance(field, bool if name == "old_is_off" else str):
            raise TypeError(name)
    return kind(**known_fields)
