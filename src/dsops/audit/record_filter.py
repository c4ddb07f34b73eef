"""Filters the audit trail's records, and reads the last records that pass the filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dsops.audit.chain import link_of, record_in
from dsops.audit.reading import Line, is_of_sandbox, last_lines

Record = Mapping[str, Any]  # Any: a file may contain any JSON object.

_MOST_LINES = 1 << 62
_MORE = 8


class RecordFilter(NamedTuple):
    """The criteria for records to show; a criterion that is "" or False excludes no record."""

    event: str = ""
    store: str = ""
    role: str = ""
    secret: str = ""
    reason: str = ""
    since: str = ""
    """The earliest time, in the records' format: 2026-11-25T10:00:00Z."""
    failed: bool = False
    guard: bool = False
    """Whether only requests of commands with a guard pass the filter."""
    sandbox: bool = False
    """Whether records of a sandbox pass the filter."""

    def has(self, record: Record) -> bool:
        """Return whether the record passes the filter."""
        return self.matches(record) and (self.sandbox or not is_of_sandbox(record))

    def matches(self, record: Record) -> bool:
        """Return whether the record passes all criteria except `sandbox`."""
        facts = object_in(record, "additionalEventData")
        return (
            (not self.event or text_in(record, "eventName").lower() == self.event.lower())
            and (not self.store or facts.get("store") == self.store)
            and (not self.role or self.role in role_in(record))
            and (not self.secret or self.secret in str(facts.get("secret", "")))
            and (not self.reason or self.reason.lower() in str(facts.get("reason", "")).lower())
            and (not self.since or text_in(record, "eventTime") >= self.since)
            and (not self.failed or "errorCode" in record)
            and (not self.guard or "guard" in facts)
        )


class LastRecords(NamedTuple):
    """The last records that pass a filter, and the number of sandbox records that were skipped."""

    records: list[Record]
    """The records, oldest first."""
    hidden: int
    """The number of a sandbox's records that were left out."""


def last_records(files: Sequence[str], most: int, filter_: RecordFilter, *, until: int | None = None) -> LastRecords:
    """Return the last `most` records that pass, up to the record number `until`. Raises TrailUnreadable."""
    passed: list[Record] = []
    hidden = 0
    for file in reversed(files):
        reach = most if filter_._replace(sandbox=False) == RecordFilter() and until is None else _MOST_LINES
        while len(passed) < most:
            lines = last_lines(file, reach)
            of_file, skipped = _last(lines, most - len(passed), filter_, until)
            if len(lines) < reach or len(passed) + len(of_file) >= most:
                passed, hidden = of_file + passed, hidden + skipped
                break
            reach *= _MORE  # too few of the lines read so far match the filter, so more lines are read
    return LastRecords(passed, hidden)


def _last(lines: Sequence[Line], most: int, filter_: RecordFilter, until: int | None) -> LastRecords:
    """Return the last `most` records of these lines that pass the filter."""
    passed: list[Record] = []
    hidden = 0
    for line in reversed(lines):
        record = record_in(line.data)
        if record is None or not filter_.matches(record) or not _is_until(record, until):
            continue
        if not filter_.has(record):
            hidden += 1
            continue
        passed.append(record)
        if len(passed) == most:
            break
    return LastRecords(passed[::-1], hidden)


def _is_until(record: dict[str, Any], number: int | None) -> bool:  # Any: a file may contain any JSON object.
    place = link_of(record) if number is not None else None
    return place is None or number is None or place.number <= number


def role_in(record: Record) -> str:
    """Return the role that a record concerns; "" if there is none."""
    parameters = object_in(record, "requestParameters")
    if parameters.get("roleName"):
        return f"{parameters.get('accountId', '')}/{parameters['roleName']}"
    return str(parameters.get("roleArn") or parameters.get("targetPrincipal") or parameters.get("name") or "")


def object_in(record: Record, name: str) -> Record:
    """Return the member of that name if it is an object; otherwise an empty object."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def text_in(record: Record, name: str) -> str:
    """Return the member of that name if it is a string; otherwise ""."""
    value = record.get(name)
    return value if isinstance(value, str) else ""
