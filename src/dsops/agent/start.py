"""Starts an agent: binds the socket under a lock, and hands it to a new process that has no other tie to this one."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
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
    name = f"{address}.lock"
    descriptor = _open_lock(name)
    try:
        until = monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Not a wait without an end: whoever is inside may have been stopped there.
                if monotonic() > until:
                    raise
                sleep(_LOOK_SECONDS)
                continue
            if _is_at(descriptor, name):
                break
            # Somebody removed the file meanwhile: who comes next makes a new one, and would be alone with that.
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


def agent_path(path: Sequence[str], environ: Mapping[str, str], root: str, *, is_first_the_scripts: bool) -> list[str]:
    """Where the agent's Python looks for modules: of this one's folders those that are not just this run's.

    The agent works for all that run this dsops. PYTHONPATH and the script's own folder are one client's; they are
    kept only where dsops itself (at `root`) came from there, since then all that it needs may be there, too.
    """
    entries = list(path[1:] if is_first_the_scripts and path[:1] != [root] else path)
    of_variable = [os.path.abspath(entry) for entry in environ.get("PYTHONPATH", "").split(":")]
    if root not in of_variable:
        entries = [entry for entry in entries if entry not in of_variable]
    return [entry for entry in entries if entry.startswith("/")]


def _launch(listener: socket.socket, words: Sequence[str]) -> None:
    """A process of its own session, in `/`, with an empty environment and nothing open but the listener.

    Forked twice, so that nobody has to wait for it. Nothing of libcurl runs in this process before.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = agent_path(sys.path, os.environ, root, is_first_the_scripts=not sys.flags.safe_path)
    command = [sys.executable, "-I", "-c", _START, str(len(path)), *path, *words]
    # A Ctrl-C is this process's, not its copy's, which has a terminal until setsid().
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # Where the end of children is ignored (SIGCHLD), the system has waited for it already.
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
        # Out of the way first: any of the low numbers may be closed here, and so be the next one given out.
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
    """As for a new session: what this process ignores or blocks (`nohup`, a shell's background job) is inherited.

    An ignored SIGCHLD would have every program of a user's end with 0, whatever it ended with.
    """
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_above(last: int) -> None:
    """Closes all that is open above that descriptor, whatever the limit is now or was before."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        os.closerange(last + 1, _MOST_DESCRIPTORS)
        return
    for number in numbers:
        if number > last:
            with suppress(OSError):
                os.close(number)
