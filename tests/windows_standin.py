"""Runs dsops on this machine without what Windows lacks: modules of POSIX, functions of `os`, signals, Unix sockets.

Paths, processes and consoles stay those of this machine, so this proves only that dsops does without POSIX's parts.
"""

import os
import signal
import socket
import ssl  # noqa: F401 - loaded before the platform changes: on Windows it reads the system's certificates
import subprocess  # noqa: F401 - the same, for its ways to start a process
import sys

MODULES = frozenset("fcntl grp pwd resource syslog termios tty pty".split())
FUNCTIONS = """
fchmod fchown chown fork forkpty getegid geteuid getgid getpgid getpgrp getuid killpg mkfifo openpty posix_spawn pread
pwrite register_at_fork set_blocking setpgid setsid sysconf tcgetpgrp tcsetpgrp ttyname uname
O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK WNOHANG environb
""".split()
SIGNALS = """
SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH SIGXFSZ
pthread_sigmask setitimer sigwait
""".split()


class Absent:
    """A finder on `sys.meta_path` that refuses the modules that Windows lacks."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ModuleNotFoundError for a module that Windows lacks."""
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def become_windows() -> None:
    """Take away what Windows lacks, and change the names of the platform."""
    sys.meta_path.insert(0, Absent())
    for name in MODULES:
        sys.modules.pop(name, None)
    for place, names in ((os, FUNCTIONS), (signal, SIGNALS), (socket, ("AF_UNIX",))):
        for name in names:
            if hasattr(place, name):
                delattr(place, name)
    sys.platform = "win32"
    os.name = "nt"


if __name__ == "__main__":
    become_windows()
    from dsops.__main__ import main

    sys.exit(main())
