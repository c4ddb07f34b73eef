"""Cache of credentials in memory, by fingerprint: one issue at a time for each, and only successes are shared.

Several runs, threads or (in the agent) clients may share one cache. Waiting polls with a short pause, so no thread
ever blocks another, and a thread that dies while issuing leaves no lock behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta

from dsops.credentials import Credentials
from dsops.errors import DsopsError, TooLittleTimeLeft
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.tasks import Work, pause

_FIRST_LOOK_SECONDS = 0.001
_LONGEST_LOOK_SECONDS = 0.05
_MOST_VALUES = 10_000
_FACT_LIFETIME = timedelta(hours=1)
"""How long a learnt fact is trusted: a role's permissions may change meanwhile."""


class Obtained(NamedTuple):
    """Credentials, and whether they came from the cache: then AWS may already refuse them."""

    credentials: Credentials
    is_cached: bool


class CachedSession(NamedTuple):
    """A cached session, for display."""

    credentials: Credentials
    store: str
    """The store it was last obtained for; "" for base credentials."""
    hop: int
    """1 when the base credentials signed its issue, 0 for the base credentials."""
    uses: int
    """How often it was returned."""


class LifetimeNeed(NamedTuple):
    """The remaining lifetime that credentials must have."""

    is_handed_on: bool = False
    """False: they sign a call now. True: a child keeps using them, so renewal happens earlier."""
    min_ttl_seconds: float | None = None
    """The user's own limit, which replaces both of ours."""

    def is_met(self, credentials: Credentials, now: datetime) -> bool:
        """Whether the credentials meet the need without renewal."""
        if self.min_ttl_seconds is not None:
            return credentials.seconds_left(now) >= self.min_ttl_seconds
        return credentials.is_fresh(now) if self.is_handed_on else credentials.is_usable(now)


SIGN = LifetimeNeed()
HAND_ON = LifetimeNeed(is_handed_on=True)


class Gates:
    """Locks by name (a fingerprint, an MFA device) that suspend a coroutine and never block its thread."""

    def __init__(self) -> None:
        self._inside: dict[str, object] = {}
        self._pid = os.getpid()

    async def enter(self, name: str) -> None:
        """Wait for the lock; call `leave` in a `finally`."""
        if self._pid != os.getpid():
            # Holders in the process that this one was forked from never release the lock here.
            self._pid, self._inside = os.getpid(), {}
        visitor, look = object(), _FIRST_LOOK_SECONDS
        # setdefault is atomic between threads, so exactly one of several callers gets the lock.
        while self._inside.setdefault(name, visitor) is not visitor:
            await pause(look)
            look = min(look * 2, _LONGEST_LOOK_SECONDS)

    def leave(self, name: str) -> None:
        """Release the lock."""
        self._inside.pop(name, None)


class Memory:
    """Facts learnt from AWS's answers that must not be tried again: refused methods, used MFA codes."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False) -> None:
        self.gates = Gates()
        self.is_of_one_run = is_of_one_run
        """Whether cached sessions and values are used in one run only."""
        self._now = now
        self._facts: dict[tuple[str, str], datetime] = {}
        self._codes: dict[str, Secret] = {}

    def learn(self, about: str, fact: str) -> None:
        """Remember `fact` for an hour; `about` is a fingerprint."""
        now = self._now()
        for key in [key for key, until in list(self._facts.items()) if until <= now]:
            self._facts.pop(key, None)
        self._facts[about, fact] = now + _FACT_LIFETIME

    def knows(self, about: str, fact: str) -> bool:
        """Whether the fact was learnt within the last hour."""
        until = self._facts.get((about, fact))
        return until is not None and self._now() < until

    def take_code(self, serial_number: str, code: Secret) -> bool:
        """Whether the code is new for the device, since AWS accepts each code once.

        Call while holding the device's lock.
        """
        if self._codes.get(serial_number) == code:
            return False
        self._codes[serial_number] = code
        return True


class ValueCache:
    """Secret values of stores with `cache_seconds`; holds no errors, and no value longer than configured."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[object, tuple[Secret, datetime]] = {}
        self.era = object()
        """Replaced by each `clear`, so that reads begun before it are not cached."""

    def __len__(self) -> int:
        now = self._now()
        return sum(until > now for _, until in list(self._kept.values()))

    def get(self, key: object) -> Secret | None:
        """The cached value, if it has not expired."""
        entry = self._kept.get(key)
        return entry[0] if entry is not None and self._now() < entry[1] else None

    def keep(self, key: object, value: Secret, seconds: int, era: object) -> None:
        """Cache the value for that long. `key` identifies reader, place and secret.

        `era` is the one at the read's start.
        """
        if era is not self.era:
            return  # `clear` was called meanwhile
        now = self._now()
        for expired_key in [expired_key for expired_key, (_, until) in list(self._kept.items()) if until <= now]:
            self._kept.pop(expired_key, None)
        if len(self._kept) < _MOST_VALUES:
            self._kept[key] = (value, now + timedelta(seconds=seconds))

    def clear(self) -> None:
        """Forget every value, and don't cache values that are being read now."""
        self.era = object()
        self._kept.clear()


