"""The task loop without a network and without waiting: time passes only while everybody sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dsops.tasks import Driver, Work, run

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class NoWire:
    """A driver of a test in which nothing is transferred."""

    def start(self, request: object, token: object) -> None:
        """Refuses: such a test has no request to send."""
        raise AssertionError(f"nothing is transferred here, but {request!r} was, by {token!r}")

    def prepare(self, request: object) -> None:
        """No connection needs to be opened here."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Refuses: there is nothing to wait for."""
        raise AssertionError(f"nothing is transferred here, but {timeout_seconds} s were waited for it")

    def cancel(self) -> None:
        """Ends nothing."""


class Time:
    """A loop's own time, in seconds since the start of the test."""

    def __init__(self, also: Callable[[float], object] | None = None) -> None:
        """`also` is told of each sleep: a FixedClock's `advance` keeps the wall clock in step."""
        self.seconds = 0.0
        self._also = also

    def sleep(self, seconds: float) -> None:
        """Moves on, at once."""
        self.seconds += seconds
        if self._also is not None:
            self._also(seconds)

    def run(self, work: Work[T], driver: Driver | None = None) -> T:
        """The result of the work."""
        return run(work, driver or NoWire(), sleep=self.sleep, clock=lambda: self.seconds)
