"""The guard's server: one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable

from dsops.guard.authority import Authority
from dsops.guard.http.exchange import Gate
from dsops.guard.http.limits import Limits
from dsops.guard.http.serving import Serving
from dsops.guard.http.upstream import Network
from dsops.guard.listener import open_listener

_CLOSE_SECONDS = 0.9


class GuardServer:
    """Accepts requests as an endpoint and as an HTTP proxy, asks the gate, and forwards what it allows.

    `report` gets the errors that are bugs of the gate or the server, in the server's thread. They never let a request
    pass.
    """

    def __init__(
        self,
        gate: Gate,
        authority: Authority,
        network: Network,
        *,
        listen: tuple[str, int] | socket.socket = ("127.0.0.1", 0),
        limits: Limits | None = None,
        report: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._listen = listen
        self._report = report
        self._serving = Serving(gate, authority.context, network, limits or Limits(), report)
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the server, ("", 0) for a Unix socket. Raises RuntimeError before `start`."""
        if self._socket is None:
            raise RuntimeError("the server has not been started")
        name = self._socket.getsockname()
        return ("", 0) if isinstance(name, str) else (str(name[0]), int(name[1]))

    def start(self) -> None:
        """Listen, and start the thread. Connections are accepted from now on. Raises OSError for a used address."""
        listen = self._listen
        self._socket = listen if isinstance(listen, socket.socket) else open_listener(listen)
        self._serving.port = self.address[1]
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_error)
        self._thread = threading.Thread(target=self._run, args=(self._loop, self._socket), name="guard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end all connections and the thread, within a second."""
        if self._thread is None or self._loop is None or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serving.run(listener, self._stop))
        except Exception as error:  # noqa: BLE001 - the thread has no caller
            self._report(error)
        finally:
            listener.close()
            loop.close()

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Report what asyncio would log, except for connections that broke."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, OSError | ssl.SSLError):
            self._report(error)
