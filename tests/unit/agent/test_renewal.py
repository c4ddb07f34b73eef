"""When a session is renewed, how often after a failure, and which session is served meanwhile."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import pytest

from dsops.agent.renewal import Renewal
from dsops.credentials import Credentials
from dsops.errors import DsopsError, Unreachable
from dsops.secret import Secret
from tests.fakes import FixedClock, Reports

HOUR = 3600.0


class Counter:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.time


class Issuer:
    """A stub of STS that issues numbered sessions, or fails."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.count = 0
        self.lifetime = HOUR
        self.error: Exception | None = None
        self.held: list[str] = []

    def __call__(self, held: Credentials, _is_over: Callable[[], bool]) -> Credentials:
        """Issue a new session in place of the held one."""
        self.held.append(held.access_key_id)
        if self.error is not None:
            raise self.error
        return self.issue()

    def issue(self) -> Credentials:
        """Issue the next session."""
        self.count += 1
        now = self.clock()
        end = now + timedelta(seconds=self.lifetime)
        return Credentials(f"ASIA{self.count:04}", Secret("key"), Secret("token"), end, issued_at=now)


class World(NamedTuple):
    """A session renewal with its clock, issuer and reports."""

    renewal: Renewal
    issuer: Issuer
    clock: FixedClock
    counter: Counter
    reports: Reports

    def wait(self, seconds: float) -> None:
        """Move the clock, then run the loop."""
        self.clock.advance(seconds)
        self.counter.time += seconds
        self.turn()

    def turn(self) -> None:
        """Run one turn of the loop, and the thread that it started, if any."""
        self.renewal.turn(())
        if self.renewal.is_under_way:
            ready, _, _ = select.select(list(self.renewal.readers()), [], [], 20)
            assert ready, "the thread does not end"
            self.renewal.turn(ready)

    @property
    def key(self) -> str:
        """Return the access key ID of the current session."""
        return self.renewal.current.access_key_id if self.renewal.current else "none"


@contextmanager
def world(*, lifetime: float = HOUR, random: float = 0.0) -> Iterator[World]:
    """Yield the renewal of a session that was issued just now."""
    clock, counter, reports = FixedClock(), Counter(), Reports()
    issuer = Issuer(clock)
    issuer.lifetime = lifetime
    renewal = Renewal(issuer.issue(), issuer, now=clock, random=lambda: random, report=reports, clock=counter)
    try:
        yield World(renewal, issuer, clock, counter, reports)
    finally:
        renewal.end()


def test_it_is_renewed_with_twenty_minutes_left_and_not_before() -> None:
    """A session is renewed with twenty minutes left, before botocore would request one (15 minutes left)."""
    with world() as it:
        it.wait(39 * 60)
        assert it.key == "ASIA0001"
        assert it.renewal.seconds() == 30  # it checks the clock regularly
        it.wait(60)
        assert it.key == "ASIA0002"
        assert it.reports.names == ["session.renewed"]
        it.wait(39 * 60)
        assert it.key == "ASIA0002"


def test_a_short_session_is_renewed_with_a_third_left() -> None:
    """A session of 900 seconds is renewed once after 600 seconds."""
    with world(lifetime=900) as it:
        it.wait(599)
        assert it.key == "ASIA0001"
        it.wait(1)
        assert it.key == "ASIA0002"


def test_chance_makes_it_earlier_by_a_quarter_at_most() -> None:
    """A random part makes the renewal earlier by a quarter at most.

    Commands that started together therefore do not call STS at the same time.
    """
    with world(random=0.999) as it:
        it.wait(34 * 60)
        assert it.key == "ASIA0001"
        it.wait(61)
        assert it.key == "ASIA0002"


def test_a_session_is_used_to_its_end_during_an_outage() -> None:
    """During an outage of STS the cached session is served to its end, with growing pauses between attempts.

    Once STS works again, a new session is issued.
    """
    with world() as it:
        it.issuer.error = Unreachable("STS is not reachable")
        it.wait(40 * 60)
        for _ in range(1199):
            it.wait(1)
            assert it.key == "ASIA0001"
        attempts = len(it.issuer.held)
        assert 5 <= attempts <= 20
        assert set(it.reports.names) == {"session.not-renewed"}
        it.wait(1)
        assert it.key == "none"
        assert it.reports.names[-1] == "session.ended"
        assert "STS is not reachable" in it.reports.facts("session.ended")[0]["why"]
        for _ in range(31):
            it.wait(1)
        assert len(it.issuer.held) > attempts
        assert it.reports.names.count("session.ended") == 1
        it.issuer.error = None
        for _ in range(31):
            it.wait(1)
        assert it.key == "ASIA0002"
        assert it.renewal.failure is None


@pytest.mark.parametrize("error", [DsopsError("refused"), RuntimeError("hush")])
def test_whatever_the_thread_raises_does_not_stop_it(error: Exception) -> None:
    """An unexpected error in the renewal thread is reported without its text, which could contain a secret value."""
    with world() as it:
        it.issuer.error = error
        it.wait(41 * 60)
        assert it.key == "ASIA0001"
        assert it.renewal.failure is not None
        assert "hush" not in str(it.renewal.failure)
        it.issuer.error = None
        it.wait(60)
        assert it.key == "ASIA0002"


def test_setting_the_clock_back_does_not_delay_a_renewal() -> None:
    """If the wall clock is set back, the session is still renewed on time: a monotonic clock measures its age."""
    with world() as it:
        it.clock.advance(-HOUR)
        it.wait(39 * 60)
        assert it.key == "ASIA0001"
        it.wait(60)
        assert it.key == "ASIA0002"


def test_a_clock_that_went_on_while_the_machine_slept_counts() -> None:
    """If the machine slept past the end of the session, the session is renewed at once."""
    with world() as it:
        it.clock.advance(5 * HOUR)
        assert it.key == "none"
        it.turn()
        assert it.key == "ASIA0002"


def test_the_same_credentials_once_more_are_no_renewal() -> None:
    """A renewal that returns unchanged credentials is tried again later and does not count as a failure."""
    with world() as it:
        held = it.renewal.current
        assert held is not None
        renewal = Renewal(
            held, lambda held, _: held, now=it.clock, random=lambda: 1.0, report=it.reports, clock=it.counter
        )
        same = it._replace(renewal=renewal)
        same.wait(41 * 60)
        assert same.key == "ASIA0001"
        assert (renewal.failure, renewal.seconds(), it.reports.events) == (None, 5.0, [])
        renewal.end()


def test_a_waiting_client_hurries_a_renewal_except_after_a_failure() -> None:
    """A waiting client makes the renewal earlier, but not right after a failure: fifty requests cause no call."""
    with world() as it:
        it.renewal.hurry()
        assert not it.renewal.is_under_way
        it.issuer.error = Unreachable("STS is not reachable")
        it.wait(2 * HOUR)
        for _ in range(50):
            it.renewal.hurry()
            assert not it.renewal.is_under_way
        assert len(it.issuer.held) == 1


def test_ending_notifies_the_renewal_thread(clock: FixedClock) -> None:
    """If the command ends, the running renewal is abandoned, so that the command does not wait for STS."""
    endings: list[bool] = []

    def issue(_held: Credentials, is_over: Callable[[], bool]) -> Credentials:
        while not is_over():
            pass
        endings.append(True)
        raise Unreachable("given up")

    first = Issuer(clock).issue()
    clock.advance(HOUR)
    renewal = Renewal(first, issue, now=clock, random=lambda: 0.0, report=Reports())
    renewal.turn(())
    assert renewal.is_under_way
    renewal.end()
    assert endings == [True]
