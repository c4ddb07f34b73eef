"""A command that is watched: signals reach it, the terminal is its own, a time limit ends what it started.

It runs in a process group of its own. So a Ctrl-C reaches it once (through us, or from the terminal when
that is its own), and ending the group ends what it started, but nothing of ours.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Mapping, Sequence
from time import monotonic
from types import FrameType
from typing import Any, Self

from dsops.errors import CommandTimedOut
from dsops.process import SHELL, start_failure

GRACE_SECONDS = 10.0
"""How long a group that was asked to end may take, before it is killed: what `docker stop` gives, too."""

_POLL_SECONDS = 0.02
"""How often a group is looked at while it ends: the death of somebody else's child gives no sign."""

_FORWARDED = (
    signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT,
)  # fmt: skip


def watch(
    command: str,
    arguments: Sequence[str],
    environment: Mapping[bytes, bytes],
    *,
    timeout_seconds: float | None,
    grace_seconds: float = GRACE_SECONDS,
) -> int:
    """The command's exit code, or 128 + n when signal n ended it.

    A Ctrl-C that ends the command on a terminal ends this process, too, by the signal itself. Raises
    CommandTimedOut when it ran longer than `timeout_seconds`: by then its whole process group is gone,
    first asked by SIGTERM, after `grace_seconds` by SIGKILL. Raises CommandNotExecutable when it could not
    be started.
    """
    with _Signals() as signals:
        pid = _spawn(command, arguments, environment)
        terminal = _Terminal(pid)
        try:
            return _Watch(pid, terminal, signals, arguments[0]).run(timeout_seconds, grace_seconds)
        finally:
            terminal.close()


def _spawn(command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
    """Starts the command in a group of its own, with the signal dispositions that `replace` gives."""
    words = tuple(arguments)
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    try:
        try:
            return os.posix_spawn(command, words, environment, setpgroup=0, setsigdef=defaults)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            words = (SHELL, command, *arguments[1:])
            return os.posix_spawn(SHELL, words, environment, setpgroup=0, setsigdef=defaults)
    except OSError as error:
        raise start_failure(command, environment, error) from error


class _Signals:
    """The signals that come in while the command runs, as something that can be waited for.

    Those that this process was told to ignore (`nohup`) stay ignored, here and in the command.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers: dict[signal.Signals, Any] = {}  # what signal.signal gives is what it takes
        for number in (*_FORWARDED, signal.SIGCHLD):
            # Where children are ignored, the system reaps them itself and their codes are lost.
            if number == signal.SIGCHLD or signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float | None) -> bytes:
        """The numbers of the signals that came, as soon as one does; empty when the time is over first."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return os.read(self._reader, 4096) if ready else b""


def _note(_number: int, _frame: FrameType | None) -> None:
    """Lets the signal's number go through the wake-up descriptor, which needs a handler."""


class _Terminal:
    """The controlling terminal, which one process group at a time may read; nothing when there is none."""

    def __init__(self, group: int) -> None:
        self._group = group
        try:
            self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        # With a pipe on one side another program of our group may read the terminal (`dsops exec ... |
        # less`): then the command gets it only when it asks.
        if all(os.isatty(descriptor) for descriptor in (0, 1, 2)):
            self.give()

    @property
    def exists(self) -> bool:
        return self._descriptor >= 0

    @property
    def is_given(self) -> bool:
        """Whether the command's group has it: what is typed, Ctrl-C too, goes there and not to us."""
        return self._holder() == self._group

    def give(self) -> bool:
        """Lets the command's group have it, if it is ours to give."""
        return self._holder() == os.getpgrp() and self._hand_to(self._group)

    def take_back(self) -> None:
        """Lets our own group have it again, if the command's had it."""
        if self.is_given:
            self._hand_to(os.getpgrp())

    def close(self) -> None:
        if self.exists:
            self.take_back()
            os.close(self._descriptor)

    def _holder(self) -> int:
        try:
            return os.tcgetpgrp(self._descriptor) if self.exists else -1
        except OSError:
            return -1

    def _hand_to(self, group: int) -> bool:
        # From the background the call stops the caller unless SIGTTOU is blocked (POSIX, tcsetpgrp).
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            os.tcsetpgrp(self._descriptor, group)
        except OSError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True


class _Watch:
    """One run of the command."""

    def __init__(self, pid: int, terminal: _Terminal, signals: _Signals, name: str) -> None:
        self._pid = pid
        self._terminal = terminal
        self._signals = signals
        self._name = name
        self._code: int | None = None

    def run(self, timeout_seconds: float | None, grace_seconds: float) -> int:
        deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
        while self._code is None:
            if deadline is not None and monotonic() >= deadline:
                self._end_group(grace_seconds)
                raise CommandTimedOut(f"`{self._name}` ran longer than {timeout_seconds:g} s and was ended")
            self._turn(None if deadline is None else max(0.0, deadline - monotonic()))
        return self._code

    def _turn(self, seconds: float | None) -> None:
        """Waits for the next signal, but not longer than that; passes it on, and looks how the command is."""
        for number in self._signals.wait(seconds):
            if number != signal.SIGCHLD:
                self._send(number)
        while self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
            if not pid:
                return
            if os.WIFSTOPPED(status):
                self._on_stop(os.WSTOPSIG(status))
            else:
                self._on_end(os.waitstatus_to_exitcode(status))

    def _on_stop(self, number: int) -> None:
        """The command wants the terminal, or was told to pause by Ctrl-Z: then the whole job pauses."""
        if not self._terminal.exists:
            return
        if number in {signal.SIGTTIN, signal.SIGTTOU} and self._terminal.give():
            self._send(signal.SIGCONT)
            return
        had_terminal = self._terminal.is_given
        self._terminal.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        # Here somebody has continued us: `fg` or `bg`.
        if had_terminal or number in {signal.SIGTTIN, signal.SIGTTOU}:
            self._terminal.give()
        self._send(signal.SIGCONT)

    def _on_end(self, code: int) -> None:
        self._code = code if code >= 0 else 128 - code
        if -code in {signal.SIGINT, signal.SIGQUIT} and self._terminal.exists:
            self._die_likewise(-code)

    def _die_likewise(self, number: int) -> None:
        """Ends us by the Ctrl-C that ended the command: after an exit code a shell runs a script's next line.

        The rest of our job would have had the signal from the terminal, had that not been given away.
        """
        was_given = self._terminal.is_given
        self._terminal.close()
        signal.signal(number, signal.SIG_DFL)
        if was_given:
            os.killpg(0, number)
        os.kill(os.getpid(), number)

    def _end_group(self, grace_seconds: float) -> None:
        """Ends all that the command started, as far as it stayed in the group."""
        self._send(signal.SIGTERM)
        # A stopped process sees the SIGTERM only when it goes on.
        self._send(signal.SIGCONT)
        end = monotonic() + grace_seconds
        while monotonic() < end and self._send(0):
            self._turn(_POLL_SECONDS)
        self._send(signal.SIGKILL)
        if self._code is None:
            os.waitpid(self._pid, 0)

    def _send(self, number: int) -> bool:
        """Sends the group a signal (0: none); whether there is still somebody in it."""
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Somebody is there, but runs as another user (sudo). macOS says it of zombies too.
            return True
        return True
