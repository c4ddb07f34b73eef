"""A question as one statement, from the table of records to the answer."""

from __future__ import annotations

import re
from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import ATHENA, LAKE, Dialect
from dsops.audit.cloudtrail.questions import AuditQuestion, QuestionOptions, sql_of
from dsops.audit.cloudtrail.relations import calls, fields, issues, records, uses

_WITH = re.compile(r"\A\s*WITH\s+")


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


def whole(question: AuditQuestion, asked: QuestionOptions, dialect: Dialect, source: str, where: str = "") -> str:
    """One SELECT, over what `source` is to that engine; `where` says which records are looked at."""
    relations = {
        "fields": fields(dialect, source, where),
        "records": records(dialect),
        "calls": calls(),
        "issues": issues(),
        "uses": uses(dialect),
    }
    # Athena and CloudTrail Lake read the table anew wherever a relation stands: none is named without need.
    needed = list(relations)[: list(relations).index(question.needs) + 1]
    named = ",\n".join(f"{name} AS (\n  {relations[name]})" for name in needed)
    asked_for = sql_of(question, asked, dialect)
    further = _WITH.sub("", asked_for)
    joint = ",\n" if further != asked_for else "\n"
    return f"WITH {named}{joint}{further.strip()}\n"


def days_of(dialect: Dialect, begin: str, end: str) -> str:
    """Which partitions are read: those of the days from `begin` to `end`, `YYYY-MM-DD`, either "" for open.

    Athena: the partition column `timestamp` of the documented table, written `YYYY/MM/DD`.
    """
    if dialect == ATHENA:
        bounds = [f"\"timestamp\" >= '{begin.replace('-', '/')}'"] if begin else []
        bounds += [f"\"timestamp\" <= '{end.replace('-', '/')}'"] if end else []
    elif dialect == LAKE:
        bounds = [f"eventtime >= '{begin} 00:00:00'"] if begin else []
        bounds += [f"eventtime <= '{end} 23:59:59'"] if end else []
    else:
        bounds = []
    return " AND ".join(bounds)
