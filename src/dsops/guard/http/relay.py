"""Send one allowed request to its upstream, and the response to the client, piece by piece in bounded memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dsops.guard.http.exchange import Forward, Forwarded
from dsops.guard.http.parser import End, ParseFailure, RequestStart, ResponseStart
from dsops.guard.http.stream import ConnectionLostError, Stream
from dsops.guard.http.upstream import Pool, Upstream, UpstreamError, UpstreamTarget, proxy_headers
from dsops.guard.http.writer import CONTINUE, authority, chunk, last_chunk, request_head, response_head

_REFUSAL_BYTES = 4_096


class RequestError(Exception):
    """The rest of the client's request is malformed or was refused by Forward.transform. `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Relay:
    """One request to an upstream and its response."""

    def __init__(
        self, client: Stream, pool: Pool, start: RequestStart, forward: Forward, buffered: bytes | None
    ) -> None:
        """`buffered` is the client's body if it has been read; otherwise the body is read from `client`."""
        self._client = client
        self._pool = pool
        self._start = start
        self._forward = forward
        self._buffered = buffered
        self.has_begun = False
        """Whether the client has got a byte of the response."""
        self.is_body_read = buffered is not None
        """Whether the client's body has been read to its end."""
        self.keep_alive = start.keep_alive
        """After `run`: whether the client's connection can take another request."""
        self.upgraded: Upstream | None = None
        """After a response with status 101: the connection whose bytes are to be passed from now on."""
        self._status = 0
        self._refusal = b""

    async def run(self) -> None:
        """Send the request and relay the response.

        Raises UpstreamError if there is no valid response, RequestError if the client's body can't be sent,
        ConnectionLostError if the client is gone.
        """
        began = time.monotonic()
        error = "the transfer was cancelled"
        try:
            await self._exchange()
            error = ""
        except (UpstreamError, RequestError, ConnectionLostError, ValueError) as raised:
            error = str(raised)
            raise
        finally:
            if self._forward.done is not None:
                seconds = time.monotonic() - began
                self._forward.done(Forwarded(self._status, seconds, error, self._refusal))

    async def _exchange(self) -> None:
        target = UpstreamTarget(self._forward.host, self._forward.port, self._forward.is_tls)
        upstream = self._pool.unused(target)
        if upstream is None or not await self._attempt(upstream):
            await self._attempt(await self._pool.connect(target))

    async def _attempt(self, upstream: Upstream) -> bool:
        """Send the request over this connection; False if the upstream closed it before it had read the request."""
        is_clean = False
        try:
            is_clean = await self._talk(upstream)
        except _StaleError:
            return False
        else:
            return True
        finally:
            if self.upgraded is None:
                self._pool.release(upstream, is_clean=is_clean)

    async def _talk(self, upstream: Upstream) -> bool:
        """Send the request over this connection and relay the response; return whether both were complete."""
        forward = self._forward
        upstream.begin(is_head=forward.method == "HEAD")
        whole = forward.body
        if whole is None and self._buffered is not None:
            whole = transformed(self._buffered, forward.transform) if self._buffered else b""
            whole += transformed(b"", forward.transform)
        length = len(whole) if whole is not None else self._start.length
        head = self._head(upstream, length)
        if whole is not None:
            self._write_head(upstream, head + whole if whole else head)
            await self._relay_response(upstream)
            return True
        self._write_head(upstream, head)
        return await self._stream(upstream)

    def _head(self, upstream: Upstream, length: int | None) -> bytes:
        forward, login = self._forward, upstream.login
        extra = () if login is None else proxy_headers(login)
        if self._start.upgrade:
            extra = (*extra, ("Connection", "Upgrade"), ("Upgrade", self._start.upgrade))
        if login is not None:
            # The request goes to an HTTP proxy, which needs the absolute form.
            name = authority(forward.host, forward.port, is_tls=False)
            forward = forward._replace(target=f"http://{name}{forward.target}")
        return request_head(forward, self._start, length=length, extra=extra)

    def _write_head(self, upstream: Upstream, data: bytes) -> None:
        try:
            upstream.write(data)
        except ConnectionLostError as error:
            if upstream.was_used:
                raise _StaleError from None
            raise UpstreamError(f"{upstream.target} closed the connection: {error}") from None

    async def _stream(self, upstream: Upstream) -> bool:
        """Send the client's body while the response is awaited, which may arrive before the body's end."""
        sending = asyncio.create_task(self._send_body(upstream))
        receiving = asyncio.create_task(self._relay_response(upstream))
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and sending.exception() is None:
                await receiving
                return True
            if sending.done() and not isinstance(sending.exception(), ConnectionLostError):
                sending.result()
            # The response ended before the request's body was sent, or the server has stopped reading the body.
            await receiving
            self.keep_alive = False
            return False
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send_body(self, upstream: Upstream) -> None:
        """Send the client's body. Raises RequestError on a malformed or refused body."""
        length, transform, sent = self._start.length, self._forward.transform, 0
        if self._start.expects_continue:
            self._client.write(CONTINUE)
        while True:
            piece = await read_body(self._client)
            is_end = self.is_body_read = piece is None
            data = piece if transform is None else transformed(piece or b"", transform)
            sent += len(data or b"")
            if length is not None and (sent > length or (is_end and sent != length)):
                raise RequestError(400, "the body has another length than it says")
            if data:
                upstream.write(chunk(data) if length is None else data)
                await upstream.drained()
                upstream.touch()
            if is_end:
                break
        if length is None:
            upstream.write(last_chunk(End()))

    async def _relay_response(self, upstream: Upstream) -> None:
        start = await self._response_start(upstream)
        self._status = start.status
        self.keep_alive = self.keep_alive and (not start.has_body or start.length is not None or start.is_chunked)
        # If the response begins before the request's body was read completely, the client's connection is closed after
        # the response.
        pending = [response_head(start, keep_alive=self.keep_alive and self.is_body_read)]
        self.keep_alive = self.keep_alive and self.is_body_read
        if start.status == 101:
            self.upgraded = upstream
            self.keep_alive = False
            await self._send(pending)
            return
        while True:
            if pending and not upstream.has_part:
                await self._send(pending)
            part = await self._next(upstream)
            if isinstance(part, End):
                if start.is_chunked and start.has_body:
                    pending.append(last_chunk(part))
                break
            if start.status >= 400 and len(self._refusal) < _REFUSAL_BYTES:
                self._refusal = (self._refusal + part)[:_REFUSAL_BYTES]
            pending.append(chunk(part) if start.is_chunked else part)
        if pending:
            await self._send(pending)

    async def _send(self, pending: list[bytes]) -> None:
        self.has_begun = True
        self._client.write(pending[0] if len(pending) == 1 else b"".join(pending))
        pending.clear()
        await self._client.drained()

    async def _response_start(self, upstream: Upstream) -> ResponseStart:
        """Wait for the final response. Raises UpstreamError."""
        upstream.wait_at_most(upstream.limits.response)
        while True:
            try:
                part = await upstream.next_part()
            except ConnectionLostError as error:
                is_whole = self._forward.body is not None or self._buffered is not None
                if upstream.was_used and is_whole and not upstream.has_answered:
                    raise _StaleError from None
                raise UpstreamError(f"{upstream.target} gave no response: {error}") from None
            if isinstance(part, ParseFailure):
                raise UpstreamError(f"{upstream.target} sent a malformed response: {part.message}")
            if isinstance(part, ResponseStart) and (part.status >= 200 or part.status == 101):
                if part.status == 101 and not self._start.upgrade:
                    raise UpstreamError(f"{upstream.target} changed the protocol without being asked")
                return part

    async def _next(self, upstream: Upstream) -> bytes | End:
        try:
            part = await upstream.next_part()
        except ConnectionLostError as error:
            raise UpstreamError(f"{upstream.target} stopped in the middle of its response: {error}") from None
        if isinstance(part, bytes | End):
            return part
        reason = part.message if isinstance(part, ParseFailure) else "a second response"
        raise UpstreamError(f"{upstream.target} sent a malformed response: {reason}")


class _StaleError(Exception):
    """A kept connection had already been closed by the upstream."""


async def read_body(client: Stream) -> bytes | None:
    """Return the next piece of a request's body; None at its end. Raises RequestError and ConnectionLostError."""
    client.wait_at_most(client.limits.stall)
    part = await client.next_part()
    client.wait_at_most(float("inf"))
    if isinstance(part, bytes):
        return part
    if isinstance(part, End) and not part.trailers:
        return None
    if isinstance(part, End):
        raise RequestError(400, "trailers in a request are not supported")
    raise RequestError(*(part[:2] if isinstance(part, ParseFailure) else (400, "a request began inside of another")))


def transformed(data: bytes, transform: Callable[[bytes], bytes] | None) -> bytes:
    """Apply Forward.transform. Raises RequestError if it refuses the data."""
    if transform is None:
        return data
    try:
        return transform(data)
    except ValueError as error:
        raise RequestError(400, f"the body was refused: {error}") from None
