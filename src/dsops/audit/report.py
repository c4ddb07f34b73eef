"""The answers of `dsops audit report` as values, from which every output format is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that answer one question, in order."""

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    """The rows. Cells are text, integers, aware times in UTC, or None."""

    def records(self) -> list[Mapping[str, object]]:
        """Return the rows as dicts, by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def matching(self, text: str) -> Answer:
        """Return the answer with only those rows that have the text in one of their cells."""
        rows = (row for row in self.rows if any(isinstance(cell, str) and text in cell for cell in row))
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """All results of one run of the report."""

    answers: tuple[Answer, ...]
    by: str
    """The grouping of the summary: role, principal or account."""
    since: datetime | None
    """The report covers only calls from this time on; None for all calls."""
    boundary: datetime | None
    """The time from which calls are considered new, for questions about new principals. None if there are no calls."""
    first: datetime | None
    last: datetime | None
    """The time of the last call; `first` is the time of the first call."""
    calls: int
    records: int
    """The number of records read; each copy of a call is counted."""
    skipped: int
    """The number of elements in the logs that are not records."""
    left_out: int
    """The number of records of dsops' own trail that were left out because they were made in a sandbox."""
    files: int | None
    """The number of log files; None for a table of an engine, which does not say how many it read."""
    unreadable: tuple[tuple[str, str], ...]
    """The path of each unreadable file, and the reason."""
    sources: tuple[str, ...]
    """The log folders, as the user named them."""
    command: str = "dsops audit report"
    """The command that makes this report, without output flags. Findings add flags to it."""
    match: str = ""
    """The text by which the rows are filtered; "" if the report has all rows."""
    defects: tuple[str, ...] = ()
    """The defects that the verification of dsops' own trail found; empty for a report on other logs."""

    def answer(self, question: str) -> Answer | None:
        """Return the answer to that question; None if the report does not include the question."""
        return next((answer for answer in self.answers if answer.question == question), None)

    def matching(self, text: str) -> AuditReport:
        """Return the report with only the rows that contain the text in one of their cells; counts stay the same."""
        return replace(self, answers=tuple(answer.matching(text) for answer in self.answers), match=text)
