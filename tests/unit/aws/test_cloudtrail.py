"""CloudTrail Lake: a query begun once, looked at, read to the last page, stopped; each refusal in the user's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from dsops.aws.apis import cloudtrail as api
from dsops.aws.apis.queries import QueryState
from dsops.errors import (
    AccessDenied,
    AnswerInvalid,
    CredentialsExpired,
    DsopsError,
    QueryFailed,
    QueryRefused,
    Throttled,
)
from tests.stubs.aws import json_answer, json_error, signature_is_right
from tests.stubs.queries import LAKE_ID, StubQueries
from tests.stubs.server import Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

STORE = "a0b1c2d3-0123-4567-89ab-0123456789ab"
STATEMENT = "SELECT 1 FROM a0b1c2d3-0123-4567-89ab-0123456789ab"
COLUMNS = ("role", "calls")
MODEL = Session().get_service_model("cloudtrail")
CALLS: dict[str, Any] = {
    "StartQuery": lambda asked: api.start_query(asked, STATEMENT),
    "DescribeQuery": lambda asked: api.describe_query(asked, LAKE_ID),
    "GetQueryResults": lambda asked: api.get_query_results(asked, LAKE_ID, COLUMNS),
    "CancelQuery": lambda asked: api.cancel_query(asked, LAKE_ID),
}


def ask(stub: Any, work: Any, output: str = "") -> tuple[Any, StubServer]:
    """What comes of the action, and the server that was asked."""
    scene = Scene()
    with StubServer(stub) as server:
        asked = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE, output)
        return scene.run(work(asked)), server


def test_a_query_begins() -> None:
    """Signed; the result goes into a bucket only where one is named."""
    stub = StubQueries()
    query, server = ask(stub, CALLS["StartQuery"])
    ask(stub, CALLS["StartQuery"], "s3://bucket/p")

    assert query == LAKE_ID
    assert [parameters for _, parameters in stub.seen] == [
        {"QueryStatement": STATEMENT},
        {"QueryStatement": STATEMENT, "DeliveryS3Uri": "s3://bucket/p"},
    ]
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="cloudtrail")


def test_a_query_that_may_have_begun_is_not_sent_again() -> None:
    """Each is billed; looking at one again costs nothing."""
    scene = Scene()
    with StubServer(lambda _: json_error("ThrottlingException", "slow")) as server:
        asked = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE)
        with pytest.raises(Throttled):
            scene.run(CALLS["StartQuery"](asked))
        assert len(server.seen) == 1
        with pytest.raises(Throttled):
            scene.run(CALLS["DescribeQuery"](asked))
        assert len(server.seen) > 2


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("QUEUED", "waiting"),
        ("RUNNING", "running"),
        ("FINISHED", "done"),
        ("FAILED", "failed"),
        ("TIMED_OUT", "failed"),
        ("CANCELLED", "cancelled"),
    ],
)
def test_how_far_it_is_comes_with_what_was_scanned(told: str, state: str) -> None:
    """In words of our own, the reason in AWS's."""
    seen, _ = ask(StubQueries(states=[told], reason="so it is"), CALLS["DescribeQuery"])
    assert (seen.state, seen.reason, seen.scanned_bytes) == (state, "so it is", 12_345)


def test_the_states_are_all_that_botocore_knows() -> None:
    """None is left out."""
    known = MODEL.operation_model("DescribeQuery").output_shape.members["QueryStatus"].enum
    assert set(known) == set(api._STATES)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_rows_are_read_to_the_last_page(page: int) -> None:
    """What a row does not have is NULL."""
    stub = StubQueries(COLUMNS, [["a", "1"], ["", None], ["role", "calls"]], page=page)
    found, _ = ask(stub, CALLS["GetQueryResults"])
    assert found == [("a", "1"), ("", None), ("role", "calls")]


def test_the_order_of_a_rows_columns_is_nothing() -> None:
    """They have names."""
    content = {"QueryStatus": "FINISHED", "QueryResultRows": [[{"calls": "1"}, {"role": "a"}]]}
    assert ask(lambda _: json_answer(content), CALLS["GetQueryResults"])[0] == [("a", "1")]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"QueryStatus": "RUNNING", "QueryResultRows": []},
        {"QueryStatus": "FINISHED", "QueryResultRows": {}},
        {"QueryStatus": "FINISHED", "QueryResultRows": ["x"]},
        {"QueryStatus": "FINISHED", "QueryResultRows": [[]]},
        {"QueryStatus": "FINISHED", "QueryResultRows": [[{"odd": "x"}]]},
    ],
)
def test_rows_that_are_none_are_no_answer(content: dict[str, object]) -> None:
    """Those of a query that still runs, other columns, no list."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer(content), CALLS["GetQueryResults"])


@pytest.mark.parametrize("action", ["StartQuery", "DescribeQuery"])
def test_an_answer_without_what_it_has_is_none(action: str) -> None:
    """The id, and how far it is."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer({}), CALLS[action])


