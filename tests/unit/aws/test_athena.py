"""Athena: starting a query, polling its state, reading all result pages, stopping it; and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from dsops.aws.apis import athena as api
from dsops.aws.apis.athena import QueryState
from dsops.errors import AccessDenied, AnswerInvalid, CredentialsExpired, DsopsError, QueryFailed, QueryRefused
from tests.stubs.aws import json_answer, json_error, signature_is_right
from tests.stubs.queries import ATHENA_ID, StubQueries
from tests.stubs.server import Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

TOKEN = "0123456789abcdef" * 3
COLUMNS = ("role", "calls")
MODEL = Session().get_service_model("athena")


def athena_at(server: StubServer, scene: Scene, **more: Any) -> api.Athena:
    """Return an Athena client that talks to the stub server."""
    return api.Athena(scene.client, SESSION, endpoint_at(server, "athena"), **more)


def ask(stub: Any, work: Any, **more: Any) -> tuple[Any, StubServer]:
    """Return the action's result, and the server that was called."""
    scene = Scene()
    with StubServer(stub) as server:
        return scene.run(work(athena_at(server, scene, **more))), server


def start(asked: api.Athena) -> Any:
    """Start a query."""
    return api.start_query_execution(asked, "SELECT 1", TOKEN)


def test_a_query_begins_where_it_should() -> None:
    """StartQueryExecution is signed and sends workgroup, database, catalog, output location and idempotency token."""
    stub = StubQueries()
    query, server = ask(stub, start, workgroup="sec", database="logs", catalog="cat", output="s3://bucket/p/")

    assert query == ATHENA_ID
    assert stub.parameters("StartQueryExecution") == {
        "QueryString": "SELECT 1",
        "ClientRequestToken": TOKEN,
        "QueryExecutionContext": {"Database": "logs", "Catalog": "cat"},
        "ResultConfiguration": {"OutputLocation": "s3://bucket/p/"},
        "WorkGroup": "sec",
    }
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="athena")


def test_settings_not_given_are_the_workgroups() -> None:
    """Settings that the caller omits are not sent, so that the workgroup's settings apply."""
    stub = StubQueries()
    ask(stub, start)
    assert set(stub.parameters("StartQueryExecution")) == {"QueryString", "ClientRequestToken"}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("QUEUED", "waiting"),
        ("RUNNING", "running"),
        ("SUCCEEDED", "done"),
        ("FAILED", "failed"),
        ("CANCELLED", "cancelled"),
    ],
)
def test_the_state_of_a_query_with_bytes_scanned(told: str, state: str) -> None:
    """Athena's state of a query becomes dsops' state, with AWS's reason and the bytes scanned."""
    stub = StubQueries(states=[told], reason="so it is")
    seen, _ = ask(stub, lambda asked: api.get_query_execution(asked, ATHENA_ID))
    assert (seen.state, seen.reason, seen.scanned_bytes) == (state, "so it is", 12_345)


def test_the_states_are_all_that_botocore_knows() -> None:
    """Every query state in botocore's model is known."""
    shape = MODEL.operation_model("GetQueryExecution").output_shape
    model_values = shape.members["QueryExecution"].members["Status"].members["State"].enum
    assert set(model_values) == set(api._STATES)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_rows_are_read_to_the_last_page_and_null_differs_from_empty(page: int) -> None:
    """All pages are read without the header row; NULL and the empty string differ.

    A later row that equals the header is kept.
    """
    rows: list[list[str | None]] = [["a", "1"], ["", None], ["role", "calls"]]
    stub = StubQueries(COLUMNS, rows, page=page)
    rows_read, _ = ask(stub, lambda asked: api.get_query_results(asked, ATHENA_ID, COLUMNS))
    assert rows_read == [("a", "1"), ("", None), ("role", "calls")]


def test_no_rows_are_an_answer() -> None:
    """A result that has only the header row is an empty list."""
    rows, _ = ask(StubQueries(COLUMNS), lambda asked: api.get_query_results(asked, ATHENA_ID, COLUMNS))
    assert rows == []


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"ResultSet": []},
        {"ResultSet": {"Rows": [], "ResultSetMetadata": {"ColumnInfo": [{"Name": "role"}]}}},
        {"ResultSet": {"Rows": {}, "ResultSetMetadata": {"ColumnInfo": [{"Name": "role"}, {"Name": "calls"}]}}},
        {"ResultSet": {"Rows": ["x"], "ResultSetMetadata": {"ColumnInfo": [{"Name": "role"}, {"Name": "calls"}]}}},
        {
            "ResultSet": {
                "Rows": [{"Data": [{"VarCharValue": "a"}]}],
                "ResultSetMetadata": {"ColumnInfo": [{"Name": "role"}, {"Name": "calls"}]},
            }
        },
    ],
)
def test_malformed_rows_are_invalid(content: dict[str, object]) -> None:
    """Rows with other columns, with too few cells, or that are no list raise AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer(content), lambda asked: api.get_query_results(asked, ATHENA_ID, COLUMNS))


@pytest.mark.parametrize("told", [None, "", "a b", "a\x1b[2J", 7])
def test_a_malformed_query_id_is_invalid(told: object) -> None:
    """A missing query id, or one with control characters, raises AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer({"QueryExecutionId": told}), start)


