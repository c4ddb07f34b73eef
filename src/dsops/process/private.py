"""A terminal of the command's own, between it and ours: everything that is typed and shown passes through us.

The command gets a session of its own on a pseudoterminal. A small process of ours leads that session
(`process/leader.py`) and watches the command there, as `process.watch` does here: without it Ctrl-Z would do nothing,
for the system lets no group stop whose parent is of another session (POSIX, orphaned process groups).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dsops.dumps import UsersLimit
from dsops.errors import CommandNotExecutable, CommandTimedOut
from dsops.process.terminal import Terminal

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from dsops.process.leader import main; main()"
_MOST_TYPED = 4096

_NO_SIZE = struct.pack("HHHH", 0, 0, 0, 0)


class OwnTerminal:
    """Our terminal as the command's: raw while what is typed goes to the command, as it was while it doesn't."""

    def __init__(self, descriptor: int, master: int, before_it_is_taken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._master = master
        self._before_it_is_taken = before_it_is_taken
        self._settings = termios.tcgetattr(descriptor)
        self._is_given = False

    @property
    def exists(self) -> bool:
        """It was there when we began."""
        return True

    @property
    def is_given(self) -> bool:
        """Whether what is typed goes to the command."""
        return self._is_given

    def give(self) -> bool:
        """Makes it raw, if we are in its foreground: every key is the command's."""
        try:
            if not self._is_given and os.tcgetpgrp(self._descriptor) == os.getpgrp():
                self._settings = termios.tcgetattr(self._descriptor)
                make_raw(self._descriptor)
                self._is_given = True
        except (OSError, termios.error):
            return False
        self.resize()
        return self._is_given

    def take_back(self) -> None:
        """All that the command wrote is shown, and the terminal is as it was."""
        self._before_it_is_taken()
        if self._is_given:
            self._is_given = False
            with suppress(OSError, termios.error):
                _set(self._descriptor, self._settings)

    def close(self) -> None:
        """It is as it was."""
        self.take_back()

    def resize(self) -> None:
        """Gives the command's terminal our size; the system tells the command when that is another one."""
        copy_size(self._descriptor, self._master)


class Keyboard:
    """An attendant of the command's loop (process/watch.py): what is typed, to the command."""

    def __init__(self, terminal: OwnTerminal, descriptor: int, master: int) -> None:
        self._terminal = terminal
        self._descriptor = descriptor
        self._master = master
        self._typed = b""
        self._is_gone = False

    def readers(self) -> Iterable[int]:
        """The terminal, while it is the command's."""
        wants = self._terminal.is_given and not self._is_gone and len(self._typed) < _MOST_TYPED
        return (self._descriptor,) if wants else ()

    def writers(self) -> Iterable[int]:
        """The command's terminal, while something was typed that it has not taken."""
        return (self._master,) if self._typed else ()

    def seconds(self) -> float | None:
        """Nothing happens by itself."""
        return None

    def turn(self, ready: Collection[int]) -> None:
        """Passes on what was typed."""
        # In the foreground again, after `bg` and `fg`.
        self._terminal.give()
        if self._descriptor in ready and self._terminal.is_given:
            try:
                piece = os.read(self._descriptor, _MOST_TYPED)
            except OSError:
                piece = b""
            self._is_gone = not piece
            self._typed += piece
        if self._typed:
            with suppress(OSError):
                self._typed = self._typed[os.write(self._master, self._typed) :]

    def end(self) -> None:
        """What was not taken is lost, as it is when a program ends before it has read everything."""
        self._typed, self._is_gone = b"", True


class PrivateStart:
    """Starts a command in a session of its own. `close` when it has ended; then `check`."""

    def __init__(self, timeout_seconds: float | None, grace_seconds: float) -> None:
        """Raises OSError where we have no terminal."""
        self._limits = (timeout_seconds, grace_seconds)
        self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self.master, self._slave = os.openpty()
        os.set_blocking(self.master, False)
        # As ours: what a backspace is, whether typed letters are shown.
        _set(self._slave, termios.tcgetattr(self._descriptor))
        copy_size(self._descriptor, self.master)
        self.catch_up: Callable[[], None] = _nothing
        self.own = OwnTerminal(self._descriptor, self.master, self._catch_up)
        self.keyboard = Keyboard(self.own, self._descriptor, self.master)
        self._told = -1

    def _catch_up(self) -> None:
        self.catch_up()

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Starts the leader, which starts the command."""
        job, job_end = os.pipe()
        self._told, told_end = os.pipe()
        os.set_inheritable(job, True)
        os.set_inheritable(told_end, True)
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        words = [sys.executable, "-I", "-S", "-c", _PROGRAM, folder, str(job), str(told_end)]
        moves = [(os.POSIX_SPAWN_DUP2, self._slave, number) for number in (0, 1, 2)]
        # The leader is ours, and may need our own environment to find its interpreter; the command's comes by pipe.
        with UsersLimit():
            pid = os.posix_spawn(
                sys.executable,
                words,
                os.environ,
                setsid=True,
                file_actions=moves,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        for descriptor in (job, told_end, self._slave):
            os.close(descriptor)
        with suppress(BrokenPipeError), open(job_end, "wb") as file:
            file.write(pack(command, arguments, environment, *self._limits))
        return pid

    def terminal(self, pid: int) -> Terminal:
        """Ours, which the command has for its own."""
        del pid
        self.own.give()
        return self.own

    def check(self, name: str) -> None:
        """Raises what the leader had to tell: CommandNotExecutable, CommandTimedOut."""
        with open(self._told, "rb") as file:
            said = file.read()
        if not said:
            return
        error = json.loads(said)
        if error["code"] == CommandTimedOut.code:
            message = f"`{name}` ran longer than {self._limits[0]:g} s and was ended"
            raise CommandTimedOut(message, hint="give it more time with `--timeout`, or leave that out")
        raise CommandNotExecutable(error["message"], why=error["why"], hint=error["hint"])

    def close(self) -> None:
        """Our side of it."""
        os.close(self.master)
        os.close(self._descriptor)


def pack(
    command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes], timeout: float | None, grace: float
) -> bytes:
    """A command as bytes, each part ended by the one byte that can stand in none."""
    parts = [str(len(arguments)).encode(), repr(timeout).encode(), repr(grace).encode(), os.fsencode(command)]
    parts += [os.fsencode(each) for each in arguments]
    parts += [b"%s=%s" % pair for pair in environment.items()]
    return b"".join(part + b"\0" for part in parts)


def copy_size(source: int, target: int) -> None:
    """Gives a terminal the size of another, where it differs."""
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, _NO_SIZE)
        if size != fcntl.ioctl(target, termios.TIOCGWINSZ, _NO_SIZE):
            fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def make_raw(descriptor: int) -> None:
    """Lets bytes pass through a terminal as they are."""
    tty.setraw(descriptor, termios.TCSANOW)


def _set(descriptor: int, settings: list[Any]) -> None:
    # From the background the call stops the caller unless SIGTTOU is blocked (POSIX, tcsetattr).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Until there is something to catch up with."""
