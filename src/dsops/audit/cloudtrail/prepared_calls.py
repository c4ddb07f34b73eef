"""Brings the calls of prepared folders into a database, so that a report need not read their log files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dsops.audit.cloudtrail.dialects import DUCKDB
from dsops.audit.cloudtrail.duck import CallDatabase
from dsops.audit.cloudtrail.log_sql import parquet
from dsops.audit.cloudtrail.prepared import (
    CALLS,
    ISSUES,
    KEYS,
    RECORDS,
    Prepared,
    check_complete,
    kept,
    read_manifest,
    unreadable,
)
from dsops.audit.cloudtrail.relations import issues, uses


@contextmanager
def opened(folders: Sequence[str]) -> Iterator[tuple[Prepared, ...]]:
    """Yield the states of prepared folders, whose files stay there until the end.

    Raises LogsUnreadable if a folder is damaged, or if `audit prepare` has not finished.
    """
    with ExitStack() as stack:
        states = []
        for folder in folders:
            stack.enter_context(kept(folder))
            prepared = read_manifest(folder)
            check_complete(prepared)
            states.append(prepared)
        yield tuple(states)


@contextmanager
def refusing_damage(database: CallDatabase, prepared: Sequence[Prepared]) -> Iterator[None]:
    """Raise LogsUnreadable if a file of a prepared folder is missing or damaged."""
    try:
        yield
    except database.error as error:
        if not prepared or database.is_broken_by(error):
            raise
        named = next((each.folder for each in prepared if each.folder in str(error)), prepared[0].folder)
        raise unreadable(named, "one of its files is missing or damaged") from error


def finish_with(database: CallDatabase, prepared: Sequence[Prepared], *, is_alone: bool, sandbox: bool) -> None:
    """Add the prepared records, and build the tables that questions use.

    `is_alone` tells that the database has no other records. Which record of a call counts is then known, unless
    records of a sandbox have to be left out.
    """
    if is_alone and len(prepared) == 1 and _has_only_calls(prepared[0]):
        _use_calls(database, prepared[0])
        return
    for each in prepared:
        _add_records(database, each, sandbox=sandbox)
    database.finish()
    for each in prepared:
        database.skipped += each.counts.skipped + (each.counts.sandbox_skipped if sandbox else 0)


def _has_only_calls(prepared: Prepared) -> bool:
    counts = prepared.counts
    return bool(prepared.days) and not counts.sandbox_records and not counts.sandbox_skipped


def _add_records(database: CallDatabase, prepared: Prepared, *, sandbox: bool) -> None:
    """Insert all records of the folder, also further copies of calls."""
    if not sandbox:
        database.left_out += prepared.counts.sandbox_records + prepared.counts.sandbox_skipped
    source = parquet(prepared.paths(RECORDS))
    if not source:
        return
    columns = ", ".join(name for (name, *_) in database.rows("DESCRIBE records"))
    where = "" if sandbox else " WHERE NOT is_sandbox"
    database.rows(f"INSERT INTO records BY NAME SELECT {columns} FROM {source}{where}")


def _use_calls(database: CallDatabase, prepared: Prepared) -> None:
    """Make the relations of the questions from the files, without the table `records`."""
    nothing = "records LIMIT 0"
    database.rows(f"CREATE VIEW calls AS SELECT * FROM {parquet(prepared.paths(CALLS)) or nothing}")
    database.rows(f"CREATE VIEW issued AS SELECT * FROM {parquet(prepared.paths((ISSUES,))) or nothing}")
    database.rows(f"CREATE VIEW last_uses AS SELECT * FROM {parquet(prepared.paths((KEYS,))) or nothing}")
    database.rows(f"CREATE TEMP TABLE uses AS WITH issues AS ({issues('issued')})\n{uses(DUCKDB, 'last_uses')}")
    database.rows("CREATE TEMP VIEW issues AS SELECT * FROM uses")
    days = prepared.days.values()
    database.calls = sum(day.calls for day in days)
    database.first = min((day.first for day in days if day.first is not None), default=None)
    database.last = max((day.last for day in days if day.last is not None), default=None)
    database.records, database.skipped = prepared.counts.records, prepared.counts.skipped