@pytest.mark.parametrize("content", [{}, {"QueryExecution": {}}, {"QueryExecution": {"Status": {"State": "ODD"}}}])
def test_an_unknown_state_is_invalid(content: dict[str, object]) -> None:
    """An unknown query state raises AnswerInvalid, because waiting for it would never end."""
    with pytest.raises(AnswerInvalid):
        ask(lambda _: json_answer(content), lambda asked: api.get_query_execution(asked, ATHENA_ID))


def test_pages_without_end_are_not_read_for_ever() -> None:
    """A result with more than 1000 pages raises AnswerInvalid."""
    columns = [{"Name": name} for name in COLUMNS]
    page = {"ResultSet": {"Rows": [], "ResultSetMetadata": {"ColumnInfo": columns}}, "NextToken": "more"}
    with pytest.raises(AnswerInvalid, match="an invalid response") as caught:
        ask(lambda _: json_answer(page), lambda asked: api.get_query_results(asked, ATHENA_ID, COLUMNS))
    assert caught.value.why == "the response has no end after 1000 pages"


REFUSALS = [
    (
        "No output location provided. An output location is required either through the Workgroup or as an API input.",
        "Athena has no location for the query's result, workgroup sec",
        "--output s3://BUCKET/PREFIX/",
    ),
    ("WorkGroup sec is not found.", "Athena has no workgroup sec here", "aws athena list-work-groups"),
    ("Queries of this type are not supported", "Athena does not take the query", "look at what AWS says"),
]


@pytest.mark.parametrize(("said", "message", "hint"), REFUSALS, ids=["output", "workgroup", "other"])
def test_a_rejected_query_has_a_hint(said: str, message: str, hint: str) -> None:
    """A rejected query is an error with AWS's message, the operation and a hint."""
    with pytest.raises(QueryRefused) as caught:
        ask(StubQueries(refused={"StartQueryExecution": ("InvalidRequestException", said)}), start, workgroup="sec")
    error = caught.value
    assert (error.message, error.why) == (message, said)
    assert hint in error.hint
    assert error.aws is not None
    assert error.aws.code == "InvalidRequestException"
    assert error.tried is not None
    assert error.tried.operation == "StartQueryExecution"


CALLS = {
    "StartQueryExecution": start,
    "GetQueryExecution": lambda asked: api.get_query_execution(asked, ATHENA_ID),
    "GetQueryResults": lambda asked: api.get_query_results(asked, ATHENA_ID, COLUMNS),
    "StopQueryExecution": lambda asked: api.stop_query_execution(asked, ATHENA_ID),
}


@pytest.mark.parametrize("action", CALLS)
def test_a_denial_names_action_and_caller(action: str) -> None:
    """A denial names the missing action and the caller; an expired session raises CredentialsExpired."""
    message = "User: arn:aws:sts::111122223333:assumed-role/Audit/ada is not authorized to perform it"
    with pytest.raises(AccessDenied) as caught:
        ask(StubQueries(refused={action: ("AccessDeniedException", message)}), CALLS[action])
    assert caught.value.hint == f"allow athena:{action} to the role Audit"
    with pytest.raises(CredentialsExpired):
        ask(StubQueries(refused={action: ("ExpiredTokenException", "over")}), CALLS[action])


def test_an_explicit_denial_has_its_own_hint() -> None:
    """For an explicit denial the hint is to change the Deny, not to add an Allow."""
    message = (
        "User: x is not authorized to perform: athena:StartQueryExecution with an explicit deny in a service control"
    )
    with pytest.raises(AccessDenied) as caught:
        ask(StubQueries(refused={"StartQueryExecution": ("AccessDeniedException", message)}), start)
    assert "denies athena:StartQueryExecution explicitly" in caught.value.hint


