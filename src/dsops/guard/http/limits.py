"""The limits of the guard's server: sizes in bytes, times in seconds."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """What a client or an upstream may use. The defaults suit AWS's SDKs with many parallel transfers."""

    head: int = 65_536
    """The size of a request line with its headers, and of each run of bytes that holds neither headers nor body."""
    headers: int = 256
    """The number of headers of a message."""
    body: int = 67_108_864
    """The size of a body that the gate needs whole."""
    bodies: int = 268_435_456
    """The size of all bodies together that the gate needs whole at the same time."""
    connections: int = 1_000
    """Connections of clients. At the limit, the one that has waited longest for a request is closed for a new one."""
    pipelined: int = 16
    """Requests that a client may send before the answer to its first one."""
    idle_connections: int = 64
    """Unused connections to all upstreams that are kept for the next request."""
    buffer: int = 524_288
    """Bytes that wait in one direction of a connection before its sender is paused."""
    idle: float = 120.0
    """How long a client's connection is kept open without a request."""
    head_arrival: float = 30.0
    """From the first byte of a request to the end of its headers, and for a handshake of TLS."""
    stall: float = 120.0
    """Without a byte of a request's body, or with a response that the client does not read."""
    connect: float = 15.0
    """To connect to an upstream, through a proxy and with TLS."""
    response: float = 1_000.0
    """Without a byte of a response. A Lambda function may run for 900 seconds."""
    idle_upstream: float = 15.0
    """How long an unused connection to an upstream is kept. S3 closes its own after about 20 seconds."""
    tunnel: float = 3_600.0
    """Without a byte in a tunnel that is passed unread, or after an upgrade to WebSocket."""
