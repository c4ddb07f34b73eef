"""The SQL statements that create tables of CloudTrail logs in Athena and Trino, and that copy them to Iceberg.

The columns are those that the questions read. Athena has a reader for CloudTrail's files. Trino reads each file as one
row with an array of records, from which a view makes one row for each record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dsops.audit.cloudtrail.dialects import FIELDS
from dsops.audit.cloudtrail.question import text_literal

_TEXTS = ("requestParameters", "responseElements", "additionalEventData")
"""Columns of JSON text, since their structure depends on the event."""
_DAY = "timestamp"
"""The partition column of days. AWS's documentation names it so; it is a keyword, and therefore quoted."""

Columns = Mapping[str, Any]
"""Column name -> None for text, or the columns of a structure."""


class LogTable(NamedTuple):
    """The logs of a trail, and the names of the tables."""

    location: str
    """The place that contains `AWSLogs`: `s3://BUCKET/PREFIX`."""
    accounts: Sequence[str]
    regions: Sequence[str]
    first_day: str
    """`YYYY-MM-DD`."""
    last_day: str = ""
    """`YYYY-MM-DD`; "" for today, whenever a query runs."""
    organization: str = ""
    """The id of the organization that the trail records; "" for a trail of one account."""
    name: str = "cloudtrail_logs"
    copy_name: str = "cloudtrail_iceberg"

    @property
    def root(self) -> str:
        """The folder of the accounts."""
        return f"{self.location.rstrip('/')}/AWSLogs{f'/{self.organization}' if self.organization else ''}"

    @property
    def template(self) -> str:
        """The folder of one partition."""
        return f"{self.root}/${{account}}/CloudTrail/${{region}}/${{{_DAY}}}"

    @property
    def range(self) -> tuple[str, str]:
        """The first and the last day as partitions have them."""
        return self.first_day.replace("-", "/"), self.last_day.replace("-", "/") or "NOW"


def columns() -> dict[str, Any]:
    """Return the columns of a record that the questions read, with lower-case names, as both engines have them."""
    root: dict[str, Any] = {}
    for path in FIELDS.values():
        first = path.partition(".")[0]
        *outer, last = (first if first in _TEXTS else path).lower().split(".")
        inner = root
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = None
    return root


def athena_statements(logs: LogTable) -> tuple[str, ...]:
    """Return the statements for Athena: the table of the log files, and the Iceberg table with its first copy."""
    first, last = logs.range
    properties = {
        "projection.enabled": "true",
        "projection.account.type": "enum",
        "projection.account.values": ",".join(logs.accounts),
        "projection.region.type": "enum",
        "projection.region.values": ",".join(logs.regions),
        f"projection.{_DAY}.type": "date",
        f"projection.{_DAY}.format": "yyyy/MM/dd",
        f"projection.{_DAY}.interval": "1",
        f"projection.{_DAY}.interval.unit": "DAYS",
        f"projection.{_DAY}.range": f"{first},{last}",
        "storage.location.template": logs.template,
    }
    pairs = ",\n".join(f"  {text_literal(name)}={text_literal(value)}" for name, value in properties.items())
    own = _definitions(columns(), _athena_type)
    partitions = {"account": None, "region": None, _DAY: None}
    raw = f"""CREATE EXTERNAL TABLE {logs.name} (
{own}
)
PARTITIONED BY (account STRING, region STRING, `{_DAY}` STRING)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION {text_literal(f"{logs.root}/")}
TBLPROPERTIES (
{pairs}
)"""
    copy = f"""CREATE TABLE {logs.copy_name} (
{_definitions({**columns(), **partitions}, _athena_type, quote="`")}
)
PARTITIONED BY (`{_DAY}`)
LOCATION {text_literal(f"{logs.location.rstrip('/')}/{logs.copy_name}/")}
TBLPROPERTIES ('table_type'='ICEBERG', 'format'='parquet', 'write_compression'='zstd')"""
    return raw, copy, _copy(logs)


def trino_statements(logs: LogTable, iceberg: str = "iceberg.default") -> tuple[str, ...]:
    """Return the statements for Trino, in the catalog and schema of the session; the copy is in `iceberg`."""
    first, last = logs.range
    record = _definitions(columns(), _trino_type, indent=4)
    copied = _definitions({**columns(), "account": None, "region": None, _DAY: None}, _trino_type, quote='"')
    files_name = f"{logs.name.removesuffix('_logs')}_files"
    raw = f"""CREATE TABLE {files_name} (
  records ARRAY(ROW(
{record})),
  account VARCHAR WITH (
    partition_projection_type = 'ENUM',
    partition_projection_values = {_array(logs.accounts)}),
  region VARCHAR WITH (
    partition_projection_type = 'ENUM',
    partition_projection_values = {_array(logs.regions)}),
  "{_DAY}" VARCHAR WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy/MM/dd',
    partition_projection_range = {_array((first, last))},
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'DAYS')
)
WITH (
  format = 'OPENX_JSON',
  external_location = {text_literal(logs.root)},
  partitioned_by = ARRAY['account', 'region', '{_DAY}'],
  partition_projection_enabled = true,
  partition_projection_location_template = {text_literal(logs.template)}
)"""
    view = f"""CREATE VIEW {logs.name} AS
SELECT record.*, account, region, "{_DAY}"
FROM {files_name} CROSS JOIN UNNEST(records) AS record"""
    copy = f"""CREATE TABLE {iceberg}.{logs.copy_name} (
{copied}
)
WITH (format = 'PARQUET', partitioning = ARRAY['"{_DAY}"'])"""
    return raw, view, copy, _copy(logs, f"{iceberg}.")


def _copy(logs: LogTable, schema: str = "") -> str:
    """Return the statement that copies the records of all days of the table."""
    names = ",\n  ".join((*columns(), "account", "region", f'"{_DAY}"'))
    first, last = logs.range
    until = f" AND \"{_DAY}\" <= '{last}'" if logs.last_day else ""
    return f"""INSERT INTO {schema}{logs.copy_name}
SELECT
  {names}
FROM {logs.name}
WHERE "{_DAY}" >= '{first}'{until}"""


def _definitions(of: Columns, kind: Callable[[Any, int], str], *, indent: int = 2, quote: str = "") -> str:
    """Return the columns with their types, one a line; a keyword is quoted if `quote` is given."""
    space = " " * indent
    shown = {name: f"{quote}{name}{quote}" if name == _DAY else name for name in of}
    return ",\n".join(f"{space}{shown[name]} {kind(inner, indent)}" for name, inner in of.items())


def _athena_type(inner: Any, indent: int) -> str:
    if inner is None:
        return "STRING"
    space = " " * (indent + 2)
    parts = ",\n".join(f"{space}{name}: {_athena_type(kind, indent + 2)}" for name, kind in inner.items())
    return f"STRUCT<\n{parts}>"


def _trino_type(inner: Any, indent: int) -> str:
    if inner is None:
        return "VARCHAR"
    space = " " * (indent + 2)
    parts = ",\n".join(f"{space}{name} {_trino_type(kind, indent + 2)}" for name, kind in inner.items())
    return f"ROW(\n{parts})"


def _array(values: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(text_literal(value) for value in values)}]"
