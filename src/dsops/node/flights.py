"""Runs calls to AWS in threads for the node's event loop: one at a time for each key (single flight)."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from dsops.errors import DsopsError, bug_of

MOST_THREADS: Final = 16
"""The maximum number of calls at the same time; others wait. Each call may be slow, because AWS throttles it."""


class Flight(NamedTuple):
    """A call that is running or waiting."""

    key: object
    work: Callable[[], object]
    """Runs in a thread; may raise DsopsError."""
    land: Callable[[object], None]
    """Gets the result or the DsopsError, in the event loop."""


class Flights:
    """The calls of one event loop. All methods except `_run` are for the loop's thread."""

    def __init__(self, most_threads: int = MOST_THREADS) -> None:
        self._most_threads = most_threads
        self._waiting: deque[Flight] = deque()
        self._keys: set[object] = set()
        self._threads = 0
        self._landed: deque[tuple[Flight, object]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._is_over = threading.Event()

    @property
    def count(self) -> int:
        """The number of calls that are running or waiting."""
        return len(self._keys)

    @property
    def is_over(self) -> bool:
        """Whether the node is ending, so that a call should be abandoned."""
        return self._is_over.is_set()

    def is_under_way(self, key: object) -> bool:
        """Whether a call with this key is running or waiting."""
        return key in self._keys

    def start(self, flight: Flight) -> bool:
        """Start a call, unless one with the same key is under way; return whether it was started."""
        if flight.key in self._keys or self.is_over:
            return False
        self._keys.add(flight.key)
        self._waiting.append(flight)
        self._begin()
        return True

    def readers(self) -> Iterable[int]:
        """Return the pipe that threads write to when they have a result."""
        return (self._reader,)

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return None: results wake the loop."""
        return None

    def turn(self, ready: Collection[int]) -> None:
        """Pass on the results, and begin waiting calls."""
        if self._reader not in ready:
            return
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)
        while self._landed:
            flight, outcome = self._landed.popleft()
            self._threads -= 1
            self._keys.discard(flight.key)
            flight.land(outcome)
        self._begin()

    def end(self) -> None:
        """Abandon the calls. Their threads end with the process."""
        self._is_over.set()
        self._waiting.clear()

    def _begin(self) -> None:
        while self._waiting and self._threads < self._most_threads:
            self._threads += 1
            threading.Thread(target=self._run, args=(self._waiting.popleft(),), daemon=True).start()

    def _run(self, flight: Flight) -> None:
        outcome: object
        try:
            outcome = flight.work()
        except DsopsError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - the loop must get a result; the text of a bug may hold a value
            outcome = bug_of(error)
        self._landed.append((flight, outcome))
        with suppress(BlockingIOError):  # if the pipe is full, the loop wakes up anyway
            os.write(self._writer, b"x")
