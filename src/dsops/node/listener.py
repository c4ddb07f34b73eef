"""Opens the node's Unix socket: every user of the machine may connect, and the kernel says which user it is."""

from __future__ import annotations

import os
import socket
import stat

from dsops.errors import UsageError
from dsops.input_file import reason
from dsops.node.folders import make_public_folder

_LONGEST_PATH = 107
"""`sun_path` has 108 bytes, of which one ends the path (unix(7))."""
_FOR_EVERYONE = 0o666
"""Every user may connect: the node identifies each caller."""


def open_unix_listener(path: str) -> socket.socket:
    """Open a listening socket with mode 0666. Replaces a socket that no process listens on.

    Raises UsageError if another user could replace the socket, or if it can't be opened.
    """
    folder = os.path.dirname(path)
    try:
        make_public_folder(folder)
        why = _folder_problem(folder) or _in_the_way(path)
        if not why:
            return _bound(path)
    except OSError as error:
        why = reason(error)
    hint = "name a path in a folder that only the node's user can write, such as unix:/run/dsops-node/node.sock"
    raise UsageError(f"dsops can't listen on the socket {path}", why=why, hint=hint)


def _bound(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, _FOR_EVERYONE)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _folder_problem(folder: str) -> str:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a folder"
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        return f"other users can write {folder}"
    return ""


def _in_the_way(path: str) -> str:
    """Remove the socket of a node that has ended; return why another file at the path can't be removed."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        return f"the path has more than {_LONGEST_PATH} bytes"
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
    return "another process listens on it"
