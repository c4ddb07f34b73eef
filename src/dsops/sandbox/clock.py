"""The sandbox's movable clock: the time for sessions and MFA codes, but not for signatures.

A signature contains the client's time, and the client does not know that the sandbox's clock was moved. Therefore
signatures are checked against the machine's clock. All other times are checked against the sandbox's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time


class MovableClock:
    """A clock in seconds since 1970 that runs on from the time that was set, or stands still while it is frozen."""

    def __init__(self, system: Callable[[], float] = time) -> None:
        """`system` is the machine's clock; a test passes its own."""
        self._system = system
        self._offset = 0.0
        self._frozen_at: float | None = None

    def now(self) -> float:
        """Return the sandbox's time."""
        return self._system() + self._offset if self._frozen_at is None else self._frozen_at

    def wall(self) -> float:
        """Return the machine's time."""
        return self._system()

    def advance(self, seconds: float) -> None:
        """Move the clock forward by a number of seconds, or back by a negative number."""
        self.set(self.now() + seconds)

    def set(self, now: float) -> None:
        """Set the clock; a frozen clock stays frozen at the new time."""
        if self._frozen_at is None:
            self._offset = now - self._system()
        else:
            self._frozen_at = now

    def freeze(self, *, is_frozen: bool) -> None:
        """Stop the clock at its current time, or let the clock run on from that time."""
        now = self.now()
        self._frozen_at = now if is_frozen else None
        self._offset = now - self._system()

    @property
    def is_frozen(self) -> bool:
        """Whether the clock is frozen."""
        return self._frozen_at is not None
