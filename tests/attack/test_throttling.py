"""Many calls to a throttled service all succeed at about its rate limit, and calls to other services stay fast.

The service is simulated: a token bucket as in `dsops.sandbox.state.rate_limits`; time passes only while all calls
wait.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.aws.http.call import Call, Client, make_client
from dsops.aws.http.client import call_query
from dsops.aws.http.rate_limiter import RateLimiter
from dsops.aws.http.retries import ServiceLimits, limits_of
from dsops.aws.http.wire import Response, WireRequest
from dsops.credentials import Credentials
from dsops.endpoint import resolve_endpoint
from dsops.errors import AwsAnswer, DsopsError, SandboxRefusal, ServiceError, Throttled
from dsops.sandbox.state.rate_limits import Throttle
from dsops.secret import Secret
from dsops.tasks import Work, pause, settle
from tests.fakes import Reports, make_runtime
from tests.groups import examples
from tests.loop import Time

ACCOUNT_KEYS = ("ASIAQNZGKIQY56JQ7WML", "ASIAY34FZKBOKMUTVV7A")
"""Access key ids of two accounts: 029608264753 and 609629065308."""
TRIP_SECONDS = 0.03
OK = Response(200, {}, b"<DoItResponse><DoItResult/></DoItResponse>")
REFUSED = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
BROKEN = Response(500, {}, REFUSED.replace(b"Throttling", b"InternalFailure"))

Rule = Callable[[WireRequest, float], Response]


class Service:
    """A driver that answers each request by a rule after half a round trip, with the test's clock."""

    def __init__(self, time: Time, rule: Rule) -> None:
        self._time = time
        self._rule = rule
        self._numbers = count()
        self._arriving: list[tuple[float, int, WireRequest, object]] = []
        self._leaving: list[tuple[float, int, Response, object]] = []
        self.arrivals: list[float] = []

    def start(self, request: object, token: object) -> None:
        """Send a request."""
        at = self._time.seconds + TRIP_SECONDS / 2
        heappush(self._arriving, (at, next(self._numbers), cast("WireRequest", request), token))

    def prepare(self, request: object) -> None:
        """Connections are open already."""

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Let time pass until the first answer arrives."""
        until = self._time.seconds + timeout_seconds
        while True:
            next_at = min([entry[0][0] for entry in (self._arriving, self._leaving) if entry], default=until)
            if next_at > until:
                self._time.seconds = until
                return []
            self._time.seconds = max(self._time.seconds, next_at)
            if self._arriving and self._arriving[0][0] == next_at:
                _, number, request, token = heappop(self._arriving)
                self.arrivals.append(next_at)
                heappush(self._leaving, (next_at + TRIP_SECONDS / 2, number, self._rule(request, next_at), token))
            else:
                _, _, response, token = heappop(self._leaving)
                return [(token, response)]

    def cancel(self) -> None:
        """Drop everything in flight."""
        self._arriving.clear()
        self._leaving.clear()


def limited(rate: float) -> Rule:
    """The sandbox's own throttling, as a rule of this service."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    throttle.limit({"sts": rate})

    def answer(request: WireRequest, at: float) -> Response:
        now[0] = at
        try:
            throttle.check("sts", request.signing.access_key_id if request.signing else "", "us-east-1")
        except SandboxRefusal:
            return Response(400, {}, REFUSED)
        return OK

    return answer


class Scene:
    """Runs calls with a simulated clock."""

    def __init__(self, rule: Rule, *, seed: int = 0) -> None:
        self.time = Time()
        self.service = Service(self.time, rule)
        self.reports = Reports()
        self.has_left = False
        self._random = Random(seed)  # noqa: S311 - jitter that a test can repeat

    def client(self, *, total_timeout_ms: int = 30_000) -> Client:
        """A client with its own retry state, like one process or agent."""
        runtime = make_runtime(random=self._random.random, report=self.reports, monotonic=lambda: self.time.seconds)
        runtime = runtime._replace(has_left=lambda: self.has_left)
        return make_client(runtime, total_timeout_ms=total_timeout_ms)

    def call(self, client: Client, *, key: str = ACCOUNT_KEYS[0], is_once: bool = False) -> Work[float]:
        """One call to STS; returns the second at which it succeeded."""

        async def work() -> float:
            credentials = Credentials(key, Secret("secret"), Secret("token"))
            endpoint = resolve_endpoint("sts", "us-east-1", {})
            await call_query(client, Call(endpoint, credentials, "DoIt", "do it", common, is_once=is_once), "v", ())
            return self.time.seconds

        return work()

    def run(self, *works: Work[float]) -> list[float | DsopsError]:
        """The outcomes of concurrent calls."""
        return self.time.run(settle(*works), self.service)


