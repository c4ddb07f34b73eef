"""The sandbox's types for HTTP requests and answers, independent of sockets and web frameworks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import NamedTuple


class HttpRequest(NamedTuple):
    """An HTTP request as the client sent it."""

    method: str
    path: str
    """The path, percent-encoded."""
    query: str
    """The query string, percent-encoded, without the `?`."""
    headers: Mapping[str, str]
    """Header name in lower case -> value, with each byte decoded as one Latin-1 character (PEP 3333)."""
    body: bytes
    peer: str
    """The address from which the client is connected."""


class HttpAnswer(NamedTuple):
    """An HTTP answer without `Date`, `Content-Length` and request id, which the server adds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wait: Wait | None = None
    """Set on the empty answer to a long poll; this answer is sent only if the wait ends without a result."""

    def mapped(self, change: Callable[[HttpAnswer], HttpAnswer]) -> HttpAnswer:
        """Return the answer with `change` applied to it and, for a long poll, to its later answer."""
        changed = change(self)
        if self.wait is None:
            return changed
        ask = self.wait.ask

        def ask_and_change() -> HttpAnswer | None:
            later = ask()
            return None if later is None else change(later)

        return changed._replace(wait=self.wait._replace(ask=ask_and_change))


class Wait(NamedTuple):
    """How long a long poll waits, and the function that polls again."""

    seconds: float
    source: str
    """The queue or task list to poll. If several polls wait for it, only the oldest poll calls `ask`."""
    ask: Callable[[], HttpAnswer | None]
    """Returns the answer if there is a result now, else None. Does not block."""


def is_loopback(address: str) -> bool:
    """Whether the address is a loopback address, which no other machine can reach."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
