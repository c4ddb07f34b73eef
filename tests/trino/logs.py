"""Copies CloudTrail logs so that a Trino table over the raw files can read them, and creates the page's tables."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "trino.md"
_ACCOUNT, _REGION, _LAST_DAY = "000000000000", "us-east-1", "2026/10/31"
"""The partition of records whose path has no day, such as those of dsops' own trail; its account and region are those
of all records.
"""
_LINE_RECORDS = 200

Run = Callable[[str], object]
"""Runs a statement in the engine."""


class Layout(NamedTuple):
    """The partitions of a table of logs."""

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    days: tuple[str, str]
    """The first and the last day."""


def copy_logs(source: Path, target: Path) -> tuple[Layout, tuple[str, ...]]:
    """Copy the records of all files below `source` into `target/AWSLogs`; return its layout and the damaged files.

    Trino's reader of JSON ends with an error where DuckDB and Athena's reader of CloudTrail logs go on. Therefore the
    copy lacks damaged files, elements that are not objects, and callers that are not objects. The records of all
    accounts and regions are in one partition for each day, because each further partition costs time in each query.
    """
    records: dict[str, list[Any]] = defaultdict(list)
    unreadable = []
    for path in sorted(each for each in source.rglob("*") if each.is_file() and _is_log(each)):
        try:
            found = list(_records_in(path))
        except (OSError, EOFError, ValueError, zlib.error):
            unreadable.append(str(path.relative_to(source)))
            continue
        records[_day(path)] += [_readable(record) for record in found if isinstance(record, dict)]
    for day, elements in records.items():
        folder = target / "AWSLogs" / _ACCOUNT / "CloudTrail" / _REGION / day
        folder.mkdir(parents=True)
        parts = [elements[start : start + _LINE_RECORDS] for start in range(0, len(elements), _LINE_RECORDS)]
        text = "".join(json.dumps({"Records": part}) + "\n" for part in parts)
        (folder / "logs.json.gz").write_bytes(gzip.compress(text.encode(), 1, mtime=0))
    return Layout((_ACCOUNT,), (_REGION,), (min(records), max(records))), tuple(unreadable)


def layout_of(folder: Path) -> Layout:
    """The layout of logs as CloudTrail delivers them."""
    parts = [path.relative_to(folder).parts for path in folder.glob("AWSLogs/*/CloudTrail/*/*/*/*")]
    accounts, regions = ({part[number] for part in parts} for number in (1, 3))
    days = {"/".join(part[4:7]) for part in parts}
    return Layout(tuple(sorted(accounts)), tuple(sorted(regions)), (min(days), max(days)))


def _is_log(path: Path) -> bool:
    return path.name.endswith((".json", ".json.gz", ".jsonl")) and "CloudTrail-Digest" not in path.name


def _records_in(path: Path) -> Iterator[Any]:
    """Yield the elements of a file's list of records. Raises OSError, EOFError, ValueError or zlib.error."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if path.suffix == ".jsonl":
        for line in text.splitlines():
            with suppress(ValueError):
                yield json.loads(line)
        return
    found = json.loads(text)
    yield from (found.get("Records") or []) if isinstance(found, dict) else []


def _day(path: Path) -> str:
    """The day in a file's path: `2026/10/31`."""
    match = re.search(r"AWSLogs/\d+/CloudTrail/[^/]+/(\d{4}/\d\d/\d\d)/", path.as_posix())
    return match[1] if match else _LAST_DAY


def _readable(record: dict[str, Any]) -> dict[str, Any]:
    identity = record.get("userIdentity")
    return record if identity is None or isinstance(identity, dict) else {**record, "userIdentity": None}


def statements() -> list[str]:
    """The SQL statements of docs/how-to/trino.md."""
    blocks = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [statement.strip() for block in blocks for statement in block.split(";") if statement.strip()]


def create_tables(run: Run, layout: Layout, folder: str, name: str) -> None:
    """Run the page's statements for the copy in `local:///FOLDER`; the view is called `name`."""
    for statement in statements():
        run(adapted(statement, layout, folder, name))


def adapted(statement: str, layout: Layout, folder: str, name: str) -> str:
    """The page's statement with the accounts, regions, days and place of a copy."""
    statement = statement.replace("s3://BUCKET", f"local:///{folder}").replace("cloudtrail_files", f"{name}_files")
    statement = re.sub(r"\bcloudtrail_logs\b", name, statement).replace("cloudtrail_parquet", f"{name}_parquet")
    for example, values in (
        ("'111122223333', '222233334444'", layout.accounts),
        ("'us-east-1', 'eu-west-1'", layout.regions),
        ("'2026/01/01', 'NOW'", layout.days),
    ):
        statement = statement.replace(f"ARRAY[{example}]", f"ARRAY[{_quoted(values)}]")
    return statement


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