async def later(seconds: float, work: Work[float]) -> float:
    """Start the work this many seconds later."""
    await pause(seconds)
    return await work


def common(_said: AwsAnswer, _doing: str) -> DsopsError | None:
    """A refusal handler that adds no errors of its own."""
    return None


def failures(outcomes: list[float | DsopsError]) -> list[str]:
    """The errors among the outcomes."""
    return [f"{outcome.code}: {outcome.message}" for outcome in outcomes if isinstance(outcome, DsopsError)]


# --- all calls succeed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_fifty_clients_of_an_agent_get_through(seed: int) -> None:
    """At 2 calls/s, fifty calls through one agent take at most 125 attempts and 1.3 times the minimum time."""
    scene = Scene(limited(2), seed=seed)
    client = scene.client()
    outcomes = scene.run(*[scene.call(client) for _ in range(50)])
    assert failures(outcomes) == []
    assert scene.time.seconds <= 1.3 * 50 / 2
    assert len(scene.service.arrivals) <= 2.5 * 50


@pytest.mark.parametrize("seed", range(4))
def test_fifty_processes_without_an_agent_get_through(seed: int) -> None:
    """Fifty uncoordinated processes without an agent succeed within 1.3 times the minimum time."""
    scene = Scene(limited(2), seed=seed)
    outcomes = scene.run(*[scene.call(scene.client()) for _ in range(50)])
    assert failures(outcomes) == []
    assert scene.time.seconds <= 1.3 * 50 / 2


@settings(max_examples=examples(25), deadline=None)
@given(rate=st.floats(1, 5), seconds=st.floats(15, 23), seed=st.integers(0, 1 << 30))
def test_whatever_the_limit_the_calls_that_fit_get_through(rate: float, seconds: float, seed: int) -> None:
    """Calls that fit into a period at the rate limit succeed within 1.3 times the period plus one interval."""
    scene = Scene(limited(rate), seed=seed)
    client, calls = scene.client(), int(rate * seconds)
    outcomes = scene.run(*[scene.call(client) for _ in range(calls)])
    assert failures(outcomes) == []
    assert scene.time.seconds <= 1.3 * seconds + 1 / rate


def test_a_refused_call_keeps_its_turn() -> None:
    """A refused call keeps its place before calls that start later, however often it is refused."""
    scene = Scene(limited(2))
    client = scene.client()
    begun = [number / 3 for number in range(60)]
    outcomes = scene.run(*[later(seconds, scene.call(client)) for seconds in begun])
    assert failures(outcomes) == []
    waited = [cast("float", done) - start for done, start in zip(outcomes, begun, strict=True)]
    assert max(waited) < 13  # served in the order of arrival, the longest wait would be 15 to 24 s


def test_more_calls_than_fit_fail_in_time_and_the_others_succeed() -> None:
    """Of a hundred calls at 2/s with a 30-second deadline, at least 50 succeed, and none waits past its deadline."""
    scene = Scene(limited(2))
    client = scene.client()
    outcomes = scene.run(*[scene.call(client) for _ in range(100)])
    assert {type(outcome) for outcome in outcomes} == {float, Throttled}
    assert sum(isinstance(outcome, float) for outcome in outcomes) >= 50
    assert scene.time.seconds <= 30 + TRIP_SECONDS


def test_a_limit_of_one_account_slows_no_other() -> None:
    """Throttling of one account does not delay calls with another account's key: AWS throttles per account."""
    scene = Scene(limited(1))
    client = scene.client()
    outcomes = scene.run(*[scene.call(client) for _ in range(20)], later(10, scene.call(client, key=ACCOUNT_KEYS[1])))
    assert failures(outcomes) == []
    assert outcomes[-1] == pytest.approx(10 + TRIP_SECONDS)


