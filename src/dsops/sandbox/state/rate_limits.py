"""Limit the request rate of services with a token bucket for each account and region; off by default.

AWS throttles by account and region but does not publish its numbers, so the sandbox has its own bucket size and refill
rate. Buckets refill by the machine's clock. With the sandbox's clock, they would never refill while that clock is
frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from time import monotonic
from typing import NamedTuple

from dsops.request.wire.errors import refusal
from dsops.request.wire.models import CENTER_SERVICES, TOOLBOX, why_unknown


class _Bucket(NamedTuple):
    """A token bucket: the number of tokens at the time `at`."""

    tokens: float
    at: float


class Throttle:
    """The rate limits that are set, and their token buckets. Callers must hold `World.lock`."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Set up without limits. `clock` returns seconds since any fixed time."""
        self._clock = clock
        self._rates: dict[str, float] = {}
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    @property
    def rates(self) -> Mapping[str, float]:
        """The limited services and their maximum requests per second."""
        return dict(self._rates)

    @property
    def buckets(self) -> int:
        """The number of token buckets in memory."""
        return len(self._buckets)

    def limit(self, rates: Mapping[str, float]) -> None:
        """Set the rate limits of these services and refill their buckets. A rate of 0 removes the limit."""
        for service, rate in rates.items():
            self._rates.pop(service, None)
            if rate > 0:
                self._rates[service] = rate
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] not in rates}

    def check(self, service: str, account: str, region: str) -> None:
        """Take one token from the bucket. Raises Throttling (SlowDown for S3) if the bucket is empty."""
        rate = self._rates.get(service)
        if rate is None:
            return
        key, now, most = (service, account, region), self._clock(), max(1.0, rate)
        if len(self._buckets) > _MOST_BUCKETS:
            # Full buckets can be dropped, because a bucket that is missing is treated as full.
            partly_used = {
                bucket_key: left
                for bucket_key, left in self._buckets.items()
                if not self._is_full(bucket_key[0], left, now)
            }
            self._buckets = partly_used
        bucket = self._buckets.get(key, _Bucket(most, now))
        tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        self._buckets[key] = _Bucket(tokens - 1 if tokens >= 1 else tokens, now)
        if tokens >= 1:
            return
        if service == "s3":
            raise refusal("SlowDown", "Please reduce your request rate.", 503)
        raise refusal("Throttling", "Rate exceeded")

    def _is_full(self, service: str, bucket: _Bucket, now: float) -> bool:
        rate = self._rates.get(service, 0)
        return bucket.tokens + (now - bucket.at) * rate >= max(1.0, rate)


_MOST_BUCKETS = 4096


def why_not_limited(service: str) -> str:
    """Return why a rate limit can't be set for the service, or "" if it can be set.

    The reason suggests a similar name if the service is misspelled.
    """
    return why_unknown(service, *CENTER_SERVICES, TOOLBOX)


def read_rate(text: str) -> float | None:
    """Return the requests per second in the text, where 0 means no limit; None if the text is invalid."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if isfinite(rate) and 0 <= rate <= 1_000_000 else None
