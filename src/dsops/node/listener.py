"""Opens the node's Unix socket: every user of the machine may connect, and the kernel says which user it is."""

from __future__ import annotations

import os
import socket

from dsops.errors import UsageError
from dsops.input_file import reason
from dsops.process.folders import folder_problem, make_public_folder
from dsops.process.unix_listener import length_problem, listen, remove_unused

_FOR_EVERYONE = 0o666
"""Every user may connect: the node identifies each caller."""


def open_unix_listener(path: str) -> socket.socket:
    """Open a listening socket with mode 0666. Replaces a socket that no process listens on.

    Raises UsageError if another user could replace the socket, or if it can't be opened.
    """
    folder = os.path.dirname(path)
    try:
        make_public_folder(folder)
        problem = folder_problem(folder, {0, os.geteuid()})
        why = f"the folder {folder}: {problem}" if problem else length_problem(path) or remove_unused(path)
        if not why:
            return listen(path, _FOR_EVERYONE, socket.socket)
    except OSError as error:
        why = reason(error)
    hint = "name a path in a folder that only the node's user can write, such as unix:/run/dsops-node/node.sock"
    raise UsageError(f"dsops can't listen on the socket {path}", why=why, hint=hint)
