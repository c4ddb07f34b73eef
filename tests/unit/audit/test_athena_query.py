"""Run an audit question in Athena: polling, timeout, stopping, and typed values from its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from dsops.audit.cloudtrail.athena_query import NUMBERS, TIMES, AthenaQuery, answer_of
from dsops.audit.cloudtrail.duck import standalone
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import FAILURES, QUESTIONS, SAVED
from dsops.aws.apis.athena import MOST_BYTES, Athena, QueryState
from dsops.errors import AnswerInvalid, DsopsError, QueryCancelled, QueryFailed, QueryRefused, QueryTooSlow
from tests.stubs.queries import ATHENA_ID, StubQueries
from tests.stubs.server import StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

TABLE = "cloudtrail_logs"


def athena(server: StubServer, scene: Scene) -> Athena:
    """Return an Athena client that talks to the stub."""
    return Athena(scene.client, SESSION, endpoint_at(server, "athena"))


class Asking:
    """One question to a stub, with a clock that moves only while the query is polled."""

    def __init__(self, stub: StubQueries, question: AuditQuestion = SAVED) -> None:
        self.scene = Scene()
        self.progress: list[tuple[QueryState, float]] = []
        with StubServer(stub) as server:
            self.query = AthenaQuery(athena(server, self.scene), question, "SELECT 1", table=TABLE, caller="ada")
            self.error: DsopsError | None = None
            self.answer = None
            try:
                self.answer = self.scene.run(
                    self.query.run(
                        timeout_seconds=60,
                        on_progress=lambda status, seconds: self.progress.append((status, seconds)),
                        clock=lambda: sum(self.scene.paused),
                    )
                )
            except DsopsError as error:
                self.error = error


def test_an_answer_is_waited_for() -> None:
    """Each poll reports the query's state, cells are converted to their types, and no query is left running."""
    asking = Asking(StubQueries(SAVED.columns, [["AssumeRole", "12"]]))

    assert asking.answer is not None
    assert asking.answer.records() == [{"name": "AssumeRole", "calls": 12}]
    assert [(status.state, seconds) for status, seconds in asking.progress] == [("waiting", 0), ("running", 0.25)]
    assert (asking.query.is_under_way, asking.query.scanned_bytes) == (False, 12_345)
    assert asking.query.id == ATHENA_ID


def test_looks_come_further_apart() -> None:
    """The pauses between polls grow up to five seconds."""
    asking = Asking(StubQueries(SAVED.columns, [], states=["RUNNING"] * 8 + ["SUCCEEDED"]))
    assert [seconds for _, seconds in asking.progress] == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 12.75, 17.75]


def test_what_is_not_done_in_time_is_stopped() -> None:
    """A query that exceeds the deadline is stopped, and the error says what to do next."""
    stub = StubQueries(states=["RUNNING"])
    asking = Asking(stub)

    assert isinstance(asking.error, QueryTooSlow)
    assert sum(asking.scene.paused) == 60
    assert "--timeout SECONDS" in asking.error.hint
    assert "may still go on" not in asking.error.hint
    assert asking.error.tried is not None
    assert (asking.error.tried.operation, asking.error.tried.caller) == (stub.actions[0], "ada")
    assert stub.actions[-1] == "StopQueryExecution"
    assert not asking.query.is_under_way


def test_a_query_that_can_not_be_stopped_is_told() -> None:
    """If the query cannot be stopped, the error has the command that stops it by hand."""
    denied = {"StopQueryExecution": ("AccessDeniedException", "no")}
    asking = Asking(StubQueries(states=["RUNNING"], refused=denied))

    assert isinstance(asking.error, QueryTooSlow)
    assert f"it may still go on: `{asking.query.stop_command}` stops it" in asking.error.hint
    assert asking.query.id in asking.query.stop_command
    assert asking.query.is_under_way


def test_a_query_that_may_not_be_looked_at_is_stopped() -> None:
    """If reading the query's state is denied, the query is stopped, because its result could not be fetched either."""
    refused = {"GetQueryExecution": ("AccessDeniedException", "no")}
    stub = StubQueries(refused=refused)
    asking = Asking(stub)

    assert asking.error is not None
    assert asking.error.code == "access-denied"
    assert stub.actions[-1] == "StopQueryExecution"


