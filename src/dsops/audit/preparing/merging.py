"""Merges the records of new log files into the Parquet files of a prepared folder, with SQL for DuckDB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from dsops.audit.cloudtrail.duck import NO_CALL, CallDatabase
from dsops.audit.cloudtrail.log_sql import parquet
from dsops.audit.cloudtrail.prepared import COPIED, ISSUES, KEYS, OTHERS, Day, LogCounts, Prepared, file_of
from dsops.audit.cloudtrail.question import text_literal
from dsops.audit.cloudtrail.relations import COPIES

_KINDS = {
    ISSUES: ("NOT is_copy AND role <> ''", "* EXCLUDE (is_copy)", "ORDER BY role, call_time"),
    OTHERS: ("NOT is_copy AND role = ''", "* EXCLUDE (is_copy)", "ORDER BY service, call_name, code, call_time"),
    COPIED: ("is_copy", "* EXCLUDE (is_copy)", "ORDER BY call_id"),
    KEYS: (
        "NOT is_copy AND signed_by <> ''",
        "signed_by, max(call_time) AS call_time",
        "GROUP BY signed_by ORDER BY signed_by",
    ),
}
"""Each kind of file: the condition for its rows, its columns, and the order, which makes the file small."""
_MODE = 0o600


def count_records(database: CallDatabase) -> dict[int, LogCounts]:
    """Return what each file contains, by its number, and remove what is not a record."""
    counts: dict[int, LogCounts] = {}
    for number, is_sandbox, elements, skipped in database.rows(
        f"SELECT file, is_sandbox, count(*), count(*) FILTER ({NO_CALL}) FROM records GROUP BY ALL"
    ):
        so_far = counts.get(number, LogCounts())
        found = {"sandbox_records": elements - skipped, "sandbox_skipped": skipped}
        if not is_sandbox:
            found = {"records": elements - skipped, "skipped": skipped}
        counts[number] = so_far._replace(**found)
    database.rows(f"DELETE FROM records WHERE {NO_CALL}")
    return counts


def merge(database: CallDatabase, prepared: Prepared, gone: Sequence[int]) -> dict[str, Day]:
    """Write new files for the days that the new records, or the removal of gone files, change; return all days.

    Of each call one record counts, wherever its copies are. Records of other days are not read, except for the ids of
    their calls.
    """
    numbers = ", ".join(map(str, gone)) or "-1"
    database.rows("ALTER TABLE records ADD COLUMN is_copy BOOLEAN DEFAULT FALSE")
    stored = _stored(prepared, prepared.days)
    database.rows(f"""CREATE TEMP TABLE touched AS
      SELECT call_id FROM records UNION SELECT call_id FROM {stored} WHERE file IN ({numbers})""")
    days = [
        day.isoformat()
        for (day,) in database.rows(f"""SELECT call_time::DATE FROM records UNION
      SELECT call_time::DATE FROM {stored} WHERE call_id IN (FROM touched) ORDER BY 1""")
    ]
    known = [day for day in days if day in prepared.days]
    database.rows(f"INSERT INTO records BY NAME SELECT * FROM {_stored(prepared, known)} WHERE file NOT IN ({numbers})")
    _mark_copies(database)
    merged = {day: state for day, state in prepared.days.items() if day not in days}
    for day in days:
        state = _write_day(database, prepared, day)
        if state.kinds:
            merged[day] = state
    return merged


def _stored(prepared: Prepared, days: Iterable[str]) -> str:
    """Return SQL for the stored records of these days; `is_copy` tells those that do not count."""
    chosen = list(days)
    calls = parquet(prepared.paths((ISSUES, OTHERS), chosen))
    copies = parquet(prepared.paths((COPIED,), chosen))
    parts = [f"SELECT *, FALSE AS is_copy FROM {calls}"] if calls else []
    parts += [f"SELECT *, TRUE AS is_copy FROM {copies}"] if copies else []
    return f"({' UNION ALL BY NAME '.join(parts) or 'SELECT * FROM records LIMIT 0'}) stored"


def _mark_copies(database: CallDatabase) -> None:
    """Decide again which record counts, for each call with a new or a removed record."""
    database.rows("UPDATE records SET is_copy = FALSE WHERE is_copy AND call_id IN (FROM touched)")
    database.rows("""CREATE TEMP TABLE several AS
      SELECT call_id FROM records WHERE call_id IN (FROM touched) GROUP BY call_id HAVING count(*) > 1""")
    database.rows(f"""UPDATE records SET is_copy = TRUE WHERE rowid IN (
      SELECT id FROM (SELECT rowid AS id, {COPIES} FROM records WHERE call_id IN (FROM several))
      WHERE copy > 1)""")


def _write_day(database: CallDatabase, prepared: Prepared, day: str) -> Day:
    """Write the files of one day for the next generation."""
    generation = prepared.generation + 1
    start = f"TIMESTAMP '{day}'"
    of_day = f"records WHERE call_time >= {start} AND call_time < {start} + INTERVAL 1 DAY"
    os.makedirs(os.path.dirname(file_of(prepared.folder, day, ISSUES, generation)), 0o700, exist_ok=True)
    numbers = ", ".join(f"count(*) FILTER ({condition})" for condition, _, _ in _KINDS.values())
    times = "min(call_time) FILTER (NOT is_copy), max(call_time) FILTER (NOT is_copy)"
    *found, first, last = database.rows(f"SELECT {numbers}, {times} FROM {of_day}")[0]
    counts = dict(zip(_KINDS, found, strict=True))
    for kind, (condition, columns, order) in _KINDS.items():
        if counts[kind]:
            path = file_of(prepared.folder, day, kind, generation)
            select = f"SELECT {columns} FROM {of_day} AND {condition} {order}"
            database.rows(f"COPY ({select}) TO {text_literal(path)} (FORMAT parquet, COMPRESSION zstd)")
            _settle(path)
    kinds = tuple(kind for kind, count in counts.items() if count)
    return Day(generation, kinds, counts[ISSUES] + counts[OTHERS], _aware(first), _aware(last))


def _settle(path: str) -> None:
    """Make the file private, and write it to the disk."""
    os.chmod(path, _MODE)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
