"""SQL for DuckDB that yields the records of log files as `r`, for `relations.fields`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dsops.audit.cloudtrail.dialects import FIELDS
from dsops.audit.cloudtrail.files import Form
from dsops.audit.cloudtrail.question import text_literal

FILE_NUMBER: Final = "list_extract($numbers, list_position($names, filename))"
"""SQL for the number of the file that is read: `$names` are the paths, `$numbers` their numbers."""


def source(
    files: str, *, form: Form, compression: str, longest_object: int, also: Sequence[str] = (), has_file: bool = False
) -> str:
    """Return SQL for the records of files.

    `files` is SQL for one or more paths; `also` are record paths to read in addition to FIELDS. Each file is read as
    one text, from which only those fields are extracted; `read_json` takes ten times as long. With `has_file`, here
    and below, the column `file` has the FILE_NUMBER of each record.
    """
    structure = _structure((*FIELDS.values(), *also))
    is_lines = form is Form.LINES
    # Without this option, a folder named `json=1` would become a column of that name.
    options = f"format = '{form.value}', compression = '{compression}', hive_partitioning = false"
    options += f", maximum_object_size = {longest_object}" if form is Form.OBJECT else ", ignore_errors = true"
    texts = f"read_json_objects({files}, {options}{', filename = true' if has_file else ''})"
    if is_lines:
        number = f", {FILE_NUMBER} AS file" if has_file else ""
        return f"(SELECT from_json(json, '{json.dumps(structure)}') AS r{number} FROM {texts}) logs"
    return _records_in("json", structure, texts, has_file=has_file)


def text_source(files: str, paths: Sequence[str], *, has_file: bool = False) -> str:
    """Return SQL for the records of files, as `source` does, with the fields of these paths.

    Each file is plain text with one JSON object. The text is parsed once. `read_json_objects` would parse it to find
    the object's end, and `from_json` would parse it again.
    """
    return _records_in("content", _structure(paths), f"read_text({files})", has_file=has_file)


def _records_in(text: str, structure: Mapping[str, Any], texts: str, *, has_file: bool) -> str:
    """SQL with a row for each record in each text. A text without records yields one NULL: a skipped element."""
    rows = f"coalesce(from_json({text}, '{json.dumps({'Records': [structure]})}').Records, [NULL])"
    if not has_file:
        return f"(SELECT unnest({rows}) AS r FROM {texts}) logs"
    return f"(SELECT unnest(rows) AS r, file FROM (SELECT {rows} AS rows, {FILE_NUMBER} AS file FROM {texts})) logs"


def _structure(paths: Sequence[str]) -> dict[str, Any]:
    """Return the fields to read as nested dicts of strings, the form that DuckDB's `from_json` takes."""
    root: dict[str, Any] = {}
    for path in paths:
        inner = root
        *outer, last = path.split(".")
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = "VARCHAR"
    return root


def literal_path(path: str) -> str:
    """Escape the path to a glob pattern that matches only this path."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in os.path.abspath(path))


def parquet(paths: Sequence[str]) -> str:
    """Return SQL that reads Parquet files; "" for no files."""
    names = ", ".join(text_literal(literal_path(path)) for path in paths)
    return f"read_parquet([{names}], hive_partitioning = false)" if paths else ""
