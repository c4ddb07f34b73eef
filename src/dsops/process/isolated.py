"""Start a command in namespaces of its own: without a network, and without the files that hold credentials.

The command reaches only a port that dsops serves on the loopback interface of its network namespace. The user
namespace also keeps it from reading the memory of the user's other processes (ptrace(2)). Linux only.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Self

from dsops.dumps import UsersLimit
from dsops.errors import CommandNotExecutable, UsageError
from dsops.process import start_failure
from dsops.process.terminal import SharedTerminal, Terminal

_START_SECONDS = 20.0
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "isolated_child.py")


class IsolatedStart:
    """Starts one command in new namespaces. They exist from the start, with a listening port on their loopback."""

    def __init__(self, hidden: Sequence[str]) -> None:
        """`hidden` are paths of files and folders that appear empty to the command. Raises UsageError."""
        if sys.platform != "linux":
            raise UsageError("`--isolate` needs Linux", hint="run the command in a container, with `dsops guard serve`")
        ours, theirs = socket.socketpair()
        ours.settimeout(_START_SECONDS)
        with theirs, UsersLimit():
            theirs.set_inheritable(True)
            words = (sys.executable, "-I", "-S", _PROGRAM, str(theirs.fileno()))
            defaults = [signal.SIGPIPE, signal.SIGXFSZ]
            self._pid = os.posix_spawn(sys.executable, words, {}, setpgroup=0, setsigdef=defaults)
        self._connection = ours
        self._is_started = False
        ours.sendall(json.dumps(list(hidden)).encode() + b"\n")
        self.listener = self._receive_listener()
        """A listening socket in the command's network namespace."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the port, and end the waiting program if no command was started."""
        self._connection.close()
        self.listener.close()
        if not self._is_started:
            os.waitpid(self._pid, 0)

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start the command; return its process id. Raises CommandFailed."""
        start = {
            "command": os.fsencode(command).decode("latin-1"),
            "arguments": [os.fsencode(word).decode("latin-1") for word in arguments],
            "environment": {name.decode("latin-1"): value.decode("latin-1") for name, value in environment.items()},
        }
        self._connection.sendall(json.dumps(start).encode() + b"\n")
        # The other end of the connection is closed when the program becomes the command.
        with self._connection.makefile("rb") as lines:
            line = lines.readline()
        self._is_started = True
        if line:
            os.waitpid(self._pid, 0)
            number = int(json.loads(line)["errno"])
            raise start_failure(command, environment, OSError(number, os.strerror(number)))
        return self._pid

    def terminal(self, pid: int) -> Terminal:
        """Return our own terminal, which the command shares."""
        return SharedTerminal(pid)

    def _receive_listener(self) -> socket.socket:
        size = array.array("i").itemsize
        try:
            data, parts, _, _ = self._connection.recvmsg(65536, socket.CMSG_SPACE(size))
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            data, parts = b"", []
        for level, kind, content in parts:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                return socket.socket(fileno=array.array("i", content[:size])[0])
        self._connection.close()
        os.waitpid(self._pid, 0)
        answer = json.loads(data or b"{}")
        raise CommandNotExecutable(
            "the command can't be isolated",
            why=f"{answer.get('step', 'its start')}: {answer.get('error', 'no answer').lower()}",
            hint="allow user namespaces on this machine (sysctl user.max_user_namespaces,"
            " kernel.apparmor_restrict_unprivileged_userns), or run the command in a container: `dsops guard serve`",
        )
