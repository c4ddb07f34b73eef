"""Reads log files into a DuckDB database of calls and answers questions. Only this module imports duckdb.

The database is a file in a temporary folder, removed at the end. Five million calls would take more than two
gigabytes of memory; on disk they are compressed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dsops.audit.cloudtrail.dialects import DETAILS, DUCKDB, FIELDS
from dsops.audit.cloudtrail.files import FileBatch, Form
from dsops.audit.cloudtrail.log_sql import literal_path, source, text_source
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions, sql_of, text_literal
from dsops.audit.cloudtrail.relations import COPIES, IS_CALL, NO_ORIGIN, fields, issues, records, uses
from dsops.audit.cloudtrail.statement import whole
from dsops.audit.cloudtrail.texts import plain_files
from dsops.audit.report import Answer
from dsops.errors import ExtraMissing, LogsUnreadable
from dsops.extras import install_command

_MEMORY: Final = "1200MB"
"""The memory limit of DuckDB's own buffers; the JSON reader and Python need memory in addition."""
_MOST_OBJECT: Final = 1 << 30
_AGAIN_SECONDS: Final = 0.05
_FULL: Final = "there is no room on the disk"
_TOO_SMALL: Final = "maximum_object_size"
_SANDBOX_PATH: Final = "additionalEventData.sandbox"
_SANDBOX: Final = f"r.{_SANDBOX_PATH}"
NO_CALL: Final = f"NOT coalesce({IS_CALL}, FALSE)"
"""An SQL condition for elements that are not valid records."""

Told = Callable[[int], None]
"""A function that receives the number of bytes of log files read so far."""


