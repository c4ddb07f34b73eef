"""Caches credentials by fingerprint, in memory only.

For each fingerprint, one task at a time issues credentials; a failure is not shared. Runs, threads and (in the agent)
clients may share one cache. A waiting task polls with short pauses, so no thread blocks another, and a lock held by a
thread that died is released.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush

from dsops.credentials import USABLE_SECONDS, Credentials, SandboxRun
from dsops.errors import DsopsError, TooLittleTimeLeft
from dsops.secret import Secret
from dsops.startup import Generic, NamedTuple, TypeVar
from dsops.tasks import Work, pause

_FIRST_LOOK_SECONDS = 0.001
_LONGEST_LOOK_SECONDS = 0.05
_MOST_VALUES = 10_000
_MOST_OLD_ENDS = 64
"""The number of expiry times kept in addition to two for each entry; above it, outdated times are removed."""
_FACT_LIFETIME = timedelta(hours=1)
"""How long a fact about a session is cached; afterwards, for example, a role's permissions may have changed."""

K = TypeVar("K")


class Obtained(NamedTuple):
    """Credentials, and whether they came from the cache. AWS may have revoked cached credentials in the meantime."""

    credentials: Credentials
    is_cached: bool


class CachedSession(NamedTuple):
    """A session in the cache, as `dsops agent status` shows it."""

    credentials: Credentials
    store: str
    """The store that last used the session; "" for base credentials."""
    hop: int
    """The hop: 0 for base credentials, 1 for a session issued with base credentials, 2 for the next session."""
    uses: int
    """How often the cache has returned the session."""


class LifetimeNeed(NamedTuple):
    """The lifetime that credentials must have left for their use."""

    is_handed_on: bool = False
    """Whether a child process gets the credentials.

    Such credentials are renewed earlier than credentials that only sign a call.
    """
    min_ttl_seconds: float | None = None
    """The value of `--min-ttl`, which replaces the default limits of both kinds of use."""

    def is_met(self, credentials: Credentials, now: datetime) -> bool:
        """Whether the credentials need no renewal for this use."""
        if self.min_ttl_seconds is not None:
            return credentials.seconds_left(now) >= self.min_ttl_seconds
        return credentials.is_fresh(now) if self.is_handed_on else credentials.is_usable(now)


SIGN = LifetimeNeed()
HAND_ON = LifetimeNeed(is_handed_on=True)


class _Ends(Generic[K]):
    """The times at which entries of a cache expire: finds the expired ones without a search of all entries."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, K]] = []
        self._added = 0

    def add(self, key: K, end: datetime, present: Mapping[K, object]) -> None:
        """Remember that the entry expires; `present` are the entries of the cache.

        A renewed or dropped entry leaves its old time behind. When most times are old, the old times are removed. The
        cost of the removal is amortized over the calls that added them.
        """
        self._added += 1
        heappush(self._heap, (end, self._added, key))
        if len(self._heap) > 2 * len(present) + _MOST_OLD_ENDS:
            latest = {entry[2]: entry for entry in sorted(self._heap)}
            self._heap = sorted(entry for name, entry in latest.items() if name in present)

    def passed(self, now: datetime) -> Iterator[K]:
        """Remove the times before `now`, and yield the keys of their entries, which may have been renewed since."""
        while self._heap and self._heap[0][0] < now:
            entry = heappop(self._heap)
            if entry[0] < now:
                yield entry[2]
            else:  # Another thread has removed the expired entry; the first entry has not expired yet.
                heappush(self._heap, entry)


class NamedLocks:
    """Locks by name (a fingerprint, an MFA device), for coroutines and threads. A waiting coroutine blocks no other."""

    def __init__(self) -> None:
        self._inside: dict[str, object] = {}
        self._pid = os.getpid()

    async def enter(self, name: str) -> None:
        """Wait for the lock; call `leave` in a `finally` block."""
        if self._pid != os.getpid():
            # After a fork, the threads that held locks in the parent process do not exist in this process.
            self._pid, self._inside = os.getpid(), {}
        visitor, look = object(), _FIRST_LOOK_SECONDS
        # `setdefault` is atomic, also between threads: exactly one of several waiting tasks gets the lock.
        while self._inside.setdefault(name, visitor) is not visitor:
            await pause(look)
            look = min(look * 2, _LONGEST_LOOK_SECONDS)

    def leave(self, name: str) -> None:
        """Release the lock."""
        self._inside.pop(name, None)


class Memory:
    """Facts learnt from AWS's responses, kept to save requests: rejected call variants, used MFA codes."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False) -> None:
        self.gates = NamedLocks()
        self.is_of_one_run = is_of_one_run
        """Whether the cache is used only for this run."""
        self._now = now
        self._facts: dict[tuple[str, str], datetime] = {}
        self._ends = _Ends[tuple[str, str]]()
        self._codes: dict[str, Secret] = {}

    def learn(self, about: str, fact: str) -> None:
        """Remember a fact for an hour; `about` is the fingerprint of the session that the fact describes."""
        now = self._now()
        for key in self._ends.passed(now):
            if self._facts.get(key, now) < now:
                self._facts.pop(key, None)
        self._facts[about, fact] = until = now + _FACT_LIFETIME
        self._ends.add((about, fact), until, self._facts)

    def knows(self, about: str, fact: str) -> bool:
        """Whether the fact was learned within the last hour."""
        until = self._facts.get((about, fact))
        return until is not None and self._now() < until

    def take_code(self, serial_number: str, code: Secret) -> bool:
        """Return whether this is a code's first use: AWS accepts a code once. Call it with the device locked."""
        if self._codes.get(serial_number) == code:
            return False
        self._codes[serial_number] = code
        return True


