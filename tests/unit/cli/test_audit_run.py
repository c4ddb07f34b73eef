"""`dsops audit sql --run` as a real process: its answers match those of `dsops audit report`."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.questions import REPORTED
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.report import AuditReport
from tests.children import Child
from tests.cloudtrail.generator import generate
from tests.stubs.queries import ATHENA_ID, StubQueries
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.cli.stub_aws import Dsops, StubAws

ROWS = [["arn:aws:iam::111122223333:role/Target", "AccessDenied", "3", "2", "2026-11-20 11:00:00.000", None]]
FAILURES = ("role", "code", "failures", "principals", "first", "last")


class World:
    """The program, a stub of STS, and a stub of Athena."""

    def __init__(self, folder: Path, aws: StubAws, stub: StubQueries, url: str) -> None:
        self.stub = stub
        self.dsops = Dsops(folder, aws)
        self.dsops.environ |= {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_ATHENA": url}

    def run(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """Run the command; return its exit code, stdout and stderr."""
        done = self.dsops.run("audit", "sql", *words, **environ)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def aws() -> Iterator[StubAws]:
    """A stub of AWS that issues sessions for one role."""
    with StubAws() as stub:
        yield stub


@pytest.fixture
def world(tmp_path: Path, aws: StubAws) -> Iterator[World]:
    """A stub of Athena whose result has one failure."""
    stub = StubQueries(FAILURES, ROWS)
    with StubServer(stub) as server:
        yield World(tmp_path, aws, stub, server.url)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some thousand generated CloudTrail records in `logs`."""
    folder = tmp_path_factory.mktemp("work")
    generate(folder / "logs", events=2500, seed=3)
    return folder


@pytest.fixture(scope="module")
def report(logs: Path) -> AuditReport:
    """The report on the generated logs."""
    return report_on(find_logs([str(logs / "logs")]), ["logs"])


ASKED = ("summary", "durations", "new-principals", "without-mfa", "chains")


@pytest.fixture(scope="module")
def printed(logs: Path) -> tuple[dict[str, Any], list[str]]:
    """The output of `dsops audit report` as JSON, and as one text per question with three rows per table."""
    words = ("audit", "report", "logs", *(word for name in ASKED for word in ("--question", name)))
    dsops = Dsops(logs)
    told = json.loads(dsops.run(*words, "--json").stdout)
    return told, dsops.run(*words, "--top", "3").stdout.decode().rstrip("\n").split("\n\n")


def as_athena_has_it(rows: Sequence[Sequence[object]]) -> list[list[str | None]]:
    """Rows with every cell as text, as Athena returns them."""
    return [
        [
            f"{cell:%Y-%m-%d %H:%M:%S}.000" if isinstance(cell, datetime) else None if cell is None else str(cell)
            for cell in row
        ]
        for row in rows
    ]


def test_the_answer_is_a_table_as_the_reports(world: World) -> None:
    """The result table goes to stdout; the cost warning and the scanned bytes go to stderr."""
    code, out, err = world.run("failures", "--run", "--begin", "2026-11-01")

    assert code == 0, err
    assert out == (
        "failures: AssumeRole failures, by role and code\n"
        "  ROLE                                   CODE          FAILURES  PRINCIPALS  FIRST\n"
        "  arn:aws:iam::111122223333:role/Target  AccessDenied  3         2           2026-11-20T11:00:00Z\n"
    )
    assert err.splitlines() == [
        "dsops: note: running the query in Athena in us-east-1: AWS bills for the bytes scanned",
        f"dsops: note: 12345 bytes scanned, for which AWS bills: query {ATHENA_ID} in Athena",
    ]


def test_what_is_sent_is_what_is_printed(world: World) -> None:
    """The SQL sent to Athena is exactly the printed SQL, with the given workgroup, database and output location."""
    words = ("failures", "--begin", "2026-11-01", "--from", "logs.cloudtrail")
    printed = world.run(*words)[1]
    place = ("--workgroup", "sec", "--database", "cat.logs", "--output", "s3://results/dsops/")
    assert world.run(*words, "--run", *place)[0] == 0

    sent = world.stub.parameters("StartQueryExecution")
    assert sent.pop("QueryString").rstrip("\n") == printed.rstrip("\n")
    assert len(sent.pop("ClientRequestToken")) >= 32
    assert sent == {
        "QueryExecutionContext": {"Catalog": "cat", "Database": "logs"},
        "ResultConfiguration": {"OutputLocation": "s3://results/dsops/"},
        "WorkGroup": "sec",
    }


