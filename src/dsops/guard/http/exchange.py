"""The types between the guard's server, which moves bytes, and its gate, which decides about requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from dsops.request.messages import HttpAnswer


class RequestHead(NamedTuple):
    """The request line and headers of a request, before its body has arrived."""

    method: str
    path: str
    """The path, percent-encoded as the client sent it."""
    query: str
    """The query string, percent-encoded, without the `?`."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case with values in the order sent, each byte decoded as one Latin-1 character."""
    host: str
    """The host name that the client means, in lower case: of the tunnel, of the absolute URL, or of the header Host."""
    port: int
    is_tls: bool
    """Whether the request arrived in a TLS tunnel that the guard ended."""
    is_direct: bool
    """Whether the request was sent to the guard as an endpoint (`AWS_ENDPOINT_URL`), not through it as a proxy."""
    peer: str
    """The address from which the client is connected."""


class Forward(NamedTuple):
    """A request to send on, and what to do with the result."""

    host: str
    port: int
    is_tls: bool
    target: str
    """The path and query of the request line."""
    method: str
    headers: tuple[tuple[str, str], ...]
    """All headers to send except `content-length` and `transfer-encoding` of the body, which the server writes."""
    body: bytes | None
    """The whole body; None to stream the client's body."""
    transform: Callable[[bytes], bytes] | None = None
    """Applied to each piece of a streamed body, and called with b"" at the end. A ValueError ends the request.

    The result has the same total length as the client's body.
    """
    done: Callable[[Forwarded], None] | None = None
    """Called once, when the response is complete or failed."""


class Forwarded(NamedTuple):
    """How a forwarded request ended."""

    status: int
    """The status of the upstream's response; 0 if there was none."""
    seconds: float
    error: str = ""
    """Why there was no response; "" if there was one."""
    refusal: bytes = b""
    """The beginning (at most 4 KB) of the body of a response with a status from 400 on."""


Begin = Literal["body", "head"]
"""Whether the gate needs the whole body of a request to decide about it, or decides by its head alone."""
Tunnel = Literal["open", "pass"]
"""Whether the guard ends the TLS of a tunnel and reads its requests, or passes its bytes unread."""


class Gate(Protocol):
    """Decides about requests. Its methods run in the event loop of the server."""

    def tunnel(self, host: str, port: int) -> Tunnel | HttpAnswer:
        """Decide about a CONNECT request. An answer refuses it."""

    def begin(self, head: RequestHead) -> Begin | HttpAnswer:
        """Say what the decision about a request depends on. An answer refuses it before its body is read."""

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | HttpAnswer:
        """Decide about a request. `body` is None after `begin` returned `head`. An answer is sent to the client."""
