"""Running a statement in Athena or CloudTrail Lake: polling, timeout, stopping, and parsing of cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from dsops.audit.cloudtrail.dialects import LAKE
from dsops.audit.cloudtrail.duck import standalone
from dsops.audit.cloudtrail.engines import NUMBERS, TIMES, AthenaEngine, Engine, LakeEngine, Query, answer_of
from dsops.audit.cloudtrail.questions import FAILURES, QUESTIONS, SAVED, AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.whole import days_of, whole
from dsops.aws.apis.athena import MOST_BYTES, Athena
from dsops.aws.apis.cloudtrail import MOST_CHARACTERS, Lake
from dsops.aws.apis.queries import QueryState
from dsops.aws.http.client import make_client
from dsops.endpoint import resolve_endpoint
from dsops.errors import AnswerInvalid, DsopsError, QueryCancelled, QueryFailed, QueryRefused, QueryTooSlow
from tests.fakes import make_runtime
from tests.stubs.queries import ATHENA_ID, LAKE_ID, StubQueries
from tests.stubs.server import StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

STORE = "a0b1c2d3-0123-4567-89ab-0123456789ab"
STOPS = {"Athena": "StopQueryExecution", "CloudTrail Lake": "CancelQuery"}
Maker = Callable[[StubServer, Scene], Engine]


def athena(server: StubServer, scene: Scene) -> Engine:
    """Athena at the stub."""
    return AthenaEngine(Athena(scene.client, SESSION, endpoint_at(server, "athena")), "cloudtrail_logs", "t" * 32)


def lake(server: StubServer, scene: Scene) -> Engine:
    """CloudTrail Lake at the stub."""
    return LakeEngine(Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE))


both = pytest.mark.parametrize("make", [athena, lake])


class Asking:
    """One question to a stub, with a clock that moves only while the engine waits."""

    def __init__(self, stub: StubQueries, make: Maker, question: AuditQuestion = SAVED) -> None:
        self.scene = Scene()
        self.told: list[tuple[QueryState, float]] = []
        with StubServer(stub) as server:
            self.query = Query(make(server, self.scene), question, "SELECT 1", caller="ada")
            self.error: DsopsError | None = None
            self.answer = None
            try:
                self.answer = self.scene.run(
                    self.query.run(
                        timeout_seconds=60,
                        told=lambda seen, seconds: self.told.append((seen, seconds)),
                        clock=lambda: sum(self.scene.paused),
                    )
                )
            except DsopsError as error:
                self.error = error


@both
def test_an_answer_is_waited_for(make: Maker) -> None:
    """Each poll is reported with the state; cells are typed; after the answer no query is running."""
    asking = Asking(StubQueries(SAVED.columns, [["AssumeRole", "12"]]), make)

    assert asking.answer is not None
    assert asking.answer.records() == [{"name": "AssumeRole", "calls": 12}]
    assert [(seen.state, seconds) for seen, seconds in asking.told] == [("waiting", 0), ("running", 0.25)]
    assert (asking.query.is_under_way, asking.query.scanned_bytes) == (False, 12_345)
    assert asking.query.id in {ATHENA_ID, LAKE_ID}


@both
def test_looks_come_further_apart(make: Maker) -> None:
    """Polls get further apart, up to five seconds."""
    asking = Asking(StubQueries(SAVED.columns, [], states=["RUNNING"] * 8 + ["SUCCEEDED"]), make)
    assert [seconds for _, seconds in asking.told] == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 12.75, 17.75]


@both
def test_what_is_not_done_in_time_is_stopped(make: Maker) -> None:
    """A query that takes too long is stopped at the deadline, and the error has a next step."""
    stub = StubQueries(states=["RUNNING"])
    asking = Asking(stub, make)

    assert isinstance(asking.error, QueryTooSlow)
    assert sum(asking.scene.paused) == 60
    assert "--timeout SECONDS" in asking.error.hint
    assert "may still go on" not in asking.error.hint
    assert asking.error.tried is not None
    assert (asking.error.tried.operation, asking.error.tried.caller) == (stub.actions[0], "ada")
    assert stub.actions[-1] in STOPS.values()
    assert not asking.query.is_under_way


@both
def test_a_query_that_can_not_be_stopped_is_told(make: Maker) -> None:
    """A query that cannot be stopped is an error with the command that stops it by hand."""
    denied = dict.fromkeys(STOPS.values(), ("AccessDeniedException", "no"))
    asking = Asking(StubQueries(states=["RUNNING"], refused=denied), make)

    assert isinstance(asking.error, QueryTooSlow)
    assert f"it may still go on: `{asking.query.stop_words}` stops it" in asking.error.hint
    assert asking.query.id in asking.query.stop_words
    assert asking.query.is_under_way


@both
def test_a_query_that_may_not_be_looked_at_is_stopped(make: Maker) -> None:
    """A query whose state may not be read is stopped: no result could be fetched."""
    refused = dict.fromkeys(("GetQueryExecution", "DescribeQuery"), ("AccessDeniedException", "no"))
    stub = StubQueries(refused=refused)
    asking = Asking(stub, make)

    assert asking.error is not None
    assert asking.error.code == "access-denied"
    assert stub.actions[-1] in STOPS.values()


@both
@pytest.mark.parametrize(("state", "kind"), [("FAILED", QueryFailed), ("CANCELLED", QueryCancelled)])
def test_what_ends_otherwise_is_told_and_not_stopped_once_more(make: Maker, state: str, kind: type[DsopsError]) -> None:
    """A failed or cancelled query has AWS's reason and bytes scanned, and is not stopped again."""
    stub = StubQueries(states=["RUNNING", state], reason="because")
    asking = Asking(stub, make)

    assert type(asking.error) is kind
    assert asking.error.why == "because"
    assert asking.error.tried is not None
    assert not set(STOPS.values()) & set(stub.actions)
    assert asking.query.scanned_bytes == 12_345


