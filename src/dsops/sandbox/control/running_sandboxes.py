"""Find running sandboxes. Each sandbox writes its URL to a file in the user's runtime folder."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from dsops.errors import SandboxUnavailable
from dsops.sandbox.control.client import LOOPBACK

_PREFIX = "sandbox-"
_TIMEOUT_SECONDS = 5


class Announcement:
    """The file with a sandbox's URL, which exists as long as the sandbox listens. It contains no credentials."""

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        folder = _folder(environ)
        self._path = ""
        # The folder is not writable, or another user owns it in /tmp. Without a file only `--port` finds this sandbox.
        with suppress(OSError):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if _is_ours(folder):
                path = os.path.join(folder, f"{_PREFIX}{urlsplit(url).port}")
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    file.write(url)
                self._path = path

    def withdraw(self) -> None:
        """Remove the file with the sandbox's URL."""
        if self._path:
            with suppress(FileNotFoundError):
                os.unlink(self._path)


def find_running(port: int | None, environ: Mapping[str, str]) -> str:
    """Return the URL of a running sandbox.

    The sandbox is chosen in this order:

    1. the sandbox on `port`, if `port` is set
    2. the sandbox at AWS_ENDPOINT_URL, if a sandbox of this machine is running there
    3. the only running sandbox

    Raises SandboxUnavailable.
    """
    if port is not None:
        return _checked(f"http://{LOOPBACK}:{port}")
    named = environ.get("AWS_ENDPOINT_URL", "")
    if named and urlsplit(named).hostname in {LOOPBACK, "localhost", "::1"} and _is_up(named):
        return named
    urls = [url for url in _announced(environ) if _is_up(url)]
    if not urls:
        raise SandboxUnavailable("no sandbox is running", hint="start one: `dsops sandbox serve`")
    if len(urls) > 1:
        raise SandboxUnavailable(
            "several sandboxes are running",
            hint=f"choose one: --port {' or --port '.join(str(urlsplit(url).port) for url in urls)}",
        )
    return urls[0]


def ask(url: str, endpoint: str, **query: str) -> dict[str, Any]:
    """Send a GET request to a control endpoint; return the JSON response. Raises SandboxUnavailable."""
    return _request(url, "GET", endpoint, query, None)


def tell(url: str, endpoint: str, wish: Mapping[str, object]) -> dict[str, Any]:
    """Send a POST request to a control endpoint; return the JSON response. Raises SandboxUnavailable."""
    return _request(url, "POST", endpoint, {}, json.dumps(wish))


def _request(url: str, method: str, endpoint: str, query: Mapping[str, str], body: str | None) -> dict[str, Any]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=_TIMEOUT_SECONDS)
    path = f"/_sandbox/{endpoint}" + (f"?{urlencode(query)}" if query else "")
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise SandboxUnavailable(f"no sandbox answers at {url}", hint="start one: `dsops sandbox serve`") from error
    finally:
        connection.close()
    if answer.status != 200 or not isinstance(content, dict):
        raise SandboxUnavailable(
            f"the sandbox at {url} refused the request", why=str(dict(content).get("error", answer.status))
        )
    return content


def _checked(url: str) -> str:
    ask(url, "health")
    return url


def _is_up(url: str) -> bool:
    try:
        ask(url, "health")
    except SandboxUnavailable:
        return False
    return True


def _announced(environ: Mapping[str, str]) -> list[str]:
    folder = _folder(environ)
    if not _is_ours(folder):
        return []
    urls = []
    for name in sorted(os.listdir(folder)):
        if name.startswith(_PREFIX):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                urls.append(file.read())
    return urls


def _folder(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "dsops")
    from tempfile import gettempdir

    return os.path.join(gettempdir(), f"dsops-{_user_id()}")


def _user_id() -> int:
    """Return the current user's id, or 0 on a system without user ids.

    Such a system reports 0 as the owner of every file.
    """
    return os.getuid() if hasattr(os, "getuid") else 0


def _is_ours(folder: str) -> bool:
    """Whether the path is a real folder of the current user that no other user may write to."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == _user_id() and not status.st_mode & 0o022
