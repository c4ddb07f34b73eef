"""Log files -> a database of their calls -> answers, with DuckDB: the only file that knows it.

What is read is kept in a file of its own folder while it is asked, and gone afterwards. In memory five million calls
would take more than two gigabytes; on the disk they are pressed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dsops.audit.cloudtrail.dialects import DUCKDB, FIELDS
from dsops.audit.cloudtrail.files import FileBatch, Form
from dsops.audit.cloudtrail.questions import AuditQuestion, QuestionOptions, sql_of, text_literal
from dsops.audit.cloudtrail.relations import COPIES, fields, issues, records, uses
from dsops.audit.cloudtrail.whole import whole
from dsops.audit.report import Answer
from dsops.errors import ExtraMissing, LogsUnreadable
from dsops.extras import install_command

_MEMORY: Final = "1200MB"
"""For DuckDB's own buffers; what it reads and Python come on top."""
_MOST_OBJECT: Final = 1 << 30
_AGAIN_SECONDS: Final = 0.05
_FULL: Final = "there is no room on the disk"
_TOO_SMALL: Final = "maximum_object_size"
_SANDBOX_PATH: Final = "additionalEventData.sandbox"
_SANDBOX: Final = f"r.{_SANDBOX_PATH}"
_NO_CALL: Final = (
    "(call_time IS NULL OR call_name IS NULL"
    " OR call_time NOT BETWEEN TIMESTAMP '0001-01-02 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59')"
)
"""What is no record. DuckDB also reads times that a `datetime` does not hold: `infinity`, the year 10000; and a day
before the first call there has to be one."""

Told = Callable[[int], None]
"""Is told how many bytes of the files have been read, each time some have."""


def source(files: str, *, form: Form, compression: str, longest_object: int, also: Sequence[str] = ()) -> str:
    """What gives the records of some files as `r`, for `relations.fields`; `files` is SQL for a path or a list of them.

    `also` are paths that are wanted besides FIELDS.

    Each file is read as one text, and only the fields that are wanted are made of it; `read_json` takes ten times as
    long.
    """
    wanted = _structure((*FIELDS.values(), *also))
    # What has none is one element that is no record: it is not passed over in silence.
    made = f"unnest(coalesce(from_json(json, '{json.dumps({'Records': [wanted]})}').Records, [NULL]))"
    if form is Form.LINES:
        made = f"from_json(json, '{json.dumps(wanted)}')"
    # A folder `json=1` would be a column of that name.
    options = f"format = '{form.value}', compression = '{compression}', hive_partitioning = false"
    options += f", maximum_object_size = {longest_object}" if form is Form.OBJECT else ", ignore_errors = true"
    return f"(SELECT {made} AS r FROM read_json_objects({files}, {options})) logs"


def _structure(paths: Sequence[str]) -> dict[str, Any]:
    """The part of a record that is read, as DuckDB's `from_json` has it. Any: it is a tree of texts."""
    root: dict[str, Any] = {}
    for path in paths:
        inner = root
        *outer, last = path.split(".")
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = "VARCHAR"
    return root