@pytest.mark.parametrize(("state", "kind"), [("FAILED", QueryFailed), ("CANCELLED", QueryCancelled)])
def test_what_ends_otherwise_is_told_and_not_stopped_once_more(state: str, kind: type[DsopsError]) -> None:
    """A failed or cancelled query gives an error with AWS's reason and the bytes scanned, and is not stopped again."""
    stub = StubQueries(states=["RUNNING", state], reason="because")
    asking = Asking(stub)

    assert type(asking.error) is kind
    assert asking.error.why == "because"
    assert asking.error.tried is not None
    assert "StopQueryExecution" not in stub.actions
    assert asking.query.scanned_bytes == 12_345


def test_a_statement_that_is_too_long_is_not_sent() -> None:
    """A statement over Athena's maximum length is rejected unsent; a statement of exactly that length is sent."""
    scene = Scene()
    with StubServer(StubQueries()) as server:
        api = athena(server, scene)
        AthenaQuery(api, SAVED, "x" * MOST_BYTES, table=TABLE, caller="")
        with pytest.raises(QueryRefused, match=f"has {MOST_BYTES + 1} bytes"):
            AthenaQuery(api, SAVED, "x" * (MOST_BYTES + 1), table=TABLE, caller="")
        with pytest.raises(QueryRefused, match="bytes"):
            AthenaQuery(api, SAVED, "ä" * (MOST_BYTES // 2 + 1), table=TABLE, caller="")
        assert server.seen == []


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda each: each.name)
def test_a_column_is_what_the_engine_says_it_is(question: AuditQuestion, tmp_path: Any) -> None:
    """The declared type of each column equals the type that DuckDB returns."""
    (tmp_path / "a.json").write_text('{"Records": []}')
    text = standalone(question, QuestionOptions(session="x"), str(tmp_path / "a.json"))
    types = {name: str(kind) for name, kind, *_ in duckdb.execute(f"DESCRIBE {text}").fetchall()}
    for name in question.columns:
        kind = "time" if name in TIMES else "number" if name in NUMBERS else "text"
        assert {"TIMESTAMP": "time", "VARCHAR": "text"}.get(types[name], "number") == kind, (name, types[name])


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 11:00:00.000",
        "2026-11-20 11:00:00",
        "2026-11-20T11:00:00Z",
        "2026-11-20 11:00:00.000 UTC",
        "2026-11-20 11:00:00.123456789",
    ],
)
def test_a_time_is_one_in_utc_and_of_whole_seconds(text: str) -> None:
    """Times in every notation are converted to UTC with whole seconds."""
    answer = answer_of(FAILURES, [("role", "code", "1", "2", text, None)])
    assert answer.rows == (("role", "code", 1, 2, datetime(2026, 11, 20, 11, tzinfo=UTC), None),)


def test_null_and_nothing_are_told_apart_in_texts_only() -> None:
    """NULL and the empty string differ in text columns; an empty cell in a number column is None."""
    answer = answer_of(FAILURES, [("", None, "", None, "", "2026-11-20 11:00:00")])
    assert answer.rows[0][:5] == ("", None, None, None, None)


@pytest.mark.parametrize(
    "row",
    [
        ("role", "code", "many", "2", None, None),
        ("role", "code", "1.5", "2", None, None),
        ("role", "code", "9" * 30, "2", None, None),
        ("role", "code", "\u0661", "2", None, None),
        ("role", "code", "1", "2", "yesterday", None),
        ("role", "code", "1", "2", "2026-13-40 11:00:00", None),
        ("role", "code", "1", "2", "2026-11-20 11:00:00 Europe/Berlin", None),
    ],
)
def test_what_is_neither_number_nor_time_is_no_answer(row: tuple[str | None, ...]) -> None:
    """A cell that is no number or time, where the column requires one, raises AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        answer_of(FAILURES, [row])
