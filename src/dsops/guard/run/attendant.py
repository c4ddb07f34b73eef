"""Run the guard beside a command: its work for terminal and audit trail runs in the loop that watches the command.

The guard's server has a thread of its own. The journal and the terminal belong to the main thread.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from time import monotonic
from typing import Final

_PAUSE_SECONDS: Final = 0.02
"""After a turn with work, work that can wait is done together at the end of this pause."""


class GuardAttendant:
    """Runs functions of the server's thread in the loop of process/watch.py, and ends the server with the command."""

    def __init__(self, close_server: Callable[[], None], finish: Callable[[], None]) -> None:
        """`finish` is called after each turn with work."""
        self._close_server = close_server
        self._finish = finish
        self._work: deque[Callable[[], None]] = deque()
        self._pause_end: float | None = None
        """When the loop takes its next turn by itself; None if only the pipe wakes it."""
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)

    def post(self, work: Callable[[], None], *, can_wait: bool = False) -> None:
        """Run `work` in the loop soon; `can_wait` allows the rest of a pause before. Called from any thread."""
        self._work.append(work)
        if can_wait and self._pause_end is not None:
            return
        # If the pipe is full, the loop will wake up anyway. If the pipe is closed, the command has ended.
        with suppress(OSError):
            os.write(self._writer, b"x")

    def readers(self) -> Iterable[int]:
        """Return the pipe that wakes the loop."""
        return (self._reader,)

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return the seconds until the end of a pause; None if there is none."""
        return None if self._pause_end is None else max(0.0, self._pause_end - monotonic())

    def turn(self, ready: Collection[int]) -> None:
        """Run the posted functions, unless all of them can wait until the end of a pause."""
        if self._reader in ready:
            os.read(self._reader, 65536)
        elif self._pause_end is None or monotonic() < self._pause_end:
            return
        self._run_posted()

    def end(self) -> None:
        """End the server, then run what it has posted until its end."""
        self._close_server()
        self._run_posted()
        os.close(self._reader)
        os.close(self._writer)

    def _run_posted(self) -> None:
        # Set before the work is counted: while a pause is set, `post` may add work without waking the loop, and work
        # that is added after the count must wake it.
        self._pause_end = None
        number = len(self._work)
        for _ in range(number):
            self._work.popleft()()
        if number:
            self._finish()
            self._pause_end = monotonic() + _PAUSE_SECONDS
