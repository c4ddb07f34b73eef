"""The pool of HTTP drivers that the agent's requests share, so that connections to AWS stay open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from dsops import tasks
from dsops.aws.http.transport import open_driver
from dsops.tasks import T, Work

if TYPE_CHECKING:
    from dsops.aws.http.transport import CurlDriver
    from dsops.aws.http.transport_urllib3 import ThreadDriver

_MOST_IDLE_DRIVERS = 16


class Drivers:
    """A pool of HTTP drivers.

    Each request uses its own driver, with connections that an earlier request left open.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[CurlDriver | ThreadDriver] = []

    def run(self, work: Work[T]) -> T:
        """Run work that may send requests, with a driver from the pool."""
        with self._one() as driver:
            return tasks.run(work, driver)

    @contextmanager
    def _one(self) -> Iterator[tasks.Driver]:
        """Take the most recently used driver, whose connections are the newest, and put it back afterwards."""
        with self._lock:
            driver = self._idle.pop() if self._idle else None
        driver = driver or open_driver({})
        try:
            yield driver
        finally:
            with self._lock:
                is_kept = len(self._idle) < _MOST_IDLE_DRIVERS
                if is_kept:
                    self._idle.append(driver)
            if not is_kept:
                driver.close()
