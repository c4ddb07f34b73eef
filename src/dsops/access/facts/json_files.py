"""Read and write the JSON files of a folder of facts.

A file that is missing or cut off is reported by its reason, so that a reader can record a gap. A file of another kind
is an error that names the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from dsops.errors import FileNotWritten, PolicyInvalid, PolicyUnreadable
from dsops.input_file import read_whole, reason
from dsops.text import clean

MOST_BYTES: Final = 256 * 1024 * 1024
"""The maximum size of one file. The largest account of AWS's quotas (5,000 users, 1,000 roles) needs about 60 MB."""

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700


class JsonFile(NamedTuple):
    """The JSON object in a file, or the reason why there is none."""

    value: dict[str, object]
    problem: str
    """Why the file could not be read, such as `organization.json is missing`; "" if it was read."""


def read_object(path: str, *, shown: str = "", follows_links: bool = False) -> JsonFile:
    """Read the JSON object in a file; `shown` is the file's name in messages.

    A missing file, and a file that ends in the middle or is no JSON, are problems of the result. Raises
    PolicyUnreadable for a file that can't be read, is a symbolic link or is too large, and PolicyInvalid for JSON that
    is not an object.
    """
    name = clean(shown or path)
    value, problem = _read(path, name, follows_links=follows_links)
    if problem:
        return JsonFile({}, problem)
    if not isinstance(value, dict):
        raise PolicyInvalid(
            f"{clean(path)} is not a JSON object",
            why=f"it contains {_KINDS.get(type(value), 'a number')}",
            hint="docs/reference/access.md describes the format of these files",
        )
    return JsonFile(value, "")


def read_value(path: str) -> object:
    """Return the JSON value in a file; None if the file is missing. Raises as `read_object` does."""
    value, problem = _read(path, clean(path), follows_links=False)
    if problem and os.path.lexists(path):
        raise PolicyInvalid(problem, hint="collect the facts again")
    return value


def _read(path: str, name: str, *, follows_links: bool) -> tuple[object, str]:
    """Return the JSON value in a file, and why there is none."""
    try:
        data = read_whole(path, MOST_BYTES, follows_links=follows_links)
    except FileNotFoundError:
        return None, f"{name} is missing"
    except OSError as error:
        why = "it is a symbolic link" if os.path.islink(path) and not follows_links else reason(error)
        hint = "name a folder with regular files, such as one that `dsops access collect` writes"
        raise PolicyUnreadable(f"{clean(path)} can't be read", why=why, hint=hint) from error
    try:
        return json.loads(data), ""
    except (ValueError, RecursionError):
        return None, f"{name} is not valid JSON: it may be cut off"


_KINDS: Final[Mapping[type, str]] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def write_object(path: str, value: Mapping[str, object]) -> None:
    """Write a JSON object to a file that only the user can read, in place of an older file if there is one.

    The file is complete at every moment: it is written under another name first. Missing folders are created. Raises
    FileNotWritten.
    """
    part = f"{path}.{os.getpid()}.part"
    try:
        _make_folder(os.path.dirname(path))
        with suppress(FileNotFoundError):
            os.unlink(part)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), _PRIVATE_FILE)
        try:
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                json.dump(value, file, indent=2, ensure_ascii=False)
                file.write("\n")
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
    except OSError as error:
        hint = "name another folder with `--out FOLDER`"
        raise FileNotWritten(f"{clean(path)} can't be written", why=reason(error), hint=hint) from error


def _make_folder(folder: str) -> None:
    """Create a folder, and the folders above it that are missing, for the user only."""
    if not os.path.isdir(folder):
        _make_folder(os.path.dirname(folder))
        os.mkdir(folder, _PRIVATE_FOLDER)


def text_of(value: object, key: str) -> str:
    """Return a text member of a JSON object; "" if it is missing or of another type."""
    member = value.get(key) if isinstance(value, dict) else None
    return member if isinstance(member, str) else ""


def object_of(value: object, key: str) -> dict[str, object]:
    """Return an object member of a JSON object; {} if it is missing or of another type."""
    member = value.get(key) if isinstance(value, dict) else None
    return member if isinstance(member, dict) else {}


def objects_of(value: object, key: str) -> list[dict[str, object]]:
    """Return the objects in a list member of a JSON object; [] if it is missing or of another type."""
    member = value.get(key) if isinstance(value, dict) else None
    return [item for item in member if isinstance(item, dict)] if isinstance(member, list) else []


def texts_of(value: object, key: str) -> list[str]:
    """Return the texts in a list member of a JSON object; [] if it is missing or of another type."""
    member = value.get(key) if isinstance(value, dict) else None
    return [item for item in member if isinstance(item, str)] if isinstance(member, list) else []


def tags_of(value: object, key: str = "Tags") -> Mapping[str, str]:
    """Return tags, which AWS writes as a list of `Key` and `Value`, or as an object."""
    member = value.get(key) if isinstance(value, dict) else None
    if isinstance(member, dict):
        return {name: text for name, text in member.items() if isinstance(text, str)}
    return {text_of(tag, "Key"): text_of(tag, "Value") for tag in objects_of(value, key)} if member else {}
