"""Wait for signals and file descriptors at the same time, while a command runs."""

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
"""The longest wait. poll(2) allows at most 24 days. After this wait, the calling code checks the clock again."""


class WaitEvents(NamedTuple):
    """The signals and descriptors that ended a wait. Both are empty after a timeout."""

    signals: bytes
    """The numbers of the signals, in the order of arrival."""
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
        # Any: `signal.signal` returns values of several types, and accepts the same
        self._handlers: dict[signal.Signals, Any] = {}
        for number in (*FORWARDED, signal.SIGCHLD):
            # SIGCHLD is caught even if it was ignored. Otherwise the system would reap the children itself, and their
            # exit codes would be lost.
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
        """Wait for a signal or a ready descriptor, for at most `seconds`."""
        # poll(2), not select(2): if a thousand descriptors are inherited, ours are above select's limit.
        poll = select.poll()
        wishes = {self._reader: select.POLLIN}
        for descriptor in readers:
            wishes[descriptor] = wishes.get(descriptor, 0) | select.POLLIN
        for descriptor in writers:
            wishes[descriptor] = wishes.get(descriptor, 0) | select.POLLOUT
        for descriptor, wish in wishes.items():
            poll.register(descriptor, wish)
        # The time is rounded up, because rounding half a millisecond down to 0 would cause a busy loop.
        milliseconds = None if seconds is None else int(min(seconds, _LONGEST_SECONDS) * 1000) + 1
        ready = {descriptor for descriptor, _ in poll.poll(milliseconds)}
        signals = os.read(self._reader, 4096) if self._reader in ready else b""
        return WaitEvents(signals, frozenset(ready - {self._reader}))


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing. The wake-up descriptor gets a signal's number only if the signal has a Python handler."""
