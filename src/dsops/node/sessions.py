"""The sessions of a node: each store's session is issued once for all callers, and renewed ahead of time.

A session is renewed only if a caller has used it. The moment of the renewal has jitter, so that sessions that were
issued together are not renewed together. While AWS is unreachable, callers get the current session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import NamedTuple

from dsops.agent.renewal import renewal_lead, retry_pause
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.node.flights import Flight, Flights
from dsops.runtime import Event

_FORGET_SECONDS = 600.0
"""How long a failure of one caller's session is remembered, after the time of the next attempt."""


class SessionKey(NamedTuple):
    """A session of a node: its store, and the caller's variables if the store depends on them."""

    store: str
    variables: tuple[tuple[str, str], ...] = ()
    """Facts about the caller that its token proves, by the names of variables, such as KUBERNETES_POD_NAME."""


IssueSession = Callable[[SessionKey, Credentials | None, Callable[[], bool]], Credentials]
"""Issues a session. Runs in a thread, and may raise DsopsError.

Arguments: the key of the session, the session that is replaced or None, and a function that says whether the node is
ending.
"""


class SessionState(NamedTuple):
    """What is known about one session at a moment."""

    key: SessionKey
    session: Credentials | None
    """The valid session; None for none."""
    seconds: float | None
    """The seconds until the renewal or the next attempt; None if only a caller starts it."""
    failures: int
    """How many attempts have failed since the last success."""
    failure: DsopsError | None
    is_used: bool
    is_under_way: bool


class _Kept:
    """The session of one store, and when it is renewed. Times are seconds of the monotonic clock."""

    __slots__ = ("due", "failure", "failures", "is_used", "lead", "retry_at", "session", "until")

    def __init__(self) -> None:
        self.session: Credentials | None = None
        self.until = 0.0
        self.due = 0.0
        self.lead = 0.0
        """The number of seconds before expiry at which the session is renewed."""
        self.retry_at = 0.0
        self.failures = 0
        self.failure: DsopsError | None = None
        self.is_used = False


class NodeSessions:
    """Issues, keeps and renews the sessions of all stores and callers. Used by the event loop's thread."""

    def __init__(
        self,
        issue: IssueSession,
        flights: Flights,
        *,
        now: Callable[[], datetime],
        random: Callable[[], float],
        report: Callable[[Event], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._issue = issue
        self._flights = flights
        self._now = now
        self._random = random
        self._report = report
        self._clock = clock
        self._kept: dict[SessionKey, _Kept] = {}
        self._due: list[tuple[float, SessionKey]] = []
        """A heap of the times at which stores are looked at. A time that has changed since is ignored."""

    def __len__(self) -> int:
        # `list` copies in one step, because the thread that serves metrics also reads the sessions.
        return sum(self._seconds_left(kept) > 0 for kept in list(self._kept.values()))

    def use(self, key: SessionKey) -> Credentials | None:
        """Return the store's session for a caller. Without a valid one, start to issue it, and return None."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept()
        left = self._seconds_left(kept)
        if left <= kept.lead and kept.retry_at <= self._clock():
            # The renewal is due. It has not begun yet if no caller had used the session, or if the clock was set.
            self._start(key, kept)
        if left <= 0:
            return None
        kept.is_used = True
        return kept.session

    def is_under_way(self, key: SessionKey) -> bool:
        """Whether a request for a new session of the store is running or waiting."""
        return self._flights.is_under_way(("session", key))

    def failure(self, key: SessionKey) -> DsopsError | None:
        """Return the error of the last attempt; None after a success."""
        kept = self._kept.get(key)
        return kept.failure if kept is not None else None

    def states(self) -> list[SessionState]:
        """Return what is known about each session, in the order of the stores' names."""
        return [self._state(key, kept) for key, kept in sorted(self._kept.items(), key=lambda entry: entry[0])]

    def readers(self) -> Iterable[int]:
        """Return the descriptors to read from: none, because `Flights` has the results."""
        return ()

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Return the seconds until the next session is due."""
        return max(0.0, self._due[0][0] - self._clock()) if self._due else None

    def turn(self, _ready: Collection[int]) -> None:
        """Start the renewals that are due."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            due, key = heappop(self._due)
            kept = self._kept.get(key)
            if kept is not None and kept.due == due:
                self._on_due(key, kept)

    def end(self) -> None:
        """Forget every session."""
        self._kept.clear()
        self._due.clear()

    def _state(self, key: SessionKey, kept: _Kept) -> SessionState:
        is_valid = self._seconds_left(kept) > 0
        # A session without an end is never due. An unused one is due when it expires, and is then forgotten.
        is_planned = is_valid and 0 < kept.due < kept.until
        return SessionState(
            key,
            kept.session if is_valid else None,
            kept.due - self._clock() if is_planned else None,
            kept.failures,
            kept.failure,
            kept.is_used,
            self.is_under_way(key),
        )

    def _on_due(self, key: SessionKey, kept: _Kept) -> None:
        """Renew a used session. An unused one is kept until it expires, and then forgotten."""
        if self._seconds_left(kept) <= 0:
            del self._kept[key]
        elif kept.is_used:
            self._start(key, kept)
        else:
            self._plan(key, kept, kept.until)

    def _start(self, key: SessionKey, kept: _Kept) -> None:
        old = kept.session
        self._flights.start(
            Flight(
                ("session", key),
                lambda: self._issue(key, old, lambda: self._flights.is_over),
                lambda outcome: self._land(key, outcome),
            )
        )

    def _land(self, key: SessionKey, outcome: object) -> None:
        """Keep the new session, or plan the next attempt."""
        kept = self._kept.setdefault(key, _Kept())
        now, old = self._clock(), kept.session
        if isinstance(outcome, Credentials) and (old is None or outcome.access_key_id != old.access_key_id):
            self._hold(key, kept, outcome, now)
            return
        # The renewal failed, or it returned the old session because its base credentials have not been renewed yet.
        kept.failure = outcome if isinstance(outcome, DsopsError) else None
        left = self._seconds_left(kept)
        kept.retry_at = now + retry_pause(kept.failures, left, self._random())
        kept.failures += 1
        if kept.failure is not None:
            self._report(Event("node.not-issued", {"store": key.store, "why": str(kept.failure)}))
        if left > 0:
            self._plan(key, kept, kept.retry_at)
        elif key.variables:
            # The pod that used the session may no longer exist: a new pod has a new name.
            self._plan(key, kept, kept.retry_at + _FORGET_SECONDS)

    def _hold(self, key: SessionKey, kept: _Kept, session: Credentials, now: float) -> None:
        left = session.seconds_left(self._now())
        kept.session, kept.until = session, now + left
        kept.failure, kept.failures, kept.retry_at, kept.is_used = None, 0, 0.0, False
        self._report(
            Event("node.issued", {"store": key.store, "key": session.masked_key_id, "expires": session.expiration_text})
        )
        if session.expiration is not None:
            kept.lead = renewal_lead(session, self._random())
            self._plan(key, kept, max(now, kept.until - kept.lead))

    def _plan(self, key: SessionKey, kept: _Kept, due: float) -> None:
        kept.due = due
        if len(self._due) > 2 * len(self._kept) + 64:
            self._due = [entry for entry in self._due if (found := self._kept.get(entry[1])) and found.due == entry[0]]
            heapify(self._due)
        heappush(self._due, (due, key))

    def _seconds_left(self, kept: _Kept) -> float:
        """Return the seconds until expiry, by the wall clock or the monotonic clock, whichever gives less."""
        if kept.session is None:
            return 0.0
        return min(kept.session.seconds_left(self._now()), kept.until - self._clock())
