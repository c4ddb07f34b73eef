"""Fingerprint -> credentials, in memory only: one issue at a time for each, and only success is shared.

Several runs, threads or (in the agent) clients may share one cache. Waiting is by looking again after a
short pause: no thread is ever blocked by another one, and whoever dies inside leaves the door open.
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
"""How long something learnt about a session is believed: a role's permissions may change meanwhile."""


class Obtained(NamedTuple):
    """One snapshot, and whether it was held already: then AWS may know better whether it still works."""

    credentials: Credentials
    is_cached: bool


class CachedSession(NamedTuple):
    """A session that the cache has, for people."""

    credentials: Credentials
    store: str
    """The store that it was last obtained for; "" for base credentials."""
    hop: int
    """1 where the base credentials signed its issue, 0 for themselves."""
    uses: int
    """How often it was handed out."""


class LifetimeNeed(NamedTuple):
    """How much life credentials must have left for what is planned with them."""

    is_handed_on: bool = False
    """False: they sign a call now. True: a child goes on working with them, so renewal is tried earlier."""
    min_ttl_seconds: float | None = None
    """The user's own limit; stands in for both of ours."""

    def is_met(self, credentials: Credentials, now: datetime) -> bool:
        """Whether these need no renewal for that."""
        if self.min_ttl_seconds is not None:
            return credentials.seconds_left(now) >= self.min_ttl_seconds
        return credentials.is_fresh(now) if self.is_handed_on else credentials.is_usable(now)


SIGN = LifetimeNeed()
HAND_ON = LifetimeNeed(is_handed_on=True)


class Gates:
    """Doors that one passes at a time, by name: a fingerprint, an MFA device."""

    def __init__(self) -> None:
        self._inside: dict[str, object] = {}
        self._pid = os.getpid()

    async def enter(self, name: str) -> None:
        """Waits for its turn; `leave` belongs in a `finally`."""
        if self._pid != os.getpid():
            # Who is inside in the process that this one was forked from never leaves here.
            self._pid, self._inside = os.getpid(), {}
        visitor, look = object(), _FIRST_LOOK_SECONDS
        # setdefault is one step also between threads: exactly one of several visitors finds itself inside.
        while self._inside.setdefault(name, visitor) is not visitor:
            await pause(look)
            look = min(look * 2, _LONGEST_LOOK_SECONDS)

    def leave(self, name: str) -> None:
        """Opens the door for the next one."""
        self._inside.pop(name, None)


class Memory:
    """What was learnt from AWS's answers and should not be asked again: refused ways, used MFA codes."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False) -> None:
        self.gates = Gates()
        self.is_of_one_run = is_of_one_run
        """Whether nothing that is held outlives the run that has got it."""
        self._now = now
        self._facts: dict[tuple[str, str], datetime] = {}
        self._codes: dict[str, Secret] = {}

    def learn(self, about: str, fact: str) -> None:
        """Remembers it for an hour; `about` is a fingerprint."""
        now = self._now()
        for key in [key for key, until in list(self._facts.items()) if until <= now]:
            self._facts.pop(key, None)
        self._facts[about, fact] = now + _FACT_LIFETIME

    def knows(self, about: str, fact: str) -> bool:
        """Whether that was learnt within the last hour."""
        until = self._facts.get((about, fact))
        return until is not None and self._now() < until

    def take_code(self, serial_number: str, code: Secret) -> bool:
        """True once for a device and code, then False: AWS takes it once. Call inside the device's gate."""
        if self._codes.get(serial_number) == code:
            return False
        self._codes[serial_number] = code
        return True