class ValueCache:
    """Caches values of secrets, for stores with `cache_seconds`. Errors are not cached."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[object, tuple[Secret, datetime]] = {}
        self._ends = _Ends[object]()
        self.era = object()
        """A token that `clear` replaces, so that a value requested before the last `clear` is not cached."""

    def __len__(self) -> int:
        now = self._now()
        return sum(until > now for _, until in list(self._kept.values()))

    def get(self, key: object) -> Secret | None:
        """Return the cached value; None if there is none, or if it has expired."""
        entry = self._kept.get(key)
        return entry[0] if entry is not None and self._now() < entry[1] else None

    def keep(self, key: object, value: Secret, seconds: int, era: object) -> None:
        """Cache the value. `key` identifies caller, store and secret; `era` is `self.era` when the read began."""
        if era is not self.era:
            return  # another thread has called `clear` during the read
        now = self._now()
        for name in self._ends.passed(now):
            entry = self._kept.get(name)
            if entry is not None and entry[1] < now:
                self._kept.pop(name, None)
        if len(self._kept) < _MOST_VALUES:
            until = now + timedelta(seconds=seconds)
            self._kept[key] = (value, until)
            self._ends.add(key, until, self._kept)

    def clear(self) -> None:
        """Forget every value, including those that are being read now."""
        self.era = object()
        self._kept.clear()


class CredentialCache:
    """The sessions and secrets that this process holds in memory."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False, is_of_many: bool = False) -> None:
        """Create a cache.

        With `is_of_one_run`, the cache serves one plan; with `is_of_many`, it serves plans of several clients.
        """
        self.memory = Memory(now, is_of_one_run=is_of_one_run)
        self.is_of_many = is_of_many
        self.values = ValueCache(now)
        self._now = now
        self._held: dict[str, Credentials] = {}
        self._ends = _Ends[str]()
        self._of_sandboxes: dict[SandboxRun, dict[str, None]] = {}
        """The fingerprints of the sessions that each sandbox issued, as the keys of a dictionary."""
        self._uses: dict[str, tuple[str, int, int]] = {}

    def apart(self) -> CredentialCache:
        """Return a new cache, for the rest of a run whose caller differs from the planned one.

        Pending requests are dropped.
        """
        self.values.era = object()
        other = CredentialCache(self._now)
        other.memory = self.memory
        return other

    def held(self) -> list[CachedSession]:
        """Return all sessions that can still sign a call, in the order in which they were issued."""
        now = self._now()
        return [
            CachedSession(session, *self._uses.get(fingerprint, ("", 0, 0)))
            for fingerprint, session in list(self._held.items())
            if session.is_usable(now)
        ]

    def sandbox_runs(self) -> set[SandboxRun]:
        """Return the sandboxes that issued cached sessions."""
        return {run for run, fingerprints in list(self._of_sandboxes.items()) if fingerprints}

    def peek(self, fingerprint: str) -> Credentials | None:
        """Return the cached session; None if it can't sign a call any more."""
        session = self._held.get(fingerprint)
        return session if session is not None and session.is_usable(self._now()) else None

    def has_held(self, fingerprint: str) -> bool:
        """Whether a session with that fingerprint is in the cache, even if it has expired."""
        return fingerprint in self._held

    def evict(self, fingerprint: str, credentials: Credentials) -> None:
        """Forget credentials that AWS refused, unless newer credentials have replaced them."""
        if self._held.get(fingerprint) is credentials:
            self._drop(fingerprint)

    def clear(self) -> None:
        """Forget every session and value, including those that are being requested now."""
        self.values.clear()
        for fingerprint in list(self._held):
            self._drop(fingerprint)

    def forget(self, is_meant: Callable[[Credentials], bool]) -> int:
        """Forget the sessions that match, and all values and pending requests; return the number of sessions.

        A value may have been read with a matching session, and a pending request may issue such a session.
        """
        self.values.clear()
        meant = [fingerprint for fingerprint, session in list(self._held.items()) if is_meant(session)]
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
        """Return a session that meets the need; call `issue` if the cache has none.

        `store` and `hop` are for display. `issue(may_ask)` returns new credentials. With `may_ask` False, it must not
        prompt: the cache has a session that still works, which is used if the renewal fails. Raises the errors of
        `issue`, or TooLittleTimeLeft.
        """
        cached = self.peek(fingerprint)
        if cached is not None and need.is_met(cached, self._now()):
            obtained = Obtained(cached, is_cached=True)
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
        cached = self.peek(fingerprint)
        if cached is not None and need.is_met(cached, self._now()):
            return Obtained(cached, is_cached=True)
        era = self.values.era
        try:
            issued = await issue(cached is None or need.min_ttl_seconds is not None)
        except DsopsError:
            still_held = self.peek(fingerprint)
            if still_held is None or need.min_ttl_seconds is not None:
                raise
            return Obtained(still_held, is_cached=True)
        if era is self.values.era:
            self.keep(fingerprint, issued)
        _check_life(issued, need, self._now())
        return Obtained(issued, is_cached=False)

    def keep(self, fingerprint: str, issued: Credentials) -> None:
        """Put a session into the cache."""
        now = self._now()
        for key in self._ends.passed(now):
            session = self._held.get(key)
            if session is not None and not session.is_usable(now):
                self._drop(key)
        old = self._held.get(fingerprint)
        if old is not None and old.sandbox is not None:
            self._of_sandboxes.get(old.sandbox, {}).pop(fingerprint, None)
        self._held[fingerprint] = issued
        if issued.sandbox is not None:
            self._of_sandboxes.setdefault(issued.sandbox, {})[fingerprint] = None
        if issued.expiration is not None:
            self._ends.add(fingerprint, issued.expiration - timedelta(seconds=USABLE_SECONDS), self._held)

    def _drop(self, fingerprint: str) -> None:
        session = self._held.pop(fingerprint, None)
        self._uses.pop(fingerprint, None)
        if session is not None and session.sandbox is not None:
            self._of_sandboxes.get(session.sandbox, {}).pop(fingerprint, None)


def _check_life(issued: Credentials, need: LifetimeNeed, now: datetime) -> None:
    """Raise TooLittleTimeLeft for a new session that lasts less than `--min-ttl`: no command starts with it."""
    if need.min_ttl_seconds is None or issued.seconds_left(now) >= need.min_ttl_seconds:
        return
    raise TooLittleTimeLeft(
        f"new credentials last {issued.seconds_left(now):.0f} s, but at least {need.min_ttl_seconds:.0f} s"
        " are required",
        hint="use a smaller `--min-ttl`, or raise `duration_seconds` on the store",
    )
