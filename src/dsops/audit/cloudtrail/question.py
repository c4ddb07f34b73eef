"""A question of the report, and its SQL for an engine.

The SQL reads the relations `calls`, `issues` and `uses`. Its placeholders:

- `$since` and `$boundary`: timestamps
- `$by`: the grouping of `summary`
- `$session`: the text that the user passed
- `$median(x)`: replaced by the engine's function

Output columns are in double quotes, since `first` and `last` are keywords of Athena.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import Dialect

BY = {
    "role": "role",
    "principal": "principal",
    "account": "CASE WHEN from_account = '' THEN '-' ELSE from_account END || ' > ' || "
    "CASE WHEN to_account = '' THEN '-' ELSE to_account END",
}
"""The groupings of `summary`, and their SQL."""

FAILED_CALLS = "sum(CASE WHEN code <> '' THEN 1 ELSE 0 END)"
ISSUED_SESSIONS = "sum(CASE WHEN is_session THEN 1 ELSE 0 END)"
"""SQL that counts the failed calls, and SQL that counts the calls that issued a session."""

_PLACE = re.compile(r"\$(?:median\((?P<of>[^()]*)\)|(?P<word>[a-z]+))")


class AuditQuestion(NamedTuple):
    """A question that `dsops audit report` answers."""

    name: str
    asks: str
    """The question in one line."""
    columns: tuple[str, ...]
    sql: str
    needs: str = "issues"
    """The relation that the question reads: `calls`, `issues`, or `uses` (issues with the use of each session)."""


class QuestionOptions(NamedTuple):
    """The user's options, which limit the records that the questions read."""

    since: datetime | None = None
    """The earliest time of reported calls; all times here are in UTC."""
    boundary: datetime | None = None
    """The time from which calls count as recent; if None, `since`, or else a day before the latest call."""
    by: str = "role"
    session: str = ""


def make_question(name: str, asks: str, columns: str, sql: str, needs: str = "issues") -> AuditQuestion:
    """Return a question; `columns` has the names of the columns with spaces between them."""
    return AuditQuestion(name, asks, tuple(columns.split()), sql.strip("\n"), needs)


def sql_of(question: AuditQuestion, options: QuestionOptions, dialect: Dialect) -> str:
    """Return the question's SQL for an engine, over the relations that it needs."""
    day_before = dialect.later.format(time="max(call_time)", seconds="-86400")
    boundary = options.boundary or options.since
    words = {
        "since": _timestamp(options.since or datetime.min),  # noqa: DTZ901 - UTC is what timestamps are in
        "boundary": _timestamp(boundary) if boundary else f"(SELECT {day_before} FROM calls)",
        "by": BY[options.by],
        "session": text_literal(options.session),
    }

    def filled(match: re.Match[str]) -> str:
        return words[match["word"]] if match["word"] else dialect.median.format(match["of"])

    return _PLACE.sub(filled, question.sql)


def text_literal(text: str) -> str:
    """Text as an SQL literal: in single quotes, with quotes inside doubled; no other character has a meaning there."""
    return "'" + text.replace("'", "''") + "'"


def text_list(words: tuple[str, ...]) -> str:
    """The words as an SQL list, `'a', 'b'`; they are constants of dsops without quotes."""
    return ", ".join(f"'{word}'" for word in words)


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(' ', 'seconds')}'"
