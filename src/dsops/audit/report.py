"""The answers of `dsops audit report` as values, from which every output format is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that answer one question, in order."""

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    """Cells are text, integers, aware times in UTC, or None."""

    def records(self) -> list[Mapping[str, object]]:
        """The rows as dicts, by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """Everything that one run of the report has found out."""

    answers: tuple[Answer, ...]
    by: str
    """What the summary is grouped by: role, principal or account."""
    since: datetime | None
    """Only calls from then on are reported; None for all."""
    boundary: datetime | None
    """Divides old from new, for the questions about new principals; None without any call."""
    first: datetime | None
    last: datetime | None
    """The times of the first and the last call."""
    calls: int
    records: int
    """Records that were read; copies of one call are counted each."""
    skipped: int
    """Elements of the logs that are no records."""
    left_out: int
    """Records of dsops' own trail that were made in a sandbox."""
    files: int
    unreadable: tuple[tuple[str, str], ...]
    """Path and reason."""
    sources: tuple[str, ...]
    """The folders as the user named them."""

    def answer(self, question: str) -> Answer | None:
        """The answer to that question; None if it was not asked."""
        return next((answer for answer in self.answers if answer.question == question), None)
