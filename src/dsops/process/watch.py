"""A command that is watched: signals reach it, the terminal is its own, a time limit ends what it started.

It runs in a process group of its own. So a Ctrl-C reaches it once (through us, or from the terminal when
that is its own), and ending the group ends what it started, but nothing of ours.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic
from typing import Protocol, Self

from dsops.dumps import UsersLimit
from dsops.errors import CommandTimedOut
from dsops.process import SHELL, start_failure
from dsops.process.signals import Signals
from dsops.process.terminal import SharedTerminal, Terminal

GRACE_SECONDS = 10.0
"""How long a group that was asked to end may take, before it is killed: what `docker stop` gives, too."""

_POLL_SECONDS = 0.02
"""How often a group is looked at while it ends: the death of somebody else's child gives no sign."""


class Attendant(Protocol):
    """Something that goes on beside the command, in the loop that watches it; it never blocks that loop."""

    def readers(self) -> Iterable[int]:
        """Descriptors that it waits to read from."""

    def writers(self) -> Iterable[int]:
        """Descriptors that it waits to write to."""

    def seconds(self) -> float | None:
        """How long it can wait for its turn though none of them is ready; None: for ever."""

    def turn(self, ready: Collection[int]) -> None:
        """Does what can be done at once."""

    def end(self) -> None:
        """Comes to its end: the command is gone, or was never started."""


class Start(Protocol):
    """How a command begins its life."""

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """The process id of the command, which leads a group of its own; raises CommandNotExecutable."""

    def terminal(self, pid: int) -> Terminal:
        """What that command has of our terminal."""


class PlainStart:
    """The command gets our own streams, and our terminal when it may have it."""

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Starts it with the signal dispositions that `replace` gives."""
        return spawn(command, arguments, environment)

    def terminal(self, pid: int) -> Terminal:
        """Ours, shared."""
        return SharedTerminal(pid)


def watch(
    command: str,
    arguments: Sequence[str],
    environment: Mapping[bytes, bytes],
    *,
    timeout_seconds: float | None,
    grace_seconds: float = GRACE_SECONDS,
    start: Start | None = None,
    attendants: Sequence[Attendant] = (),
    hurry: Callable[[], None] = lambda: None,
) -> int:
    """The command's exit code, or 128 + n when signal n ended it.

    `hurry` is called when it did not end by itself: by a signal that was passed on, or since its time is over.

    A Ctrl-C that ends the command on a terminal ends this process, too, by the signal itself. Raises
    CommandTimedOut when it ran longer than `timeout_seconds`: by then its whole process group is gone,
    first asked by SIGTERM, after `grace_seconds` by SIGKILL. Raises CommandNotExecutable when it could not
    be started. The attendants have ended by then, in every case.
    """
    start = start or PlainStart()
    with _Ending(attendants) as ending, Signals() as signals:
        pid = start.spawn(command, arguments, environment)
        terminal = start.terminal(pid)
        try:
            watched = _Watch(pid, terminal, signals, ending, arguments[0], hurry)
            return watched.run(timeout_seconds, grace_seconds)
        finally:
            terminal.close()


def spawn(
    command: str,
    arguments: Sequence[str],
    environment: Mapping[bytes, bytes],
    *,
    streams: Mapping[int, int] | None = None,
) -> int:
    """Starts the command in a group of its own, with the signal dispositions that `replace` gives.

    `streams` are descriptors of ours that it gets under another number: `{1: a pipe}`.
    """
    words = tuple(arguments)
    defaults = [signal.SIGPIPE, signal.SIGXFSZ]
    moves = [(os.POSIX_SPAWN_DUP2, ours, its) for its, ours in (streams or {}).items()]
    try:
        with UsersLimit():
            try:
                return os.posix_spawn(command, words, environment, setpgroup=0, setsigdef=defaults, file_actions=moves)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                words = (SHELL, command, *arguments[1:])
                return os.posix_spawn(SHELL, words, environment, setpgroup=0, setsigdef=defaults, file_actions=moves)
    except OSError as error:
        raise start_failure(command, environment, error) from error


class _Ending:
    """The attendants, which end once: before the Ctrl-C that ends us, or when all is over."""

    def __init__(self, attendants: Sequence[Attendant]) -> None:
        self.attendants = attendants
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.now()

    def now(self) -> None:
        """Lets all of them come to their end."""
        if not self._is_over:
            self._is_over = True
            for attendant in self.attendants:
                attendant.end()


class _Watch:
    """One run of the command."""

    def __init__(
        self, pid: int, terminal: Terminal, signals: Signals, ending: _Ending, name: str, hurry: Callable[[], None]
    ) -> None:
        self._pid = pid
        self._terminal = terminal
        self._signals = signals
        self._ending = ending
        self._name = name
        self._hurry = hurry
        self._passed_on: set[int] = set()
        self._code: int | None = None

    def run(self, timeout_seconds: float | None, grace_seconds: float) -> int:
        deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
        while self._code is None:
            if deadline is not None and monotonic() >= deadline:
                self._end_group(grace_seconds)
                message = f"`{self._name}` ran longer than {timeout_seconds:g} s and was ended"
                raise CommandTimedOut(message, hint="give it more time with `--timeout`, or leave that out")
            self._turn(None if deadline is None else max(0.0, deadline - monotonic()))
        return self._code

    def _turn(self, seconds: float | None) -> None:
        """Waits for the next signal, but not longer than that; passes it on, and looks how the command is."""
        attendants = self._ending.attendants
        waits = [wait for wait in (seconds, *[each.seconds() for each in attendants]) if wait is not None]
        woken = self._signals.wait(
            max(0.0, min(waits)) if waits else None,
            [descriptor for each in attendants for descriptor in each.readers()],
            [descriptor for each in attendants for descriptor in each.writers()],
        )
        for each in attendants:
            each.turn(woken.ready)
        for number in woken.signals:
            if number != signal.SIGCHLD:
                self._passed_on.add(number)
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
        # It may have asked before it was given the terminal at its start, and has it by now.
        wants_terminal = number in {signal.SIGTTIN, signal.SIGTTOU}
        if wants_terminal and (self._terminal.is_given or self._terminal.give()):
            self._send(signal.SIGCONT)
            return
        had_terminal = self._terminal.is_given
        self._terminal.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        # Here somebody has continued us: `fg` or `bg`.
        if had_terminal or wants_terminal:
            self._terminal.give()
        self._send(signal.SIGCONT)

    def _on_end(self, code: int) -> None:
        self._code = code if code >= 0 else 128 - code
        if self._code - 128 in self._passed_on:
            self._hurry()
        if -code in {signal.SIGINT, signal.SIGQUIT} and self._terminal.exists:
            self._die_likewise(-code)

    def _die_likewise(self, number: int) -> None:
        """Ends us by the Ctrl-C that ended the command: after an exit code a shell runs a script's next line.

        The rest of our job would have had the signal from the terminal, had that not been given away.
        """
        was_given = self._terminal.is_given
        self._ending.now()
        self._terminal.close()
        signal.signal(number, signal.SIG_DFL)
        if was_given:
            os.killpg(0, number)
        os.kill(os.getpid(), number)

    def _end_group(self, grace_seconds: float) -> None:
        """Ends all that the command started, as far as it stayed in the group."""
        self._hurry()
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
