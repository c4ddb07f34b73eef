"""One HTTP request and one answer, as the sandbox sees them: no sockets, no web framework."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import NamedTuple


class HttpRequest(NamedTuple):
    """A request as it stood on the wire."""

    method: str
    path: str
    """Still percent-encoded."""
    query: str
    """Still percent-encoded, without the `?`."""
    headers: Mapping[str, str]
    """Names in lower case; bytes of values as Latin-1 characters (PEP 3333)."""
    body: bytes
    peer: str
    """The address that the connection came from."""


class HttpAnswer(NamedTuple):
    """An answer; `Date`, `Content-Length` and the request id are the server's business."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wait: Wait | None = None
    """Set on the empty answer to a long poll: whether to send it is decided when the time is over."""

    def mapped(self, change: Callable[[HttpAnswer], HttpAnswer]) -> HttpAnswer:
        """The changed answer; the answer that a long poll may still get is changed in the same way."""
        changed = change(self)
        if self.wait is None:
            return changed
        ask = self.wait.ask

        def ask_and_change() -> HttpAnswer | None:
            later = ask()
            return None if later is None else change(later)

        return changed._replace(wait=self.wait._replace(ask=ask_and_change))


class Wait(NamedTuple):
    """How long a long poll goes on, and how to find out whether there is something for it."""

    seconds: float
    source: str
    """What is polled: of several polls of one source only the first needs to be asked about."""
    ask: Callable[[], HttpAnswer | None]
    """The answer once there is one. Does not block."""


def is_loopback(address: str) -> bool:
    """Whether it is an address of this machine that no other one can reach."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
