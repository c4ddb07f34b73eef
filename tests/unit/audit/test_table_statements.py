"""`audit prepare --ddl`: the statements for Athena and Trino have the columns that the questions read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from dsops.audit.cloudtrail.dialects import FIELDS
from dsops.audit.preparing.table_statements import LogTable, athena_statements, columns, trino_statements

LOGS = LogTable(
    location="s3://bucket/trail/",
    accounts=("111122223333", "222233334444"),
    regions=("us-east-1", "eu-west-1"),
    first_day="2026-01-01",
    organization="o-exampleorgid",
)
PLACE = "s3://bucket/trail/AWSLogs/o-exampleorgid/${account}/CloudTrail/${region}/${timestamp}"


def paths(of: Any, before: str = "") -> set[str]:
    """The names of columns of text, nested ones with those of their structures."""
    names = ((f"{before}{name}", inner) for name, inner in of.items())
    return set().union(*({name} if inner is None else paths(inner, f"{name}.") for name, inner in names))


def test_the_columns_are_those_that_are_read() -> None:
    """The table has each field that a question reads, and request parameters and the like as one text."""
    texts = ("requestParameters", "responseElements", "additionalEventData")
    fields = {next((text for text in texts if path.startswith(text)), path).lower() for path in FIELDS.values()}
    assert fields == paths(columns())


@pytest.mark.parametrize(
    ("statements", "engine"), [(athena_statements(LOGS), "athena"), (trino_statements(LOGS), "trino")]
)
def test_each_engines_parser_reads_the_statements(statements: tuple[str, ...], engine: str) -> None:
    """Each engine's parser reads each statement; the last one copies all columns into the Iceberg table."""
    parsed: list[Any] = [  # the parser of a statement has no type for its parts
        sqlglot.parse_one(statement, dialect=engine) for statement in statements
    ]
    *creates, insert = parsed
    assert all(isinstance(each, exp.Create) for each in creates)
    assert isinstance(insert, exp.Insert)
    copied = [column.name for column in creates[-1].this.expressions]
    assert copied == [column.alias_or_name for column in insert.expression.expressions]
    assert copied == [*columns(), "account", "region", "timestamp"]


def test_the_place_of_a_partition_has_account_region_and_day() -> None:
    """Both engines project partitions by account, region and day, in the folders of an organization's trail."""
    athena, trino = athena_statements(LOGS)[0], trino_statements(LOGS)[0]
    assert f"'storage.location.template'='{PLACE}'" in athena
    assert f"partition_projection_location_template = '{PLACE}'" in trino
    assert "'projection.account.values'='111122223333,222233334444'" in athena
    assert "partition_projection_values = ARRAY['111122223333', '222233334444']" in trino
    assert "'projection.timestamp.range'='2026/01/01,NOW'" in athena
    own = LOGS._replace(organization="", last_day="2026-03-31")
    assert own.root == "s3://bucket/trail/AWSLogs"
    assert "partition_projection_range = ARRAY['2026/01/01', '2026/03/31']" in trino_statements(own)[0]
    assert "\"timestamp\" <= '2026/03/31'" in trino_statements(own)[-1]


def statements_of(page: str) -> list[str]:
    """The SQL statements of a how-to page."""
    text = (Path(__file__).parents[3] / "docs" / "how-to" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [statement.strip() for block in blocks for statement in block.split(";") if statement.strip()]


def test_the_pages_have_the_statements_that_are_printed() -> None:
    """The tables in docs/how-to/audit-sql.md and trino.md are those of `audit prepare --ddl`, with example values."""
    logs = LOGS._replace(location="s3://BUCKET", organization="")
    assert statements_of("audit-sql.md")[0] == athena_statements(logs)[0]
    assert statements_of("trino.md")[:2] == list(trino_statements(logs)[:2])
