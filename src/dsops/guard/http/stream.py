"""One side of the guard: a connection of a client or to an upstream, with back-pressure in both directions."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from dsops.guard.http.limits import Limits
from dsops.guard.http.parser import Part

_MOST_JOINED = 65_536
"""Pieces of a body are joined until they have this size."""


class ConnectionLostError(Exception):
    """The other side closed the connection, or stopped sending or reading for too long."""


class Stream(asyncio.Protocol):
    """Queues the parsed parts of what arrives, and pauses the sender while the queue is full.

    Exactly one task reads from a stream and one writes to it.
    """

    transport: asyncio.Transport

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.lost = ""
        """Why the connection ended; "" while it is open."""
        self.patience = float("inf")
        """Seconds without activity after which `expire` is called."""
        self.active_at = 0.0
        """The event loop's time of the last activity."""
        self._loop = asyncio.get_running_loop()
        self._parts: deque[Part] = deque()
        self._size = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_reading_paused = False
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=self.limits.buffer)
        self.touch()

    @property
    def is_connected(self) -> bool:
        """Whether the connection was opened, though it may have ended since."""
        return hasattr(self, "transport")

    def touch(self) -> None:
        """Restart the time of `patience`."""
        self.active_at = self._loop.time()

    def wait_at_most(self, seconds: float) -> None:
        """Set the patience, and restart its time."""
        self.patience = seconds
        self.active_at = self._loop.time()

    def expire(self) -> None:
        """End the connection, because nothing happened for too long."""
        self.abort(f"no data for {self.patience:g} seconds")

    def abort(self, reason: str) -> None:
        """End the connection now, without sending what is still queued for sending."""
        if not self.lost:
            self.lost = reason
            if self.is_connected:
                self.transport.abort()
            self._wake_all()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the tasks that wait for this connection."""
        if not self.lost:
            self.lost = f"the connection broke: {exc}" if exc else "the connection was closed"
        self._wake_all()

    def queue(self, part: Part) -> None:
        """Add a parsed part. The parsers call this."""
        self._parts.append(part)
        if isinstance(part, bytes):
            self._size += len(part)
        else:
            self._size += 1_024
        # While TLS starts, data can arrive before the transport is known.
        if self._size > self.limits.buffer and not self._is_reading_paused and self.is_connected:
            self._is_reading_paused = True
            self.transport.pause_reading()
        if self._reader is not None:
            _wake(self._reader)

    @property
    def has_part(self) -> bool:
        """Whether `next_part` returns without waiting."""
        return bool(self._parts)

    async def next_part(self) -> Part:
        """Return the next part; small adjacent pieces of a body as one. Raises ConnectionLostError."""
        parts = self._parts
        while not parts:
            if self.lost:
                raise ConnectionLostError(self.lost)
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        part = parts.popleft()
        if isinstance(part, bytes):
            if parts and isinstance(parts[0], bytes):
                part = self._joined(part)
            self._size -= len(part)
        else:
            self._size -= 1_024
        if self._is_reading_paused and self._size <= self.limits.buffer // 2:
            self._is_reading_paused = False
            self.transport.resume_reading()
        return part

    def _joined(self, first: bytes) -> bytes:
        """Return the piece with those after it, as long as they are small: a copy of large ones would cost more."""
        pieces, size = [first], len(first)
        while size < _MOST_JOINED and self._parts and isinstance(self._parts[0], bytes):
            piece = cast("bytes", self._parts.popleft())
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces) if len(pieces) > 1 else first

    def write(self, data: bytes) -> None:
        """Send bytes; they are queued if the other side does not read. Raises ConnectionLostError."""
        if self.lost:
            raise ConnectionLostError(self.lost)
        self.transport.write(data)

    def pause_writing(self) -> None:
        """Let `drained` wait: the transport's queue is full."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Continue the task that waits in `drained`."""
        self._is_full = False
        if self._writer is not None:
            _wake(self._writer)

    async def drained(self) -> None:
        """Wait until the other side has read most of what was sent. Raises ConnectionLostError."""
        while self._is_full and not self.lost:
            patience = self.patience
            self.wait_at_most(min(patience, self.limits.stall))
            self._writer = self._loop.create_future()
            try:
                await self._writer
            finally:
                self._writer = None
                self.wait_at_most(patience)
        if self.lost:
            raise ConnectionLostError(self.lost)

    def _wake_all(self) -> None:
        for waiter in (self._reader, self._writer):
            if waiter is not None:
                _wake(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
