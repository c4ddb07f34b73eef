"""A question about CloudTrail's logs as the command line asks it, and where Athena answers it."""

from __future__ import annotations

from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import Dialect
from dsops.audit.cloudtrail.questions import AuditQuestion, QuestionOptions


class AskedQuestion(NamedTuple):
    """A question with its options, and the statement that asks it."""

    question: AuditQuestion
    asked: QuestionOptions
    dialect: Dialect
    source: str
    """The table, the id of the event data store, or the pattern of files."""
    sql: str
    begin: str
    """The first day to read; "" for all days."""


class AthenaTarget(NamedTuple):
    """Where a query runs; "" leaves the choice to the store, the environment or AWS."""

    region: str
    workgroup: str
    database: str
    catalog: str
    output: str
    timeout_seconds: float