@pytest.mark.parametrize("question", ASKED)
def test_athena_answers_in_the_reports_own_words(
    world: World, report: AuditReport, printed: tuple[dict[str, Any], list[str]], question: str
) -> None:
    """If Athena returns the report's rows, `--run` prints the same JSON values and table as the report."""
    found = report.answer(question)
    assert found is not None
    assert found.rows
    world.stub.columns, world.stub.rows, world.stub.page = found.columns, as_athena_has_it(found.rows), 7
    told, texts = printed
    _, out, err = world.run(question, "--run", "--everything", "--json")
    given = json.loads(out)

    assert err == ""
    assert given["answers"] == {question: told["answers"][question]}
    # The report has findings; the answer to one question has none.
    assert set(told) - {"findings"} | {"query"} == set(given)
    assert given["query"] == {"engine": "athena", "id": ATHENA_ID, "scanned_bytes": 12_345}
    table = world.run(question, "--run", "--everything", "--top", "3")[1]
    assert table.rstrip("\n") == texts[ASKED.index(question)]


def test_duckdb_answers_like_the_report(world: World, logs: Path, report: AuditReport) -> None:
    """DuckDB returns the report's rows for every question, without calls to AWS and without cost."""
    words = ("--run", "--dialect", "duckdb", "--from", str(logs / "logs" / "**" / "*.json*"), "--json")
    for question in REPORTED[:4]:
        code, out, err = world.run(question.name, *words)
        told = json.loads(out)
        answer = report.answer(question.name)
        assert answer is not None
        assert (code, err) == (0, "")
        assert [list(row.values()) for row in told["answers"][question.name]] == [
            [f"{cell:%Y-%m-%dT%H:%M:%SZ}" if isinstance(cell, datetime) else cell for cell in row]
            for row in answer.rows
        ]
        assert told["calls"] == report.calls
    assert world.stub.seen == []


def test_a_folder_and_a_damaged_file_are_no_obstacle_here(world: World, tmp_path: Path) -> None:
    """An unreadable log file causes a note, and the query over the other files succeeds."""
    record = {"eventTime": "2026-11-20T11:00:00Z", "eventName": "GetObject", "eventSource": "s3.amazonaws.com"}
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "good.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [record]}).encode()))
    (folder / "bad.json.gz").write_bytes(b"\x1f\x8bnonsense")
    code, out, err = world.run("events", "--run", "--dialect", "duckdb", "--from", "logs")

    assert code == 0
    assert "Management  s3       1" in out
    assert "1 file could not be read: " in err


def test_the_session_of_a_store_asks(world: World, aws: StubAws) -> None:
    """With `--store` the query uses the store's session and region, not the base credentials."""
    before = len(aws.calls)
    code, _, err = world.run("failures", "--run", "--since", "7d", "--store", "target")
    assert code == 0, err
    assert aws.calls[before:] == ["AssumeRole"]

    seen: list[Seen] = []

    def keep(request: Seen) -> Answer:
        seen.append(request)
        return world.stub(request)

    with StubServer(keep) as server:
        elsewhere = {"AWS_ENDPOINT_URL_ATHENA": server.url}
        assert world.run("failures", "--run", "--since", "7d", **elsewhere)[0] == 0
        world.run("failures", "--run", "--since", "7d", "--store", "target", "--region", "eu-west-1", **elsewhere)
    assert [("ASIAEXAMPLEEXAMPLE01" in each.header("Authorization")) for each in (seen[0], seen[-1])] == [False, True]
    assert "/eu-west-1/athena/" in seen[-1].header("Authorization")
    assert "/us-east-1/athena/" in seen[0].header("Authorization")


def test_an_unknown_store_sends_nothing(world: World) -> None:
    """An unknown store is an error before any request."""
    for name in ("nobody", "target2"):
        code, _, err = world.run("failures", "--run", "--since", "7d", "--store", name)
        assert code == 2
        assert name in err
    assert world.stub.seen == []


