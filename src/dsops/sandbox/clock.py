"""The sandbox's movable clock: sessions and MFA codes follow it, signatures do not.

A signature carries the client's time, and the client does not know that this clock was moved. So signatures are
checked against the machine's clock; everything else that AWS times is checked against the sandbox's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from time import time


class MovableClock:
    """Seconds since 1970, running on from the time it was set to, or standing still when frozen."""

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
        """Move the clock forward, or back for a negative number."""
        self.set(self.now() + seconds)

    def set(self, now: float) -> None:
        """Set the clock; a frozen clock stays frozen at the new time."""
        if self._frozen_at is None:
            self._offset = now - self._system()
        else:
            self._frozen_at = now

    def freeze(self, *, is_frozen: bool) -> None:
        """Stop the clock at its current time, or let it run on from there."""
        now = self.now()
        self._frozen_at = now if is_frozen else None
        self._offset = now - self._system()

    @property
    def is_frozen(self) -> bool:
        """Whether the clock is frozen."""
        return self._frozen_at is not None


def iso_time(seconds: float) -> str:
    """Format a time as AWS does, `2026-07-13T10:00:00Z`; fractions of a second are cut off."""
    return _iso_time(int(seconds))


@lru_cache(maxsize=256)
def _iso_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
