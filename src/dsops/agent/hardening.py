"""Hardening of the agent's process before it has a secret: no core dumps, no debugger, no inherited environment."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from contextlib import suppress

_FILES = 4096
_PR_SET_DUMPABLE = 4


def forget_world() -> None:
    """Drops the environment and the folder of the process that started the agent: every request brings its own.

    Libraries read variables, too: proxies, SSLKEYLOGFILE, OPENSSL_CONF, TZ, RES_OPTIONS.
    """
    os.environ.clear()
    os.chdir("/")
    # Inherited as ignored, it would hide every program's exit code: wait(2) fails, which subprocess takes for 0.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def shut_in() -> None:
    """Turns off core dumps and debuggers, raises the limit of open files, and closes new files to other users.

    Linux: `PR_SET_DUMPABLE` 0 keeps other processes of the same user from attaching to it (prctl(2), ptrace(2)); root
    still can. Elsewhere only core dumps are off.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < limit:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    os.umask(0o077)
    gc.set_threshold(10_000, 10, 10)
