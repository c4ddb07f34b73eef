"""`dsops audit report --engine` with a real Trino: output, credentials, Ctrl-C, and each error."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from trino.exceptions import TrinoUserError

from dsops.audit.cloudtrail.question import QuestionOptions
from dsops.audit.cloudtrail.questions import EVENTS, FAILURES
from dsops.audit.cloudtrail.trino import TrustAndProxy, open_trino
from dsops.audit.cloudtrail.trino_address import TrinoCredentials, parse_trino_address
from dsops.audit.cloudtrail.trino_report import report_in_trino
from dsops.errors import AccessDenied, DsopsError, QueryRefused, TlsRefused, Unreachable
from dsops.secret import Secret
from tests.children import SECONDS, Child
from tests.trino.conftest import Logs, cluster_of
from tests.trino.engine import JWT_KEY, PASSWORD, Engine
from tests.unit.cli.stub_aws import Dsops

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

_LONGEST_SECONDS = 250
"""How long a query may take to start or end on a busy machine."""

RunSql = Callable[[str], list[list[Any]]]


@pytest.fixture
def dsops(tmp_path: Path) -> Dsops:
    """The program in an empty folder."""
    return Dsops(tmp_path)


def report(dsops: Dsops, engine: Engine, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end; a busy machine needs longer than the usual minute."""
    command = dsops.command("audit", "report", "--engine", engine.address(), *words)
    return subprocess.run(
        command,
        cwd=dsops.folder,
        env=dsops.environ,
        capture_output=True,
        check=False,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def test_the_servers_temporary_files_are_in_its_own_folder(engine: Engine) -> None:
    """Trino creates folders for its servers below java.io.tmpdir, which is removed when the engine ends."""
    assert len(list(engine.temporary.glob("TrinoTest*"))) >= 2  # of the coordinator and of one worker


def test_the_output_is_that_of_a_report_on_files(dsops: Dsops, engine: Engine, dirty: Logs) -> None:
    """Tables, JSON and page have the rows of the report on files; the place is the table instead of the files."""
    asked = ("--question", "failures", "--question", "denials")
    there = ("--from", f"{dirty.table}_parquet", *asked)
    on_files = dsops.run("audit", "report", str(dirty.folder), *asked, "--json")
    expected = json.loads(on_files.stdout)["answers"]

    done = report(dsops, engine, *there, "--json", "--html", "page.html")

    assert done.returncode == 0, done.stderr.decode()
    value = json.loads(done.stdout)
    assert value["answers"] == expected
    place = f"{dirty.table}_parquet in hive.default on {engine.http}"
    assert (value["files"], value["sources"], value["unreadable"]) == (None, [place], [])
    assert value["calls"] == dirty.known["counts"]["calls"]
    page = (dsops.folder / "page.html").read_text()
    assert place in page
    assert "<dt>Files</dt>" not in page
    text = report(dsops, engine, *there, "--top", "2")
    assert text.stdout == dsops.run("audit", "report", str(dirty.folder), *asked, "--top", "2").stdout
    assert text.stderr == b""


def test_days_limit_what_is_read(engine: Engine, dirty: Logs, dsops: Dsops) -> None:
    """`--begin` and `--end` select partitions."""
    words = ("--from", f"{dirty.table}_parquet", "--question", "events", "--json")
    done = report(dsops, engine, *words, "--begin", "2026-10-05", "--end", "2026-10-06")

    value = json.loads(done.stdout)
    assert 0 < value["calls"] < dirty.known["counts"]["calls"] / 5
    assert value["first"] >= "2026-10-04"
    assert value["last"] <= "2026-10-08"  # a file has the calls of some hours before its delivery


@pytest.fixture
def slow(run_sql: RunSql, dirty: Logs) -> str:
    """A view over which each question takes hours."""
    many = "UNNEST(sequence(1, 10000))"
    rows = f"{dirty.table}_parquet each CROSS JOIN {many} some (n) CROSS JOIN {many} more (n)"
    run_sql(f"CREATE OR REPLACE VIEW slow AS SELECT each.* FROM {rows}")  # noqa: S608 - names of this test
    return "slow"


def until(claim: Callable[[], Any]) -> Any:
    """Wait until the claim is true, at most for a limited time; return its value."""
    end = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < end:
        if value := claim():
            return value
        time.sleep(0.1)
    raise AssertionError("not in time")


def queries(run_sql: RunSql, condition: str) -> list[str]:
    """The ids of dsops' queries of the view `slow` that meet a condition."""
    of_dsops = "source = 'dsops' AND query LIKE '%FROM slow%'"
    found = run_sql(f"SELECT query_id FROM system.runtime.queries WHERE {of_dsops} AND {condition}")  # noqa: S608
    return [str(row[0]) for row in found]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)], ids=["ctrl-c", "terminated"]
)
def test_an_interrupt_cancels_the_query_in_trino(
    dsops: Dsops, engine: Engine, run_sql: RunSql, slow: str, number: int, code: int
) -> None:
    """Ctrl-C and SIGTERM cancel the running query in Trino, and a note says so."""
    earlier = set(queries(run_sql, "TRUE"))
    command = dsops.command("audit", "report", "--engine", engine.address(), "--from", slow, "--question", "failures")
    with Child(
        command,
        cwd=dsops.folder,
        env=dsops.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        until(lambda: set(queries(run_sql, "state = 'RUNNING'")) - earlier)
        child.send_signal(number)
        out, err = child.communicate(timeout=SECONDS)

    assert (child.returncode, out) == (code, b"")
    assert b"the query was cancelled in Trino" in err
    ended = until(lambda: set(queries(run_sql, "state = 'FAILED' AND error_code = 'USER_CANCELED'")) - earlier)
    assert len(ended) == 1
    assert not set(queries(run_sql, "state NOT IN ('FAILED', 'FINISHED')")) - earlier


class Link:
    """A TCP link to the engine that can be cut: then it refuses connections, like an engine that has died."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    Thread(target=self._pass_on, args=ends, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def cut(self) -> None:
        """Close the listener and all connections."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_an_engine_that_dies_is_told(engine: Engine, run_sql: RunSql, slow: str) -> None:
    """If the connection ends during a query, and no new one can be made, the error names the query."""
    link = Link(int(engine.http.rpartition(":")[2]))
    address = parse_trino_address(f"trino+http://ada@{link.address}/hive/default")

    def cut_once_it_runs(*_: object) -> None:
        link.cut()

    with (
        open_trino(address, TrinoCredentials(), TrustAndProxy(), slow) as cluster,
        pytest.raises(Unreachable) as raised,
    ):
        report_in_trino(cluster, slow, options=QuestionOptions(), questions=(FAILURES,), on_step=cut_once_it_runs)

    assert re.fullmatch(
        rf"lost the connection to Trino at {link.address} during query \d+_\d+_\d+_\w+", raised.value.message
    )
    assert raised.value.why
    assert "start the command again" in raised.value.hint
    for query in queries(run_sql, "state NOT IN ('FAILED', 'FINISHED')"):
        with suppress(TrinoUserError):  # the query may end by itself
            run_sql(f"CALL system.runtime.kill_query(query_id => '{query}', message => 'end of the test')")


@contextmanager
def view(run_sql: RunSql, name: str, sql: str) -> Iterator[str]:
    """A view that exists within the block; `sql` begins with the columns."""
    run_sql(f"CREATE VIEW {name} AS SELECT {sql}")
    try:
        yield name
    finally:
        run_sql(f"DROP VIEW {name}")


COLUMNS = (
    "eventname, eventsource, eventcategory, errorcode, eventid, sharedeventid, recipientaccountid, sourceipaddress,"
    " useridentity, requestparameters, responseelements, additionaleventdata"
)


def refusal(engine: Engine, table: str, where: str = "", question: Any = FAILURES) -> DsopsError:
    """The error of a report on a table."""
    with cluster_of(engine, table) as cluster, pytest.raises(DsopsError) as raised:
        report_in_trino(cluster, table, where=where, options=QuestionOptions(), questions=(question,))
    return raised.value


def test_a_table_of_another_form_is_refused(engine: Engine, run_sql: RunSql, dirty: Logs) -> None:
    """A missing table, other column types, and missing columns are each named, with Trino's words."""
    found = refusal(engine, "nothing_here")
    assert isinstance(found, QueryRefused)
    assert found.message == f"Trino has no table nothing_here in hive.default on {engine.http}"
    assert "hive.default.nothing_here" in (found.why or "")

    source = f"{dirty.table}_parquet"
    with view(run_sql, "typed", f"CAST(now() AS TIMESTAMP) AS eventtime, {COLUMNS} FROM {source}") as table:
        found = refusal(engine, table)
    assert isinstance(found, QueryRefused)
    assert found.message == "table typed lacks columns that the query needs, or has other types"
    assert "from_iso8601_timestamp" in (found.why or "")
    assert "docs/how-to/trino.md" in found.hint

    with view(run_sql, "bare", f"eventtime, {COLUMNS} FROM {source}") as table:
        no_days = refusal(engine, table, "\"timestamp\" >= '2026/10/01'")
        no_kind = refusal(engine, table, question=EVENTS)
        with cluster_of(engine, table) as cluster:
            whole = report_in_trino(cluster, table, options=QuestionOptions(), questions=(FAILURES,))
    assert no_days.message == "table bare has no column `timestamp` with the day"
    assert "managementevent" in (no_kind.why or "")
    assert len(whole.answers[0].rows) == len(dirty.known["answers"]["failures"]["rows"])


def secured(engine: Engine, credentials: TrinoCredentials, *, trust: str | None = None, user: str = "ada") -> object:
    """The answer to a query over TLS with these credentials."""
    address = parse_trino_address(f"trino://{user}@{engine.https}/hive/default")
    network = TrustAndProxy(str(engine.authority.bundle) if trust is None else trust)
    with open_trino(address, credentials, network, "t") as cluster:
        return cluster.run("SELECT current_user AS u", ("u",))


def token(key: bytes) -> str:
    """A JWT for the user ada."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {"sub": "ada", "exp": int(time.time()) + 600}
    start = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
    return f"{start}.{encoded(hmac.digest(key, start.encode(), hashlib.sha256))}"


def test_each_way_to_authenticate_is_accepted(engine: Engine) -> None:
    """A password, a JWT and a client certificate are accepted over TLS."""
    certificate = str(engine.authority.server_file("client"))
    ways = (
        TrinoCredentials(password=Secret(PASSWORD)),
        TrinoCredentials(token=Secret(token(JWT_KEY))),
        TrinoCredentials(certificate=certificate, key=certificate),
    )
    assert [secured(engine, way) for way in ways] == [[("ada",)]] * 3


@pytest.mark.parametrize(
    ("credentials", "variable"),
    [
        (TrinoCredentials(password=Secret("hush-wrong")), "TRINO_PASSWORD"),
        (TrinoCredentials(token=Secret(token(b"other" * 16))), "TRINO_ACCESS_TOKEN"),
        (TrinoCredentials(), "TRINO_PASSWORD, TRINO_ACCESS_TOKEN"),
    ],
    ids=["password", "token", "none"],
)
def test_wrong_credentials_are_told_with_their_variable(
    engine: Engine, credentials: TrinoCredentials, variable: str
) -> None:
    """The error for refused credentials names the variable, and never the value."""
    with pytest.raises(AccessDenied) as raised:
        secured(engine, credentials)
    assert raised.value.message == f"Trino at {engine.https} did not accept the user ada"
    assert variable in raised.value.hint
    assert "hush-wrong" not in f"{raised.value} {raised.value.why} {raised.value.__cause__!r}"


def test_a_certificate_of_another_signer_is_refused(engine: Engine) -> None:
    """The password is not sent to a server whose certificate is not trusted."""
    with pytest.raises(TlsRefused) as raised:
        secured(engine, TrinoCredentials(password=Secret(PASSWORD)), trust="")
    assert "certificate" in (raised.value.why or "")
    assert "SSL_CERT_FILE" in raised.value.hint
