"""Signals that arrive while a command runs, as events to wait for beside descriptors."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple, Self

FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)


_LONGEST_SECONDS = 86400.0
"""poll(2) takes no more than 24 days; the caller looks at the clock again."""


class WaitEvents(NamedTuple):
    """The events that ended a wait; empty after the timeout."""

    signals: bytes
    """The numbers of the signals, in order."""
    ready: frozenset[int]
    """Descriptors that can be read or written, or have failed."""


class Signals:
    """Within a `with` block, catches SIGCHLD and the signals that are forwarded to the command.

    Signals that this process ignores (`nohup`) stay ignored, here and in the command.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers: dict[signal.Signals, Any] = {}  # what signal.signal gives is what it takes
        for number in (*FORWARDED, signal.SIGCHLD):
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

    def wait(self, seconds: float | None, readers: Iterable[int] = (), writers: Iterable[int] = ()) -> WaitEvents:
        """Wait for the first signal or ready descriptor, at most that long."""
        # Not select(): with a thousand inherited descriptors, ours are above its limit.
        poll = select.poll()
        wishes = {self._reader: select.POLLIN}
        for descriptor in readers:
            wishes[descriptor] = wishes.get(descriptor, 0) | select.POLLIN
        for descriptor in writers:
            wishes[descriptor] = wishes.get(descriptor, 0) | select.POLLOUT
        for descriptor, wish in wishes.items():
            poll.register(descriptor, wish)
        # Rounded up: half a millisecond must not become a busy loop.
        milliseconds = None if seconds is None else int(min(seconds, _LONGEST_SECONDS) * 1000) + 1
        ready = {descriptor for descriptor, _ in poll.poll(milliseconds)}
        signals = os.read(self._reader, 4096) if self._reader in ready else b""
        return WaitEvents(signals, frozenset(ready - {self._reader}))


def _note(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing: the wake-up descriptor gets the signal's number only if there is a handler."""
