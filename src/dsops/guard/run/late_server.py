"""The guard's server, which listens at once and is loaded in a thread while the command runs.

The modules of the server, its gate and botocore take 150 ms of CPU time. A command that connects before they are
loaded waits in the socket's queue, and its request is decided as any other.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Final

from dsops.guard.listener import open_listener

if TYPE_CHECKING:
    from dsops.guard.server import GuardServer

_DELAY_SECONDS: Final = 0.03
"""How long loading waits for a connection. A command that ends before, and sends nothing, needs no server."""
_OF_SERVER: Final = ("ssl", "asyncio", "dsops.request.wire.responses", "dsops.guard.gate", "dsops.guard.run.serving")
_OF_FIRST_REQUEST: Final = ("urllib3", "botocore.compat", "botocore.model")
"""Modules in the order in which they are loaded. Between two of them, loading ends if the command has ended."""
_LONGEST_IMPORT_SECONDS: Final = 2.0


class LateServer:
    """A guard's server that listens at once, and imports its code later, in the event loop that watches the command.

    It is an `Attendant` of that loop.
    """

    def __init__(
        self,
        listen: tuple[str, int] | socket.socket,
        make: Callable[[socket.socket], GuardServer],
        report: Callable[[BaseException], None],
    ) -> None:
        """Listen. Raises OSError for an address that can't be used.

        - `make`: returns the server for the listening socket. It is called in the thread that loads.
        - `report`: gets an error of `make`. Nothing is served then, and the command's connections are refused.
        """
        self._listener = listen if isinstance(listen, socket.socket) else open_listener(listen)
        self._make = make
        self._report = report
        self._load_at = 0.0
        self._thread: threading.Thread | None = None
        self._server: GuardServer | None = None
        self._is_closed = False

    @property
    def address(self) -> tuple[str, int]:
        """The host and port on which the server listens."""
        name = self._listener.getsockname()
        return str(name[0]), int(name[1])

    def readers(self) -> Iterable[int]:
        """Return the listening socket until loading begins."""
        return () if self._thread else (self._listener.fileno(),)

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return the seconds until loading begins, which are counted from the first call."""
        if self._thread is not None:
            return None
        self._load_at = self._load_at or monotonic() + _DELAY_SECONDS
        return max(0.0, self._load_at - monotonic())

    def turn(self, ready: Collection[int]) -> None:
        """Begin to load at the first connection, or when it is time."""
        if self._thread is None and (self._listener.fileno() in ready or monotonic() >= self._load_at):
            self._thread = threading.Thread(target=self._load, name="guard-load", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop listening, and end all connections within a second."""
        self._is_closed = True
        if self._thread is not None:
            # Python may crash if it exits while another thread imports a module.
            self._thread.join(_LONGEST_IMPORT_SECONDS)
        if self._server is not None:
            self._server.close()
        else:
            self._listener.close()

    def _load(self) -> None:
        try:
            if self._import(_OF_SERVER):
                server = self._make(self._listener)
                server.start()
                self._server = server
                self._import(_OF_FIRST_REQUEST)
        except Exception as error:  # noqa: BLE001 - the thread has no caller
            if self._server is None:
                self._listener.close()
            self._report(error)

    def _import(self, names: Iterable[str]) -> bool:
        """Import modules; return whether the server is still needed."""
        for name in names:
            if self._is_closed:
                return False
            import_module(name)
        return not self._is_closed
