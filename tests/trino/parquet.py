"""Writes the records of CloudTrail logs as Parquet files with the columns of docs/how-to/trino.md, for large tables.

The page's statements read each log file as one row and copy the rows in Trino. DuckDB writes the same rows in a tenth
of the time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from dsops.audit.cloudtrail.dialects import FIELDS
from dsops.audit.preparing.table_statements import columns

_MOST_OBJECT = 256 << 20


def write_parquet(logs: Path, target: Path) -> None:
    """Write the records of all `*.json.gz` files below `logs` into the new folder `target`."""
    names = {part.lower(): part for path in FIELDS.values() for part in path.split(".")}
    structure = json.dumps({"Records": [_structure(columns(), names)]})
    chosen = ",\n  ".join(
        f"{_expression(inner, f'r.{names[name]}', names)} AS {name}" for name, inner in columns().items()
    )
    texts = f"read_json_objects('{logs}/**/*.json.gz', format = 'unstructured', maximum_object_size = {_MOST_OBJECT})"
    connection = duckdb.connect(config={"preserve_insertion_order": False})
    try:
        connection.execute("SET enable_progress_bar = false")
        statement = f"""COPY (
  SELECT {chosen}
  FROM (SELECT unnest(from_json(json, '{structure}').Records) AS r FROM {texts}))
TO '{target}' (FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '32MB', ROW_GROUP_SIZE 50000)"""  # noqa: S608 - the paths are the test's own
        connection.execute(statement)
    finally:
        connection.close()


def create_parquet_table(run: Callable[[str], object], files: Path, tables: Path, name: str) -> None:
    """Create the table `name` of these Parquet files in an engine whose local folder is `tables`."""
    shutil.copytree(files, tables / name, copy_function=os.link)
    defined = ",\n  ".join(f"{column} {_type(inner)}" for column, inner in columns().items())
    run(f"CREATE TABLE {name} (\n  {defined}\n) WITH (format = 'PARQUET', external_location = 'local:///{name}')")


def _structure(of: Any, names: dict[str, str]) -> Any:
    """The columns with the names of a record, as DuckDB's `from_json` takes them."""
    return "VARCHAR" if of is None else {names[name]: _structure(inner, names) for name, inner in of.items()}


def _expression(inner: Any, path: str, names: dict[str, str]) -> str:
    if inner is None:
        return path
    fields = (f"'{name}': {_expression(kind, f'{path}.{names[name]}', names)}" for name, kind in inner.items())
    return f"{{{', '.join(fields)}}}"


def _type(inner: Any) -> str:
    if inner is None:
        return "VARCHAR"
    return f"ROW({', '.join(f'{name} {_type(kind)}' for name, kind in inner.items())})"
