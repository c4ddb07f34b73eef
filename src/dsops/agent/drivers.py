"""The pool of HTTP drivers that the agent's requests share, so that connections to AWS stay open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING

from dsops import tasks
from dsops.agent.request import Outside
from dsops.aws.http.transport import open_driver
from dsops.tasks import T, Work

if TYPE_CHECKING:
    from dsops.aws.http.transport import CurlDriver
    from dsops.aws.http.transport_urllib3 import ThreadDriver

_MOST_IDLE_DRIVERS = 16


class _WaitingDriver:
    """A driver that lets other requests run while it waits for an answer."""

    def __init__(self, driver: tasks.Driver, outside: Outside) -> None:
        self._driver = driver
        self._outside = outside
        self.start = driver.start
        self.prepare = driver.prepare
        self.cancel = driver.cancel

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Return the transfers that have ended; wait for one if there is none."""
        ended = self._driver.poll(0)
        return ended or self._outside(lambda: self._driver.poll(timeout_seconds))


class Drivers:
    """A pool of HTTP drivers.

    Each request uses its own driver, with connections that an earlier request left open.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[CurlDriver | ThreadDriver] = []

    def run(self, work: Work[T], outside: Outside = lambda wait: wait()) -> T:
        """Run work that may send requests, with a driver from the pool; `outside` is called to wait."""
        with self._one() as driver:
            waiting = _WaitingDriver(driver, outside)
            return tasks.run(work, waiting, sleep=lambda seconds: outside(lambda: sleep(seconds)), outside=outside)

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
