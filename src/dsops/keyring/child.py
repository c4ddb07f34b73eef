"""One question to the system's keyring, through the package `keyring`; runs as a process of its own.

`items.py` starts it with exactly the client's environment and folder: the package reads HOME, XDG_*,
DBUS_SESSION_BUS_ADDRESS and others of its process. The question comes as one JSON object on standard input, the answer
goes as one to standard output; whatever else prints there goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from dsops.dumps import leave_no_core_dump
from dsops.errors import DsopsError

_LONGEST_WHY = 300


def main() -> None:
    """Answers the one question."""
    leave_no_core_dump()
    answer_descriptor = os.dup(1)
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.buffer.read())
    # A backend that asks for a password has to find the terminal by itself: this stream was ours.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    with os.fdopen(answer_descriptor, "w", encoding="utf-8") as stream:
        json.dump(answer(asked), stream)


def answer(asked: Mapping[str, str]) -> dict[str, Any]:
    """`value` (None for nothing) and `backend`, or `error` and `why`. Any: it is JSON, which the parent checks."""
    try:
        import keyring.errors
        from keyring import core
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "keyring"
        return {"error": "NotInstalled" if is_missing else "NotLoaded", "why": _told(error, asked)}
    try:
        # One that is named counts, whatever it is; of those that are only found, none that keeps passwords readable.
        core.init_backend(limit=core.recommended)
        backend = core.get_keyring()
    except Exception as error:  # noqa: BLE001 - a backend is somebody else's code, and named by the user
        return {"error": "NotLoaded", "why": _told(error, asked)}
    if type(backend).__module__ == "keyring.backends.null":
        return {"error": "SwitchedOff", "why": ""}
    try:
        value = _do(backend, asked)
    except (keyring.errors.KeyringError, DsopsError) as error:
        return {"error": type(error).__name__, "why": _told(error, asked), "backend": str(backend.name)}
    except Exception as error:  # noqa: BLE001 - the same
        return {"error": "Failed", "why": _told(error, asked), "backend": str(backend.name)}
    return {"value": value, "backend": str(backend.name)}


def _do(backend: Any, asked: Mapping[str, str]) -> str | None:
    """Any: a backend, which is not imported above where the package may be missing."""
    service, account = asked["service"], asked["account"]
    if asked["do"] == "put":
        backend.set_password(service, account, asked["value"])
        if backend.get_password(service, account) != asked["value"]:
            raise DsopsError("it took the entry and gives another one back")
        return None
    found: str | None = backend.get_password(service, account)
    if asked["do"] == "delete" and found is not None:
        backend.delete_password(service, account)
    return found if asked["do"] == "get" else None


def _told(error: Exception, asked: Mapping[str, str]) -> str:
    """The error in its own words, without what was to be kept."""
    text = str(error)
    if asked.get("value"):
        text = text.replace(asked["value"], "***")
    return f"{type(error).__name__}: {text}"[:_LONGEST_WHY]
