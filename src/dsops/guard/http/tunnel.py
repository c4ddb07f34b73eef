"""Tunnels of CONNECT: TLS that the guard ends, and bytes that are passed unread in both directions."""

from __future__ import annotations

import asyncio
import ssl

from dsops.guard.http.limits import Limits


class Pipe(asyncio.Protocol):
    """One end of a connection whose bytes are passed to the other end, with back-pressure and half-closing."""

    def __init__(self, transport: asyncio.Transport, limits: Limits) -> None:
        self.transport = transport
        self.patience = limits.tunnel
        self.active_at = asyncio.get_running_loop().time()
        self.lost = False
        self.other: Pipe
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on."""
        self.active_at = self.other.active_at = asyncio.get_running_loop().time()
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Stop reading from the other end."""
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read from the other end again."""
        self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Pass on the end of one direction; the other one stays open if the transports can do that."""
        self._has_ended = True
        if self.other._has_ended or not self.other.transport.can_write_eof():  # noqa: SLF001 - the same class
            return False
        self.other.transport.write_eof()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other end, too, after what it has still to send."""
        self.lost = True
        if exc is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()

    def abort(self) -> None:
        """End both ends now."""
        self.transport.abort()
        self.other.transport.abort()


def join(
    client: asyncio.Transport, upstream: asyncio.Transport, *, to_client: bytes, to_upstream: bytes, limits: Limits
) -> tuple[Pipe, Pipe]:
    """Pass all bytes between two connections from now on, beginning with those that have already arrived."""
    ends = Pipe(client, limits), Pipe(upstream, limits)
    ends[0].other, ends[1].other = ends[1], ends[0]
    for end, data in zip(ends, (to_client, to_upstream), strict=True):
        end.transport.set_protocol(end)
        if data:
            end.transport.write(data)
    for end in ends:
        end.transport.resume_reading()
    return ends


async def start_server_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float
) -> asyncio.Transport | None:
    """Do the server's side of a handshake; None if it failed, which has closed the connection."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.start_tls(
            transport, protocol, context, server_side=True, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=1
        )
    except (OSError, ssl.SSLError):
        transport.abort()
        return None
