"""Answer one request to the system keyring, through the package `keyring`, in a separate process.

`desktop.py` starts this process with exactly the client's environment variables and working directory, because the
package reads HOME, XDG_*, DBUS_SESSION_BUS_ADDRESS and others. The request is one JSON object on standard input, and
the answer one JSON object on standard output; all other output goes to standard error.
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
    """Read the request from standard input, write the answer, and exit."""
    leave_no_core_dump()
    answer_descriptor = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.read())
    # Standard input contained the request, so a backend that prompts for a password must open the terminal itself.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    with os.fdopen(answer_descriptor, "w", encoding="utf-8") as stream:
        json.dump(answer(request), stream)


def answer(request: Mapping[str, str]) -> dict[str, Any]:
    """Return `value` (None if there is no entry) and `backend`; after a failure, return `error` and `why`.

    Any: the values are JSON, which the parent process checks.
    """
    try:
        import keyring.errors
        from keyring import core
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "keyring"
        return {"error": "NotInstalled" if is_missing else "NotLoaded", "why": _told(error, request)}
    try:
        # A configured backend is always used. Otherwise only recommended backends, which encrypt, are considered.
        core.init_backend(limit=core.recommended)
        backend = core.get_keyring()
    except Exception as error:  # noqa: BLE001 - the user has chosen the backend, which is third-party code
        return {"error": "NotLoaded", "why": _told(error, request)}
    if type(backend).__module__ == "keyring.backends.null":
        return {"error": "SwitchedOff", "why": ""}
    try:
        value = _do(backend, request)
    except (keyring.errors.KeyringError, DsopsError) as error:
        return {"error": type(error).__name__, "why": _told(error, request), "backend": str(backend.name)}
    except Exception as error:  # noqa: BLE001 - for the same reason
        return {"error": "Failed", "why": _told(error, request), "backend": str(backend.name)}
    return {"value": value, "backend": str(backend.name)}


def _do(backend: Any, request: Mapping[str, str]) -> str | None:
    """Carry out the request. Any: the type of `backend` is from the package `keyring`, which may not be installed."""
    service, account = request["service"], request["account"]
    if request["do"] == "look":
        if type(backend).__module__ == "keyring.backends.fail":
            from keyring.errors import NoKeyringError

            raise NoKeyringError
        return None
    if request["do"] == "put":
        backend.set_password(service, account, request["value"])
        if backend.get_password(service, account) != request["value"]:
            raise DsopsError("the keyring accepted the entry, but returns another value")
        return None
    stored_value: str | None = backend.get_password(service, account)
    if request["do"] == "delete" and stored_value is not None:
        backend.delete_password(service, account)
    return stored_value if request["do"] == "get" else None


def _told(error: Exception, request: Mapping[str, str]) -> str:
    """Return the error's message. If the request stores a secret, the message shows it as `***`."""
    text = str(error)
    if request.get("value"):
        text = text.replace(request["value"], "***")
    return f"{type(error).__name__}: {text}"[:_LONGEST_WHY]
