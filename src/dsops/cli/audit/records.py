"""Records of the audit trail as rows and lines, and which of them are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dsops.audit.chain import link_of, record_in
from dsops.audit.lost import LOST
from dsops.audit.reading import Line, is_of_sandbox, last_lines
from dsops.errors import UsageError

Record = Mapping[str, Any]  # any JSON object: it stands in a file

HEADINGS = ("TIME", "EVENT", "WHAT", "STORE", "BY", "COMMAND", "REASON", "RESULT")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MOST_LINES = 1 << 62
_MORE = 8
_FIRST_YEAR = 1000
"""Before it a year would have fewer than the four digits that a time has to have here."""


class RecordFilter(NamedTuple):
    """Which records are asked for; what is "" or False leaves none out."""

    event: str = ""
    store: str = ""
    role: str = ""
    secret: str = ""
    reason: str = ""
    since: str = ""
    """As the records have their times."""
    failed: bool = False
    sandbox: bool = False
    """Whether what was done in a sandbox is among them."""

    def has(self, record: Record) -> bool:
        """Whether the record is one of these."""
        return self.matches(record) and (self.sandbox or not is_of_sandbox(record))

    def matches(self, record: Record) -> bool:
        """Whether it would be one of these if sandboxes were."""
        facts = _object(record, "additionalEventData")
        return (
            (not self.event or _text(record, "eventName").lower() == self.event.lower())
            and (not self.store or facts.get("store") == self.store)
            and (not self.role or self.role in _role(record))
            and (not self.secret or self.secret in str(facts.get("secret", "")))
            and (not self.reason or self.reason.lower() in str(facts.get("reason", "")).lower())
            and (not self.since or _text(record, "eventTime") >= self.since)
            and (not self.failed or "errorCode" in record)
        )


class Last(NamedTuple):
    """The last records that are wanted."""

    records: list[Record]
    """Oldest first."""
    hidden: int
    """How many of a sandbox were passed over to find them."""


def last_records(files: Sequence[str], most: int, wanted: RecordFilter, *, until: int | None = None) -> Last:
    """The last of those that are wanted; none behind the number `until`. Raises TrailUnreadable."""
    found: list[Record] = []
    hidden = 0
    for file in reversed(files):
        reach = most if wanted._replace(sandbox=False) == RecordFilter() and until is None else _MOST_LINES
        while len(found) < most:
            lines = last_lines(file, reach)
            of_file, passed = _last(lines, most - len(found), wanted, until)
            if len(lines) < reach or len(found) + len(of_file) >= most:
                found, hidden = of_file + found, hidden + passed
                break
            reach *= _MORE  # lines of a sandbox are in the way
    return Last(found, hidden)


def _last(lines: Sequence[Line], most: int, wanted: RecordFilter, until: int | None) -> Last:
    """The last of these lines that are wanted."""
    found: list[Record] = []
    hidden = 0
    for line in reversed(lines):
        record = record_in(line.data)
        if record is None or not wanted.matches(record) or not _is_until(record, until):
            continue
        if not wanted.has(record):
            hidden += 1
            continue
        found.append(record)
        if len(found) == most:
            break
    return Last(found[::-1], hidden)


def _is_until(record: dict[str, Any], number: int | None) -> bool:  # any JSON object: it stands in a file
    place = link_of(record) if number is not None else None
    return place is None or number is None or place.number <= number


def time_of(text: str, now: datetime) -> datetime:
    """`2h` before now, or the time that is written, in whole seconds of UTC. Raises UsageError."""
    number, unit = text[:-1], text[-1:]
    moment: datetime | None = None
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) <= len("99999"):
        moment = now - timedelta(seconds=int(number) * _UNITS[unit])
    else:
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text).astimezone(UTC)
    if moment is None or moment.year < _FIRST_YEAR:
        hint = "write such as 30m, 2h, 7d, or 2026-11-25T10:00:00Z"
        raise UsageError(f"`--since {text}` is no time", hint=hint)
    return moment.astimezone(UTC).replace(microsecond=0)


def json_line(record: Record) -> str:
    """The record on one line, in ASCII: nothing in it moves a cursor."""
    return json.dumps(record, separators=(",", ":"))


def row_of(record: Record) -> tuple[str, ...]:
    """One line of the table."""
    facts = _object(record, "additionalEventData")
    error = _text(record, "errorCode")
    return (
        _text(record, "eventTime"),
        _text(record, "eventName"),
        _about(record),
        str(facts.get("store") or ""),
        _who(record),
        " ".join(str(facts[name]) for name in ("command", "program") if facts.get(name)),
        str(facts.get("reason") or ""),
        error or ("held" if facts.get("cached") is True else "ok"),
    )


def _about(record: Record) -> str:
    """The role or secret; of a run, its environment; of what was found wrong, its kind; of lost lines, how many."""
    facts = _object(record, "additionalEventData")
    if record.get("eventName") == LOST:
        return f"{facts.get('lines')} lines"
    return _role(record) or str(
        facts.get("secret") or facts.get("kind") or facts.get("file") or facts.get("environment") or ""
    )


def _role(record: Record) -> str:
    asked = _object(record, "requestParameters")
    if asked.get("roleName"):
        return f"{asked.get('accountId', '')}/{asked['roleName']}"
    return str(asked.get("roleArn") or asked.get("targetPrincipal") or asked.get("name") or "")


def _who(record: Record) -> str:
    identity = _object(record, "userIdentity")
    is_local = identity.get("type") == "Unknown"
    return str(identity.get("arn") or identity.get("accessKeyId") or ("" if is_local else identity.get("userName", "")))


def _object(record: Record, name: str) -> Record:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""