@both
def test_a_statement_that_is_too_long_is_not_sent(make: Maker) -> None:
    """A statement over the engine's maximum is rejected before it is sent; one character less is sent."""
    scene = Scene()
    with StubServer(StubQueries()) as server:
        engine = make(server, scene)
        most = MOST_BYTES if engine.title == "Athena" else MOST_CHARACTERS
        engine.check("x" * most)
        with pytest.raises(QueryRefused, match=f"has {most + 1} "):
            Query(engine, SAVED, "x" * (most + 1), caller="")
        if engine.title == "Athena":
            with pytest.raises(QueryRefused, match="bytes"):
                engine.check("ä" * (most // 2 + 1))
        assert server.seen == []


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda each: each.name)
def test_each_question_fits_into_what_the_lake_takes(question: AuditQuestion) -> None:
    """Each question fits CloudTrail Lake's maximum, with room for a long session ARN."""
    options = QuestionOptions(since=datetime(2026, 11, 20, 10, tzinfo=UTC), by="account", session="x" * 128)
    text = whole(question, options, LAKE, STORE, days_of(LAKE, "2026-11-01", "2026-11-30"))
    endpoint = resolve_endpoint("cloudtrail", "us-east-1", {})
    LakeEngine(Lake(make_client(make_runtime()), SESSION, endpoint, STORE)).check(text)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda each: each.name)
def test_a_column_is_what_the_engine_says_it_is(question: AuditQuestion, tmp_path: Any) -> None:
    """The declared type of each column is the one that DuckDB returns."""
    (tmp_path / "a.json").write_text('{"Records": []}')
    text = standalone(question, QuestionOptions(session="x"), str(tmp_path / "a.json"))
    result_text = {name: str(kind) for name, kind, *_ in duckdb.execute(f"DESCRIBE {text}").fetchall()}
    for name in question.columns:
        kind = "time" if name in TIMES else "number" if name in NUMBERS else "text"
        assert {"TIMESTAMP": "time", "VARCHAR": "text"}.get(result_text[name], "number") == kind, (
            name,
            result_text[name],
        )


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
    """Times of every notation become UTC in whole seconds."""
    answer = answer_of(FAILURES, [("role", "code", "1", "2", text, None)])
    assert answer.rows == (("role", "code", 1, 2, datetime(2026, 11, 20, 11, tzinfo=UTC), None),)


def test_null_and_nothing_are_told_apart_in_texts_only() -> None:
    """NULL and the empty string differ in text columns; an empty number is None."""
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
    """A cell that is no number or time where one is expected is AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        answer_of(FAILURES, [row])
