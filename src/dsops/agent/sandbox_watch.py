"""Finds out whether a sandbox that issued cached sessions still runs, so that its sessions end with it."""

from __future__ import annotations

import socket
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

from dsops.agent.request import Outside
from dsops.cache import CredentialCache
from dsops.credentials import SandboxRun

_TIMEOUT_SECONDS = 0.25
_CHECKED_SECONDS = 1.0
"""How many seconds a command relies on the last check that the sandbox runs. `dsops agent status` always checks."""

_MOST_BYTES = 16_384


class SandboxWatch:
    """Checks sandboxes, each at most once per second. An agent without sessions of a sandbox sends nothing."""

    def __init__(self) -> None:
        self._checked: dict[SandboxRun, float] = {}

    def drop_ended(
        self, cache: CredentialCache, outside: Outside = lambda wait: wait(), *, is_fresh: bool = False
    ) -> None:
        """Remove the sessions of sandboxes that have ended. With `is_fresh`, no earlier check is reused.

        `outside` is called for a check, which waits for the sandbox.
        """
        now = monotonic()
        for run in cache.sandbox_runs():
            checked = self._checked.get(run)
            if not is_fresh and checked is not None and now - checked < _CHECKED_SECONDS:
                continue
            if outside(partial(has_ended, run)):
                self._checked.pop(run, None)
                cache.forget(lambda session, run=run: session.sandbox == run)  # type: ignore[misc]
            else:
                self._checked[run] = now


def has_ended(run: SandboxRun) -> bool:
    """Whether the sandbox at the URL has ended: no server, or a different run or program, listens there.

    A sandbox that does not answer in time may be busy or stopped by Ctrl-Z, and counts as running. The request carries
    no credentials. Behind a TLS proxy (an https URL), only the listener is checked.
    """
    address = urlsplit(run.url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), _TIMEOUT_SECONDS) as connection:
            if address.scheme != "http":
                return False
            host = address.netloc.encode("ascii", "replace")
            connection.sendall(b"GET /_sandbox/health HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
            return _server_in(connection) != run.server
    except TimeoutError:
        return False
    except OSError:
        return True


def _server_in(connection: socket.socket) -> str:
    """Return the `Server` header of the response; "" if the response has none."""
    connection.settimeout(_TIMEOUT_SECONDS)
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MOST_BYTES:
        received = connection.recv(4096)
        if not received:
            break
        head += received
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"server":
            return value.strip().decode("latin-1")
    return ""
