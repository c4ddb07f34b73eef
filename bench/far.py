"""A proxy with network delay: each byte arrives half a round trip later, and a connection takes one to open.

Run as its own process (`python bench/far.py --to PORT --rtt-ms 30`): it prints its port and serves until its standard
input ends. It does not look at the bytes, TLS or not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import cast


class End(asyncio.Protocol):
    """One end of a connection; data that arrives here leaves the other end later."""

    def __init__(self, one_way_seconds: float) -> None:
        self.seconds = one_way_seconds
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None
        self.opened = 0.0
        self.early: list[tuple[float, bytes | None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Forward the data after the delay."""
        self.carry(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forward the end, after the data before it."""
        del exc
        self.carry(None)

    def carry(self, data: bytes | None) -> None:
        """Schedule data for the other end."""
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self.opened) + self.seconds
        if self.other is None:
            self.early.append((at, data))
        else:
            loop.call_at(at, self.other.put, data)

    def put(self, data: bytes | None) -> None:
        """Write data that has arrived; None closes."""
        if self.transport is None or self.transport.is_closing():
            return
        if data is None:
            self.transport.close()
        else:
            self.transport.write(data)


class Near(End):
    """The client's end, which opens the other one."""

    def __init__(self, one_way_seconds: float, port: int, keep: Callable[[asyncio.Task[None]], None]) -> None:
        super().__init__(one_way_seconds)
        self.port = port
        self.keep = keep

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Delay the first byte by a round trip, since the kernel has accepted the connection at once."""
        super().connection_made(transport)
        self.opened = asyncio.get_running_loop().time() + 2 * self.seconds
        self.keep(asyncio.get_running_loop().create_task(self.open()))

    async def open(self) -> None:
        """Connect to the server."""
        loop = asyncio.get_running_loop()
        _, far = await loop.create_connection(lambda: End(self.seconds), "127.0.0.1", self.port)
        far.other, self.other = self, far
        for at, data in self.early:
            loop.call_at(at, far.put, data)


async def serve(port: int, rtt_seconds: float) -> None:
    """Serve on a free port of loopback until standard input ends."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def keep(task: asyncio.Task[None]) -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await loop.create_server(lambda: Near(rtt_seconds / 2, port, keep), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="a way that takes time to a port of loopback")
    parser.add_argument("--to", type=int, required=True, help="the server's port")
    parser.add_argument("--rtt-ms", type=float, default=30, help="the round trip")
    options = parser.parse_args()
    asyncio.run(serve(options.to, options.rtt_ms / 1000))


if __name__ == "__main__":
    main()
