"""Decide when a call is retried: AWS's standard retry mode, and its adaptive mode for throttling.

All calls to one service share a `ServiceLimits`. It has a retry quota for failures, so that retries don't worsen an
outage. After the first throttling, it also has a rate limiter. An agent has one `KnownServices` for all its clients.
`Retrying` is the state of one call. The module is imported at the first failure, since most runs have none.
"""

from __future__ import annotations

from threading import Lock

from dsops.aws.http.rate_limiter import RateLimiter
from dsops.aws.http.refusal import throttled
from dsops.errors import DsopsError, Throttled, TimedOut, Unreachable
from dsops.runtime import Event, Runtime
from dsops.startup import NamedTuple
from dsops.tasks import pause

_THROTTLED_SECONDS = 0.5
_FAILED_SECONDS = 0.1
_MOST_SECONDS = 20.0
"""The maximum pause in seconds. A pause is a random part of a base that doubles with each retry (full jitter)."""

_LEAST_WINDOW_SECONDS = 1.0
_PART_OF_REST = 4
"""The divisor that limits a throttled call's pause to a part of the time left.

The pause is random, up to a quarter of the time left, or up to one second if that is longer. So the call can use
capacity that other calls leave. With pauses of up to 20 s, 50 processes with 2 requests per second used only 70 % of
the limit.
"""

_QUOTA = 500
_COST = 5
_COST_OF_SILENCE = 10
"""The cost of a retry after a timeout or a lost connection, in units of the quota; other retries cost 5.

A retry that succeeds gives its cost back, and a call without a retry adds 1 to the quota (AWS SDKs and Tools Reference
Guide, "Retry behavior"). Throttling costs nothing, because the rate limiter bounds it.
"""

_LONGEST_SHUT_SECONDS = 60.0
"""The maximum seconds for which a Retry-After delays other calls. One request a minute harms no service."""

_MOST_RETRIES = 200
_SHORTEST_PAUSE_SECONDS = 0.001
_TOLD_SECONDS = 0.5
"""The minimum wait in seconds that is reported to the user."""

_MOST_SERVICES = 256
_FIRST = 0.0
_NO_TURN = "too many calls wait for it already: there was no turn for this one in time"


class ServiceLimits:
    """The limits that all calls to one service share. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.quota = _QUOTA
        self.limiter: RateLimiter | None = None
        """The rate limiter; None until the service first throttles a request."""

    def spend(self, cost: int) -> bool:
        """Take `cost` from the retry quota. Return False when not enough is left."""
        with self._lock:
            if cost > self.quota:
                return False
            self.quota -= cost
            return True

    def refund(self, amount: int) -> None:
        """Return `amount` to the quota."""
        with self._lock:
            self.quota = min(_QUOTA, self.quota + amount)

    def refuse(self, sent_at: float, now: float, opens_at: float) -> None:
        """Record that the service throttled a request."""
        with self._lock:
            self.limiter = self.limiter or RateLimiter(now)
        self.limiter.refuse(sent_at, now, opens_at=opens_at)


ServiceKey = tuple[str, ...]
KnownServices = dict[ServiceKey, ServiceLimits]


def limits_of(known: KnownServices, key: ServiceKey) -> ServiceLimits:
    """Return the limits of the service; create them on first use. Above 256 services the oldest are dropped."""
    while key not in known and len(known) >= _MOST_SERVICES:
        # `list` copies in one step, since another thread may add a service at the same time.
        known.pop(list(known)[0], None)  # noqa: RUF015
    return known.setdefault(key, ServiceLimits())


class Bounds(NamedTuple):
    """The limits of one call's retries."""

    until: float
    """The deadline in seconds of the runtime's monotonic clock."""
    attempts: int
    """The maximum number of attempts when the service fails or is unreachable.

    1 means no retry, even after throttling.
    """
    is_once: bool
    """Whether the call goes to the head of the queue, because its MFA code is valid for half a minute only."""


class Retrying:
    """The retry state of one call. `service` is the name shown to users."""

    def __init__(self, limits: ServiceLimits, runtime: Runtime, service: str, bounds: Bounds) -> None:
        self._limits = limits
        self._runtime = runtime
        self._service = service
        self._bounds = bounds
        self._retries = 0
        self._failures = 0
        self._spent = 0
        self._last: DsopsError | None = None

    async def turn(self) -> DsopsError | None:
        """Wait until the rate allows a request; at the deadline, return the last failure or Throttled."""
        limiter = self._limits.limiter
        if limiter is None:
            return None
        place = limiter.enter(_FIRST if self._bounds.is_once else self._bounds.until)
        try:
            self._tell_turn(limiter)
            now = self._runtime.monotonic()
            while (seconds := limiter.take(place, now)) > 0:
                seconds = max(seconds, _SHORTEST_PAUSE_SECONDS)
                if now + seconds >= self._bounds.until or self._runtime.has_left():
                    return self._last or throttled(self._service, _NO_TURN)
                await pause(seconds)
                now = self._runtime.monotonic()
            return None
        finally:
            limiter.leave(place)

    def wait_after(self, failure: DsopsError, sent_at: float, asked_to_wait: float, *, may_help: bool) -> float | None:
        """Return the seconds to wait before the next attempt; None to give up."""
        now = self._runtime.monotonic()
        is_throttled = isinstance(failure, Throttled)
        if is_throttled:
            self._limits.refuse(sent_at, now, now + min(asked_to_wait, _LONGEST_SHUT_SECONDS))
        self._retries += 1
        self._last = failure
        if not may_help or self._bounds.attempts <= 1 or self._retries > _MOST_RETRIES:
            return None
        wait = max(asked_to_wait, self._backoff(now, is_throttled=is_throttled))
        if now + wait >= self._bounds.until or not (is_throttled or self._may_fail_again(failure)):
            return None
        self._tell(failure.message, f"retry {self._retries}", max(wait, self._seconds_ahead(now)))
        return wait

    def succeed(self) -> None:
        """Record that the last attempt succeeded."""
        self._limits.refund(self._spent or 1)
        if self._limits.limiter is not None:
            self._limits.limiter.accept(self._runtime.monotonic())

    def _may_fail_again(self, failure: DsopsError) -> bool:
        self._failures += 1
        cost = _COST_OF_SILENCE if isinstance(failure, (TimedOut, Unreachable)) else _COST
        if self._failures >= self._bounds.attempts or not self._limits.spend(cost):
            return False
        self._spent = cost
        return True

    def _backoff(self, now: float, *, is_throttled: bool) -> float:
        """Return a random pause (full jitter), so that calls that failed together don't retry together."""
        base = _THROTTLED_SECONDS if is_throttled else _FAILED_SECONDS
        window = min(_MOST_SECONDS, base * 2.0 ** (self._retries - 1))
        if is_throttled:
            window = min(window, max(_LEAST_WINDOW_SECONDS, (self._bounds.until - now) / _PART_OF_REST))
        return self._runtime.random() * window

    def _seconds_ahead(self, now: float) -> float:
        return 0.0 if self._limits.limiter is None else self._limits.limiter.seconds_ahead(now)

    def _tell_turn(self, limiter: RateLimiter) -> None:
        seconds = limiter.seconds_ahead(self._runtime.monotonic())
        if self._last is None and seconds >= _TOLD_SECONDS:
            self._tell(f"{self._service} throttled the request", "first attempt", seconds)

    def _tell(self, why: str, attempt: str, seconds: float) -> None:
        facts = {"why": why, "attempt": attempt, "seconds": f"{seconds:.1f}"}
        self._runtime.report(Event("call.delayed", facts))