@contextmanager
def open_database(
    folder: str | None = None, *, has_details: bool = False, has_origin: bool = False
) -> Iterator[CallDatabase]:
    """Yield an empty database in a new folder below `folder` or the system's temporary folder; remove it at the end.

    With `has_details`, it can answer questions about permissions. With `has_origin`, its records have the columns
    `file` (the number of the file, from `CallDatabase.numbers`) and `is_sandbox`.

    Raises ExtraMissing without DuckDB, and LogsUnreadable if the disk is full, also during later use.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('audit')}"
        raise ExtraMissing("DuckDB is not installed", why=f"{error.name} is missing", hint=hint) from error
    try:
        place = tempfile.mkdtemp(prefix="dsops-audit-", dir=folder)
    except OSError as error:
        raise _no_room((error.strerror or "unknown reason").lower()) from error
    try:
        connection = duckdb.connect(
            os.path.join(place, "calls.duckdb"),
            config={
                "memory_limit": _MEMORY,
                "temp_directory": os.path.join(place, "spilled"),
                "preserve_insertion_order": False,
                # Extensions are never downloaded.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            # The progress bar would go to stdout, even if that is no terminal.
            connection.execute("SET enable_progress_bar = false")
            with ThreadPoolExecutor(1) as apart:
                yield CallDatabase(
                    connection,
                    apart,
                    place,
                    duckdb.Error,
                    duckdb.FatalException,
                    has_details=has_details,
                    has_origin=has_origin,
                )
        finally:
            connection.close()
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException) as error:
        raise _no_room(_safe_reason(str(error), "its files can't be written")) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


class CallDatabase:
    """A DuckDB database with the calls of the loaded files.

    The connection has the type Any, because duckdb is imported on demand.
    """

    def __init__(
        self,
        connection: Any,
        apart: ThreadPoolExecutor,
        folder: str,
        error: type[Exception],
        end: type[Exception],
        *,
        has_details: bool = False,
        has_origin: bool = False,
    ) -> None:
        """Create the database on `connection`.

        - `folder`: for temporary files
        - `error`: DuckDB's base exception
        - `end`: DuckDB's exception for a broken database
        - `has_details`: whether the fields of DETAILS are read, too
        - `has_origin`: whether the file and the sandbox mark of each record are kept
        """
        self._has_details = has_details
        self._has_origin = has_origin
        self.numbers: Mapping[str, int] = {}
        self._fields = {**FIELDS, **DETAILS} if has_details else FIELDS
        self._connection = connection
        self._apart = apart
        self._folder = folder
        self.error, self._end = error, end
        self.records = 0
        self.skipped = 0
        self.left_out = 0
        self.calls = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.unreadable: list[tuple[str, str]] = []
        self._has_sandbox = True
        # The query itself determines the column types of the empty table.
        nothing = ", ".join(f"NULL::VARCHAR AS {name}" for name in self._fields)
        origin = "NULL::INTEGER AS file, FALSE AS is_sandbox, " if has_origin else ""
        empty = records(
            DUCKDB, f"(SELECT {origin}{nothing}) nothing", has_details=has_details, origin=self._origin(Form.OBJECT)
        )
        self.rows(f"CREATE TABLE records AS {empty} LIMIT 0")

    def load(self, batches: Sequence[FileBatch], report_read: Told = lambda _: None, *, sandbox: bool = True) -> None:
        """Read the files. A file that can't be read is added to `unreadable`, and the other files are read.

        A full disk ends the report. Without the missing records, the report's figures would be too low.

        Without `sandbox`, the lines of dsops' own trail that are marked as a sandbox's are counted but not read. In
        AWS's logs, the mark is ignored.
        """
        self._has_sandbox = sandbox
        for batch in batches:
            if not self._insert_texts(batch):
                self._load(batch)
            report_read(batch.size)

    def _insert_texts(self, batch: FileBatch) -> bool:
        """Insert the decompressed batch. Return False, and insert nothing, if only `_load` can read a file."""
        with plain_files(batch, self._folder) as paths:
            if paths is None:
                return False
            try:
                logs = text_source("$paths", tuple(self._fields.values()), has_file=self._has_origin)
                self._insert_from(logs, paths, batch)
            except self.error as error:
                if self.is_broken_by(error):
                    raise
                return False
            return True

    def is_broken_by(self, error: Exception) -> bool:
        """Whether the error is not about a file that is read: the database can't be written."""
        return isinstance(error, self._end) or _safe_reason(str(error)) == _FULL

    def _insert_from(self, logs: str, paths: Sequence[str], batch: FileBatch, where: str = "") -> None:
        """Insert the records that the SQL `logs` yields for these paths, one for each file of the batch."""
        origin = self._origin(batch.form)
        of_fields = fields(DUCKDB, logs, where, has_details=self._has_details, origin=origin)
        of_records = records(DUCKDB, has_details=self._has_details, origin=origin)
        values: dict[str, object] = {"paths": [literal_path(path) for path in paths]}
        if self._has_origin:
            values["names"] = [os.path.abspath(path) for path in paths]
            values["numbers"] = [self.numbers[file.path] for file in batch.files]
        self.rows(f"INSERT INTO records WITH fields AS (\n  {of_fields})\n{of_records}", values)

    def _origin(self, form: Form) -> Mapping[str, str]:
        """Return the columns that tell where a record comes from. In AWS's logs, the mark of a sandbox is ignored."""
        if not self._has_origin:
            return NO_ORIGIN
        mark = f"coalesce({_SANDBOX} = 'true', FALSE)" if form is Form.LINES else "FALSE"
        return {"file": "file", "is_sandbox": mark}

    def _load(self, batch: FileBatch) -> None:
        try:
            self._insert(batch)
        except self.error as error:
            if self.is_broken_by(error):
                raise
            if len(batch.files) == 1:
                self.unreadable.append((batch.files[0].path, _safe_reason(str(error))))
                return
            for part in _parts(batch, str(error)):
                self._load(part)

    def _insert(self, batch: FileBatch) -> None:
        paths = [file.path for file in batch.files]
        room = batch.longest_object
        is_filtered = not self._has_sandbox and batch.form is Form.LINES
        where = f"{_SANDBOX} IS DISTINCT FROM 'true'" if is_filtered else ""
        also = [_SANDBOX_PATH] if is_filtered or self._has_origin else []
        while True:
            logs = source(
                "$paths",
                form=batch.form,
                compression="gzip" if batch.is_gzip else "uncompressed",
                longest_object=room,
                also=[*also, *(DETAILS.values() if self._has_details else ())],
                has_file=self._has_origin,
            )
            try:
                if is_filtered:
                    count = f"SELECT count(*) FILTER ({_SANDBOX} = 'true') FROM {logs}"
                    self.left_out += self.rows(count, {"paths": list(map(literal_path, paths))})[0][0]
                self._insert_from(logs, paths, batch, where)
            except self.error as error:
                # The recorded size is too small: a gzip file with several members records only the size of its last
                # member.
                if _TOO_SMALL not in str(error) or room >= _MOST_OBJECT:
                    raise
                room *= 4
            else:
                return

    def finish(self) -> None:
        """Keep one record per call, and build the tables that questions use."""
        (self.records, self.skipped) = self._first_row(f"SELECT count(*), count(*) FILTER ({NO_CALL}) FROM records")
        self.rows(f"DELETE FROM records WHERE {NO_CALL}")
        self.rows("CREATE TEMP TABLE several AS SELECT call_id FROM records GROUP BY call_id HAVING count(*) > 1")
        if self._first_row("SELECT count(*) FROM several")[0]:
            # `row_number()` sorts all its rows, so it runs only on calls that have several records.
            self.rows(f"""DELETE FROM records WHERE rowid IN (
                SELECT id FROM (
                    SELECT rowid AS id, {COPIES} FROM records WHERE call_id IN (SELECT call_id FROM several))
                WHERE copy > 1)""")
        self.rows("DROP TABLE several")
        self.rows("ALTER TABLE records RENAME TO calls")
        self.rows(f"CREATE TABLE uses AS WITH issues AS ({issues()})\n{uses(DUCKDB)}")
        self.rows("CREATE VIEW issues AS SELECT * FROM uses")  # `uses` already has one row per issued session
        self.calls, first, last = self._first_row("SELECT count(*), min(call_time), max(call_time) FROM calls")
        self.first, self.last = _aware(first), _aware(last)
        self.records -= self.skipped

    def boundary(self, since: datetime | None) -> datetime | None:
        """Return the time from which calls count as recent or new: `since`, or a day before the last call."""
        if since is not None or self.last is None:
            return since
        return self.last - timedelta(days=1)

    def answer(self, question: AuditQuestion, options: QuestionOptions) -> Answer:
        """Run one question and return its rows."""
        rows = self.rows(sql_of(question, options, DUCKDB))
        return Answer(question.name, question.columns, tuple(tuple(map(_cell, row)) for row in rows))

    def _first_row(self, sql: str) -> Any:
        return self.rows(sql)[0]

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Run an SQL statement and return its rows. Ctrl-C ends the statement at once.

        DuckDB checks for signals only between its tasks: reading would go on for seconds and end with a RuntimeError.
        So the statement runs in a separate thread, which is interrupted.
        """
        future = self._apart.submit(self._execute, sql, values)
        try:
            return future.result()
        except KeyboardInterrupt:
            # The interrupt is repeated, because a statement that has not started yet ignores it.
            while not future.done():
                self._connection.interrupt()
                wait([future], timeout=_AGAIN_SECONDS)
            raise

    def _execute(self, sql: str, values: Mapping[str, object] | None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        return rows


def standalone(question: AuditQuestion, options: QuestionOptions, files: str) -> str:
    """Return a question as one statement for DuckDB alone, over the files that match a pattern."""
    compression = "gzip" if files.endswith(".gz") else "uncompressed"
    form = Form.LINES if files.removesuffix(".gz").endswith(("jsonl", "ndjson")) else Form.OBJECT
    logs = source(text_literal(files), form=form, compression=compression, longest_object=256 << 20)
    return whole(question, options, DUCKDB, logs)


def _parts(batch: FileBatch, why: str) -> Iterator[FileBatch]:
    """Split a failed batch: remove the file that the error names, or halve the batch if the error names none."""
    named = [file for file in batch.files if file.path in why]
    if len(named) == 1:
        others = tuple(file for file in batch.files if file is not named[0])
        yield batch._replace(files=(named[0],))
        yield batch._replace(files=others)
        return
    middle = len(batch.files) // 2
    for files in (batch.files[:middle], batch.files[middle:]):
        yield batch._replace(files=files)


_REASONS: Final[Mapping[str, str]] = {
    "end of gzip": "its gzip stream ends too early",
    "not a gzip": "it is not a gzip file",
    "utf-8": "it is not UTF-8",
    "malformed json": "it is not JSON, or ends too early",
    "out of memory": "it does not fit into memory",
    _TOO_SMALL: "it does not fit into memory",
    "no space left": _FULL,
    "gzip": "its gzip stream is damaged",
}


def _no_room(why: str) -> LogsUnreadable:
    hint = "read fewer files, or set TMPDIR to a folder with more free space"
    return LogsUnreadable("DuckDB has too little space to sort the logs", why=why, hint=hint)


def _safe_reason(text: str, other: str = "it can't be read") -> str:
    """Return the reason in dsops' own words, since DuckDB's message may contain the file's content."""
    text = text.lower()
    return next((reason for sign, reason in _REASONS.items() if sign in text), other)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _cell(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
