"""A simulated day of a node: 500 processes of 20 roles, their SDKs' rules for new credentials, and few calls."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from dsops.agent.renewal import renewal_lead
from dsops.errors import DsopsError, Unreachable
from dsops.node.flights import Flight, Flights
from dsops.node.sessions import NodeSessions, SessionKey
from tests.fakes import FixedClock, Reports
from tests.nodes import HOUR, StubIssuer, session

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "node.md"
MINUTE = 60.0
PROCESSES, ROLES = 500, 20
BOTOCORE_SECONDS = 15 * MINUTE
"""botocore asks for new credentials with 15 minutes left, and so does every request until it gets some."""
OTHERS_SECONDS = 5 * MINUTE
"""The SDKs for Go, Java and JavaScript ask with 5 minutes left."""
RETRY_SECONDS = 30.0
TICK_SECONDS = 0.001
"""The loop waits for whole milliseconds, rounded up."""


class CallsInLoop(Flights):
    """Runs each call in the event loop, in the turn after it was started, instead of in a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.started: deque[Flight] = deque()

    def start(self, flight: Flight) -> bool:
        """Keep the call until the next turn, unless one with the same key is waiting."""
        if flight.key in self._keys:
            return False
        self._keys.add(flight.key)
        self.started.append(flight)
        return True

    def turn(self, _ready: Collection[int]) -> None:
        """Run the calls."""
        while self.started:
            flight = self.started.popleft()
            outcome: object
            try:
                outcome = flight.work()
            except DsopsError as error:
                outcome = error
            self._keys.discard(flight.key)
            flight.land(outcome)


class Day(NamedTuple):
    """What happened in a simulated day."""

    calls: int
    requests: int
    failures: int
    """How often a process that needed a session could not get one."""
    least: float
    """The least possible calls: one for each lifetime of each role, for the time that the sessions cover."""
    most_at_once: int
    """The most calls within a minute, after the first minute."""


def simulate(lifetime: float, *, is_down: Callable[[float], bool] = lambda _seconds: False, hours: float = 24) -> Day:
    """Let 500 processes use their SDKs for a day; each starts within the first minute."""
    random, clock = Random(7), FixedClock()  # noqa: S311 - a simulation
    seconds = 0.0
    issuer, flights = StubIssuer(clock, lifetime), CallsInLoop()
    sessions = NodeSessions(
        issuer.issue, flights, now=clock, random=random.random, report=Reports(), clock=lambda: seconds
    )
    early = [BOTOCORE_SECONDS if number % 2 else OTHERS_SECONDS for number in range(PROCESSES)]
    held: list[float] = [0.0] * PROCESSES
    queue = [(random.random() * MINUTE, number) for number in range(PROCESSES)]
    heapify(queue)
    requests = failures = 0
    minutes: dict[int, int] = {}
    covered: dict[str, float] = {}
    while queue and queue[0][0] < hours * HOUR:
        wait = sessions.seconds()
        at, number = queue[0]
        if wait is not None and seconds + wait + TICK_SECONDS <= at:
            at, number = seconds + wait + TICK_SECONDS, -1
        clock.advance(at - seconds)
        seconds = at
        issuer.error = Unreachable("AWS is not reachable") if is_down(seconds) else None
        before = issuer.issued
        if number < 0:
            sessions.turn(())
            flights.turn(())
        else:
            heappop(queue)
            requests += 1
            role = f"role-{number % ROLES}"
            session = sessions.use(SessionKey(role))
            flights.turn(())
            session = session or sessions.use(SessionKey(role))
            if session is not None:
                left = session.seconds_left(clock())
                held[number] = seconds + left
                covered[role] = max(covered.get(role, 0.0), held[number])
                pause = max(1.0, left - early[number] if left > early[number] else min(RETRY_SECONDS, left))
            else:
                failures += held[number] <= seconds
                pause = RETRY_SECONDS
            heappush(queue, (seconds + pause, number))
        minutes[int(seconds // MINUTE)] = minutes.get(int(seconds // MINUTE), 0) + issuer.issued - before
    flights.end()
    most = max(count for minute, count in minutes.items() if minute > 0)
    return Day(issuer.issued, requests, failures, sum(covered.values()) / lifetime, most)


def test_a_day_of_500_processes_with_sessions_of_12_hours() -> None:
    """The node makes at most 1.05 times the least possible calls: one a lifetime and role."""
    day = simulate(12 * HOUR)
    assert day.failures == 0
    assert day.calls / day.least <= 1.05
    assert day.calls == 3 * ROLES


def test_a_day_of_500_processes_with_sessions_of_one_hour() -> None:
    """A session of an hour is renewed 20 to 25 minutes before its end, for outages: 1.5 to 1.75 times the least calls.

    Each request is a call that a process would make without the node.
    """
    day = simulate(HOUR)
    assert day.failures == 0
    assert 1.5 <= day.calls / day.least <= 1.75
    assert day.requests > 20 * day.calls
    assert day.most_at_once <= 12  # of 20 roles that were issued in one minute


def test_the_page_has_the_calls_of_each_lifetime() -> None:
    """The table in docs/how-to/node.md follows from the time of renewal, with the mean of its random part."""
    rows = re.findall(r"^\| (\d+) hours? \| ([\d.]+) \| ([\d.]+) x \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "2", "4", "8", "12"]
    start = FixedClock()()
    for hours, calls, ratio in rows:
        lifetime = int(hours) * HOUR
        used = lifetime - renewal_lead(session(1, start, lifetime), 0.5)
        assert calls == f"{24 * HOUR / used:.1f}"
        assert ratio == f"{lifetime / used:.2f}"


@pytest.mark.parametrize("lifetime", [HOUR, 12 * HOUR])
def test_no_process_notices_that_sts_is_down_for_twenty_minutes(lifetime: float) -> None:
    """However an outage of twenty minutes begins, no process is without a session, and few calls are added."""
    begin = 11 * HOUR + 35 * MINUTE
    day = simulate(lifetime, is_down=lambda seconds: begin <= seconds % (6.4 * HOUR) + 6.4 * HOUR < begin + 20 * MINUTE)
    assert day.failures == 0
    assert day.calls / day.least <= (1.05 if lifetime > HOUR else 1.75)