class CredentialCache:
    """The sessions that this process holds."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False, is_of_many: bool = False) -> None:
        """`is_of_one_run`: used for one plan only; `is_of_many`: shared by several clients."""
        self.memory = Memory(now, is_of_one_run=is_of_one_run)
        self.is_of_many = is_of_many
        self.values = ValueCache(now)
        self._now = now
        self._held: dict[str, Credentials] = {}
        self._uses: dict[str, tuple[str, int, int]] = {}

    def apart(self) -> CredentialCache:
        """A new cache for the rest of a run whose identity changed; pending results are not cached here either."""
        self.values.era = object()
        other = CredentialCache(self._now)
        other.memory = self.memory
        return other

    def held(self) -> list[CachedSession]:
        """Every session that can still sign a call, in the order of issue."""
        now = self._now()
        return [
            CachedSession(credentials, *self._uses.get(fingerprint, ("", 0, 0)))
            for fingerprint, credentials in list(self._held.items())
            if credentials.is_usable(now)
        ]

    def peek(self, fingerprint: str) -> Credentials | None:
        """The cached session, if it can still sign a call."""
        credentials = self._held.get(fingerprint)
        return credentials if credentials is not None and credentials.is_usable(self._now()) else None

    def has_held(self, fingerprint: str) -> bool:
        """Whether a session is stored under that fingerprint, even an expired one."""
        return fingerprint in self._held

    def evict(self, fingerprint: str, credentials: Credentials) -> None:
        """Forget credentials that AWS refused; newer ones under the same fingerprint stay."""
        if self._held.get(fingerprint) is credentials:
            self._drop(fingerprint)

    def clear(self) -> None:
        """Forget every session and value, and don't cache those being requested now."""
        self.values.clear()
        for fingerprint in list(self._held):
            self._drop(fingerprint)

    def forget(self, is_meant: Callable[[Credentials], bool]) -> int:
        """Forget the sessions for which `is_meant` is true; returns their number.

        Also forgets every value, since one may have been read with such a session, and what is being requested now,
        since it may become one.
        """
        self.values.clear()
        meant = [fingerprint for fingerprint, credentials in list(self._held.items()) if is_meant(credentials)]
        for fingerprint in meant:
            self._drop(fingerprint)
        return len(meant)

    async def obtain(
        self,
        fingerprint: str,
        issue: Callable[[bool], Work[Credentials]],
        need: LifetimeNeed = SIGN,
        *,
        store: str = "",
        hop: int = 0,
    ) -> Obtained:
        """A session that meets the need, from the cache or else from `issue`.

        `store` and `hop` are recorded for display. `issue(may_ask)` returns new credentials; with `may_ask` False it
        must not prompt, because a session that still works is cached, and is used when renewal fails. Raises what
        `issue` raises, or TooLittleTimeLeft.
        """
        cached_credentials = self.peek(fingerprint)
        if cached_credentials is not None and need.is_met(cached_credentials, self._now()):
            obtained = Obtained(cached_credentials, is_cached=True)
        else:
            await self.memory.gates.enter(fingerprint)
            try:
                obtained = await self._renew(fingerprint, issue, need)
            finally:
                self.memory.gates.leave(fingerprint)
        if fingerprint in self._held:
            self._uses[fingerprint] = (store, hop, self._uses.get(fingerprint, ("", 0, 0))[2] + 1)
        return obtained

    async def _renew(
        self, fingerprint: str, issue: Callable[[bool], Work[Credentials]], need: LifetimeNeed
    ) -> Obtained:
        cached_credentials = self.peek(fingerprint)
        if cached_credentials is not None and need.is_met(cached_credentials, self._now()):
            return Obtained(cached_credentials, is_cached=True)
        era = self.values.era
        try:
            issued = await issue(cached_credentials is None or need.min_ttl_seconds is not None)
        except DsopsError:
            still_held = self.peek(fingerprint)
            if still_held is None or need.min_ttl_seconds is not None:
                raise
            return Obtained(still_held, is_cached=True)
        if era is self.values.era:
            self._keep(fingerprint, issued)
        _check_life(issued, need, self._now())
        return Obtained(issued, is_cached=False)

    def _keep(self, fingerprint: str, issued: Credentials) -> None:
        now = self._now()
        for key in [key for key, credentials in list(self._held.items()) if not credentials.is_usable(now)]:
            self._drop(key)
        self._held[fingerprint] = issued

    def _drop(self, fingerprint: str) -> None:
        self._held.pop(fingerprint, None)
        self._uses.pop(fingerprint, None)


def _check_life(issued: Credentials, need: LifetimeNeed, now: datetime) -> None:
    """Raise TooLittleTimeLeft when even a new session is shorter than the user's limit."""
    if need.min_ttl_seconds is None or issued.seconds_left(now) >= need.min_ttl_seconds:
        return
    raise TooLittleTimeLeft(
        f"new credentials last {issued.seconds_left(now):.0f} s, and at least {need.min_ttl_seconds:.0f} s"
        " are asked for",
        hint="ask for less with --min-ttl, or raise duration_seconds on the store",
    )
