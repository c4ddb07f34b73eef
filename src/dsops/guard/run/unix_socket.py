"""Listen on a Unix socket that only this user and root can reach: for a container that mounts the socket."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys

from dsops.errors import UsageError

PORT = 8490
"""The port of 127.0.0.1 in a container where a program forwards connections to the socket."""
_LONGEST_PATH = 107
"""`sun_path` has 108 bytes, of which one ends the path (unix(7))."""
_ROOT = 0
_OTHERS_WRITE = 0o022
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
    size = len(os.fsencode(path))
    if size > _LONGEST_PATH:
        raise UsageError(
            "the path of the socket is too long",
            why=f"{path} has {size} bytes, and the system allows {_LONGEST_PATH}",
            hint="name a folder with a shorter path, such as --listen unix:/tmp/guard/guard.sock",
        )
    _check_folder(os.path.dirname(path))
    _remove_unused(path)
    listener = UserSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        # The mode is set before `listen`, because clients can connect only after it. A umask would affect the whole
        # process.
        os.chmod(path, _PRIVATE)
        listener.listen(1_024)
    except OSError:
        listener.close()
        raise
    return listener


def _check_folder(folder: str) -> None:
    """Create the folder if it does not exist. Raises UsageError if other users could replace the socket in it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    why = ""
    if not stat.S_ISDIR(status.st_mode):
        why = "it is a symbolic link"
    elif status.st_uid != os.geteuid():
        why = "it belongs to another user"
    elif status.st_mode & _OTHERS_WRITE:
        why = "other users can write it, and could put their own socket there"
    if why:
        raise UsageError(
            f"the folder of the socket is not yours alone: {folder}",
            why=why,
            hint="name a file in a folder that does not exist yet: dsops creates it for you alone",
        )


def _remove_unused(path: str) -> None:
    """Remove the socket of a guard that has ended. Raises UsageError for another file, or if a process listens."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} exists and is not a socket", hint="name another file with `--listen unix:PATH`")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass
    raise UsageError(
        f"another process listens on the socket {path}",
        hint="stop that process, or name another file with `--listen unix:PATH`",
    )
