"""Computes the answers from the tally: the rows of each question, in the order that its definition gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tests.cloudtrail.columns import GROUPS, Row, spoken
from tests.cloudtrail.facts import Session
from tests.cloudtrail.tally import Key, Span, Tally, Used


def median(values: Iterable[int]) -> int | None:
    """The lower median; None for no values."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


class Answers:
    """The answers for a whole month."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def all(self) -> dict[str, list[Row]]:
        """The rows of each question except `history`."""
        rows: dict[str, Iterator[Row]] = {
            "timeline": self._timeline(),
            "failures": self._failures(),
            "durations": self._durations(),
            "principals": self._principals(),
            "accounts": self._accounts(),
            "throttling": _spans(self._tally.throttled),
            "events": (
                [*key, count] for key, count in sorted(self._tally.events.items(), key=lambda one: (-one[1], one[0]))
            ),
            "saved": (
                [name, count] for name, count in sorted(self._tally.saved.items(), key=lambda one: (-one[1], one[0]))
            ),
            "new-principals": self._new_principals(),
            "new-accounts": self._new_accounts(),
            "new-addresses": self._new_addresses(),
            "without-mfa": self._without_mfa(),
            "without-external-id": self._without_external_id(),
            "long-use": self._long_use(),
            "short-use": self._short_use(),
            "denials": _spans({key: span for key, span in self._tally.denied.items() if span[0] >= 3}),
            "chains": self._chains(),
            **{f"summary-{by}": self._summary(by) for by in GROUPS},
        }
        return {name: [list(row) for row in found] for name, found in rows.items()}

    def histories(self) -> dict[str, list[Row]]:
        """Session name -> the hops of the latest session with that name, for each watched name."""
        return {name: history(hops[-1]) for name, hops in sorted(self._tally.histories.items())}

    def _timeline(self) -> Iterator[Row]:
        hours: dict[int, list[int]] = {}
        for (hour, _), (_, sessions, failures) in self._tally.hours.items():
            row = hours.setdefault(hour, [0, 0, 0])
            row[:] = row[0] + sessions, row[1] + failures, row[2] + 1
        return ([spoken(hour), *row] for hour, row in sorted(hours.items()))

    def _failures(self) -> Iterator[Row]:
        found = [_Group(key) for key in sorted({key[:2] for key in self._tally.failed})]
        by = {group.key: group for group in found}
        for (role, code, principal, *_), span in self._tally.failed.items():
            by[role, code].add(span, principal, role)
        for group in sorted(found, key=lambda one: (-one.count, one.key)):
            yield [*group.key, group.count, len(group.principals), spoken(group.first), spoken(group.last)]

    def _by_role(self) -> dict[str, list[Used]]:
        collected: dict[str, list[Used]] = {}
        for session in self._tally.used.elements():
            collected.setdefault(session[0], []).append(session)
        return collected

    def _durations(self) -> Iterator[Row]:
        for role, sessions in sorted(self._by_role().items(), key=lambda one: (-len(one[1]), one[0])):
            request_asked = [session[4] for session in sessions]
            used = [session[5] for session in sessions if session[5] >= 0]
            unused = len(sessions) - len(used)
            yield [
                role,
                len(sessions),
                unused,
                median(request_asked),
                max(request_asked),
                median(used),
                max(used, default=None),
            ]

    def _groups(self, key_of: Callable[[Key], Key]) -> list[_Group]:
        """Group issues by `key_of`, a function of role, principal and both accounts."""
        collected: dict[Key, _Group] = {}

        def at(key: Key) -> _Group:
            return collected.setdefault(key_of(key), _Group(key_of(key)))

        for key, span in self._tally.issues.items():
            at(key).add(span, key[1], key[0])
        for (role, _, *rest), (failures, _, _) in self._tally.failed.items():
            at((role, *rest)).failures += failures
        for session, count in self._tally.used.items():
            group = at(session[:4])
            group.sessions += count
            group.asked += [session[4]] * count
            group.used += [session[5]] * count if session[5] >= 0 else []
        return list(collected.values())

    def _principals(self) -> Iterator[Row]:
        groups = self._groups(lambda key: key[:2])
        for one in sorted(groups, key=lambda one: (one.key[0], -one.sessions, -one.failures, one.key[1])):
            yield [*one.key, one.sessions, one.failures, spoken(one.first), spoken(one.last)]

    def _accounts(self) -> Iterator[Row]:
        groups = [
            group for group in self._groups(lambda key: key[2:]) if all(group.key) and group.key[0] != group.key[1]
        ]
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
        known_names = {role for (role, _), (before, *_) in self._tally.new_sessions.items() if before}
        for (role, principal), (before, after, first) in sorted(self._tally.new_sessions.items()):
            if role in known_names and after and not before:
                yield [role, principal, after, spoken(first)]

    def _new_accounts(self) -> Iterator[Row]:
        if any(before for before, *_ in self._tally.new_pairs.values()):
            for pair, (before, after, first, failures) in sorted(self._tally.new_pairs.items()):
                if not before:
                    yield [*pair, after, failures, spoken(first)]

    def _new_addresses(self) -> Iterator[Row]:
        known = Counter(principal for (principal, _), (before, *_) in self._tally.new_addresses.items() if before)
        for (principal, address), (before, after, first, failures) in sorted(self._tally.new_addresses.items()):
            if not before and known[principal]:
                yield [principal, address, after, failures, known[principal], spoken(first)]

    def _without_mfa(self) -> Iterator[Row]:
        for (role, principal), (without, with_mfa) in sorted(self._tally.mfa.items()):
            others = sum(1 for (r, p), counts in self._tally.mfa.items() if r == role and p != principal and counts[1])
            if without and others:
                yield [role, principal, without, with_mfa, others]

    def _without_external_id(self) -> Iterator[Row]:
        groups: dict[Key, _Group] = {}
        for (role, account, principal), span in self._tally.outsiders.items():
            groups.setdefault((role, account), _Group((role, account))).add(span, principal, role)
        for one in sorted(groups.values(), key=lambda one: (-one.count, one.key)):
            yield [*one.key, one.count, len(one.principals), spoken(one.first), spoken(one.last)]

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
                request_asked = median(session[4] for session in short)
                rows.append([role, len(short), len(used), request_asked, max(session[5] for session in short)])
        return iter(sorted(rows, key=_most_first))

    def _chains(self) -> Iterator[Row]:
        ordered = sorted(self._tally.chains.items(), key=lambda one: (-int(one[0][1]), -one[1][0], one[0][0]))
        for (path, hops), (count, first, last) in ordered:
            yield [path, int(hops), count, spoken(first), spoken(last)]


class _Group:
    """The issues that form one row."""

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
    """The hops of a session, starting with its first caller."""
    rows: list[Row] = []
    for number, hop in enumerate(session.hops(), 1):
        rows.append(
            [
                number,
                spoken(hop.time),
                hop.name,
                hop.principal,
                hop.role,
                hop.session_name,
                hop.source_identity,
                hop.address,
                hop.signed_by,
                hop.key,
            ]
        )
    return rows


def _spans(table: dict[Key, Span]) -> Iterator[Row]:
    for key, (count, first, last) in sorted(table.items(), key=lambda one: (-one[1][0], one[0])):
        yield [*key, count, spoken(first), spoken(last)]


def _most_first(row: Row) -> tuple[int, str]:
    return -int(row[1] or 0), str(row[0])
