"""Starts an agent: binds the socket under a lock, and passes it to a new process that inherits nothing else."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    from collections.abc import Iterator

BACKLOG = 1024
LISTENER = 3
"""The descriptor number of the listening socket in the agent."""

_START = (
    "import sys; n = int(sys.argv.pop(1)) + 1; sys.path[:] = sys.argv[1:n]; del sys.argv[1:n]; "
    "from dsops.__main__ import main; sys.exit(main())"
)
_MOST_DESCRIPTORS = 1 << 16
_LOCK_SECONDS = 5.0
_LOOK_SECONDS = 0.005


def start(
    address: str, connect: Callable[[str], _socket.socket | None], idle_seconds: str = ""
) -> _socket.socket | None:
    """Connect to an agent that another client has just started, or start a new one; None if no agent can run.

    The folder of `address` is safe (`client.make_folder`), and `connect` is `client.connect`. `idle_seconds` is a
    number as text, "" for the agent's default.
    """
    if not sys.executable:
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
        # The client works without an agent if there is no space for a socket file, the file system has no sockets, or
        # no further process can be started.
        return None


@contextmanager
def locked(address: str) -> Iterator[None]:
    """Hold the lock of the agent's address. Raises OSError if another process does not release it in time."""
    name = f"{address}.lock"
    descriptor = _open_lock(name)
    try:
        until = monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # The wait has a limit, because the process that has the lock may be suspended.
                if monotonic() > until:
                    raise
                sleep(_LOOK_SECONDS)
                continue
            if _is_at(descriptor, name):
                break
            # The lock file was removed, so this lock has no effect: a new client would lock another inode.
            os.close(descriptor)
            descriptor = -1
            descriptor = _open_lock(name)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _open_lock(name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _is_at(descriptor: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(name))
    except OSError:
        return False


def listen(address: str) -> socket.socket:
    """Open a listening socket; replaces the socket file of an agent that has ended. Call it while `locked`."""
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


def agent_path(path: Sequence[str], environ: Mapping[str, str], root: str, *, is_first_the_scripts: bool) -> list[str]:
    """Return the agent's `sys.path`: this process's entries, except those that belong only to this run.

    The agent works for all clients of this dsops, but PYTHONPATH and the script's own folder belong to one client.
    These entries are kept only if dsops itself (at `root`) was imported from there, since its dependencies may be there
    as well.
    """
    entries = list(path[1:] if is_first_the_scripts and path[:1] != [root] else path)
    of_variable = [os.path.abspath(entry) for entry in environ.get("PYTHONPATH", "").split(":")]
    if root not in of_variable:
        entries = [entry for entry in entries if entry not in of_variable]
    return [entry for entry in entries if entry.startswith("/")]


def _launch(listener: socket.socket, words: Sequence[str]) -> None:
    """Start a process in a new session, in `/`, with an empty environment and only the listener open.

    Forks twice, so that this process need not wait. Forking is safe, as this process has not used libcurl.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = agent_path(sys.path, os.environ, root, is_first_the_scripts=not sys.flags.safe_path)
    command = [sys.executable, "-I", "-c", _START, str(len(path)), *path, *words]
    # A Ctrl-C is meant for this process only. Until setsid(), the fork shares the terminal and would get it, too.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # If this process ignores SIGCHLD, the system has already reaped the child process.
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        os.umask(0o077)
        _listen_to_signals()
        # The descriptor is duplicated to a high number first: the numbers 0 to 3 may be closed in this process, and the
        # next open() would reuse them.
        kept = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, 64)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.dup2(kept, LISTENER)
        _close_above(LISTENER)
        os.execve(sys.executable, command, {})  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)


def _listen_to_signals() -> None:
    """Reset all signals, so that the agent does not inherit signals that this process ignores or blocks.

    A process may ignore signals because of `nohup`, or because it is a background job. An ignored SIGCHLD would hide
    the exit code of every program that the agent starts.
    """
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_above(last: int) -> None:
    """Close every descriptor above `last`, regardless of the current limit."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        os.closerange(last + 1, _MOST_DESCRIPTORS)
        return
    for number in numbers:
        if number > last:
            with suppress(OSError):
                os.close(number)
