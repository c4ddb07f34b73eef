"""Loads the keys of token checks when they are due, in the threads of `Flights`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from dsops.errors import DsopsError
from dsops.node.flights import Flight, Flights
from dsops.node.workloads import TokenCheck
from dsops.runtime import Event


class KeyRefresh:
    """An attendant of the event loop that calls `refresh` of each token check when it is due."""

    def __init__(self, checks: Mapping[str, TokenCheck], flights: Flights, report: Callable[[Event], None]) -> None:
        """`checks` maps names of workloads to their checks."""
        self._checks = checks
        self._flights = flights
        self._report = report

    def readers(self) -> Iterable[int]:
        """Return the descriptors to read from: none."""
        return ()

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return the seconds until the next check is due, without those that are being refreshed."""
        waits = [
            seconds
            for name, check in self._checks.items()
            if not self._flights.is_under_way(("keys", name)) and (seconds := check.seconds()) is not None
        ]
        return max(0.0, min(waits)) if waits else None

    def turn(self, _ready: Collection[int]) -> None:
        """Start to refresh the checks that are due."""
        for name, check in self._checks.items():
            seconds = check.seconds()
            if seconds is not None and seconds <= 0:
                self._flights.start(Flight(("keys", name), check.refresh, partial(self._land, name)))

    def end(self) -> None:
        """Do nothing: `Flights` abandons its calls."""

    def _land(self, name: str, outcome: object) -> None:
        if isinstance(outcome, DsopsError):
            self._report(Event("node.keys-not-loaded", {"workload": name, "why": str(outcome)}))
