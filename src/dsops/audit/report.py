"""The answers to the questions of `dsops audit report`, as values: what every format is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that answer one question, in its order."""

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    """Cells are text, whole numbers, aware times in UTC, or None."""

    def records(self) -> list[Mapping[str, object]]:
        """Each row by its columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """Everything that one run of the report has found out."""

    answers: tuple[Answer, ...]
    by: str
    """What the summary is grouped by: role, principal or account."""
    since: datetime | None
    """Only calls at or after it are reported; None: all."""
    boundary: datetime | None
    """Divides old from recent, for what is new; None where there is no call at all."""
    first: datetime | None
    last: datetime | None
    """The times of the first and the last call that was read."""
    calls: int
    records: int
    """Read; copies of a call are records of their own."""
    skipped: int
    """Elements that are no records."""
    left_out: int
    """Lines of dsops' own trail that are a sandbox's."""
    files: int
    unreadable: tuple[tuple[str, str], ...]
    """Path, and why."""
    sources: tuple[str, ...]
    """The folders as the user named them."""

    def answer(self, question: str) -> Answer | None:
        """The answer to it, or None where it was not asked."""
        return next((answer for answer in self.answers if answer.question == question), None)
