"""When the node issues and renews a session, and which session callers get meanwhile."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dsops.errors import Unreachable
from dsops.node.flights import Flight, Flights
from dsops.node.sessions import NodeSessions, SessionKey
from tests.children import SECONDS
from tests.fakes import FixedClock, Reports
from tests.nodes import HOUR, StubIssuer

MINUTE = 60.0


class World:
    """The sessions of a node, whose clocks the test moves."""

    def __init__(self, lifetime: float, random: Callable[[], float]) -> None:
        self.clock, self.reports, self.seconds = FixedClock(), Reports(), 0.0
        self.issuer = StubIssuer(self.clock, lifetime)
        self.flights = Flights()
        self.sessions = NodeSessions(
            self.issuer.issue,
            self.flights,
            now=self.clock,
            random=random,
            report=self.reports,
            clock=lambda: self.seconds,
        )

    def wait(self, seconds: float) -> None:
        """Move both clocks, and run the loop."""
        self.clock.advance(seconds)
        self.seconds += seconds
        self.turn()

    def turn(self) -> None:
        """Run a turn of the loop, and wait for the calls that it has started."""
        self.sessions.turn(())
        while self.flights.count:
            ready, _, _ = select.select(list(self.flights.readers()), [], [], SECONDS)
            assert ready, "a call does not end"
            self.flights.turn(ready)

    def key(self, store: str = "web") -> str:
        """The number in the key that a caller gets now; "" without a session."""
        found = self.sessions.use(SessionKey(store))
        self.turn()
        return "" if found is None else found.access_key_id.removeprefix("ASIA").lstrip("0")


@contextmanager
def world(lifetime: float = HOUR, random: Callable[[], float] = lambda: 0.0) -> Iterator[World]:
    """Sessions without a renewal's jitter."""
    it = World(lifetime, random)
    try:
        yield it
    finally:
        it.sessions.end()
        it.flights.end()


def test_a_used_session_is_renewed_with_twenty_minutes_left() -> None:
    """Callers get the new session before an SDK asks for one, which botocore does with 15 minutes left."""
    with world() as it:
        assert (it.key(), it.key()) == ("", "1")
        it.wait(39 * MINUTE)
        assert it.key() == "1"
        assert it.sessions.seconds() == MINUTE
        it.wait(MINUTE)
        assert it.key() == "2"
        assert it.issuer.stores == ["web", "web"]


def test_an_unused_session_is_not_renewed_and_then_forgotten() -> None:
    """A role whose callers have ended costs no further calls."""
    with world() as it:
        it.key()
        it.wait(40 * MINUTE)
        assert (it.issuer.stores, len(it.sessions)) == (["web"], 1)
        it.wait(20 * MINUTE)
        assert (it.issuer.stores, len(it.sessions), it.sessions.seconds()) == (["web"], 0, None)


def test_a_late_caller_of_an_unused_session_starts_its_renewal() -> None:
    """The caller gets the current session, and the next caller a new one."""
    with world() as it:
        it.key()
        it.wait(45 * MINUTE)
        assert (it.key(), it.key()) == ("1", "2")


def test_no_caller_notices_that_sts_is_down_for_twenty_minutes() -> None:
    """If the outage begins just before a renewal, callers get the current session until the next one is issued."""
    with world() as it:
        it.key()
        assert it.key() == "1"
        it.wait(40 * MINUTE - 1)
        it.issuer.error = Unreachable("AWS is not reachable")
        for _ in range(20 * 60 // 5 - 3):
            it.wait(5)
            assert it.key() == "1"
        assert it.reports.facts("node.not-issued")[0]["store"] == "web"
        it.issuer.error = None
        it.wait(10)
        assert it.key() == "2"


def test_attempts_during_an_outage_are_few() -> None:
    """Pauses double, so that 20 minutes cost 20 attempts at most, although a caller asks every second."""
    with world(random=lambda: 0.5) as it:
        it.issuer.error = Unreachable("AWS is not reachable")
        for _ in range(20 * 60):
            it.key()
            it.wait(1)
        assert 10 <= len(it.issuer.stores) <= 60
        assert it.sessions.failure(SessionKey("web")) is it.issuer.error


def test_sessions_that_were_issued_together_are_renewed_apart() -> None:
    """Jitter spreads the renewals of 20 roles over five minutes."""
    numbers = iter(range(1000))
    with world(random=lambda: next(numbers) % 20 / 20) as it:
        stores = [f"role-{number}" for number in range(20)]
        for store in stores:
            it.key(store)
            it.key(store)
        most = 0
        for _ in range(6 * 6):
            before = len(it.issuer.stores)
            it.wait(10) if it.seconds else it.wait(35 * MINUTE - 10)
            most = max(most, len(it.issuer.stores) - before)
        assert len(it.issuer.stores) == 40
        assert most <= 2


def test_a_clock_that_is_set_forward_ends_a_session() -> None:
    """The wall clock counts, too: a machine that slept has sessions that have expired."""
    with world() as it:
        it.key()
        it.clock.advance(2 * HOUR)
        assert (it.key(), it.key()) == ("", "2")


def test_twenty_cold_roles_of_500_callers_cost_twenty_calls() -> None:
    """All callers of a role share its call, also when they ask before the first call has begun."""
    with world() as it:
        for number in range(500):
            assert it.sessions.use(SessionKey(f"role-{number % 20}")) is None
        it.turn()
        assert sorted(it.issuer.stores) == sorted(f"role-{number}" for number in range(20))


def test_a_bug_in_a_call_reaches_the_loop_as_an_error() -> None:
    """An unexpected exception does not leave callers waiting, and its text stays out of the error."""
    with world() as it:
        it.issuer.error = RuntimeError("hush")
        it.key()
        assert "RuntimeError" in str(it.sessions.failure(SessionKey("web")))
        assert "hush" not in str(it.sessions.failure(SessionKey("web")))


def test_a_key_is_in_flight_once() -> None:
    """A second call with the same key is not started while the first one runs."""
    flights = Flights(most_threads=1)
    landed: list[object] = []
    assert flights.start(Flight("a", lambda: 1, landed.append))
    assert not flights.start(Flight("a", lambda: 2, landed.append))
    assert flights.start(Flight("b", lambda: 3, landed.append))
    while flights.count:
        ready, _, _ = select.select(list(flights.readers()), [], [], SECONDS)
        assert ready
        flights.turn(ready)
    assert landed == [1, 3]
    flights.end()
    assert not flights.start(Flight("a", lambda: 4, landed.append))
