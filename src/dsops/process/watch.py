"""Run the command as a child process: forward signals, hand over the terminal, enforce a time limit.

The command runs in a separate process group, for two reasons. The command gets each Ctrl-C only once: from dsops, or
from the terminal if the command has it. And a signal to the group ends all processes that the command started, but
none of ours.
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
"""The time in seconds between SIGTERM and SIGKILL, as in `docker stop`.

In this time, the processes of a group can end by themselves.
"""

_POLL_SECONDS = 0.02
"""The interval in seconds for checking whether a group has ended.

Checks are needed because the system signals only the end of our own child.
"""


class Attendant(Protocol):
    """Work that the loop does while it watches the command. The work must never block the loop."""

    def readers(self) -> Iterable[int]:
        """Return the descriptors from which the attendant will read."""

    def writers(self) -> Iterable[int]:
        """Return the descriptors to which the attendant will write."""

    def seconds(self) -> float | None:
        """Return the seconds until the next turn, if no descriptor is ready before; None for no limit."""

    def turn(self, ready: Collection[int]) -> None:
        """Do what is possible without blocking. `ready` has the descriptors that are ready."""

    def end(self) -> None:
        """Finish the work, because the command has ended or was never started."""


class Start(Protocol):
    """A way to start a command."""

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start the command as the leader of a new process group; return its process id.

        Raises CommandNotExecutable.
        """

    def terminal(self, pid: int) -> Terminal:
        """Return the command's terminal."""


class PlainStart:
    """Starts a command that inherits our streams, and gets our terminal if we have it."""

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start the command with the signal dispositions that `replace` uses."""
        return spawn(command, arguments, environment)

    def terminal(self, pid: int) -> Terminal:
        """Return dsops' own terminal, which the command shares."""
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
    """Run the command and return its exit code, or 128 + n if signal n ended it.

    - `timeout_seconds`: at this time limit, the command's process group gets SIGTERM, and SIGKILL after
      `grace_seconds`.
    - `hurry`: called after a forwarded signal or at the time limit, if the command has not ended by itself.

    If Ctrl-C ends the command on a terminal, the signal also ends this process. Raises CommandTimedOut after the
    process group has been ended at the time limit, and CommandNotExecutable if the command could not be started.
    Whether the function returns or raises, it first ends all attendants.
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
    """Start the command in a new process group, with the signal dispositions that `replace` uses.

    `streams` maps descriptors of the child to ours, such as `{1: a pipe}`.
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
    """Ends the attendants exactly once: when the command has ended, or before Ctrl-C ends this process."""

    def __init__(self, attendants: Sequence[Attendant]) -> None:
        self.attendants = attendants
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.now()

    def now(self) -> None:
        """End all attendants, unless they have already ended."""
        if not self._is_over:
            self._is_over = True
            for attendant in self.attendants:
                attendant.end()


class _Watch:
    """The state of one run of the command."""

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
                raise CommandTimedOut(message, hint="use a longer `--timeout`, or leave it out")
            self._wait_for_signal(None if deadline is None else max(0.0, deadline - monotonic()))
        return self._code

    def _wait_for_signal(self, seconds: float | None) -> None:
        """Wait for a signal, for at most `seconds`. Forward the signal; check whether the command stopped or ended."""
        attendants = self._ending.attendants
        waits = [wait for wait in (seconds, *[attendant.seconds() for attendant in attendants]) if wait is not None]
        woken = self._signals.wait(
            max(0.0, min(waits)) if waits else None,
            [descriptor for attendant in attendants for descriptor in attendant.readers()],
            [descriptor for attendant in attendants for descriptor in attendant.writers()],
        )
        for attendant in attendants:
            attendant.turn(woken.ready)
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
        """Handle a stopped command: give it the terminal if it waits for one, otherwise pause our job (Ctrl-Z)."""
        if not self._terminal.exists:
            return
        # The command may have stopped before it was given the terminal, and possibly has the terminal now.
        wants_terminal = number in {signal.SIGTTIN, signal.SIGTTOU}
        if wants_terminal and (self._terminal.is_given or self._terminal.give()):
            self._send(signal.SIGCONT)
            return
        had_terminal = self._terminal.is_given
        self._terminal.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        # `fg` or `bg` has sent SIGCONT, which resumed this process.
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
        """End this process by the same Ctrl-C signal that ended the command.

        If this process returned an exit code instead, a shell would run the next line of its script. If the command
        had the terminal, only the command got the signal. So the signal is sent to the rest of our job as well.
        """
        was_given = self._terminal.is_given
        self._ending.now()
        self._terminal.close()
        signal.signal(number, signal.SIG_DFL)
        if was_given:
            os.killpg(0, number)
        os.kill(os.getpid(), number)

    def _end_group(self, grace_seconds: float) -> None:
        """End all processes in the command's process group. Processes that have left the group are not ended."""
        self._hurry()
        self._send(signal.SIGTERM)
        # A stopped process handles SIGTERM only after it gets SIGCONT.
        self._send(signal.SIGCONT)
        end = monotonic() + grace_seconds
        while monotonic() < end and self._send(0):
            self._wait_for_signal(_POLL_SECONDS)
        self._send(signal.SIGKILL)
        if self._code is None:
            os.waitpid(self._pid, 0)

    def _send(self, number: int) -> bool:
        """Send a signal to the process group; return whether the group still has a process.

        If `number` is 0, no signal is sent.
        """
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # A process exists but runs as another user (sudo). macOS raises this error for zombies as well.
            return True
        return True
