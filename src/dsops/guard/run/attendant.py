"""Run the guard beside a command: its work for terminal and audit trail runs in the loop that watches the command.

The guard's server has a thread of its own. The journal and the terminal belong to the main thread.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress


class GuardAttendant:
    """Runs functions of the server's thread in the loop of process/watch.py, and ends the server with the command."""

    def __init__(self, close_server: Callable[[], None]) -> None:
        self._close_server = close_server
        self._work: deque[Callable[[], None]] = deque()
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)

    def post(self, work: Callable[[], None]) -> None:
        """Run `work` in the loop soon. Called from any thread."""
        self._work.append(work)
        # A full pipe has already woken the loop. A closed pipe means that the command has ended.
        with suppress(OSError):
            os.write(self._writer, b"x")

    def readers(self) -> Iterable[int]:
        """Return the pipe that wakes the loop."""
        return (self._reader,)

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return None: the pipe wakes the loop."""
        return None

    def turn(self, ready: Collection[int]) -> None:
        """Run the posted functions."""
        if self._reader in ready:
            os.read(self._reader, 65536)
        for _ in range(len(self._work)):
            self._work.popleft()()

    def end(self) -> None:
        """End the server, then run what it has posted until its end."""
        self._close_server()
        self.turn(())
        os.close(self._reader)
        os.close(self._writer)
