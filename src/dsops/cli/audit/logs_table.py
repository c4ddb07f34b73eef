"""The flags that say which table of logs an engine reads, and which days of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from dsops.audit.cloudtrail.question import AuditQuestion
from dsops.audit.cloudtrail.questions import CHAINS, HISTORY
from dsops.audit.cloudtrail.unusual_questions import NEW_ACCOUNTS, NEW_ADDRESSES, NEW_PRINCIPALS
from dsops.cli.framework.command import Arguments
from dsops.errors import UsageError

DEFAULT_TABLE = "cloudtrail_logs"
_MONTH = timedelta(days=30)
_READ_BEFORE: Mapping[str, timedelta] = {
    **dict.fromkeys((each.name for each in (NEW_PRINCIPALS, NEW_ACCOUNTS, NEW_ADDRESSES, HISTORY)), _MONTH),
    # A session of GetSessionToken lasts up to 36 hours, and each further session of a chain up to 12 hours.
    CHAINS.name: timedelta(days=5),
}
"""How far before `--since` a query reads logs: what is new compares with earlier calls, and a chain begins earlier."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TABLE_NAME = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_]*|"[^"\0]+")(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|"[^"\0]+")){0,2}')


def table_in(arguments: Arguments) -> str:
    """Return the table that `--from` names, or the default. Raises UsageError for another text than a name."""
    named = arguments.text("--from")
    if named and not _TABLE_NAME.fullmatch(named):
        hint = "write TABLE or DATABASE.TABLE, with double quotes around unusual names"
        raise UsageError(f"`--from {named}` is not a table name", hint=hint)
    return named or DEFAULT_TABLE


def days_in(
    arguments: Arguments, question: AuditQuestion | None = None, since: datetime | None = None
) -> tuple[str, str]:
    """Return the first and the last day of logs to read; "" for no limit.

    With a question, `since` limits the first day, if `--begin` does not. Raises UsageError.
    """
    days = []
    for flag in ("--begin", "--end"):
        day = arguments.text(flag)
        if day and not (_DAY.fullmatch(day) and _is_day(day)):
            raise UsageError(f"`{flag} {day}` is not a date", hint="write a date such as 2026-11-20")
        days.append(day)
    begin, end = days
    if question is not None and since is not None and not begin:
        begin = f"{since - _READ_BEFORE.get(question.name, timedelta()):%Y-%m-%d}"
    if begin and end and begin > end:
        raise UsageError(f"`--begin {begin}` is after `--end {end}`", hint="swap the two days")
    return begin, end


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True
