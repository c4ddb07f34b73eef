"""Prepares the agent's process before it receives a secret: hardens it, and opens the listening socket.

This module does not load libcurl or OpenSSL, which read the environment when they are loaded.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress

from dsops.agent.client import address_in, connect, folder_of, make_folder
from dsops.agent.start import listen, locked
from dsops.dumps import close_memory
from dsops.errors import AgentUnavailable, UsageError

_FILES = 4096


def drop_environment() -> None:
    """Drop the environment variables and working directory of the parent process; each request brings its own.

    Libraries would read inherited variables, too: proxies, SSLKEYLOGFILE, OPENSSL_CONF, TZ, RES_OPTIONS.
    """
    os.environ.clear()
    os.chdir("/")
    # An ignored SIGCHLD would hide the exit code of child programs: wait(2) fails, and subprocess reports 0.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def harden() -> None:
    """Turn off core dumps and debuggers, raise the limit of open files, and set the umask to 077."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    close_memory()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < limit:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    os.umask(0o077)
    gc.set_threshold(10_000, 10, 10)


def inherited_listener(descriptor: int) -> socket.socket:
    """Return the listening socket that the parent process bound. Raises UsageError for any other descriptor."""
    try:
        listener = socket.socket(fileno=descriptor)
        if listener.family == socket.AF_UNIX and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener
    except (OSError, OverflowError, ValueError):
        pass
    raise UsageError(
        f"`--listener {descriptor}` is not a listening socket",
        hint="leave out `--listener`: the agent then opens its own socket",
    )


def own_listener(environ: Mapping[str, str]) -> socket.socket:
    """Listen on the agent's address. Raises AgentUnavailable if an agent is running, or listening fails."""
    folder = folder_of(environ)
    address = address_in(folder)
    if not make_folder(folder):
        raise unsafe_folder(folder)
    try:
        with locked(address):
            other = connect(address)
            if other is not None:
                other.close()
                raise AgentUnavailable("an agent is running already", hint="`dsops agent stop` ends it")
            return listen(address)
    except OSError as error:
        why, hint = (
            (error.strerror or "").lower(),
            "check the owner and mode of its folder; commands work without an agent",
        )
        raise AgentUnavailable(f"the agent can't listen on {address}", why=why, hint=hint) from error


def unsafe_folder(folder: str) -> AgentUnavailable:
    """Return the error for a folder that other users may enter."""
    return AgentUnavailable(
        f"the agent's folder {folder} is not safe",
        why="it must be a folder of yours that other users can't access, and not a symbolic link",
        hint=f"inspect the folder with `ls -ld {folder}`, and remove it if it is not needed",
    )
