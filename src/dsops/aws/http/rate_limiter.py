"""How fast one service takes requests, learnt from what it refuses: AWS's adaptive retry mode, shared by many calls.

Nothing is limited until the first refusal (`Throttling`). From then on each attempt takes a token, the calls whose time
ends first before the others. A refusal cuts the rate to a part of what was accepted; without another one it grows back
by a cubic curve: fast, slow near the rate of the last refusal, fast again. It neither sleeps nor reads a clock.
"""

from __future__ import annotations

import math
from bisect import insort_right
from threading import Lock

_LEAST_RATE = 0.5
"""Attempts a second, however often the service refuses."""

_KEPT_RATE = 0.7
_GROWTH = 0.4
"""AWS SDKs and Tools Reference Guide, "Retry behavior"; the curve is that of RFC 9438."""

_TOKENS_AFTER_REFUSAL = 0.5
"""The service's own bucket lacked less than one token, on average half: a refused request takes none. From 0, twenty
calls at one a second took 1.5 times as long as the limit allows, from here 1.3."""

_SMOOTHING_SECONDS = 2.0
_LOOK_SECONDS = 0.25
"""A caller that waits looks again so soon: those before it may have left, or the rate may have grown."""


class QueuedCall:
    """One call's place in the queue."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


class RateLimiter:
    """The rate of one service, and the queue of the calls that wait for it. Times are seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        """Made at the first refusal, at `now`."""
        self._lock = Lock()
        self._queue: list[QueuedCall] = []
        self._tokens = _TOKENS_AFTER_REFUSAL
        self._filled_at = now
        self._peak = _LEAST_RATE
        """The rate at the last refusal."""
        self._refused_at = now
        self._accepted = 0.0
        """Requests a second that were accepted of late."""
        self._accepted_at = now
        self.opens_at = now
        """Nothing is sent before: the service said so (Retry-After)."""

    def rate(self, now: float) -> float:
        """Attempts a second that may be made at that time."""
        back_after = math.pow(self._peak * (1 - _KEPT_RATE) / _GROWTH, 1 / 3)
        return max(_LEAST_RATE, self._peak + _GROWTH * math.pow(now - self._refused_at - back_after, 3))

    def enter(self, until: float) -> QueuedCall:
        """A place in the queue, before those whose time ends later; `leave` has to give it back.

        So a call that was refused does not begin at the end again.
        """
        place = QueuedCall(until)
        with self._lock:
            insort_right(self._queue, place, key=lambda each: each.until)
        return place

    def leave(self, place: QueuedCall) -> None:
        """Gives the place back."""
        with self._lock:
            self._queue.remove(place)

    def take(self, place: QueuedCall, now: float) -> float:
        """Takes a token: 0.0, or the seconds after which to ask again."""
        with self._lock:
            seconds = self._seconds(self._queue.index(place), now)
            if seconds > 0:
                return min(seconds, max(_LOOK_SECONDS, self.opens_at - now))
            self._tokens -= 1
            return 0.0

    def seconds_ahead(self, now: float) -> float:
        """How long a call that came now would wait, at the present rate."""
        with self._lock:
            return self._seconds(len(self._queue), now)

    def accept(self, now: float) -> None:
        """The service took a request."""
        with self._lock:
            self._accepted = self._accepted_rate(now) + 1 / _SMOOTHING_SECONDS
            self._accepted_at = now

    def refuse(self, sent_at: float, now: float, *, opens_at: float = 0.0) -> None:
        """The service refused a request that was sent at `sent_at`, and takes the next one from `opens_at`.

        One burst cuts the rate once: what was sent before the last cut says nothing about the rate after it.
        """
        with self._lock:
            self.opens_at = max(self.opens_at, opens_at)
            if sent_at <= self._refused_at < now:
                return
            # Half a request more: at a refusal the last one that was accepted lies half an interval back on average.
            accepted = self._accepted_rate(now) + 0.5 / _SMOOTHING_SECONDS
            self._peak = max(_LEAST_RATE, min(self.rate(now), accepted))
            self._refused_at = self._filled_at = now
            self._tokens = _TOKENS_AFTER_REFUSAL

    def _accepted_rate(self, now: float) -> float:
        return self._accepted * math.exp((self._accepted_at - now) / _SMOOTHING_SECONDS)

    def _seconds(self, places_before: int, now: float) -> float:
        """Until there are tokens for all these and one more."""
        rate = self.rate(now)
        # At most one second's worth: unused tokens do not add up to a burst.
        self._tokens = min(max(1.0, rate), self._tokens + rate * max(0.0, now - self._filled_at))
        self._filled_at = max(now, self._filled_at)
        return max(0.0, self.opens_at - now, (places_before + 1 - self._tokens) / rate)
