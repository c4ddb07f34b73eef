"""Starts an agent: binds the socket under a lock, and hands it to a new process that has no other tie to this one."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

from dsops.agent.client import connect, is_safe

if TYPE_CHECKING:
    import _socket
    from collections.abc import Iterator

BACKLOG = 1024
LISTENER = 3
"""The descriptor that the agent finds the listening socket at."""

_START = (
    "import sys; n = int(sys.argv.pop(1)) + 1; sys.path[:] = sys.argv[1:n]; del sys.argv[1:n]; "
    "from dsops.__main__ import main; sys.exit(main())"
)
_MOST_DESCRIPTORS = 1 << 16
_LOCK_SECONDS = 5.0
_LOOK_SECONDS = 0.005


def start(folder: str, address: str, idle_seconds: str = "") -> _socket.socket | None:
    """A connection to an agent that somebody has started, or else this one has; None where there can't be one.

    `idle_seconds` is a number as text, "" for the agent's own.
    """
    if not make_folder(folder) or not sys.executable:
        return None
    try:
        with locked(address):
            connection = connect(address)
            if connection is not None:
                return connection
            listener = listen(address)
            try:
                idle = ["--idle", idle_seconds] if idle_seconds else []
                _launch(listener, ["agent", "run", "--listener", str(LISTENER), *idle])
            finally:
                listener.close()
            return connect(address)
    except OSError:
        # No room for a socket, a file system without them, no more processes: there is a way without an agent.
        return None


def make_folder(folder: str) -> bool:
    """Whether the folder is there now, and safe."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    return is_safe(folder)


@contextmanager
def locked(address: str) -> Iterator[None]:
    """Alone among those who start or end the agent of this address. Raises OSError when somebody stays too long."""
    descriptor = os.open(f"{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        until = monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Not a wait without an end: whoever is inside may have been stopped there.
                if monotonic() > until:
                    raise
                sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def listen(address: str) -> socket.socket:
    """A listening socket, in the place of one that nobody listens to any more. Call while `locked`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(address):
            os.unlink(address)
        before = os.umask(0o177)
        try:
            listener.bind(address)
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _launch(listener: socket.socket, words: Sequence[str]) -> None:
    """A process of its own session, in `/`, with an empty environment and nothing open but the listener.

    Forked twice, so that nobody has to wait for it. Nothing of libcurl runs in this process before.
    """
    path = [entry for entry in sys.path if entry.startswith("/")]
    command = [sys.executable, "-I", "-c", _START, str(len(path)), *path, *words]
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        os.umask(0o077)
        # Out of the way first: any of the low numbers may be closed here, and so be the next one given out.
        kept = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, 64)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.dup2(kept, LISTENER)
        os.closerange(LISTENER + 1, min(os.sysconf("SC_OPEN_MAX"), _MOST_DESCRIPTORS))
        os.execve(sys.executable, command, {})  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)
