"""CloudTrail Lake: start, poll, read and stop a query; one function per API action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.apis.queries import MOST_PAGES, QueryState, Row, State, count_in, denied, is_query_id, object_in
from dsops.aws.http.answer import Content, aws_answer, lacks, text_in
from dsops.aws.http.client import Call, Client, call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, QueryFailed, QueryRefused

MOST_CHARACTERS = 10_000
"""The longest query text that CloudTrail Lake accepts (QueryStatement)."""

_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
_STATES: Mapping[str, State] = {
    "QUEUED": "waiting",
    "RUNNING": "running",
    "FINISHED": "done",
    "FAILED": "failed",
    "TIMED_OUT": "failed",
    "CANCELLED": "cancelled",
}
_UNKNOWN_STORE = ("EventDataStoreNotFoundException", "EventDataStoreARNInvalidException")
_NOT_THERE = (
    "UnsupportedOperationException",
    "OperationNotPermittedException",
    "NoManagementAccountSLRExistsException",
)


class Lake(NamedTuple):
    """Endpoint and credentials for CloudTrail Lake, and the event data store to query."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint
    store: str
    """The event data store's id, for messages; the SQL statement names it too."""
    output: str = ""
    """An S3 location for a copy of the result: s3://BUCKET/PREFIX; "" for none."""


async def start_query(api: Lake, sql: str) -> str:
    """Start a query and return its id.

    Sent only once: CloudTrail takes no idempotency token, and bills each query. Raises QueryRefused or QueryFailed,
    besides what every call may raise.
    """
    parameters = {"QueryStatement": sql, "DeliveryS3Uri": api.output}
    content = await _ask(
        api, "StartQuery", "run a query", {name: text for name, text in parameters.items() if text}, is_once=True
    )
    query = text_in(content, "QueryId")
    if not is_query_id(query):
        raise lacks(api.endpoint, "StartQuery", "QueryId")
    return query


async def describe_query(api: Lake, query: str) -> QueryState:
    """The state of a query."""
    content = await _ask(api, "DescribeQuery", f"look at the query {query}", {"QueryId": query})
    status = text_in(content, "QueryStatus")
    state = _STATES.get(status)
    if state is None:
        raise lacks(api.endpoint, "DescribeQuery", "QueryStatus that a query can have")
    reason = text_in(content, "ErrorMessage") or ("the query took too long" if status == "TIMED_OUT" else "")
    scanned = count_in(object_in(content, "QueryStatistics"), "BytesScanned")
    return QueryState(state, reason, scanned, content.request_id)


async def get_query_results(api: Lake, query: str, columns: tuple[str, ...]) -> list[Row]:
    """All rows of a finished query, from all its pages; `columns` are the expected names, in order."""
    rows_read: list[Row] = []
    parameters = {"QueryId": query}
    for _ in range(MOST_PAGES):
        content = await _ask(api, "GetQueryResults", f"read the result of the query {query}", parameters)
        rows = content.get("QueryResultRows", [])
        if not isinstance(rows, list) or _STATES.get(text_in(content, "QueryStatus")) != "done":
            raise lacks(api.endpoint, "GetQueryResults", "rows of a query that is done")
        rows_read += [_row(api, row, columns) for row in rows]
        parameters["NextToken"] = text_in(content, "NextToken")
        if not parameters["NextToken"]:
            return rows_read
    raise lacks(api.endpoint, "GetQueryResults", f"end after {MOST_PAGES} pages")


async def cancel_query(api: Lake, query: str) -> None:
    """Stop a query."""
    await _ask(api, "CancelQuery", f"stop the query {query}", {"QueryId": query})


def failure(api: Lake, seen: QueryState) -> DsopsError:
    """The error for a query that CloudTrail Lake accepted but that failed."""
    aws = aws_answer(api.endpoint, 200, ("FAILED", seen.reason, seen.request_id), (api.credentials.session_token,))
    why = aws.message if aws is not None else ""
    hint = "ask of fewer days: `--begin`, `--end`"
    return QueryFailed(f"CloudTrail Lake could not answer from {api.store}", why=why, hint=hint, aws=aws)


# --- the wire -----------------------------------------------------------------------------------------------


def _row(api: Lake, row: object, columns: tuple[str, ...]) -> Row:
    """The cells of a row, which comes as a list of objects with one column each."""
    cells: dict[str, str | None] = {}
    for cell in row if isinstance(row, list) else []:
        for name, text in cell.items() if isinstance(cell, dict) else []:
            cells[name] = text if isinstance(text, str) else None
    if not cells or not set(cells) <= set(columns):
        raise lacks(api.endpoint, "GetQueryResults", f"row of {', '.join(columns)}")
    return tuple(cells.get(name) for name in columns)


async def _ask(
    api: Lake, action: str, doing: str, parameters: Mapping[str, object], *, is_once: bool = False
) -> Content:
    def refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
        return _refused(api, answer, doing, action)

    call = Call(api.endpoint, api.credentials, action, doing, refused, is_once=is_once)
    return await call_json(api.client, call, _TARGET, parameters)


def _refused(api: Lake, answer: AwsAnswer, doing: str, action: str) -> DsopsError | None:
    if is_denied(answer):
        return denied(answer, f"{doing} in CloudTrail Lake, event data store {api.store}", f"cloudtrail:{action}")
    if concerns_credentials(answer):
        return None
    message, hint = f"CloudTrail Lake can't {doing}", "look at what AWS says of it"
    if answer.code in _UNKNOWN_STORE:
        message = f"CloudTrail Lake has no event data store {api.store} in {api.endpoint.region}"
        hint = "`aws cloudtrail list-event-data-stores` lists a region's: name one with `--from`, or its `--region`"
    elif answer.code == "InactiveEventDataStoreException":
        message = f"the event data store {api.store} can't be asked: it is to be deleted"
        hint = f"bring it back with `aws cloudtrail restore-event-data-store --event-data-store {api.store}`"
    elif answer.code in _NOT_THERE:
        message = f"CloudTrail Lake can't be used by this account in {api.endpoint.region}"
        hint = "it takes no new customers since 2026-05-31: ask the trail's logs with `--dialect athena`"
    elif answer.code == "InvalidQueryStatementException":
        message = "CloudTrail Lake does not take the statement"
        hint = "is it an event data store of CloudTrail's events? `dsops audit sql` prints the statement"
    elif "S3" in answer.code:
        message, hint = "CloudTrail Lake can't put the result there", "look at `--output`, and at the bucket's policy"
    elif answer.code == "MaxConcurrentQueriesException":
        hint = "wait until other queries of the account have ended"
        return QueryFailed(message, why=answer.message, hint=hint, aws=answer)
    elif action != "StartQuery":
        return QueryFailed(message, why=answer.message, hint=hint, aws=answer)
    return QueryRefused(message, why=answer.message, hint=hint, aws=answer)
