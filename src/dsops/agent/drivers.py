"""The drivers of the agent's requests to AWS, with connections that stay open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from dsops import tasks
from dsops.aws.http.transport import CurlDriver
from dsops.tasks import T, Work

_MOST_IDLE_DRIVERS = 16


class Drivers:
    """A pool of drivers; a request has one for itself, with the connections of an earlier one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[CurlDriver] = []

    def run(self, work: Work[T]) -> T:
        """The result of work that may send requests."""
        with self._one() as driver:
            return tasks.run(work, driver)

    @contextmanager
    def _one(self) -> Iterator[tasks.Driver]:
        """The driver that was used last, whose connections are the youngest."""
        with self._lock:
            driver = self._idle.pop() if self._idle else None
        driver = driver or CurlDriver()
        try:
            yield driver
        finally:
            with self._lock:
                is_kept = len(self._idle) < _MOST_IDLE_DRIVERS
                if is_kept:
                    self._idle.append(driver)
            if not is_kept:
                driver.close()
