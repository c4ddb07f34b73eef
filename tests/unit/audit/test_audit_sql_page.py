"""docs/how-to/audit-sql.md: its CREATE TABLE has exactly the columns that the questions read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from dsops.audit.cloudtrail.dialects import ATHENA, FIELDS
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import QUESTIONS
from dsops.audit.cloudtrail.statement import days_of, whole

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "audit-sql.md"


def table() -> Any:
    """Return the page's CREATE TABLE statement."""
    (block,) = re.findall(r"^```sql\n(CREATE .*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (statement,) = sqlglot.parse(block, dialect="athena")
    assert isinstance(statement, exp.Create)
    return statement


def paths(columns: Any, before: str = "") -> set[str]:
    """Return the column names, nested ones with their parents' names; each has the type text."""
    collected: set[str] = set()
    for column in columns:
        name, kind = f"{before}{column.name}", column.args["kind"]
        if kind.this is exp.DataType.Type.STRUCT:
            collected |= paths(kind.expressions, f"{name}.")
        else:
            assert kind.this is exp.DataType.Type.TEXT, name
            collected.add(name)
    return collected


def read() -> set[str]:
    """Return the columns that the questions read in Athena."""
    texts = {ATHENA.field(path) for path in FIELDS.values()}
    nested = {re.sub(r"json_extract_scalar\(CAST\((\w+) AS JSON\), '\$(.*)'\)", r"\1\2", text) for text in texts}
    return {re.sub(r"json_extract_scalar\((\w+), .*", r"\1", text) for text in nested}


def test_its_columns_are_those_that_are_read() -> None:
    """The table that the page on `audit sql` creates has exactly the columns that the questions read."""
    assert read() == paths(table().this.expressions)


def test_it_has_the_partition_by_which_days_are_chosen() -> None:
    """The page's table has the day filter's columns as projected date partitions; its path contains them all."""
    statement = table()
    partitions = [column.name for column in statement.find(exp.PartitionedByProperty).this.expressions]
    properties = {
        table_property.name: table_property.args["value"].name
        for table_property in statement.find_all(exp.Property)
        if type(table_property) is exp.Property
    }
    assert "timestamp" in partitions
    assert "\"timestamp\" >= '2026/11/20'" == days_of("2026-11-20", "")
    assert properties["projection.timestamp.format"] == "yyyy/MM/dd"
    assert {f"projection.{name}.type" for name in partitions} <= set(properties)
    assert set(partitions) == set(re.findall(r"\$\{(\w+)\}", properties["storage.location.template"]))


def test_what_it_is_called_is_what_is_asked() -> None:
    """The table that the page creates has the default name of `--from`."""
    assert table().this.this.name == "cloudtrail_logs"


def reads(question: AuditQuestion, since: datetime | None) -> int:
    """Return how often the statement reads the table, with every named relation expanded."""
    text = whole(question, QuestionOptions(since=since, session="x"), ATHENA, "logs")
    statement: Any = sqlglot.parse_one(text, dialect="athena")
    relations = {relation.alias: relation.this for relation in statement.find_all(exp.CTE)}
    statement.set("with_", None)

    def count(part: Any) -> int:
        return sum(
            1 if relation.name == "logs" else count(relations[relation.name]) for relation in part.find_all(exp.Table)
        )

    return count(statement)


def test_how_often_a_question_names_the_table_is_told() -> None:
    """The page says how often each query reads the table, because Athena bills each reading."""
    rows = re.findall(r"^\| (\d+) times? \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    result_text = {name: int(number) for number, names in rows for name in re.findall(r"`([\w-]+)`", names)}
    since = {name: reads(question, datetime(2026, 11, 20, tzinfo=UTC)) for name, question in QUESTIONS.items()}
    without = {name: reads(question, None) for name, question in QUESTIONS.items()}

    assert since == {name: result_text.get(name, 1) for name in QUESTIONS}
    assert since | {"new-principals": 4, "new-accounts": 4, "new-addresses": 4} == without