class ValueCache:
    """Secrets' values, for stores that ask for it (`cache_seconds`); never an error, never longer than was asked."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[object, tuple[Secret, datetime]] = {}
        self.era = object()
        """Another one after each `clear`."""

    def __len__(self) -> int:
        now = self._now()
        return sum(until > now for _, until in list(self._kept.values()))

    def get(self, key: object) -> Secret | None:
        """The value kept under that key, if its time is not over."""
        kept = self._kept.get(key)
        return kept[0] if kept is not None and self._now() < kept[1] else None

    def keep(self, key: object, value: Secret, seconds: int, era: object) -> None:
        """Keeps it for that long. `key` says who read it, where, and what; `era` is when it was asked for."""
        if era is not self.era:
            return  # everything was to be forgotten meanwhile
        now = self._now()
        for each in [each for each, (_, until) in list(self._kept.items()) if until <= now]:
            self._kept.pop(each, None)
        if len(self._kept) < _MOST_VALUES:
            self._kept[key] = (value, now + timedelta(seconds=seconds))

    def clear(self) -> None:
        """Forgets every value, and those that are being read now."""
        self.era = object()
        self._kept.clear()


class CredentialCache:
    """The sessions that this process holds."""

    def __init__(self, now: Callable[[], datetime], *, is_of_one_run: bool = False, is_of_many: bool = False) -> None:
        """`is_of_one_run`: no other plan will be carried out with it; `is_of_many`: those of several clients will."""
        self.memory = Memory(now, is_of_one_run=is_of_one_run)
        self.is_of_many = is_of_many
        self.values = ValueCache(now)
        self._now = now
        self._held: dict[str, Credentials] = {}
        self._uses: dict[str, tuple[str, int, int]] = {}

    def apart(self) -> CredentialCache:
        """For the rest of a run that is another's than planned; what is being asked for now is not kept here either."""
        self.values.era = object()
        other = CredentialCache(self._now)
        other.memory = self.memory
        return other

    def held(self) -> list[CachedSession]:
        """Every session that may still sign a call, in the order in which they were issued."""
        now = self._now()
        return [
            CachedSession(held, *self._uses.get(fingerprint, ("", 0, 0)))
            for fingerprint, held in list(self._held.items())
            if held.is_usable(now)
        ]

    def peek(self, fingerprint: str) -> Credentials | None:
        """The session held, if it may still sign a call."""
        held = self._held.get(fingerprint)
        return held if held is not None and held.is_usable(self._now()) else None

    def has_held(self, fingerprint: str) -> bool:
        """Whether a session was held under that name until now, though it may have ended."""
        return fingerprint in self._held

    def evict(self, fingerprint: str, credentials: Credentials) -> None:
        """Forgets these credentials, which AWS refused; newer ones under the same fingerprint stay."""
        if self._held.get(fingerprint) is credentials:
            self._drop(fingerprint)

    def clear(self) -> None:
        """Forgets every session and every value, and those that are being asked for now."""
        self.values.clear()
        for fingerprint in list(self._held):
            self._drop(fingerprint)

    def forget(self, is_meant: Callable[[Credentials], bool]) -> int:
        """Forgets the sessions that are meant, every value, and all that is being asked for; gives how many they were.

        A value may have been read with one of them, and what is being asked for may become one.
        """
        self.values.clear()
        meant = [fingerprint for fingerprint, held in list(self._held.items()) if is_meant(held)]
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
        """A session that meets the need; `issue` is called when none is held that does.

        `store` and `hop` say for people whose it is.
        `issue(may_ask)` gives new credentials; with `may_ask` False it must not ask a person, because a
        session that still works is at hand, and serves when renewal fails. Raises what `issue` raises, or
        TooLittleTimeLeft.
        """
        held = self.peek(fingerprint)
        if held is not None and need.is_met(held, self._now()):
            obtained = Obtained(held, is_cached=True)
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
        held = self.peek(fingerprint)
        if held is not None and need.is_met(held, self._now()):
            return Obtained(held, is_cached=True)
        era = self.values.era
        try:
            issued = await issue(held is None or need.min_ttl_seconds is not None)
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
        for key in [key for key, held in list(self._held.items()) if not held.is_usable(now)]:
            self._drop(key)
        self._held[fingerprint] = issued

    def _drop(self, fingerprint: str) -> None:
        self._held.pop(fingerprint, None)
        self._uses.pop(fingerprint, None)


def _check_life(issued: Credentials, need: LifetimeNeed, now: datetime) -> None:
    """Refuses even a new session when it is shorter than the user's limit: a command must not start on it."""
    if need.min_ttl_seconds is None or issued.seconds_left(now) >= need.min_ttl_seconds:
        return
    raise TooLittleTimeLeft(
        f"new credentials last {issued.seconds_left(now):.0f} s, and at least {need.min_ttl_seconds:.0f} s"
        " are asked for",
        hint="ask for less with --min-ttl, or raise duration_seconds on the store",
    )
