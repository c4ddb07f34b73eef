"""Run a command on a pseudoterminal. dsops copies input and output between the pseudoterminal and our terminal.

The command runs in a separate session. A small process of ours leads that session (`process/session_leader.py`) and
watches the command, as `process.watch` does in our session. Without this leader, Ctrl-Z would do nothing: the system
does not stop a process group whose parent is in another session (POSIX, orphaned process groups).
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

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from dsops.process.session_leader import main; main()"
_MOST_TYPED = 4096

_NO_SIZE = struct.pack("HHHH", 0, 0, 0, 0)


class OwnTerminal:
    """Our terminal. It is in raw mode while the command gets the input, otherwise it has its original settings."""

    def __init__(self, descriptor: int, master: int, before_it_is_taken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._master = master
        self._before_it_is_taken = before_it_is_taken
        self._settings = termios.tcgetattr(descriptor)
        self._is_given = False

    @property
    def exists(self) -> bool:
        """Whether there is a terminal. Always true, because the constructor has opened it."""
        return True

    @property
    def is_given(self) -> bool:
        """Whether keyboard input goes to the command."""
        return self._is_given

    def give(self) -> bool:
        """Switch the terminal to raw mode if our process group is in its foreground: the command then gets all keys."""
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
        """Write out the command's pending output, then restore the terminal's settings."""
        self._before_it_is_taken()
        if self._is_given:
            self._is_given = False
            with suppress(OSError, termios.error):
                _set(self._descriptor, self._settings)

    def close(self) -> None:
        """Restore the terminal's settings."""
        self.take_back()

    def resize(self) -> None:
        """Copy our window size to the command's terminal. If the size changed, the system signals the command."""
        copy_size(self._descriptor, self._master)


class Keyboard:
    """An attendant (process/watch.py) that copies keyboard input to the command."""

    def __init__(self, terminal: OwnTerminal, descriptor: int, master: int) -> None:
        self._terminal = terminal
        self._descriptor = descriptor
        self._master = master
        self._typed = b""
        self._is_gone = False

    def readers(self) -> Iterable[int]:
        """Return our terminal's descriptor while the command gets keyboard input."""
        wants = self._terminal.is_given and not self._is_gone and len(self._typed) < _MOST_TYPED
        return (self._descriptor,) if wants else ()

    def writers(self) -> Iterable[int]:
        """Return the descriptor of the command's terminal while some keyboard input is not written to it yet."""
        return (self._master,) if self._typed else ()

    def seconds(self) -> float | None:
        """Return None, because the keyboard needs no timer."""
        return None

    def turn(self, ready: Collection[int]) -> None:
        """Copy keyboard input to the command."""
        # After `bg` and `fg` our process group may be in the foreground again.
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
        """Discard input that the command did not read, as a terminal does when a program ends."""
        self._typed, self._is_gone = b"", True


class PrivateStart:
    """Starts a command in a separate session. Call `close` when the command has ended, and then `check`."""

    def __init__(self, timeout_seconds: float | None, grace_seconds: float) -> None:
        """Raises OSError if this process has no controlling terminal."""
        self._limits = (timeout_seconds, grace_seconds)
        self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self.master, self._slave = os.openpty()
        os.set_blocking(self.master, False)
        # The command's terminal gets the settings of our terminal, such as the erase character and echo.
        _set(self._slave, termios.tcgetattr(self._descriptor))
        copy_size(self._descriptor, self.master)
        self.catch_up: Callable[[], None] = _do_nothing
        self.own = OwnTerminal(self._descriptor, self.master, self._catch_up)
        self.keyboard = Keyboard(self.own, self._descriptor, self.master)
        self._told = -1

    def _catch_up(self) -> None:
        self.catch_up()

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start the session leader, which starts the command."""
        job, job_end = os.pipe()
        self._told, told_end = os.pipe()
        os.set_inheritable(job, True)
        os.set_inheritable(told_end, True)
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        words = [sys.executable, "-I", "-S", "-c", _PROGRAM, folder, str(job), str(told_end)]
        moves = [(os.POSIX_SPAWN_DUP2, self._slave, number) for number in (0, 1, 2)]
        # The command's environment is sent through the pipe, because the session leader may need our own environment to
        # find its interpreter.
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
        """Switch dsops' own terminal to raw mode for the command, and return the terminal."""
        del pid
        self.own.give()
        return self.own

    def check(self, name: str) -> None:
        """Raise the error that the session leader reported: CommandNotExecutable or CommandTimedOut."""
        with open(self._told, "rb") as file:
            report = file.read()
        if not report:
            return
        error = json.loads(report)
        if error["code"] == CommandTimedOut.code:
            message = f"`{name}` ran longer than {self._limits[0]:g} s and was ended"
            raise CommandTimedOut(message, hint="use a longer `--timeout`, or leave it out")
        raise CommandNotExecutable(error["message"], why=error["why"], hint=error["hint"])

    def close(self) -> None:
        """Close our descriptors of the two terminals."""
        os.close(self.master)
        os.close(self._descriptor)


def pack(
    command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes], timeout: float | None, grace: float
) -> bytes:
    """Serialize a command and its limits. Each part ends with a NUL byte, which no part can contain."""
    parts = [str(len(arguments)).encode(), repr(timeout).encode(), repr(grace).encode(), os.fsencode(command)]
    parts += [os.fsencode(argument) for argument in arguments]
    parts += [b"%s=%s" % pair for pair in environment.items()]
    return b"".join(part + b"\0" for part in parts)


def copy_size(source: int, target: int) -> None:
    """Copy a terminal's window size to another terminal, if they differ."""
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, _NO_SIZE)
        if size != fcntl.ioctl(target, termios.TIOCGWINSZ, _NO_SIZE):
            fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def make_raw(descriptor: int) -> None:
    """Switch a terminal to raw mode, so that it passes bytes on unchanged."""
    tty.setraw(descriptor, termios.TCSANOW)


def _set(descriptor: int, settings: list[Any]) -> None:
    # If we are in the background, tcsetattr stops us unless SIGTTOU is blocked (POSIX).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do_nothing() -> None:
    """Do nothing: the default for `catch_up`, used until a pump is set."""
