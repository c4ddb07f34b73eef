"""A TCP link on loopback that passes bytes on to a server, and holds the server's answers back for a while."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from tests.children import SECONDS


@contextmanager
def slow_link(port: int, seconds: float) -> Iterator[str]:
    """The address of a link to the server at `port`; each answer arrives `seconds` later."""
    links: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        accepting = Thread(target=_accept, args=(listener, port, seconds, links), daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *links):
                thread.join(timeout=SECONDS)


def _accept(listener: socket.socket, port: int, seconds: float, links: list[Thread]) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            links.append(Thread(target=_link, args=(near, port, seconds), daemon=True))
            links[-1].start()


def _link(near: socket.socket, port: int, seconds: float) -> None:
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        there = Thread(target=_pass_on, args=(near, far, 0.0), daemon=True)
        there.start()
        _pass_on(far, near, seconds)
        there.join(timeout=SECONDS)


def _pass_on(source: socket.socket, target: socket.socket, seconds: float) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            time.sleep(seconds)
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
