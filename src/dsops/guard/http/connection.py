"""One connection of a client: reads its requests, asks the gate about each, and answers or relays it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from dsops.guard.http.exchange import Begin, Forward, Gate, RequestHead
from dsops.guard.http.limits import Limits
from dsops.guard.http.parser import ParseFailure, RequestParser, RequestStart
from dsops.guard.http.relay import Relay, RequestError, read_body
from dsops.guard.http.stream import ConnectionLostError, Stream
from dsops.guard.http.upstream import Pool, Upstream, UpstreamError
from dsops.guard.http.writer import CONTINUE, answer_bytes, authority, plain_answer
from dsops.request.messages import HttpAnswer

_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?))(?::([0-9]{1,5}))?\Z"
)
_ABSOLUTE = re.compile(r"http://([^/?]*)(/[^?]*)?(?:\?(.*))?\Z", re.IGNORECASE)
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16_777_216


class Place(Protocol):
    """What the connections of a server share."""

    gate: Gate
    pool: Pool
    limits: Limits
    port: int
    report: Callable[[BaseException], None]
    body_bytes: int
    """The bytes of all bodies that are being buffered."""

    def waits(self, connection: ClientConnection, *, is_waiting: bool) -> None:
        """Remember whether the connection waits for a request. Such connections are closed first."""

    def began(self, connection: ClientConnection) -> None:
        """Remember an open connection."""

    def ended(self, connection: ClientConnection) -> None:
        """Forget the connection."""

    def join(self, connection: ClientConnection, upstream: Upstream) -> None:
        """Pass bytes in both directions from now on, after an upgrade."""

    async def tunnel(self, connection: ClientConnection, start: RequestStart) -> None:
        """Handle a CONNECT request. The connection is not used for requests any more."""


class ClientConnection(Stream):
    """A client's connection, or the inside of its TLS tunnel to one host."""

    def __init__(self, place: Place, tunnel: tuple[str, int] | None = None) -> None:
        """`tunnel` is the host and port for which this guard has ended the TLS of a tunnel."""
        super().__init__(place.limits)
        self._place = place
        self._tunnel = tunnel
        self._parser = RequestParser(self.queue, place.limits)
        self._is_waiting = False
        self._is_left = False
        self._discarded = -1
        self._buffered = 0
        self._task: asyncio.Task[None] | None = None
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to serve the connection. With TLS, data may have arrived before."""
        super().connection_made(transport)
        self._place.began(self)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) else ""
        self._task = self._loop.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the requests."""
        if self._discarded >= 0:
            self._discarded += len(data)
            if self._discarded > _LINGER_BYTES:
                self.abort("too much data after the end")
            return
        if not self._is_waiting:
            self.active_at = self._loop.time()
        elif self.patience == self.limits.idle:
            # The time for the headers starts at their first byte, and trickling bytes do not extend it.
            self.wait_at_most(self.limits.head_arrival)
        self._parser.feed(data)
        if self._parser.rest is not None and self.is_connected:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """Take the end of the client's side for the end of the connection: no client of AWS half-closes one."""
        self.abort("the client closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what is being done for the client."""
        super().connection_lost(exc)
        if not self._is_left:
            self._place.ended(self)
        if self._task is not None:
            self._task.cancel()

    def abort(self, reason: str) -> None:
        """End the connection and what is being done for the client."""
        super().abort(reason)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def expire(self) -> None:
        """Answer a body that does not arrive with 408; end any other connection."""
        if (
            self._parser.is_body
            and not self._parser.failed
            and self.patience == self.limits.stall
            and not self._is_full
        ):
            self._parser.fail(408, "the body of the request did not arrive in time")
            self.wait_at_most(_LINGER_SECONDS)
        else:
            super().expire()

    @property
    def has_rest(self) -> bool:
        """Whether bytes have arrived after the request that ends HTTP on this connection."""
        return bool(self._parser.rest)

    def leave(self) -> bytes:
        """Give the transport to another protocol; return the bytes that arrived after the last request."""
        self._is_left = True
        return self._parser.rest or b""

    async def _serve(self) -> None:
        try:
            while await self._serve_one():
                pass
            if not self._is_left:
                await self._close()
        except ConnectionLostError:
            self.abort("the client closed the connection")
        except Exception as error:  # noqa: BLE001 - a bug ends this connection only
            self.abort("an error of the guard")
            self._place.report(error)

    async def _serve_one(self) -> bool:
        """Serve the next request; return whether the connection can take another one."""
        start = await self._next_start()
        if isinstance(start, ParseFailure):
            self.answer(plain_answer(start.status, start.message))
            return False
        if start.method == "CONNECT" and self._tunnel is None:
            await self.next_part()
            await self._place.tunnel(self, start)
            return False
        head = self._head_of(start)
        if isinstance(head, RequestHead):
            return await self._decide(start, head)
        return self._refuse(start, head)

    async def _next_start(self) -> RequestStart | ParseFailure:
        self._is_waiting = True
        self.wait_at_most(self.limits.idle)
        if not self.has_part:
            self._place.waits(self, is_waiting=True)
        part = await self.next_part()
        self._place.waits(self, is_waiting=False)
        self._is_waiting = False
        self.patience = float("inf")
        self._parser.waiting -= 1
        if isinstance(part, RequestStart | ParseFailure):
            return part
        return ParseFailure(400, "the request is malformed")

    def _head_of(self, start: RequestStart) -> RequestHead | HttpAnswer:
        """Return the request as the gate gets it; an answer if its target and its Host do not fit together."""
        if self._tunnel is not None:
            return self._inner_head(start)
        target, host, is_direct = start.target, start.host, True
        if not target.startswith("/"):
            absolute = _ABSOLUTE.match(target)
            if absolute is None:
                return plain_answer(400, "the request target is neither a path nor an http URL (HTTPS needs CONNECT)")
            target = (absolute[2] or "/") + ("" if absolute[3] is None else f"?{absolute[3]}")
            if parse_host(absolute[1], 80) != parse_host(host, 80):
                return plain_answer(400, "the URL of the request and its header Host name different hosts")
            is_direct = False
        named = parse_host(host, self._place.port if is_direct else 80)
        if named is None:
            return plain_answer(400, "the header Host is malformed")
        return self._head(start, target, named, is_tls=False, is_direct=is_direct)

    def _inner_head(self, start: RequestStart) -> RequestHead | HttpAnswer:
        assert self._tunnel is not None  # noqa: S101 - checked by the caller
        if not start.target.startswith("/"):
            return plain_answer(400, "the request target inside of a tunnel is not a path")
        if parse_host(start.host, 443) != self._tunnel:
            name = authority(*self._tunnel, is_tls=True)
            return plain_answer(421, f"the header Host names another host than the tunnel, which is to {name}")
        return self._head(start, start.target, self._tunnel, is_tls=True, is_direct=False)

    def _head(
        self, start: RequestStart, target: str, named: tuple[str, int], *, is_tls: bool, is_direct: bool
    ) -> RequestHead:
        path, _, query = target.partition("?")
        return RequestHead(start.method, path, query, start.headers, *named, is_tls, is_direct, self.peer)

    async def _decide(self, start: RequestStart, head: RequestHead) -> bool:
        """Ask the gate about a request, and do what it says; return whether the connection can take another one."""
        try:
            if start.length == 0:
                await read_body(self)
            begin = self._place.gate.begin(head)
            if isinstance(begin, HttpAnswer):
                return self._refuse(start, begin, is_read=start.length == 0)
            body = await self._body(start, begin)
            decision = await self._place.gate.decide(head, body if begin == "body" else None)
            if isinstance(decision, HttpAnswer):
                return self._refuse(start, decision, is_read=body is not None)
            return await self._relay(start, decision, body)
        except RequestError as error:
            return self._refuse(start, plain_answer(error.status, str(error)))
        except ConnectionLostError:
            raise
        except Exception as error:  # noqa: BLE001 - an error of the gate never lets a request pass
            self._place.report(error)
            return self._refuse(start, plain_answer(500, "the request could not be checked"))
        finally:
            self._place.body_bytes -= self._buffered
            self._buffered = 0

    async def _body(self, start: RequestStart, begin: Begin) -> bytes | None:
        """Read the whole body if the gate needs it. Raises RequestError."""
        if start.length == 0:
            return b""
        if begin == "head":
            return None
        if start.length is not None and start.length > self.limits.body:
            raise RequestError(413, f"the body is larger than {self.limits.body} bytes")
        if start.expects_continue and not self.has_part:
            self.write(CONTINUE)
        pieces = []
        while (piece := await read_body(self)) is not None:
            pieces.append(piece)
            self._buffered += len(piece)
            self._place.body_bytes += len(piece)
            if self._buffered > self.limits.body:
                raise RequestError(413, f"the body is larger than {self.limits.body} bytes")
            if self._place.body_bytes > self.limits.bodies:
                raise RequestError(503, "too many large requests at the same time")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _relay(self, start: RequestStart, forward: Forward, body: bytes | None) -> bool:
        relay = Relay(self, self._place.pool, start, forward, body)
        try:
            await relay.run()
        except (UpstreamError, RequestError, ValueError) as error:
            if relay.has_begun:
                self.abort(str(error))
                return False
            if isinstance(error, RequestError):
                raise
            if isinstance(error, ValueError):
                self._place.report(error)
            return self._refuse(start, plain_answer(502, str(error)), is_read=relay.is_body_read)
        except Exception as error:
            if not relay.has_begun:
                raise
            # The client would read an error response as a part of the response that has already begun.
            self._place.report(error)
            self.abort("an error of the guard")
            return False
        if relay.upgraded is not None:
            self._place.join(self, relay.upgraded)
        return relay.keep_alive

    def _refuse(self, start: RequestStart, answer: HttpAnswer, *, is_read: bool = False) -> bool:
        """Send an answer instead of a response; return whether the connection can take another request.

        `is_read` says that the whole request has been read.
        """
        keep_alive = start.keep_alive and is_read
        self.answer(answer, is_head=start.method == "HEAD", keep_alive=keep_alive)
        return keep_alive

    def answer(self, answer: HttpAnswer, *, is_head: bool = False, keep_alive: bool = False) -> None:
        """Send an answer of the gate or the server."""
        self.write(answer_bytes(answer, is_head=is_head, keep_alive=keep_alive))

    async def _close(self) -> None:
        """Close the connection after its last answer.

        What the client still sends is read and ignored for a moment: closing at once would reset the connection, and
        the client might lose the answer.
        """
        self._discarded = 0
        self._parts.clear()
        if self._parser.is_body or self._parser.failed:
            self.wait_at_most(_LINGER_SECONDS)
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self.transport.resume_reading()
            await asyncio.sleep(_LINGER_SECONDS)
        self.wait_at_most(self.limits.stall)
        self.transport.close()


def parse_host(text: str, default_port: int) -> tuple[str, int] | None:
    """Return the host in lower case and the port of `host`, `host:port` or `[address]:port`; None if malformed."""
    match = _HOST.match(text)
    if match is None or int(match[3] or 1) not in range(1, 65_536):
        return None
    return (match[1] or match[2]).lower(), int(match[3] or default_port)
