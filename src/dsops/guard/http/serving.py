"""What runs in the event loop of the guard's server: connections, tunnels, limits and time-outs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from dsops.guard.http.connection import ClientConnection, parse_host
from dsops.guard.http.exchange import Gate
from dsops.guard.http.limits import Limits
from dsops.guard.http.parser import RequestStart
from dsops.guard.http.tunnel import Pipe, join, start_server_tls
from dsops.guard.http.upstream import Network, Pool, Upstream, UpstreamError, UpstreamTarget
from dsops.guard.http.writer import CONNECTED, plain_answer
from dsops.request.messages import HttpAnswer

_DESCRIPTORS_OF_OTHERS = 64
_SWEEP_SECONDS = 1.0


class Serving:
    """Accepts connections, and has what they share. `context` gives the TLS settings for a host."""

    def __init__(
        self,
        gate: Gate,
        context: Callable[[str], ssl.SSLContext],
        network: Network,
        limits: Limits,
        report: Callable[[BaseException], None],
    ) -> None:
        self.gate = gate
        self.pool = Pool(network, limits)
        self.limits = limits
        self.port = 0
        self.report = report
        self.body_bytes = 0
        self._context = context
        self._most = most_connections(limits)
        self._connections: set[ClientConnection] = set()
        self._waiting: dict[ClientConnection, None] = {}
        self._pipes: set[Pipe] = set()

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then end all connections."""
        loop = asyncio.get_running_loop()
        # asyncio accepts up to `backlog` connections in one turn, and each one needs a file descriptor.
        server = await loop.create_server(lambda: ClientConnection(self), sock=listener, backlog=128)
        try:
            while not stop.is_set():
                self._sweep(loop.time())
                try:
                    async with asyncio.timeout(_SWEEP_SECONDS):
                        await stop.wait()
                except TimeoutError:
                    pass
        finally:
            # Accept no more connections, and let the tasks of accepted connections begin: `close` would leave their
            # sockets open.
            with suppress(NotImplementedError):  # the event loop of Windows can't watch a socket like this
                loop.remove_reader(listener)
            await asyncio.sleep(0)
            server.close()
            await self._end()

    async def _end(self) -> None:
        # Let tasks of newly accepted connections begin first: if such a task is cancelled before it begins, its socket
        # stays open.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.abort("the guard is closing")
        for pipe in list(self._pipes):
            pipe.abort()
        self.pool.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        for connection in list(self._connections):
            connection.abort("the guard is closing")
        # asyncio closes the sockets in the next iterations of its loop.
        for _ in range(3):
            await asyncio.sleep(0)

    def _sweep(self, now: float) -> None:
        for connection in list(self._connections):
            if now - connection.active_at > connection.patience:
                connection.expire()
        self._pipes = {pipe for pipe in self._pipes if not pipe.lost}
        for pipe in self._pipes:
            if now - pipe.active_at > pipe.patience:
                pipe.abort()
        self.pool.sweep(now)

    # Methods that a connection calls:

    def began(self, connection: ClientConnection) -> None:
        """Count a connection; at the limit, close the one that has waited longest for a request, or the new one."""
        self._connections.add(connection)
        self._waiting[connection] = None
        if len(self._connections) + len(self._pipes) // 2 > self._most:
            oldest = next(iter(self._waiting))
            self.ended(oldest)
            oldest.abort("too many connections")

    def waits(self, connection: ClientConnection, *, is_waiting: bool) -> None:
        """Remember whether the connection waits for a request."""
        if is_waiting:
            self._waiting[connection] = None
        else:
            self._waiting.pop(connection, None)

    def ended(self, connection: ClientConnection) -> None:
        """Forget the connection."""
        self._connections.discard(connection)
        self._waiting.pop(connection, None)

    def join(self, connection: ClientConnection, upstream: Upstream) -> None:
        """Pass bytes in both directions from now on."""
        to_client, to_upstream = upstream.take_rest(), connection.leave()
        self.ended(connection)
        self._pipes.update(
            join(
                connection.transport,
                upstream.transport,
                to_client=to_client,
                to_upstream=to_upstream,
                limits=self.limits,
            )
        )
        self.pool.forget(upstream)

    async def tunnel(self, connection: ClientConnection, start: RequestStart) -> None:
        """Handle a CONNECT request: end its TLS, pass its bytes, or refuse it."""
        named = parse_host(start.target, 0)
        if named is None or not named[1]:
            connection.answer(plain_answer(400, "the target of CONNECT is not host:port"))
            return
        decision = self.gate.tunnel(*named)
        if isinstance(decision, HttpAnswer):
            connection.answer(decision)
        elif decision == "pass":
            await self._pass(connection, *named)
        else:
            await self._open(connection, *named)

    async def _pass(self, connection: ClientConnection, host: str, port: int) -> None:
        try:
            upstream = await self.pool.connect(UpstreamTarget(host, port, is_tls=True), is_raw=True)
        except UpstreamError as error:
            connection.answer(plain_answer(502, str(error)))
            return
        connection.write(CONNECTED)
        self.join(connection, upstream)

    async def _open(self, connection: ClientConnection, host: str, port: int) -> None:
        if connection.has_rest:
            # These bytes belong to the TLS handshake, which the client must not start before it gets the answer to
            # CONNECT.
            connection.abort("data before the answer to CONNECT")
            return
        context = self._context(host)
        connection.write(CONNECTED)
        connection.leave()
        # Until the TLS handshake is over, the connection counts as idle, so the guard may close it in favour of a new
        # connection.
        self.waits(connection, is_waiting=True)
        inner = ClientConnection(self, (host, port))
        try:
            transport = await start_server_tls(connection.transport, inner, context, self.limits.head_arrival)
        finally:
            self.ended(connection)
        if transport is not None:
            inner.connection_made(transport)


def most_connections(limits: Limits) -> int:
    """Return the number of client connections for which this process has file descriptors: each may need two."""
    try:
        import resource
    except ImportError:  # this module does not exist on Windows
        return limits.connections
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return min(limits.connections, max(8, (soft - _DESCRIPTORS_OF_OTHERS) // 2))
