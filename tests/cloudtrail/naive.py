"""Computes the answers from the files in plain Python: every record is parsed, kept and examined.

It shares only the names of columns with the generator. In the benchmark it represents a script that takes an
afternoon to write.

python -m tests.cloudtrail.naive FOLDER [--since MOMENT]
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cloudtrail.columns import COLUMNS, Row
from tests.cloudtrail.naive_reading import Call, Read, at

THROTTLES = (
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
)
DENIAL = re.compile(
    r"AccessDenied.*|.*(AccessDenied|AccessDeniedException|UnauthorizedOperation)"
    r"|AuthorizationError|AuthorizationErrorException|NotAuthorized|Forbidden",
    re.DOTALL,
)
MINUTE = timedelta(minutes=1)


def middle(values: list[int]) -> int | None:
    """The lower median; None for no values."""
    return sorted(values)[(len(values) - 1) // 2] if values else None


def say(time: datetime) -> str:
    """A time in the format of answers."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def grouped(calls: list[Call], key: Callable[[Call], Any]) -> dict[Any, list[Call]]:
    """Calls grouped by a key function."""
    groups: dict[Any, list[Call]] = defaultdict(list)
    for call in calls:
        groups[key(call)].append(call)
    return groups


def span(calls: list[Call]) -> Row:
    """The times of the first and last call."""
    return [say(min(call.time for call in calls)), say(max(call.time for call in calls))]


def distinct(calls: list[Call], name: str) -> int:
    """The number of distinct values of an attribute."""
    return len({getattr(call, name) for call in calls})


