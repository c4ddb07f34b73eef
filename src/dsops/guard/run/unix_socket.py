"""Listen on a Unix socket that only this user and root can reach: for a container that mounts the socket."""

from __future__ import annotations

import os
import socket
import struct
import sys

from dsops.errors import UsageError
from dsops.process.folders import folder_problem
from dsops.process.unix_listener import length_problem, listen, remove_unused

PORT = 8490
"""The port of 127.0.0.1 in a container where a program forwards connections to the socket."""
_ROOT = 0
_PRIVATE = 0o600


class UserSocket(socket.socket):
    """A listening socket that accepts connections of this user and of root only.

    The mode of the file keeps other users out. Linux also says who has connected: the mode may be changed later.
    """

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection. Raises ConnectionAbortedError for another user's, which a server ignores."""
        connection, name = super().accept()
        if sys.platform == "linux":
            size = struct.calcsize("3i")  # `struct ucred`: pid, uid, gid (unix(7))
            _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            if user not in {os.geteuid(), _ROOT}:
                connection.close()
                raise ConnectionAbortedError
        return connection, name


def open_socket(path: str) -> UserSocket:
    """Open a listening socket with mode 0600 at a path. Replaces a socket on which no process listens.

    The folder is created with mode 0700. Raises UsageError, or OSError.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no Unix sockets for Python", hint="name an IP address: --listen 127.0.0.1")
    why = length_problem(path)
    if why:
        hint = "name a folder with a shorter path, such as --listen unix:/tmp/guard/guard.sock"
        raise UsageError("the path of the socket is too long", why=why, hint=hint)
    _check_folder(os.path.dirname(path))
    why = remove_unused(path)
    if why:
        hint = "name another file with `--listen unix:PATH`, or stop the process that listens"
        raise UsageError(f"the guard can't listen on the socket {path}", why=why, hint=hint)
    return listen(path, _PRIVATE, UserSocket)


def _check_folder(folder: str) -> None:
    """Create the folder if it does not exist. Raises UsageError if other users could replace the socket in it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    why = folder_problem(folder, {os.geteuid()})
    if why:
        raise UsageError(
            f"the folder of the socket is not yours alone: {folder}",
            why=why,
            hint="name a file in a folder that does not exist yet: dsops creates it for you alone",
        )
