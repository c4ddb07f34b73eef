"""Ports of loopback on which nothing listens yet, reserved for one test."""

from __future__ import annotations

import atexit
import contextlib
import socket
import sys

_reserved = contextlib.ExitStack()
atexit.register(_reserved.close)


def unused_port() -> int:
    """A port that the system gives to no other program; a program of the test may listen on it.

    On Linux, a bound socket that does not listen keeps the port until the test process ends: another socket can still
    bind it if both have SO_REUSEADDR.
    """
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(socket.socket())
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        if sys.platform == "linux":
            _reserved.enter_context(stack.pop_all())
    return port
