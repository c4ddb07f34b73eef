"""Opens listening Unix sockets, and replaces those of processes that have ended."""

from __future__ import annotations

import os
import socket
import stat
from typing import TypeVar

_LONGEST_PATH = 107
"""`sun_path` has 108 bytes, of which one ends the path (unix(7))."""

Kind = TypeVar("Kind", bound=socket.socket)


def length_problem(path: str) -> str:
    """Return why the path is too long for a socket; "" if it is not."""
    size = len(os.fsencode(path))
    return f"the path has {size} bytes, and the system allows {_LONGEST_PATH}" if size > _LONGEST_PATH else ""


def remove_unused(path: str) -> str:
    """Remove the socket of a process that has ended; return why something else at the path stays. Raises OSError."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return ""
    if not stat.S_ISSOCK(mode):
        return "another file is there"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return ""
        except OSError:
            pass
    return "another process listens on it"


def listen(path: str, mode: int, kind: type[Kind]) -> Kind:
    """Open a listening socket of this class with a mode that does not depend on the umask. Raises OSError."""
    listener = kind(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        # The mode is set before `listen`, because clients can connect only after it. A umask would affect the whole
        # process.
        os.chmod(path, mode)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