REFUSALS: list[tuple[str, type[DsopsError], str, str]] = [
    (
        "EventDataStoreNotFoundException",
        QueryRefused,
        f"CloudTrail Lake has no event data store {STORE} in us-east-1",
        "list-event-data-stores",
    ),
    (
        "InactiveEventDataStoreException",
        QueryRefused,
        f"the event data store {STORE} can't be asked: it is to be deleted",
        "restore-event-data-store",
    ),
    (
        "UnsupportedOperationException",
        QueryRefused,
        "CloudTrail Lake can't be used by this account in us-east-1",
        "--dialect athena",
    ),
    (
        "InvalidQueryStatementException",
        QueryRefused,
        "CloudTrail Lake does not take the statement",
        "`dsops audit sql` prints",
    ),
    ("InsufficientS3BucketPolicyException", QueryRefused, "CloudTrail Lake can't put the result there", "--output"),
    ("MaxConcurrentQueriesException", QueryFailed, "CloudTrail Lake can't run a query", "wait until other queries"),
]


@pytest.mark.parametrize(("code", "kind", "message", "hint"), REFUSALS, ids=[code for code, *_ in REFUSALS])
def test_what_the_lake_does_not_take_is_told_with_what_to_do(
    code: str, kind: type[DsopsError], message: str, hint: str
) -> None:
    """With AWS's words, and what was tried."""
    with pytest.raises(kind) as caught:
        ask(StubQueries(refused={"StartQuery": (code, "AWS says so")}), CALLS["StartQuery"])
    error = caught.value
    assert (type(error), error.message, error.why) == (kind, message, "AWS says so")
    assert hint in error.hint
    assert error.tried is not None
    assert error.tried.operation == "StartQuery"
    known = [shape.name for shape in MODEL.operation_model("StartQuery").error_shapes]
    assert code in known


@pytest.mark.parametrize("action", CALLS)
def test_a_denial_names_the_action_and_who_needs_it(action: str) -> None:
    """Whose policy has to allow what; a session that is over is something else."""
    said = "User: arn:aws:iam::111122223333:user/ada is not authorized to perform it"
    with pytest.raises(AccessDenied) as caught:
        ask(StubQueries(refused={action: ("AccessDeniedException", said)}), CALLS[action])
    assert caught.value.hint == f"allow cloudtrail:{action} to the user ada"
    with pytest.raises(CredentialsExpired):
        ask(StubQueries(refused={action: ("ExpiredTokenException", "over")}), CALLS[action])


def test_a_query_that_is_not_there_can_not_be_looked_at() -> None:
    """Which is not the fault of how it was asked."""
    with pytest.raises(QueryFailed, match="CloudTrail Lake can't look at the query"):
        ask(StubQueries(refused={"DescribeQuery": ("QueryIdNotFoundException", "none")}), CALLS["DescribeQuery"])


def test_a_query_that_failed_says_why() -> None:
    """In AWS's words; one that took too long has none."""
    scene = Scene()
    with StubServer(StubQueries()) as server:
        asked = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE)
        error = api.failure(asked, QueryState("failed", "Query\x07 exhausted resources", 1, "request-1"))
    assert (type(error), error.why) == (QueryFailed, "Query exhausted resources")
    seen, _ = ask(StubQueries(states=["TIMED_OUT"]), CALLS["DescribeQuery"])
    assert seen.reason == "the query took too long"


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Of every action that is called: names, types, lengths."""
    stub = StubQueries(COLUMNS, [["a", "1"], ["b", "2"]], page=1)
    seen: list[Seen] = []

    def answer(request: Seen) -> Any:
        seen.append(request)
        return stub(request)

    for work in CALLS.values():
        ask(answer, work, "s3://bucket/p")
    for request in seen:
        prefix, _, action = request.header("X-Amz-Target").rpartition(".")
        report = ParamValidator().validate(json.loads(request.body), MODEL.operation_model(action).input_shape)
        assert prefix == MODEL.metadata["targetPrefix"]
        assert not report.has_errors(), report.generate_report()
    assert {request.header("X-Amz-Target").rpartition(".")[2] for request in seen} == set(CALLS)


def test_the_most_that_a_query_may_have_is_botocores() -> None:
    """QueryStatement."""
    shape = MODEL.operation_model("StartQuery").input_shape.members["QueryStatement"]
    assert shape.metadata["max"] == api.MOST_CHARACTERS