class Naive:
    """Computes each answer by a pass over all calls."""

    def __init__(self, folder: str, since: datetime | None = None) -> None:
        self.read = Read(folder)
        self.all = list(self.read.calls.values())
        self.sessions = [call for call in self.all if call.key]
        by_key = {session.key: session for session in self.sessions}
        for call in self.all:
            session = by_key.get(call.signed_by) if call.signed_by else None
            if session is not None:
                session.last_use = max(call.time, session.last_use or call.time)
                call.parent = session
        latest = max((call.time for call in self.all), default=datetime.fromtimestamp(0, UTC))
        self.boundary = since or latest - timedelta(days=1)
        self.calls = [call for call in self.all if since is None or call.time >= since]
        self.issues = [call for call in self.calls if call.is_issue]
        self.reported = [call for call in self.issues if call.key]

    def answers(self) -> dict[str, list[Row]]:
        """The rows of each question except `history`."""
        names = [name for name in COLUMNS if name not in {"summary", "history"}]
        found = {name: list(getattr(self, name.replace("-", "_"))()) for name in names}
        return found | {f"summary-{by}": self.summary(by) for by in ("role", "principal", "account")}

    def timeline(self) -> Iterator[Row]:
        """Rows by hour."""
        for hour, calls in sorted(grouped(self.issues, lambda call: call.time.replace(minute=0, second=0)).items()):
            yield [
                say(hour),
                sum(bool(c.key) for c in calls),
                sum(bool(c.code) for c in calls),
                distinct(calls, "principal"),
            ]

    def failures(self) -> list[Row]:
        """Rows by role and error code."""
        groups = grouped([call for call in self.issues if call.code], lambda call: (call.role, call.code))
        rows: list[Row] = [
            [*key, len(calls), distinct(calls, "principal"), *span(calls)] for key, calls in groups.items()
        ]
        return sorted(rows, key=lambda row: (-row[2], *row[:2]))  # type: ignore[operator]

    def durations(self) -> list[Row]:
        """Rows by role."""
        rows: list[Row] = []
        for role, calls in grouped(self.reported, lambda call: call.role).items():
            request_asked = [call.asked for call in calls if call.asked is not None]
            used = [call.used for call in calls if call.last_use]
            rows.append(
                [
                    role,
                    len(calls),
                    len(calls) - len(used),
                    middle(request_asked),
                    max(request_asked, default=None),
                    middle(used),
                    max(used, default=None),
                ]
            )
        return sorted(rows, key=lambda row: (-row[1], row[0]))  # type: ignore[operator]

    def principals(self) -> list[Row]:
        """Rows by role and principal."""
        rows: list[Row] = []
        for key, calls in grouped(self.issues, lambda call: (call.role, call.principal)).items():
            rows.append([*key, sum(bool(c.key) for c in calls), sum(bool(c.code) for c in calls), *span(calls)])
        return sorted(rows, key=lambda row: (row[0], -row[2], -row[3], row[1]))  # type: ignore[operator]

    def crossing(self, calls: list[Call]) -> dict[Any, list[Call]]:
        """Calls from one account to another, grouped by the pair of accounts."""
        return grouped([c for c in calls if all(c.pair) and c.pair[0] != c.pair[1]], lambda call: call.pair)

    def accounts(self) -> list[Row]:
        """Rows by account pair."""
        rows: list[Row] = []
        for pair, calls in self.crossing(self.issues).items():
            failed = sum(bool(call.code) for call in calls)
            rows.append(
                [*pair, len(calls), failed, distinct(calls, "principal"), distinct(calls, "role"), *span(calls)]
            )
        return sorted(rows, key=lambda row: (-row[2], *row[:2]))  # type: ignore[operator]

    def throttling(self) -> list[Row]:
        """Rows by service, operation and error code."""
        groups = grouped([call for call in self.calls if call.code in THROTTLES], lambda c: (c.service, c.name, c.code))
        rows: list[Row] = [[*key, len(calls), *span(calls)] for key, calls in groups.items()]
        return sorted(rows, key=lambda row: (-row[3], *row[:3]))  # type: ignore[operator]

    def events(self) -> list[Row]:
        """Rows by category and service."""
        counted = Counter((call.category, call.service) for call in self.calls)
        return [[*key, count] for key, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]

    def saved(self) -> list[Row]:
        """Rows by operation."""
        counted = Counter(call.name for call in self.calls if call.is_cached)
        return [[name, count] for name, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]

    def new_principals(self) -> Iterator[Row]:
        """New principals on roles, computed from all sessions whatever `since` is."""
        old = [call for call in self.sessions if call.time < self.boundary]
        roles, known = {call.role for call in old}, {(call.role, call.principal) for call in old}
        recent = [
            c
            for c in self.sessions
            if c.time >= self.boundary and c.role in roles and (c.role, c.principal) not in known
        ]
        for key, calls in sorted(grouped(recent, lambda call: (call.role, call.principal)).items()):
            yield [*key, len(calls), span(calls)[0]]

    def new_accounts(self) -> Iterator[Row]:
        """New account pairs, computed from all issues whatever `since` is."""
        pairs = self.crossing([call for call in self.all if call.is_issue])
        old = {pair for pair, calls in pairs.items() if min(call.time for call in calls) < self.boundary}
        for pair, calls in sorted(pairs.items()):
            if old and pair not in old:
                yield [*pair, len(calls), sum(bool(call.code) for call in calls), span(calls)[0]]

    def new_addresses(self) -> Iterator[Row]:
        """New addresses of principals, computed from all issues whatever `since` is."""
        calls = [c for c in self.all if c.is_issue and c.address and not re.search(r"\.amazonaws\.com$", c.address)]
        for principal, own in sorted(
            grouped([c for c in calls if c.address != "AWS Internal"], lambda c: c.principal).items()
        ):
            known = {call.address for call in own if call.time < self.boundary}
            recent = grouped([call for call in own if call.address not in known], lambda call: call.address)
            for address, fresh in sorted(recent.items()):
                if known:
                    failures = sum(bool(call.code) for call in fresh)
                    yield [principal, address, len(fresh), failures, len(known), span(fresh)[0]]

    def without_mfa(self) -> Iterator[Row]:
        """Rows by role and user."""
        calls = [
            c for c in self.issues if c.name == "AssumeRole" and not c.code and at(c.identity, "type") == "IAMUser"
        ]
        groups = sorted(grouped(calls, lambda call: (call.role, call.principal)).items())
        for (role, principal), own in groups:
            with_mfa = sum(call.has_mfa for call in own)
            others = {c.principal for c in calls if c.role == role and c.has_mfa} - {principal}
            if with_mfa < len(own) and others:
                yield [role, principal, len(own) - with_mfa, with_mfa, len(others)]

    def without_external_id(self) -> list[Row]:
        """Rows by role and calling account, for accounts that no record was delivered to."""
        known = {call.recipient for call in self.all}
        calls = [c for c in self.issues if c.name == "AssumeRole" and not c.code and not c.has_external_id]
        rows: list[Row] = []
        for (account, _), pair_calls in self.crossing([c for c in calls if c.recipient]).items():
            for role, own in grouped(pair_calls, lambda call: call.role).items():
                if account not in known:
                    rows.append([role, account, len(own), distinct(own, "principal"), *span(own)])
        return sorted(rows, key=lambda row: (-row[2], *row[:2]))  # type: ignore[operator]

    def used_by_role(self) -> dict[str, list[Call]]:
        """The used sessions, by role."""
        return grouped([call for call in self.reported if call.last_use], lambda call: call.role)

    def long_use(self) -> list[Row]:
        """Rows by role."""
        rows: list[Row] = []
        for role, calls in self.used_by_role().items():
            long = [call for call in calls if call.last_use and call.expires and call.last_use >= call.expires - MINUTE]
            if long:
                rows.append([role, len(long), len(calls), max(call.asked for call in long)])
        return sorted(rows, key=lambda row: (-row[1], row[0]))  # type: ignore[operator]

    def short_use(self) -> list[Row]:
        """Rows by role."""
        rows: list[Row] = []
        for role, calls in self.used_by_role().items():
            short = [call for call in calls if call.used < 60 and (call.asked or 0) > 900]
            if short and len(short) * 2 >= len(calls):
                rows.append(
                    [role, len(short), len(calls), middle([c.asked for c in short]), max(c.used for c in short)]
                )
        return sorted(rows, key=lambda row: (-row[1], row[0]))  # type: ignore[operator]

    def denials(self) -> list[Row]:
        """Rows by principal, service, operation, role and error code."""
        denied = [call for call in self.calls if DENIAL.fullmatch(call.code)]
        groups = grouped(denied, lambda call: (call.principal, call.service, call.name, call.role, call.code))
        rows: list[Row] = [[*key, len(calls), *span(calls)] for key, calls in groups.items() if len(calls) >= 3]
        return sorted(rows, key=lambda row: (-row[5], *row[:5]))  # type: ignore[operator]

    def chains(self) -> list[Row]:
        """Rows by path of the chain."""
        paths: dict[Any, list[Call]] = defaultdict(list)
        for call in self.reported:
            hops = call.hops()
            if len(hops) >= 3:
                paths[" > ".join([hops[0].principal, *(hop.role for hop in hops)]), len(hops)].append(call)
        rows: list[Row] = [[*key, len(calls), *span(calls)] for key, calls in paths.items()]
        return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))  # type: ignore[operator]

    def history(self, wanted: str) -> list[Row]:
        """The hops of the latest session with this key id, name or ARN."""
        sessions = [call for call in self.sessions if wanted in {call.key, call.session_name, call.arn}]
        if not sessions:
            return []
        hops = max(sessions, key=lambda call: call.time).hops()
        return [
            [
                n,
                say(c.time),
                c.name,
                c.principal,
                c.role,
                c.session_name,
                c.source_identity,
                c.address,
                c.signed_by,
                c.key,
            ]
            for n, c in enumerate(hops, 1)
        ]

    def summary(self, by: str) -> list[Row]:
        """Rows by role, principal or account pair."""
        key = {
            "role": lambda call: call.role,
            "principal": lambda call: call.principal,
            "account": lambda call: f"{call.pair[0] or '-'} > {call.pair[1] or '-'}",
        }[by]
        rows: list[Row] = []
        for name, calls in grouped(self.issues, key).items():
            sessions = [call for call in calls if call.key]
            request_asked = [call.asked for call in sessions if call.asked is not None]
            medians = middle(request_asked), middle([call.used for call in sessions if call.last_use])
            failed = sum(bool(call.code) for call in calls)
            counts = len(calls), len(sessions), failed, distinct(calls, "principal"), distinct(calls, "role")
            rows.append([name, *counts, *medians, *span(calls)])
        return sorted(rows, key=lambda row: (-row[1], row[0]))  # type: ignore[operator]


def main() -> None:
    """Print the answers as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cloudtrail.naive", description="read CloudTrail logs one by one"
    )
    parser.add_argument("folder")
    parser.add_argument("--since", type=datetime.fromisoformat)
    options = parser.parse_args()
    naive = Naive(options.folder, options.since)
    print(json.dumps({"records": naive.read.records, "calls": len(naive.all), "answers": naive.answers()}))


if __name__ == "__main__":
    main()