FAILURES: list[tuple[str, type[DsopsError], str, str]] = [
    (
        "TABLE_NOT_FOUND: line 37:8: Table 'awsdatacatalog.logs.cloudtrail_logs' does not exist",
        QueryRefused,
        "Athena has no table cloudtrail_logs in us-east-1, database logs",
        "--from DATABASE.TABLE",
    ),
    (
        "SCHEMA_NOT_FOUND: line 37:8: Schema 'logs' does not exist",
        QueryRefused,
        "Athena has no table cloudtrail_logs in us-east-1, database logs",
        "docs/how-to/audit-sql.md",
    ),
    (
        "COLUMN_NOT_FOUND: line 3:5: Column 'eventtime' cannot be resolved",
        QueryRefused,
        "table cloudtrail_logs lacks columns that the query needs",
        "a table of CloudTrail logs",
    ),
    (
        "Access denied when writing output to url: s3://bucket/p/x.csv",
        AccessDenied,
        "not allowed to query table cloudtrail_logs with Athena",
        "s3:PutObject",
    ),
    (
        "Query exhausted resources at this scale factor",
        QueryFailed,
        "the Athena query of table cloudtrail_logs failed",
        "fewer days",
    ),
    ("", QueryFailed, "the Athena query of table cloudtrail_logs failed", "fewer days"),
]


@pytest.mark.parametrize(("reason", "kind", "message", "hint"), FAILURES)
def test_a_query_that_failed_says_why(reason: str, kind: type[DsopsError], message: str, hint: str) -> None:
    """A failed query's error has AWS's reason without control characters, and a hint."""
    scene = Scene()
    with StubServer(StubQueries()) as server:
        service = athena_at(server, scene, database="logs")
        error = api.failure(service, QueryState("failed", f"{reason}\x1b[2J", 1, "request-1"), "cloudtrail_logs")
    assert type(error) is kind
    assert error.message == message
    assert hint in error.hint
    assert "\x1b" not in error.why
    assert reason in error.why
    assert error.aws is not None
    assert error.aws.code == (reason.partition(":")[0] if "_NOT_FOUND" in reason else "FAILED")


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Every request of every Athena action is valid by botocore's model: names, types and lengths."""
    stub = StubQueries(COLUMNS, [["a", "1"], ["b", "2"]], page=1)
    seen: list[Seen] = []

    def answer(request: Seen) -> Any:
        seen.append(request)
        return stub(request)

    for work in CALLS.values():
        ask(answer, work, workgroup="sec", database="logs", catalog="cat", output="s3://bucket/p/")
    for request in seen:
        prefix, _, action = request.header("X-Amz-Target").partition(".")
        shape = MODEL.operation_model(action).input_shape
        report = ParamValidator().validate(json.loads(request.body), shape)
        assert prefix == MODEL.metadata["targetPrefix"]
        assert not report.has_errors(), report.generate_report()
    assert {request.header("X-Amz-Target").partition(".")[2] for request in seen} == set(CALLS)


def test_the_most_that_a_query_may_have_is_botocores() -> None:
    """The maximum query length equals QueryString's maximum in botocore's model."""
    shape = MODEL.operation_model("StartQueryExecution").input_shape.members["QueryString"]
    assert shape.metadata["max"] == api.MOST_BYTES


def test_an_error_while_polling_is_query_failed() -> None:
    """An error while polling a query, such as an unknown id, raises QueryFailed."""
    stub = StubQueries(refused={"GetQueryExecution": ("InvalidRequestException", "QueryExecution x was not found")})
    with pytest.raises(QueryFailed, match="Athena could not look at the query"):
        ask(stub, CALLS["GetQueryExecution"])


def test_throttling_is_waited_for() -> None:
    """A throttled request is retried."""
    stub, times = StubQueries(), iter([True, False])
    query, server = ask(
        lambda request: json_error("TooManyRequestsException", "slow") if next(times) else stub(request), start
    )
    assert (query, len(server.seen)) == (ATHENA_ID, 2)


def test_a_table_of_security_lakes_first_version_has_its_own_hint() -> None:
    """If a table of Security Lake lacks a column, the hint names the source version that dsops reads."""
    reason = "COLUMN_NOT_FOUND: line 3:5: Column 'actor.user.uid_alt' cannot be resolved"
    table = "amazon_security_lake_table_us_east_1_cloud_trail_mgmt_1_0"
    with StubServer(StubQueries()) as server:
        error = api.failure(athena_at(server, Scene()), QueryState("failed", reason, 1, "request-1"), table)
    assert type(error) is QueryRefused
    assert "source version 2 (OCSF 1.1 or a later 1.x)" in error.hint
    assert "--dialect ocsf" in error.hint
