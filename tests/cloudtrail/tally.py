"""Facts of the model -> the answers, counted while the month goes by; nothing is kept of single calls.

Sessions are told when they are over. Tallies of parts of the month are merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.cloudtrail.columns import GROUPS, Row, spoken
from tests.cloudtrail.facts import Issue, Session

Span = list[int]
"""How many, the first, the last."""
Key = tuple[str, ...]
Used = tuple[str, str, str, str, int, int, bool]
"""Role, principal, both accounts, seconds asked for, seconds used (-1: never), used to its end."""

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
    """Whether that code says that somebody may not."""
    return code.startswith("AccessDenied") or code.endswith(DENIED_ENDS) or code in DENIED


def median(values: Iterable[int]) -> int | None:
    """The lower one."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


class Tally:
    """What has been counted so far."""

    def __init__(self, boundary: int, since: int, watched: Iterable[str] = ()) -> None:
        """`watched` are session names whose latest history is kept."""
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
        """Calls, sessions, failures by hour and principal."""
        self.new_sessions: dict[Key, Span] = {}
        """Sessions before the boundary, sessions after, the first of those."""
        self.new_pairs: dict[Key, Span] = {}
        """The same of calls, and failures after."""
        self.mfa: dict[Key, list[int]] = {}
        self.histories: dict[str, list[Session]] = {}

    # --- what happens -------------------------------------------------------------------------------------------

    def call(self, time: int, category: str, service: str) -> None:
        """Each call once, whatever it is."""
        self.calls += 1
        if time >= self.since:
            self.events[category, service] += 1

    def refuse(self, time: int, who: tuple[str, str, str, str], code: str) -> None:
        """`who`: principal, service, name of the call, and the role it was for."""
        if time < self.since:
            return
        if code in THROTTLED:
            _note(self.throttled, (who[1], who[2], code), time)
        if is_denial(code):
            _note(self.denied, (*who, code), time)

    def save(self, time: int, name: str) -> None:
        """Something that dsops held already."""
        self.saved[name] += time >= self.since

    def issue(self, it: Issue) -> None:
        """A call for credentials, when it is made."""
        between = (it.from_account, it.to_account)
        if all(between) and it.from_account != it.to_account:
            self._new_pair(it, between)
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

    def session(self, it: Session) -> None:
        """A session that is over: all its uses are known."""
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

    def _new_pair(self, it: Issue, between: Key) -> None:
        seen = self.new_pairs.setdefault(between, [0, 0, 0, 0])
        _old_or_new(seen, it.time, self.boundary)
        seen[3] += it.time >= self.boundary and bool(it.code)

    def _remember(self, name: str, it: Session) -> None:
        kept = self.histories.get(name)
        if kept is None or kept[-1].time < it.time:
            self.histories[name] = it.hops()

    # --- parts of the month -------------------------------------------------------------------------------------

    def merge(self, other: Tally) -> None:
        """What another one has counted, of other calls."""
        self.calls += other.calls
        self.events += other.events
        self.saved += other.saved
        self.used += other.used
        for name in ("throttled", "denied", "issues", "failed", "chains"):
            _merge_spans(getattr(self, name), getattr(other, name))
        for name in ("hours", "mfa"):
            table: dict[Any, list[int]] = getattr(self, name)  # their keys differ
            for key, counts in getattr(other, name).items():
                table[key] = [a + b for a, b in zip(table.get(key, [0] * len(counts)), counts, strict=True)]
        for name in ("new_sessions", "new_pairs"):
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

    # --- answers ------------------------------------------------------------------------------------------------

    def answers(self) -> dict[str, list[Row]]:
        """The rows of each question."""
        rows: dict[str, Iterator[Row]] = {
            "timeline": self._timeline(),
            "failures": self._failures(),
            "durations": self._durations(),
            "principals": self._principals(),
            "accounts": self._accounts(),
            "throttling": _spans(self.throttled),
            "events": ([*key, count] for key, count in sorted(self.events.items(), key=lambda one: (-one[1], one[0]))),
            "saved": ([name, count] for name, count in sorted(self.saved.items(), key=lambda one: (-one[1], one[0]))),
            "new-principals": self._new_principals(),
            "new-accounts": self._new_accounts(),
            "without-mfa": self._without_mfa(),
            "long-use": self._long_use(),
            "short-use": self._short_use(),
            "denials": _spans({key: span for key, span in self.denied.items() if span[0] >= 3}),
            "chains": self._chains(),
            **{f"summary-{by}": self._summary(by) for by in GROUPS},
        }
        return {name: [list(row) for row in found] for name, found in rows.items()}

    def histories_of(self) -> dict[str, list[Row]]:
        """Of each watched session name: the hops of its latest session."""
        return {name: history(hops[-1]) for name, hops in sorted(self.histories.items())}

    def _timeline(self) -> Iterator[Row]:
        hours: dict[int, list[int]] = {}
        for (hour, _), (_, sessions, failures) in self.hours.items():
            row = hours.setdefault(hour, [0, 0, 0])
            row[:] = row[0] + sessions, row[1] + failures, row[2] + 1
        return ([spoken(hour), *row] for hour, row in sorted(hours.items()))

    def _failures(self) -> Iterator[Row]:
        found = [_Group(key) for key in sorted({key[:2] for key in self.failed})]
        by = {group.key: group for group in found}
        for (role, code, principal, *_), span in self.failed.items():
            by[role, code].add(span, principal, role)
        for group in sorted(found, key=lambda one: (-one.count, one.key)):
            yield [*group.key, group.count, len(group.principals), spoken(group.first), spoken(group.last)]

    def _by_role(self) -> dict[str, list[Used]]:
        found: dict[str, list[Used]] = {}
        for session in self.used.elements():
            found.setdefault(session[0], []).append(session)
        return found

    def _durations(self) -> Iterator[Row]:
        for role, sessions in sorted(self._by_role().items(), key=lambda one: (-len(one[1]), one[0])):
            asked = [session[4] for session in sessions]
            used = [session[5] for session in sessions if session[5] >= 0]
            unused = len(sessions) - len(used)
            yield [role, len(sessions), unused, median(asked), max(asked), median(used), max(used, default=None)]

    def _groups(self, key_of: Callable[[Key], Key]) -> list[_Group]:
        """Issues put together: `key_of` takes role, principal and both accounts."""
        found: dict[Key, _Group] = {}

        def at(key: Key) -> _Group:
            return found.setdefault(key_of(key), _Group(key_of(key)))

        for key, span in self.issues.items():
            at(key).add(span, key[1], key[0])
        for (role, _, *rest), (failures, _, _) in self.failed.items():
            at((role, *rest)).failures += failures
        for session, count in self.used.items():
            group = at(session[:4])
            group.sessions += count
            group.asked += [session[4]] * count
            group.used += [session[5]] * count if session[5] >= 0 else []
        return list(found.values())

    def _principals(self) -> Iterator[Row]:
        groups = self._groups(lambda key: key[:2])
        for one in sorted(groups, key=lambda one: (one.key[0], -one.sessions, -one.failures, one.key[1])):
            yield [*one.key, one.sessions, one.failures, spoken(one.first), spoken(one.last)]

    def _accounts(self) -> Iterator[Row]:
        groups = [one for one in self._groups(lambda key: key[2:]) if all(one.key) and one.key[0] != one.key[1]]
        for one in sorted(groups, key=lambda one: (-one.count, one.key)):
            counts = one.count, one.failures, len(one.principals), len(one.roles)
            yield [*one.key, *counts, spoken(one.first), spoken(one.last)]

    def _summary(self, by: str) -> Iterator[Row]:
        of: dict[str, Callable[[Key], Key]] = {
            "role": lambda key: key[:1],
            "principal": lambda key: key[1:2],
            "account": lambda key: (f"{key[2] or '-'} > {key[3] or '-'}",),
        }
        for one in sorted(self._groups(of[by]), key=lambda one: (-one.count, one.key)):
            counts = one.count, one.sessions, one.failures, len(one.principals), len(one.roles)
            yield [*one.key, *counts, median(one.asked), median(one.used), spoken(one.first), spoken(one.last)]

    def _new_principals(self) -> Iterator[Row]:
        known = {role for (role, _), (before, *_) in self.new_sessions.items() if before}
        for (role, principal), (before, after, first) in sorted(self.new_sessions.items()):
            if role in known and after and not before:
                yield [role, principal, after, spoken(first)]

    def _new_accounts(self) -> Iterator[Row]:
        if any(before for before, *_ in self.new_pairs.values()):
            for pair, (before, after, first, failures) in sorted(self.new_pairs.items()):
                if not before:
                    yield [*pair, after, failures, spoken(first)]

    def _without_mfa(self) -> Iterator[Row]:
        for (role, principal), (without, with_mfa) in sorted(self.mfa.items()):
            others = sum(1 for (r, p), counts in self.mfa.items() if r == role and p != principal and counts[1])
            if without and others:
                yield [role, principal, without, with_mfa, others]

    def _long_use(self) -> Iterator[Row]:
        rows: list[Row] = []
        for role, sessions in self._by_role().items():
            used = [session for session in sessions if session[5] >= 0]
            long = [session[4] for session in used if session[6]]
            if long:
                rows.append([role, len(long), len(used), max(long)])
        return iter(sorted(rows, key=_most_first))

    def _short_use(self) -> Iterator[Row]:
        rows: list[Row] = []
        for role, sessions in self._by_role().items():
            used = [session for session in sessions if session[5] >= 0]
            short = [session for session in used if session[5] < 60 and session[4] > 900]
            if short and 2 * len(short) >= len(used):
                asked = median(session[4] for session in short)
                rows.append([role, len(short), len(used), asked, max(session[5] for session in short)])
        return iter(sorted(rows, key=_most_first))

    def _chains(self) -> Iterator[Row]:
        ordered = sorted(self.chains.items(), key=lambda one: (-int(one[0][1]), -one[1][0], one[0][0]))
        for (path, hops), (count, first, last) in ordered:
            yield [path, int(hops), count, spoken(first), spoken(last)]


class _Group:
    """Issues that are one row."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.count = self.sessions = self.failures = self.last = 0
        self.first = 1 << 62
        self.principals: set[str] = set()
        self.roles: set[str] = set()
        self.asked: list[int] = []
        self.used: list[int] = []

    def add(self, span: Span, principal: str, role: str) -> None:
        self.count += span[0]
        self.first = min(self.first, span[1])
        self.last = max(self.last, span[2])
        self.principals.add(principal)
        self.roles.add(role)


def history(session: Session) -> list[Row]:
    """The hops of a session, the first one's caller on top."""
    rows: list[Row] = []
    for number, hop in enumerate(session.hops(), 1):
        rows.append(
            [number, spoken(hop.time), hop.name, hop.principal, hop.role, hop.session_name, hop.source_identity,
             hop.address, hop.signed_by, hop.key]
        )  # fmt: skip
    return rows


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


def _spans(table: dict[Key, Span]) -> Iterator[Row]:
    for key, (count, first, last) in sorted(table.items(), key=lambda one: (-one[1][0], one[0])):
        yield [*key, count, spoken(first), spoken(last)]


def _most_first(row: Row) -> tuple[int, str]:
    return -int(row[1] or 0), str(row[0])