# --- bounds -------------------------------------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(
    timeout_ms=st.integers(1, 60_000),
    asked=st.sampled_from(["", "0", "1", "7", "600"]),
    others=st.integers(0, 5),
    seed=st.integers(0, 1 << 30),
)
def test_no_call_goes_on_after_its_deadline(timeout_ms: int, asked: str, others: int, seed: int) -> None:
    """If a service always refuses, each call ends by its deadline, whatever Retry-After says."""
    headers = {"retry-after": asked} if asked else {}
    scene = Scene(lambda _request, _at: Response(400, headers, REFUSED), seed=seed)
    client = scene.client(total_timeout_ms=timeout_ms)
    outcomes = scene.run(*[scene.call(client) for _ in range(others + 1)])
    assert {type(outcome) for outcome in outcomes} == {Throttled}
    assert scene.time.seconds <= timeout_ms / 1000 + TRIP_SECONDS


@given(st.lists(st.tuples(st.sampled_from(["spend", "refund"]), st.integers(1, 600)), max_size=50))
def test_the_quota_is_never_negative_nor_more_than_full(steps: list[tuple[str, int]]) -> None:
    """The retry quota stays between zero and its maximum in any sequence of operations."""
    limits = ServiceLimits()
    for name, amount in steps:
        before = limits.quota
        if name == "spend":
            assert limits.spend(amount) == (amount <= before)
        else:
            limits.refund(amount)
        assert 0 <= limits.quota <= 500


def test_an_outage_is_not_made_worse() -> None:
    """During an outage the retry quota runs out; then each call fails at its first attempt until one succeeds."""
    is_broken = [True]
    scene = Scene(lambda _request, _at: BROKEN if is_broken[0] else OK)
    client = scene.client()
    outcomes = scene.run(*[scene.call(client) for _ in range(200)])
    assert {type(outcome) for outcome in outcomes} == {ServiceError}
    assert len(scene.service.arrivals) == 200 + 500 // 5
    is_broken[0] = False
    scene.run(*[scene.call(client) for _ in range(5)])
    (limits,) = client.known_services.values()
    assert limits.quota == 5


def test_a_single_failure_slows_nothing() -> None:
    """A call that gets a single 500 is retried within a tenth of a second, and no other call is delayed."""
    answers = [BROKEN]
    scene = Scene(lambda _request, _at: answers.pop() if answers else OK)
    client = scene.client()
    first, *rest = scene.run(*[scene.call(client) for _ in range(20)])
    assert rest == pytest.approx([TRIP_SECONDS] * 19)
    assert cast("float", first) <= 0.1 + 2 * TRIP_SECONDS
    assert [limits.limiter for limits in client.known_services.values()] == [None]
    assert [limits.quota for limits in client.known_services.values()] == [500]


def test_services_are_not_remembered_without_end() -> None:
    """The limiter remembers at most 256 services and forgets the oldest, because an agent runs for days."""
    known_names: dict[tuple[str, ...], ServiceLimits] = {}
    kept = [limits_of(known_names, (str(number),)) for number in range(300)]
    assert len(known_names) == 256
    assert limits_of(known_names, ("299",)) is kept[299]
    assert ("0",) not in known_names


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["take", "accept", "refuse"]), st.floats(0, 3), st.integers(0, 9)), max_size=80
    )
)
def test_what_is_taken_is_never_more_than_the_rate_brings(events: list[tuple[str, float, int]]) -> None:
    """The limiter never admits more calls than its rate plus a burst of one second, and its rate stays above zero."""
    limiter, now, taken, allowed = RateLimiter(0.0), 0.0, 0, 1.5
    places = [limiter.enter(60.0) for _ in range(10)]
    for name, seconds, index in events:
        allowed += seconds * limiter.rate(now + seconds)
        now += seconds
        assert limiter.rate(now) >= 0.5
        if name == "take":
            wait = limiter.take(places[index], now)
            assert wait >= 0
            taken += wait == 0
        elif name == "accept":
            limiter.accept(now)
        else:
            limiter.refuse(now, now)
            allowed += 0.5
    assert taken <= allowed


