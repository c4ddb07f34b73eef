"""Records of the audit trail as table rows and JSON lines, and the times of `--since`."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dsops.audit.lost_lines import LOST
from dsops.audit.record_filter import Record, object_in, role_in, text_in
from dsops.errors import UsageError

HEADINGS = ("TIME", "EVENT", "WHAT", "STORE", "BY", "COMMAND", "REASON", "RESULT")
LEAST = ("BY", "REASON", "COMMAND", "STORE")
"""The columns that are left out on a narrow terminal, the least important first."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FIRST_YEAR = 1000
"""The first year that has four digits in the records' time format."""


def time_of(text: str, now: datetime) -> datetime:
    """Parse a duration before now (`2h`) or a timestamp; return UTC in whole seconds. Raises UsageError."""
    number, unit = text[:-1], text[-1:]
    moment: datetime | None = None
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) <= len("99999"):
        moment = now - timedelta(seconds=int(number) * _UNITS[unit])
    else:
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text).astimezone(UTC)
    if moment is None or moment.year < _FIRST_YEAR:
        hint = "write a duration such as 30m, 2h or 7d, or a time such as 2026-11-25T10:00:00Z"
        raise UsageError(f"`--since {text}` is not a time", hint=hint)
    return moment.astimezone(UTC).replace(microsecond=0)


def json_line(record: Record) -> str:
    """Format the record as JSON on one line, in ASCII, so that no control characters reach the terminal."""
    return json.dumps(record, separators=(",", ":"))


def row_of(record: Record) -> tuple[str, ...]:
    """Return a record as a row of the table."""
    facts = object_in(record, "additionalEventData")
    error = text_in(record, "errorCode")
    return (
        text_in(record, "eventTime"),
        text_in(record, "eventName"),
        _about(record),
        str(facts.get("store") or ""),
        _who(record),
        " ".join(str(facts[name]) for name in ("command", "program") if facts.get(name)),
        str(facts.get("reason") or ""),
        error or ("held" if facts.get("cached") is True else "ok"),
    )


def _about(record: Record) -> str:
    """Return the subject of a record, such as a role, secret, environment or resource, or the number of lost lines."""
    facts = object_in(record, "additionalEventData")
    if record.get("eventName") == LOST:
        return f"{facts.get('lines')} lines"
    return role_in(record) or str(
        next((facts[name] for name in ("secret", "kind", "file", "environment", "resource") if facts.get(name)), "")
    )


def _who(record: Record) -> str:
    identity = object_in(record, "userIdentity")
    is_local = identity.get("type") == "Unknown"
    return str(identity.get("arn") or identity.get("accessKeyId") or ("" if is_local else identity.get("userName", "")))