@contextmanager
def open_database(folder: str | None = None) -> Iterator[CallDatabase]:
    """An empty database in a new folder below `folder` (or the system's own for such things), which is gone afterwards.

    Raises ExtraMissing where DuckDB is not installed, and LogsUnreadable where there is no room, also later on.
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
                # Nothing is fetched from anywhere.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            # It would go to stdout, also where that is no terminal.
            connection.execute("SET enable_progress_bar = false")
            with ThreadPoolExecutor(1) as apart:
                yield CallDatabase(connection, apart, duckdb.Error, duckdb.FatalException)
        finally:
            connection.close()
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException) as error:
        raise _no_room(_why(str(error), "its files can't be written")) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


class CallDatabase:
    """The calls of the files that it was given. Any: DuckDB's connection."""

    def __init__(
        self, connection: Any, apart: ThreadPoolExecutor, error: type[Exception], end: type[Exception]
    ) -> None:
        """`error` is DuckDB's, `end` the one after which nothing goes any more."""
        self._connection = connection
        self._apart = apart
        self._error, self._end = error, end
        self.records = 0
        self.skipped = 0
        self.left_out = 0
        self.calls = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.unreadable: list[tuple[str, str]] = []
        self._has_sandbox = True
        # An empty table of the right types: those of the query itself.
        nothing = ", ".join(f"NULL::VARCHAR AS {name}" for name in FIELDS)
        self._rows(f"CREATE TABLE records AS {records(DUCKDB, f'(SELECT {nothing}) nothing')} LIMIT 0")

    def load(self, batches: Sequence[FileBatch], told: Told = lambda _: None, *, sandbox: bool = True) -> None:
        """Reads the files. What can't be read is put among the unreadable, and the others are read all the same.

        Where it is the disk that is full all of it ends: no file is to blame, and what was left out would not be told.
        Without `sandbox`, lines of dsops' own trail that are marked as a sandbox's are counted, and not read; in AWS's
        logs no mark counts.
        """
        self._has_sandbox = sandbox
        for batch in batches:
            self._load(batch)
            told(batch.size)

    def _load(self, batch: FileBatch) -> None:
        try:
            self._insert(batch)
        except self._error as error:
            if isinstance(error, self._end) or _why(str(error)) == _FULL:
                raise  # no file's fault: the database can't be written
            if len(batch.files) == 1:
                self.unreadable.append((batch.files[0].path, _why(str(error))))
                return
            for part in _parts(batch, str(error)):
                self._load(part)

    def _insert(self, batch: FileBatch) -> None:
        paths = [_no_pattern(file.path) for file in batch.files]
        room = batch.longest_object
        is_filtered = not self._has_sandbox and batch.form is Form.LINES
        where = f"{_SANDBOX} IS DISTINCT FROM 'true'" if is_filtered else ""
        while True:
            logs = source(
                "$paths",
                form=batch.form,
                compression="gzip" if batch.is_gzip else "uncompressed",
                longest_object=room,
                also=[_SANDBOX_PATH] if is_filtered else (),
            )
            insert = f"INSERT INTO records WITH fields AS (\n  {fields(DUCKDB, logs, where)})\n{records(DUCKDB)}"
            try:
                if is_filtered:
                    count = f"SELECT count(*) FILTER ({_SANDBOX} = 'true') FROM {logs}"
                    self.left_out += self._rows(count, {"paths": paths})[0][0]
                self._rows(insert, {"paths": paths})
            except self._error as error:
                # A file of several gzip members says only of the last one how long it is.
                if _TOO_SMALL not in str(error) or room >= _MOST_OBJECT:
                    raise
                room *= 4
            else:
                return

    def finish(self) -> None:
        """Counts each call once, and makes of the calls what questions are asked of."""
        (self.records, self.skipped) = self._one(f"SELECT count(*), count(*) FILTER ({_NO_CALL}) FROM records")
        self._rows(f"DELETE FROM records WHERE {_NO_CALL}")
        self._rows("CREATE TEMP TABLE several AS SELECT call_id FROM records GROUP BY call_id HAVING count(*) > 1")
        if self._one("SELECT count(*) FROM several")[0]:
            # `calls` for those alone: to number all of them takes a sort of all.
            self._rows(f"""DELETE FROM records WHERE rowid IN (
                SELECT id FROM (
                    SELECT rowid AS id, {COPIES} FROM records WHERE call_id IN (SELECT call_id FROM several))
                WHERE copy > 1)""")
        self._rows("DROP TABLE several")
        self._rows("ALTER TABLE records RENAME TO calls")
        self._rows(f"CREATE TABLE issues AS {issues()}")
        self._rows(f"CREATE TABLE uses AS {uses(DUCKDB)}")
        self.calls, first, last = self._one("SELECT count(*), min(call_time), max(call_time) FROM calls")
        self.first, self.last = _aware(first), _aware(last)
        self.records -= self.skipped

    def boundary(self, since: datetime | None) -> datetime | None:
        """Where what is recent begins, for what is new: `since`, or a day before the last call."""
        if since is not None or self.last is None:
            return since
        return self.last - timedelta(days=1)

    def answer(self, question: AuditQuestion, asked: QuestionOptions) -> Answer:
        """The rows of one question."""
        rows = self._rows(sql_of(question, asked, DUCKDB))
        return Answer(question.name, question.columns, tuple(tuple(map(_cell, row)) for row in rows))

    def _one(self, sql: str) -> Any:
        return self._rows(sql)[0]

    def _rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """What a statement gives. Ctrl-C ends it at once.

        DuckDB asks for signals between its tasks only: reading went on for seconds, and ended with a RuntimeError. So
        it works in a thread of its own, which is told.
        """
        told = self._apart.submit(self._told, sql, values)
        try:
            return told.result()
        except KeyboardInterrupt:
            # One that has not begun forgets that it was told.
            while not told.done():
                self._connection.interrupt()
                wait([told], timeout=_AGAIN_SECONDS)
            raise

    def _told(self, sql: str, values: Mapping[str, object] | None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        return rows


def standalone(question: AuditQuestion, asked: QuestionOptions, files: str) -> str:
    """The whole of a question as one statement for DuckDB alone, over files that a pattern names."""
    compression = "gzip" if files.endswith(".gz") else "uncompressed"
    form = Form.LINES if files.removesuffix(".gz").endswith(("jsonl", "ndjson")) else Form.OBJECT
    logs = source(text_literal(files), form=form, compression=compression, longest_object=256 << 20)
    return whole(question, asked, DUCKDB, logs)


def _parts(batch: FileBatch, why: str) -> Iterator[FileBatch]:
    """The batch without the file that the error names; where it names none, its halves."""
    named = [file for file in batch.files if file.path in why]
    if len(named) == 1:
        others = tuple(file for file in batch.files if file is not named[0])
        yield batch._replace(files=(named[0],))
        yield batch._replace(files=others)
        return
    middle = len(batch.files) // 2
    for files in (batch.files[:middle], batch.files[middle:]):
        yield batch._replace(files=files)


def _no_pattern(path: str) -> str:
    """A path in which no letter stands for others."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in os.path.abspath(path))


_REASONS: Final[Mapping[str, str]] = {
    "end of gzip": "its gzip stream ends too early",
    "not a gzip": "it is no gzip file",
    "utf-8": "it is not UTF-8",
    "malformed json": "it is no JSON, or ends too early",
    "out of memory": "it does not fit into memory",
    _TOO_SMALL: "it does not fit into memory",
    "no space left": _FULL,
    "gzip": "its gzip stream is damaged",
}


def _no_room(why: str) -> LogsUnreadable:
    hint = "ask of fewer files, or give it room: TMPDIR names the folder that is used"
    return LogsUnreadable("the logs can't be put in order", why=why, hint=hint)


def _why(text: str, other: str = "it can't be read") -> str:
    """DuckDB's words in ours; theirs may hold what is in the file."""
    text = text.lower()
    return next((reason for sign, reason in _REASONS.items() if sign in text), other)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _cell(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