# --- Retry-After and waiting clients --------------------------------------------------------------------------


def test_retry_after_holds_every_call_to_that_service() -> None:
    """Retry-After delays every call to that service."""
    answers = [Response(400, {"retry-after": "9"}, REFUSED)]
    scene = Scene(lambda _request, _at: answers.pop() if answers else OK)
    client = scene.client()
    assert failures(scene.run(scene.call(client), later(1, scene.call(client)), later(8, scene.call(client)))) == []
    first, *others = scene.service.arrivals
    assert len(others) == 3
    assert min(others) >= first + 9


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once() -> None:
    """A Retry-After beyond the deadline ends the call at once."""
    scene = Scene(lambda _request, _at: Response(400, {"retry-after": "31"}, REFUSED))
    (error,) = scene.run(scene.call(scene.client()))
    assert isinstance(error, Throttled)
    assert scene.time.seconds < 1


def test_a_retry_after_without_measure_does_not_shut_the_service() -> None:
    """An excessive Retry-After (999999) ends its own call and delays other calls by at most a minute."""
    answers = [Response(429, {"retry-after": "999999"}, REFUSED)]
    scene = Scene(lambda _request, _at: answers.pop() if answers else OK)
    client = scene.client()
    outcomes = scene.run(scene.call(client), later(20, scene.call(client)), later(61, scene.call(client)))
    assert [isinstance(outcome, Throttled) for outcome in outcomes] == [True, True, False]
    assert len(scene.service.arrivals) == 2


def test_a_client_that_has_left_keeps_no_place() -> None:
    """A client that disconnected loses its place, and its call is not sent."""
    scene = Scene(limited(2))
    client = scene.client()
    scene.run(*[scene.call(client) for _ in range(5)])
    begun, sent = scene.time.seconds, len(scene.service.arrivals)
    scene.has_left = True
    outcomes = scene.run(*[scene.call(client) for _ in range(20)])
    assert len(failures(outcomes)) >= 15
    assert len(scene.service.arrivals) - sent <= 5
    assert scene.time.seconds - begun <= 2 * TRIP_SECONDS


def test_an_interrupt_ends_the_wait_and_leaves_the_queue_empty() -> None:
    """Ctrl-C while waiting leaves the limiter's queue empty."""
    scene = Scene(lambda _request, _at: Response(400, {}, REFUSED))
    client = scene.client()
    slept = scene.time.sleep

    def interrupted(seconds: float) -> None:
        slept(seconds)
        if scene.time.seconds > 5:
            raise KeyboardInterrupt

    scene.time.sleep = interrupted  # type: ignore[method-assign]  # the signal that comes while it sleeps
    with pytest.raises(KeyboardInterrupt):
        scene.run(*[scene.call(client) for _ in range(5)])
    (limits,) = client.known_services.values()
    assert limits.limiter is not None
    assert limits.limiter.seconds_ahead(1e6) == 0


def test_a_call_with_an_mfa_code_goes_first() -> None:
    """A call with an MFA code is sent before other waiting calls, because the code is valid for half a minute."""
    scene = Scene(limited(1))
    client = scene.client()
    scene.run(scene.call(client), scene.call(client))
    ahead = [scene.call(client) for _ in range(20)]
    *others, code = scene.run(*ahead, scene.call(client, is_once=True))
    assert isinstance(code, float)
    assert sum(isinstance(other, float) and other < code for other in others) <= 3


def test_a_retry_is_told_with_its_wait() -> None:
    """A retry is reported with the service, the attempt's number and the wait."""
    scene = Scene(limited(1))
    client = scene.client()
    scene.run(*[scene.call(client) for _ in range(6)])
    scene.run(scene.call(client), scene.call(client), scene.call(client))
    result_text = scene.reports.facts("call.delayed")
    assert {entry["why"] for entry in result_text} == {"sts.us-east-1 throttled the request"}
    assert {"retry 1", "first attempt"} <= {entry["attempt"] for entry in result_text}
    assert all(float(entry["seconds"]) >= 0 for entry in result_text)
