"""Counts for the answers, collected while the month is generated; single calls are not kept.

A session is counted when it is over. Tallies of different parts of the month can be merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.cloudtrail.facts import Issue, Session

Span = list[int]
"""Count, first time, last time."""
Key = tuple[str, ...]
Used = tuple[str, str, str, str, int, int, bool]
"""Role, principal, both accounts, seconds requested, seconds used (-1: never), used to its end."""

THROTTLED = frozenset(
    [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "Client.RequestLimitExceeded",
        "SlowDown",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
    ]
)
DENIED = frozenset(["AuthorizationError", "AuthorizationErrorException", "NotAuthorized", "Forbidden"])
DENIED_ENDS = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def is_denial(code: str) -> bool:
    """Whether this error code means access denied."""
    return code.startswith("AccessDenied") or code.endswith(DENIED_ENDS) or code in DENIED


class Tally:
    """The counts of the calls made so far."""

    def __init__(self, boundary: int, since: int, watched: Iterable[str] = ()) -> None:
        """`watched` are the session names whose latest history is kept."""
        self.boundary = boundary
        self.since = since
        self.watched = frozenset(watched)
        self.calls = 0
        self.events: Counter[Key] = Counter()
        self.saved: Counter[str] = Counter()
        self.used: Counter[Used] = Counter()
        self.throttled: dict[Key, Span] = {}
        self.denied: dict[Key, Span] = {}
        self.issues: dict[Key, Span] = {}
        self.failed: dict[Key, Span] = {}
        self.chains: dict[Key, Span] = {}
        self.hours: dict[tuple[int, str], Span] = {}
        """Calls, sessions and failures by hour and principal."""
        self.new_sessions: dict[Key, Span] = {}
        """Sessions before the boundary, sessions after it, and the first time of the latter."""
        self.new_pairs: dict[Key, Span] = {}
        """Calls before and after the boundary, and failures after it."""
        self.new_addresses: dict[Key, Span] = {}
        """Calls of a principal from an address before and after the boundary, and failures after it."""
        self.mfa: dict[Key, list[int]] = {}
        self.outsiders: dict[Key, Span] = {}
        """Sessions without an external ID, by role, account and principal of callers whose account has no trail."""
        self.histories: dict[str, list[Session]] = {}

    # --- counting ---------------------------------------------------------------------------------------------------

    def call(self, time: int, category: str, service: str) -> None:
        """Count a call of any kind, once."""
        self.calls += 1
        if time >= self.since:
            self.events[category, service] += 1

    def refuse(self, time: int, who: tuple[str, str, str, str], code: str) -> None:
        """Count a throttled or denied call. `who` is the principal, service, operation, and the role it was for."""
        if time < self.since:
            return
        if code in THROTTLED:
            _note(self.throttled, (who[1], who[2], code), time)
        if is_denial(code):
            _note(self.denied, (*who, code), time)

    def save(self, time: int, name: str) -> None:
        """Count a cache hit of dsops."""
        self.saved[name] += time >= self.since

    def issue(self, it: Issue) -> None:
        """Count a call for credentials at the time when it is made."""
        between = (it.from_account, it.to_account)
        if all(between) and it.from_account != it.to_account:
            self._new(self.new_pairs, between, it)
        if it.address not in {"", "AWS Internal"} and not it.address.endswith(".amazonaws.com"):
            self._new(self.new_addresses, (it.principal, it.address), it)
        if it.session is not None:
            seen = self.new_sessions.setdefault((it.role, it.principal), [0, 0, 0])
            _old_or_new(seen, it.time, self.boundary)
        if it.time < self.since:
            return
        _note(self.issues, (it.role, it.principal, *between), it.time)
        hour = self.hours.setdefault((it.time - it.time % 3600, it.principal), [0, 0, 0])
        hour[0] += 1
        hour[1] += it.session is not None
        hour[2] += bool(it.code)
        if it.code:
            _note(self.failed, (it.role, it.code, it.principal, *between), it.time)
        elif it.name == "AssumeRole" and it.is_user:
            self.mfa.setdefault((it.role, it.principal), [0, 0])[it.has_mfa] += 1
        if it.name == "AssumeRole" and it.is_outsider and not (it.code or it.has_external_id):
            _note(self.outsiders, (it.role, it.from_account, it.principal), it.time)

    def session(self, it: Session) -> None:
        """Count a session that is over, with all its uses."""
        if it.session_name in self.watched:
            self._remember(it.session_name, it)
        if it.time < self.since:
            return
        used = -1 if it.last_use is None else max(0, it.last_use - it.time)
        is_long = it.last_use is not None and it.last_use >= it.expires - 60
        self.used[it.role, it.principal, *it.pair, it.asked, used, is_long] += 1
        hops = it.hops()
        if len(hops) >= 3:
            path = " > ".join([hops[0].principal, *(hop.role for hop in hops)])
            _note(self.chains, (path, str(len(hops))), it.time)

    def _new(self, table: dict[Key, Span], key: Key, it: Issue) -> None:
        seen = table.setdefault(key, [0, 0, 0, 0])
        _old_or_new(seen, it.time, self.boundary)
        seen[3] += it.time >= self.boundary and bool(it.code)

    def _remember(self, name: str, it: Session) -> None:
        kept = self.histories.get(name)
        if kept is None or kept[-1].time < it.time:
            self.histories[name] = it.hops()

    # --- merging ----------------------------------------------------------------------------------------------------

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally, which counted other calls."""
        self.calls += other.calls
        self.events += other.events
        self.saved += other.saved
        self.used += other.used
        for name in ("throttled", "denied", "issues", "failed", "chains", "outsiders"):
            _merge_spans(getattr(self, name), getattr(other, name))
        for name in ("hours", "mfa"):
            table: dict[Any, list[int]] = getattr(self, name)  # the tables have different types of keys
            for key, counts in getattr(other, name).items():
                table[key] = [a + b for a, b in zip(table.get(key, [0] * len(counts)), counts, strict=True)]
        for name in ("new_sessions", "new_pairs", "new_addresses"):
            seen: dict[Key, Span] = getattr(self, name)
            for key, (before, after, first, *more) in getattr(other, name).items():
                mine = seen.setdefault(key, [0] * (3 + len(more)))
                mine[2] = min(mine[2] or first, first or mine[2])
                mine[0] += before
                mine[1] += after
                if more:
                    mine[3] += more[0]
        for name, hops in other.histories.items():
            self._remember(name, hops[-1])


def _note(table: dict[Key, Span], key: Key, time: int) -> None:
    span = table.get(key)
    if span is None:
        table[key] = [1, time, time]
    else:
        span[:] = span[0] + 1, min(span[1], time), max(span[2], time)


def _merge_spans(into: dict[Key, Span], spans: dict[Key, Span]) -> None:
    for key, span in spans.items():
        mine = into.get(key)
        if mine is None:
            into[key] = list(span)
        else:
            mine[:] = mine[0] + span[0], min(mine[1], span[1]), max(mine[2], span[2])


def _old_or_new(seen: Span, time: int, boundary: int) -> None:
    if time < boundary:
        seen[0] += 1
    else:
        seen[1] += 1
        seen[2] = min(seen[2] or time, time)
