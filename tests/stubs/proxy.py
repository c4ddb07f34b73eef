"""A forward proxy on loopback: tunnels by CONNECT, answers plain requests, or refuses."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.stubs.server import Answer, Seen, StubServer


class StubProxy(StubServer):
    """Every CONNECT leads to `target`, a port of 127.0.0.1, for any host name.

    With `refuses`, it answers that status instead. Any other request is answered 200 `plain`.
    """

    def __init__(self, target: int = 0, *, refuses: int = 0) -> None:
        super().__init__(self._reply)
        self._target = target
        self._refuses = refuses

    def _reply(self, _: Seen) -> Answer:
        if self._refuses:
            return Answer(status=self._refuses, closes=True)
        return Answer(body=b"plain")

    def _answer(self, connection: socket.socket, answer: Answer, *, with_body: bool) -> bool:
        if self._refuses or self.seen[-1].method != "CONNECT":
            return super()._answer(connection, answer, with_body=with_body)
        with socket.create_connection(("127.0.0.1", self._target)) as upstream:
            connection.sendall(b"HTTP/1.1 200 Tunnel\r\nX-Of-The-Proxy: yes\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, connection), daemon=True)
            back.start()
            _pump(connection, upstream)
            back.join(timeout=10)
        return False


def _pump(source: socket.socket, drain: socket.socket) -> None:
    """Copies bytes in one direction until either side ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            drain.sendall(data)
    with suppress(OSError):
        drain.shutdown(socket.SHUT_WR)
