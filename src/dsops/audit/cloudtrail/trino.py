"""Runs SQL statements in a Trino cluster. Only this module imports the package `trino`.

A statement runs in a thread, so that the main thread can show progress and cancel the query on Ctrl-C.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from dsops.audit.cloudtrail.trino_address import TrinoAddress, TrinoCredentials
from dsops.audit.cloudtrail.trino_failures import check_files, failure
from dsops.errors import AnswerInvalid, ExtraMissing
from dsops.extras import install_command
from dsops.secret import Secret

_CONNECT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 60
"""The time in which the coordinator has to answer each request; it answers within a second, with or without rows."""
_ATTEMPTS: Final = 4
_LOOK_SECONDS: Final = 0.25
_CANCEL_ATTEMPTS: Final = 40

TrinoRow = tuple[object, ...]


class TrinoProgress(NamedTuple):
    """How far a query is, as the coordinator reports it."""

    state: str
    """Trino's word in lower case: `queued`, `planning`, `running`, `finishing`."""
    percent: int
    stages: str
    """The stages that are finished, of all: `2/5`."""
    rows: int
    """The number of rows read."""
    read_bytes: int
    """The number of bytes read from the storage."""


OnTrinoProgress = Callable[[TrinoProgress], None]


class TrustAndProxy(NamedTuple):
    """The trusted certificates and the proxy of the connections."""

    trust: str = ""
    """The path of a file or folder with certificates; "" for those of the package certifi."""
    proxy: Secret | None = None
    """The proxy's URL, with user and password; None for a direct connection."""


@contextmanager
def open_trino(
    address: TrinoAddress, credentials: TrinoCredentials, network: TrustAndProxy, table: str
) -> Iterator[TrinoCluster]:
    """Yield a connection to the cluster; `table` appears in errors.

    Nothing is sent before the first statement. Raises ExtraMissing without the package `trino`, and VariableInvalid if
    the client's certificate can't be read.
    """
    try:
        import requests
        from trino import auth, dbapi
    except ModuleNotFoundError as error:
        hint = f"install it: {install_command('trino')}"
        raise ExtraMissing("the client of Trino is not installed", why=f"{error.name} is missing", hint=hint) from error
    check_files(credentials)
    session = requests.Session()
    # Otherwise ~/.netrc and the process's own variables would decide about credentials, proxies and certificates.
    session.trust_env = False
    session.verify = network.trust or True
    if network.proxy is not None:
        session.proxies = {address.server.scheme: network.proxy.reveal()}
    # Trino's coordinator sends the address of each further request. Without an adapter for the other scheme, a query
    # that began with TLS can't continue without TLS.
    session.adapters.pop("http://" if address.server.scheme == "https" else "https://")
    if credentials.certificate:
        session.cert = (credentials.certificate, credentials.key)
    method: Any = None
    if credentials.password is not None:
        method = auth.BasicAuthentication(address.user, credentials.password.reveal())
    elif credentials.token is not None:
        method = auth.JWTAuthentication(credentials.token.reveal())
    connect: Any = dbapi.connect  # the trino package has no type hints
    connection = connect(
        host=f"[{address.server.host}]" if ":" in address.server.host else address.server.host,
        port=address.server.port,
        user=address.user,
        catalog=address.catalog,
        schema=address.schema,
        source="dsops",
        http_scheme=address.server.scheme,
        http_session=session,
        auth=method,
        timezone="UTC",
        max_attempts=_ATTEMPTS,
        request_timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
    )
    try:
        yield TrinoCluster(connection, address, credentials, table)
    finally:
        session.close()


class TrinoCluster:
    """A connection to a Trino cluster, for one query at a time.

    The connection has the type Any, because the package `trino` is imported on demand.
    """

    def __init__(self, connection: Any, address: TrinoAddress, credentials: TrinoCredentials, table: str) -> None:
        """`connection` is open; `table` appears in errors."""
        self._connection = connection
        self.address = address
        self._credentials = credentials
        self._table = table
        self.rows = 0
        self.read_bytes = 0
        """The number of rows and bytes that all finished queries have read."""
        self.left_running = ""
        """The id of an interrupted query that could not be cancelled; "" for none."""

    def run(self, sql: str, columns: Sequence[str], on_progress: OnTrinoProgress = lambda _: None) -> list[TrinoRow]:
        """Run a SELECT with these columns and return its rows; times are aware and in UTC.

        KeyboardInterrupt cancels the query in the cluster. Raises the errors of `trino_failures.failure`.
        """
        query = _RunningQuery(self._connection.cursor(), sql)
        try:
            while not query.is_done(_LOOK_SECONDS):
                if query.progress is not None:
                    on_progress(query.progress)
        except BaseException:
            self.left_running = "" if query.cancel() else query.id or "without an id"
            raise
        if query.error is not None:
            raise failure(query.error, self.address, self._credentials, self._table, query.id) from query.error
        if query.progress is not None:
            on_progress(query.progress)
            self.rows += query.progress.rows
            self.read_bytes += query.progress.read_bytes
        if any(len(row) != len(columns) for row in query.rows):
            raise AnswerInvalid(
                f"{self.address.short} sent rows with other columns than the query has",
                hint="check that the server of `--engine` is Trino",
            )
        return [tuple(map(_cell, row)) for row in query.rows]


class _RunningQuery:
    """One query, which a thread sends and whose rows it reads."""

    def __init__(self, cursor: Any, sql: str) -> None:
        self._cursor = cursor
        self.rows: list[Sequence[object]] = []
        self.error: Exception | None = None
        # An Event is used, because in Python 3.11 `Thread.join` can report a running thread as ended after Ctrl-C.
        self._ended = threading.Event()
        threading.Thread(target=self._execute, args=(sql,), daemon=True).start()

    def _execute(self, sql: str) -> None:
        try:
            self._cursor.execute(sql)
            self.rows = self._cursor.fetchall()
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
        finally:
            self._ended.set()

    @property
    def id(self) -> str:
        """The query's id in Trino; "" before Trino has accepted it."""
        return str(self._cursor.query_id or "")

    def is_done(self, seconds: float) -> bool:
        """Wait up to this many seconds for the end of the query; return whether it has ended."""
        return self._ended.wait(seconds)

    def cancel(self) -> bool:
        """Cancel the query in the cluster; return whether it has ended.

        A query that Trino has not accepted yet is cancelled once it has.
        """
        for _ in range(_CANCEL_ATTEMPTS):
            if self.is_done(0):
                return True
            with suppress(Exception):
                self._cursor.cancel()
            if self.is_done(_LOOK_SECONDS):
                return True
        return False

    @property
    def progress(self) -> TrinoProgress | None:
        """How far the query is; None before the first answer."""
        found: Mapping[str, Any] = dict(self._cursor.stats or {})
        if "state" not in found:
            return None
        stages = list(_stages(found.get("rootStage")))
        done = sum(stage.get("state") == "FINISHED" for stage in stages)
        return TrinoProgress(
            str(found["state"]).lower(),
            int(found.get("progressPercentage") or 0),
            f"{done}/{len(stages)}" if stages else "",
            int(found.get("processedRows") or 0),
            int(found.get("physicalInputBytes") or found.get("processedBytes") or 0),
        )


def _stages(stage: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield a stage and all stages below it."""
    if stage:
        yield stage
        for below in stage.get("subStages") or ():
            yield from _stages(below)


def _cell(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
