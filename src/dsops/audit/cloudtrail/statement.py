"""Builds one SQL statement for a question, from the table of records to the answer."""

from __future__ import annotations

import re
from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import DUCKDB, Dialect
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions, sql_of
from dsops.audit.cloudtrail.relations import calls, fields, issues, records, uses

_WITH = re.compile(r"\A\s*WITH\s+")


class AskedQuestion(NamedTuple):
    """A question with its options and its SQL statement."""

    question: AuditQuestion
    asked: QuestionOptions
    dialect: Dialect
    source: str
    """The table, or the file pattern, that the statement reads."""
    sql: str
    begin: str
    """The first day to read, `YYYY-MM-DD`; "" for all days."""


class AthenaTarget(NamedTuple):
    """Where an Athena query runs. An empty field falls back to the store, then to the environment, then to AWS."""

    region: str
    workgroup: str
    database: str
    catalog: str
    output: str
    timeout_seconds: float


def whole(question: AuditQuestion, options: QuestionOptions, dialect: Dialect, source: str, where: str = "") -> str:
    """Return one SELECT over `source`, the engine's table or list of files; `where` limits the records."""
    # The table in AWS's documentation has no column `managementevent`. Only the question `events`, which needs the
    # column, reads it.
    without = () if "category" in question.columns or dialect == DUCKDB else ("is_management",)
    relations = {
        "fields": fields(dialect, source, where, without=without),
        "records": records(dialect),
        "calls": calls(),
        "issues": issues(),
        "uses": uses(dialect),
    }
    # Athena reads the table again for each relation that a statement names, so only the needed relations are included.
    needed = list(relations)[: list(relations).index(question.needs) + 1]
    named = ",\n".join(f"{name} AS (\n  {relations[name]})" for name in needed)
    asked_for = sql_of(question, options, dialect)
    further = _WITH.sub("", asked_for)
    joint = ",\n" if further != asked_for else "\n"
    return f"WITH {named}{joint}{further.strip()}\n"


def days_of(begin: str, end: str) -> str:
    """Return an SQL condition that limits Athena's partitions to days (`YYYY-MM-DD`); "" sets no limit.

    The partition column `timestamp` of the documented table has the format `YYYY/MM/DD`.
    """
    bounds = [f"\"timestamp\" >= '{begin.replace('-', '/')}'"] if begin else []
    bounds += [f"\"timestamp\" <= '{end.replace('-', '/')}'"] if end else []
    return " AND ".join(bounds)
