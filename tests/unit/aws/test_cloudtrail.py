"""CloudTrail Lake: starting a query once, polling its state, reading all pages, stopping it; and its errors."""

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
    """The action's result, and the server that was called."""
    scene = Scene()
    with StubServer(stub) as server:
        service = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE, output)
        return scene.run(work(service)), server


def test_a_query_begins() -> None:
    """StartQuery is signed and names a bucket for results only if one is given."""
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
    """StartQuery is never repeated, since each query is billed; polling is repeated, since it is free."""
    scene = Scene()
    with StubServer(lambda _: json_error("ThrottlingException", "slow")) as server:
        service = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE)
        with pytest.raises(Throttled):
            scene.run(CALLS["StartQuery"](service))
        assert len(server.seen) == 1
        with pytest.raises(Throttled):
            scene.run(CALLS["DescribeQuery"](service))
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
def test_the_state_of_a_query_with_bytes_scanned(told: str, state: str) -> None:
    """A query's state is translated into dsops' states, with AWS's reason and the bytes scanned."""
    seen, _ = ask(StubQueries(states=[told], reason="so it is"), CALLS["DescribeQuery"])
    assert (seen.state, seen.reason, seen.scanned_bytes) == (state, "so it is", 12_345)


def test_the_states_are_all_that_botocore_knows() -> None:
    """Every query state in botocore's model is known."""
    model_values = MODEL.operation_model("DescribeQuery").output_shape.members["QueryStatus"].enum
    assert set(model_values) == set(api._STATES)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_rows_are_read_to_the_last_page(page: int) -> None:
    """All pages are read; a column missing in a row is NULL."""
    stub = StubQueries(COLUMNS, [["a", "1"], ["", None], ["role", "calls"]], page=page)
    rows, _ = ask(stub, CALLS["GetQueryResults"])
    assert rows == [("a", "1"), ("", None), ("role", "calls")]


def test_columns_are_matched_by_name() -> None:
    """Columns of a row are matched by name, whatever their order."""
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
def test_malformed_rows_are_invalid(content: dict[str, object]) -> None:
    """Rows of a running query, with other columns, or no list are AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer(content), CALLS["GetQueryResults"])


@pytest.mark.parametrize("action", ["StartQuery", "DescribeQuery"])
def test_an_answer_without_id_or_state_is_invalid(action: str) -> None:
    """An answer without query id or state is AnswerInvalid."""
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
def test_a_rejected_query_is_an_error_with_the_operation(
    code: str, kind: type[DsopsError], message: str, hint: str
) -> None:
    """A rejected query is an error with AWS's message and the operation."""
    with pytest.raises(kind) as caught:
        ask(StubQueries(refused={"StartQuery": (code, "AWS says so")}), CALLS["StartQuery"])
    error = caught.value
    assert (type(error), error.message, error.why) == (kind, message, "AWS says so")
    assert hint in error.hint
    assert error.tried is not None
    assert error.tried.operation == "StartQuery"
    known_names = [shape.name for shape in MODEL.operation_model("StartQuery").error_shapes]
    assert code in known_names


@pytest.mark.parametrize("action", CALLS)
def test_a_denial_names_action_and_caller(action: str) -> None:
    """A denial names the missing action and the caller; an expired session is CredentialsExpired."""
    message = "User: arn:aws:iam::111122223333:user/ada is not authorized to perform it"
    with pytest.raises(AccessDenied) as caught:
        ask(StubQueries(refused={action: ("AccessDeniedException", message)}), CALLS[action])
    assert caught.value.hint == f"allow cloudtrail:{action} to the user ada"
    with pytest.raises(CredentialsExpired):
        ask(StubQueries(refused={action: ("ExpiredTokenException", "over")}), CALLS[action])


def test_an_unknown_query_id_is_query_failed() -> None:
    """An unknown query id while polling is QueryFailed, not a rejected query."""
    with pytest.raises(QueryFailed, match="CloudTrail Lake can't look at the query"):
        ask(StubQueries(refused={"DescribeQuery": ("QueryIdNotFoundException", "none")}), CALLS["DescribeQuery"])


def test_a_query_that_failed_says_why() -> None:
    """A failed query's error has AWS's reason; a timed-out one has dsops' words."""
    scene = Scene()
    with StubServer(StubQueries()) as server:
        service = api.Lake(scene.client, SESSION, endpoint_at(server, "cloudtrail"), STORE)
        error = api.failure(service, QueryState("failed", "Query\x07 exhausted resources", 1, "request-1"))
    assert (type(error), error.why) == (QueryFailed, "Query exhausted resources")
    seen, _ = ask(StubQueries(states=["TIMED_OUT"]), CALLS["DescribeQuery"])
    assert seen.reason == "the query took too long"


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Every request of every action is valid by botocore's model: names, types and lengths."""
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
    """The maximum query length equals QueryStatement's maximum in botocore's model."""
    shape = MODEL.operation_model("StartQuery").input_shape.members["QueryStatement"]
    assert shape.metadata["max"] == api.MOST_CHARACTERS
