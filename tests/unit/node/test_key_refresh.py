"""When the keys of token checks are loaded."""

from __future__ import annotations

import select
from datetime import datetime

from dsops.errors import Unreachable
from dsops.node.flights import Flights
from dsops.node.key_refresh import KeyRefresh
from dsops.node.workloads import TokenSubject
from tests.children import SECONDS
from tests.fakes import Reports


class Check:
    """A check whose keys are loaded once, or not at all."""

    def __init__(self, left: float | None, error: Exception | None = None) -> None:
        self.left = left
        self.error = error

    def subject_of(self, _token: bytes, _now: datetime) -> TokenSubject | None:
        """No token is good."""
        return None

    def seconds(self) -> float | None:
        """The seconds until the keys are due."""
        return self.left

    def refresh(self) -> None:
        """Load the keys; the next time is in an hour."""
        self.left = 3600.0
        if self.error is not None:
            raise self.error


def test_keys_are_loaded_when_they_are_due() -> None:
    """Each check says when; a failure is reported, and does not end the loop."""
    due, later, never = Check(0.0), Check(60.0), Check(None)
    broken = Check(-1.0, Unreachable("the cluster is not reachable"))
    flights, reports = Flights(), Reports()
    keys = KeyRefresh({"due": due, "later": later, "never": never, "broken": broken}, flights, reports)
    assert keys.seconds() == 0.0
    keys.turn(())
    while flights.count:
        ready, _, _ = select.select(list(flights.readers()), [], [], SECONDS)
        assert ready
        flights.turn(ready)
    assert [check.left for check in (due, later, never, broken)] == [3600.0, 60.0, None, 3600.0]
    assert keys.seconds() == 60.0
    assert reports.facts("node.keys-not-loaded") == [{"workload": "broken", "why": "the cluster is not reachable"}]
    flights.end()
