"""Runs the task loop without network and waiting: time passes only while all tasks sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dsops.tasks import Driver, Work, run

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class NoWire:
    """A driver for tests that send no requests."""

    def start(self, request: object, token: object) -> None:
        """Fail: such a test must not send requests."""
        raise AssertionError(f"nothing is transferred here, but {request!r} was, by {token!r}")

    def prepare(self, request: object) -> None:
        """Do nothing: there are no connections."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Fail: no transfer can be waited for."""
        raise AssertionError(f"nothing is transferred here, but {timeout_seconds} s were waited for it")

    def cancel(self) -> None:
        """Do nothing."""


class Time:
    """The simulated time of a loop, in seconds since the start of the test."""

    def __init__(self, also: Callable[[float], object] | None = None) -> None:
        """`also` is called for each sleep with the seconds; a FixedClock's `advance` keeps both clocks together."""
        self.seconds = 0.0
        self._also = also

    def sleep(self, seconds: float) -> None:
        """Advance the time without waiting."""
        self.seconds += seconds
        if self._also is not None:
            self._also(seconds)

    def run(self, work: Work[T], driver: Driver | None = None) -> T:
        """Run the work and return its result."""
        return run(work, driver or NoWire(), sleep=self.sleep, clock=lambda: self.seconds)