def test_reading_all_logs_needs_a_flag(world: World) -> None:
    """A query needs a first day, or `--everything` to read all logs; otherwise the error says so."""
    code, out, err = world.run("failures", "--run")

    assert (code, out) == (2, "")
    assert (
        "dsops: error[usage]: without a first day, Athena scans the whole table cloudtrail_logs, and AWS bills for it"
        in err
    )
    assert "or `--since 7d`; `--everything` scans the whole table" in err
    assert world.run("failures", "--run", "--end", "2026-11-01")[0] == 2
    assert world.stub.seen == []
    for words in (("--begin", "2026-11-01"), ("--since", "2026-11-01"), ("--everything",)):
        assert world.run("failures", "--run", *words)[0] == 0


WRONG: Mapping[str, tuple[tuple[str, ...], str]] = {
    "output": (("--output", "bucket/prefix"), "`--output bucket/prefix` is not an S3 location"),
    "output with a space": (("--output", "s3://bucket/a b"), "is not an S3 location"),
    "workgroup": (("--workgroup", "a b"), "`--workgroup a b` is not a workgroup name"),
    "database": (("--database", "a.b.c"), "`--database a.b.c` is not a database name"),
    "region": (("--region", "eu_west_1"), "`eu_west_1` is not the name of a region"),
    "timeout": (("--timeout", "0"), "`--timeout` can't be `0`"),
    "a region here": (("--dialect", "duckdb", "--region", "eu-west-1"), "DuckDB does not call AWS"),
    "a day here": (("--dialect", "duckdb", "--begin", "2026-11-01"), "`--begin` has no effect here"),
    "no logs here": (("--dialect", "duckdb", "--from", "nothing/*.json"), "no log files match `nothing/*.json`"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=list(WRONG))
def test_what_can_not_be_asked_is_told_before_anything_is_sent(
    world: World, words: tuple[str, ...], message: str
) -> None:
    """An invalid combination of flags is a usage error before any request."""
    more = () if "duckdb" in words else ("--everything",)
    code, out, err = world.run("failures", "--run", *more, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert world.stub.seen == []


def test_a_query_needs_a_region(world: World) -> None:
    """Without a region the command fails, because a table belongs to one region."""
    world.dsops.environ["AWS_REGION"] = ""
    code, _, err = world.run("failures", "--run", "--since", "7d")
    assert (code, world.stub.seen) == (2, [])
    assert "the region of Athena is unknown" in err


def test_a_missing_table_is_an_error_with_the_query(world: World) -> None:
    """A missing table is an error with the query's details; with --json stderr contains only the error."""
    world.stub.states = ["FAILED"]
    world.stub.reason = "TABLE_NOT_FOUND: line 37:8: Table 'awsdatacatalog.default.cloudtrail_logs' does not exist"
    code, out, err = world.run("failures", "--run", "--since", "7d", "--json")

    error = json.loads(err)["error"]
    assert (code, out) == (2, "")
    assert error["code"] == "audit.query-refused"
    assert error["message"] == "Athena has no table cloudtrail_logs in us-east-1"
    assert error["why"] == world.stub.reason
    assert (error["tried"]["operation"], error["tried"]["caller"]) == ("StartQueryExecution", "AKIA...LE01")
    assert error["aws"]["code"] == "TABLE_NOT_FOUND"
    words = world.run("failures", "--run", "--since", "7d")[2].splitlines()
    assert "12345 bytes scanned" in words[1]
    assert words[2] == "dsops: error[audit.query-refused]: Athena has no table cloudtrail_logs in us-east-1"


def test_nothing_found_is_an_answer(world: World) -> None:
    """`--run` prints an empty result as a sentence."""
    world.stub.rows = []
    code, out, _ = world.run("failures", "--run", "--since", "7d")
    assert (code, out) == (0, "failures: AssumeRole failures, by role and code\n  none\n")


class Waiting(StubQueries):
    """A stub of Athena whose queries never end; it sets an event when a query's state is polled."""

    def __init__(self, **more: Any) -> None:
        super().__init__(FAILURES, states=["RUNNING"], **more)
        self.is_looked_at = threading.Event()

    def __call__(self, seen: Seen) -> Answer:
        """Answer the request, and set an event when the query's state is polled."""
        answer = super().__call__(seen)
        if self.looks:
            self.is_looked_at.set()
        return answer


class Silent(Waiting):
    """A stub of Athena that never answers the request that starts a query."""

    def __call__(self, seen: Seen) -> Answer:
        """Return an answer that is never sent."""
        assert seen.method == "POST"
        self.is_looked_at.set()
        return Answer(is_silent=True)


def interrupted(world: World, stub: Waiting) -> tuple[int, str]:
    """Exit code and stderr of a run that is ended by Ctrl-C while the query runs."""
    with (
        StubServer(stub) as server,
        Child(
            world.dsops.command("audit", "sql", "failures", "--run", "--since", "7d"),
            cwd=world.dsops.folder,
            env=world.dsops.environ | {"AWS_ENDPOINT_URL_ATHENA": server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert stub.is_looked_at.wait(30)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, err.decode()


def test_ctrl_c_stops_the_query(world: World) -> None:
    """Ctrl-C stops the query in AWS; if that fails, a note has the command that stops the query."""
    stub = Waiting()
    code, err = interrupted(world, stub)
    assert code == 130
    assert stub.actions[-1] == "StopQueryExecution"
    assert f"dsops: note: the query {ATHENA_ID} was stopped" in err

    stub = Waiting(refused={"StopQueryExecution": ("AccessDeniedException", "no")})
    code, err = interrupted(world, stub)
    assert code == 130
    assert f"the query {ATHENA_ID} may still run and be billed: `aws " in err


def test_ctrl_c_before_there_is_a_query_id_says_so(world: World) -> None:
    """Ctrl-C before Athena has returned a query id prints a note that the query may have started."""
    code, err = interrupted(world, Silent())
    assert code == 130
    assert "Athena may have started a query, which AWS bills" in err
    assert "may have begun" not in interrupted(world, Waiting())[1]


def test_a_moment_is_told_as_the_report_tells_it(world: World) -> None:
    """`--since` also sets the boundary for new principals, which `--begin` alone does not."""
    told = [
        json.loads(world.run("failures", "--run", "--json", *words)[1])
        for words in (("--since", "2026-11-20"), ("--begin", "2026-11-20"))
    ]
    times = [(each["since"], each["boundary"]) for each in told]
    assert times == [("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"), (None, None)]


def test_a_query_that_takes_too_long_is_stopped(world: World) -> None:
    """A query that takes longer than `--timeout` is stopped in AWS, with the error `audit.query-too-slow`."""
    world.stub.states = ["RUNNING"]
    code, _, err = world.run("failures", "--run", "--since", "7d", "--timeout", "0.3")
    assert code == 5
    assert "error[audit.query-too-slow]: Athena was not done within 0.3 s" in err
    assert world.stub.actions[-1] == "StopQueryExecution"


def test_verbose_shows_the_querys_states(world: World) -> None:
    """`--verbose` shows each state of the query once."""
    world.stub.states = ["QUEUED", "RUNNING", "RUNNING", "SUCCEEDED"]
    _, _, err = world.run("failures", "--run", "--since", "7d", "--verbose")
    assert [line for line in err.splitlines() if "the query is" in line] == [
        "dsops: Athena: the query is waiting, 0 s, 12345 bytes scanned"
    ]


def test_the_use_of_a_store_is_on_record_as_every_use_is(world: World, tmp_path: Path) -> None:
    """A query with `--store` records the session, the command and the reason, without secrets."""
    world.dsops.environ["HOME"] = str(tmp_path / "home")
    assert world.run("failures", "--run", "--since", "7d", "--store", "target", "--reason", "INC-7")[0] == 0
    trail = tmp_path / "home" / ".local" / "state" / "dsops" / "audit.jsonl"
    records = [json.loads(line) for line in trail.read_text().splitlines()]
    facts = [each["additionalEventData"] for each in records]
    assert [each["eventName"] for each in records] == ["AssumeRole", "AuditSql"]
    assert {(each["command"], each["reason"]) for each in facts} == {("audit sql", "INC-7")}
    assert "hush" not in trail.read_text()
