"""The request rate that one service accepts, learnt from its refusals (AWS's adaptive retry mode).

Nothing is limited until the first refusal (`Throttling`). From then on each attempt takes a token, and the calls with
the earliest deadline go first. A refusal cuts the rate to a fraction of the accepted rate. Without further refusals
the rate grows back along a cubic curve: fast, slow near the rate of the last refusal, then fast again. The limiter
neither sleeps nor reads a clock, and many calls share it.
"""

from __future__ import annotations

import math
from bisect import insort_right
from threading import Lock

_LEAST_RATE = 0.5
"""The minimum rate, in attempts per second, however often the service refuses."""

_KEPT_RATE = 0.7
_GROWTH = 0.4
"""The growth factor of the cubic curve, which is the curve of RFC 9438.

Source: AWS SDKs and Tools Reference Guide, "Retry behavior".
"""

_TOKENS_AFTER_REFUSAL = 0.5
"""The number of tokens after a refusal.

A refused request takes no token from the service's own bucket. At that moment, the bucket lacks a part of a token, on
average half of one. With 0 here, twenty calls at one per second took 1.5 times as long as the limit allows; with 0.5,
1.3 times.
"""

_SMOOTHING_SECONDS = 2.0
_LOOK_SECONDS = 0.25
"""The longest pause of a queued call: calls ahead of it may have left the queue, or the rate may have grown."""


class QueuedCall:
    """The place of one call in the queue."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


class RateLimiter:
    """The rate of one service and the queue of calls that wait for it. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        """Start to limit the rate, after a first refusal at `now`."""
        self._lock = Lock()
        self._queue: list[QueuedCall] = []
        self._tokens = _TOKENS_AFTER_REFUSAL
        self._filled_at = now
        self._peak = _LEAST_RATE
        """The accepted rate at the last refusal, in requests per second."""
        self._refused_at = now
        self._accepted = 0.0
        """The recent rate of accepted requests, per second."""
        self._accepted_at = now
        self.opens_at = now
        """The time (from Retry-After) before which no request is sent."""

    def rate(self, now: float) -> float:
        """Return the allowed rate at time `now`, in attempts per second."""
        back_after = math.pow(self._peak * (1 - _KEPT_RATE) / _GROWTH, 1 / 3)
        return max(_LEAST_RATE, self._peak + _GROWTH * math.pow(now - self._refused_at - back_after, 3))

    def enter(self, until: float) -> QueuedCall:
        """Join the queue, ahead of calls with a later deadline. Call `leave` afterwards.

        A call that is refused and joins again is not put at the end, since its deadline has not changed.
        """
        place = QueuedCall(until)
        with self._lock:
            insort_right(self._queue, place, key=lambda each: each.until)
        return place

    def leave(self, place: QueuedCall) -> None:
        """Leave the queue."""
        with self._lock:
            self._queue.remove(place)

    def take(self, place: QueuedCall, now: float) -> float:
        """Take a token and return 0.0; if there is none, return the seconds after which to try again."""
        with self._lock:
            seconds = self._seconds(self._queue.index(place), now)
            if seconds > 0:
                return min(seconds, max(_LOOK_SECONDS, self.opens_at - now))
            self._tokens -= 1
            return 0.0

    def seconds_ahead(self, now: float) -> float:
        """Return the seconds that a call joining the queue now would wait, at the present rate."""
        with self._lock:
            return self._seconds(len(self._queue), now)

    def accept(self, now: float) -> None:
        """Record a request that the service accepted."""
        with self._lock:
            self._accepted = self._accepted_rate(now) + 1 / _SMOOTHING_SECONDS
            self._accepted_at = now

    def refuse(self, sent_at: float, now: float, *, opens_at: float = 0.0) -> None:
        """Record that a request sent at `sent_at` was refused, and that the next may be sent from `opens_at`.

        A burst cuts the rate once: requests sent before the last cut say nothing about the rate after it.
        """
        with self._lock:
            self.opens_at = max(self.opens_at, opens_at)
            if sent_at <= self._refused_at < now:
                return
            # Half a request is added: on average, the last accepted request was half an interval before the refusal.
            accepted = self._accepted_rate(now) + 0.5 / _SMOOTHING_SECONDS
            self._peak = max(_LEAST_RATE, min(self.rate(now), accepted))
            self._refused_at = self._filled_at = now
            self._tokens = _TOKENS_AFTER_REFUSAL

    def _accepted_rate(self, now: float) -> float:
        return self._accepted * math.exp((self._accepted_at - now) / _SMOOTHING_SECONDS)

    def _seconds(self, places_before: int, now: float) -> float:
        """Return the seconds until there are enough tokens for this call and the `places_before` calls ahead of it."""
        rate = self.rate(now)
        # At most one second's worth of tokens is saved up, so that unused tokens can't cause a burst.
        self._tokens = min(max(1.0, rate), self._tokens + rate * max(0.0, now - self._filled_at))
        self._filled_at = max(now, self._filled_at)
        return max(0.0, self.opens_at - now, (places_before + 1 - self._tokens) / rate)
