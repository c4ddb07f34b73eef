"""The sandbox's HTTP request and answer types, independent of sockets and web frameworks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import NamedTuple


class HttpRequest(NamedTuple):
    """A request as sent."""

    method: str
    path: str
    """Percent-encoded."""
    query: str
    """Percent-encoded, without the `?`."""
    headers: Mapping[str, str]
    """Names in lower case; bytes of values as Latin-1 characters (PEP 3333)."""
    body: bytes
    peer: str
    """The address of the connection's peer."""


class HttpAnswer(NamedTuple):
    """An answer; the server adds `Date`, `Content-Length` and the request id."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wait: Wait | None = None
    """Set on the empty answer to a long poll, which is sent only if nothing comes before the wait ends."""

    def mapped(self, change: Callable[[HttpAnswer], HttpAnswer]) -> HttpAnswer:
        """Apply a change to the answer, and to the later answer of a long poll."""
        changed = change(self)
        if self.wait is None:
            return changed
        ask = self.wait.ask

        def ask_and_change() -> HttpAnswer | None:
            later = ask()
            return None if later is None else change(later)

        return changed._replace(wait=self.wait._replace(ask=ask_and_change))


class Wait(NamedTuple):
    """The length of a long poll, and how to ask for its answer."""

    seconds: float
    source: str
    """What is polled; of several polls of one source only the first has to be asked."""
    ask: Callable[[], HttpAnswer | None]
    """Returns the answer once there is one. Does not block."""


def is_loopback(address: str) -> bool:
    """Whether the address is a loopback address, which no other machine can reach."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
