"""Athena: start, poll, read and stop a query. There is one function per API action."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.aws.http.answer import Content, aws_answer, lacks, object_in, objects_in, text_in
from dsops.aws.http.call import Call, Client, Refusal
from dsops.aws.http.client import call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AccessDenied, AwsAnswer, DsopsError, QueryFailed, QueryRefused

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Row = tuple[str | None, ...]
"""One row of a result: the texts of the requested columns, in order; None for NULL."""

MOST_PAGES = 1000
"""The maximum number of result pages that are read, with up to a thousand rows each."""

MOST_BYTES = 262_144
"""The maximum length of a query that Athena accepts (QueryString)."""

_STATES: Mapping[str, State] = {
    "QUEUED": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DENIED = re.compile(r"(?i)access denied|insufficient permissions|not authorized|accessdenied|forbidden")
# Example: TABLE_NOT_FOUND: line 39:8: Table 'awsdatacatalog.default.cloudtrail_logs' does not exist
_CODE = re.compile(r"([A-Z][A-Z_]{3,}): ")


class QueryState(NamedTuple):
    """The state of a query, as GetQueryExecution reports it."""

    state: State
    reason: str = ""
    """AWS's reason why the query failed or was cancelled; "" for any other query."""
    scanned_bytes: int | None = None
    """The number of bytes scanned so far; None if AWS does not report it."""
    request_id: str = ""


class Athena(NamedTuple):
    """The client, credentials, endpoint and query settings for calls to Athena.

    If a setting is empty, the workgroup's setting or AWS's default applies.
    """

    client: Client
    credentials: Credentials
    endpoint: Endpoint
    workgroup: str = ""
    database: str = ""
    catalog: str = ""
    output: str = ""
    """The S3 location of the result: s3://BUCKET/PREFIX/."""


async def start_query_execution(api: Athena, sql: str, token: str) -> str:
    """Start a query and return its id. Requests with the same token (at least 32 characters) start it only once.

    Raises QueryRefused, in addition to the errors of every call.
    """
    context = {"Database": api.database, "Catalog": api.catalog}
    parameters: dict[str, object] = {
        "QueryString": sql,
        "ClientRequestToken": token,
        "QueryExecutionContext": {name: value for name, value in context.items() if value},
        "ResultConfiguration": {"OutputLocation": api.output} if api.output else {},
        "WorkGroup": api.workgroup,
    }
    content = await _ask(
        api,
        "StartQueryExecution",
        "run a query in Athena",
        _refused_start(api.workgroup or "primary"),
        {name: value for name, value in parameters.items() if value},
    )
    query = text_in(content, "QueryExecutionId")
    # The id is checked, because users see it and paste it into a shell.
    if not _ID.fullmatch(query):
        raise lacks(api.endpoint, "StartQueryExecution", "QueryExecutionId")
    return query


async def get_query_execution(api: Athena, query: str) -> QueryState:
    """Return the state of a query."""
    action = "GetQueryExecution"
    content = await _ask(api, action, f"look at the query {query}", _refused(action), {"QueryExecutionId": query})
    execution = object_in(content, "QueryExecution")
    status = object_in(execution, "Status")
    state = _STATES.get(text_in(status, "State"))
    if state is None:
        raise lacks(api.endpoint, action, "State that a query can have")
    scanned = _count_in(object_in(execution, "Statistics"), "DataScannedInBytes")
    return QueryState(state, text_in(status, "StateChangeReason"), scanned, content.request_id)


async def get_query_results(api: Athena, query: str, columns: tuple[str, ...]) -> list[Row]:
    """Return all rows of a finished query, from all pages. `columns` are the expected names, in order."""
    action = "GetQueryResults"
    rows_read: list[Row] = []
    parameters: dict[str, object] = {"QueryExecutionId": query}
    for _ in range(MOST_PAGES):
        content = await _ask(api, action, f"read the result of the query {query}", _refused(action), parameters)
        result = object_in(content, "ResultSet")
        column_info = objects_in(object_in(result, "ResultSetMetadata"), "ColumnInfo")
        rows = result.get("Rows")
        if columns != tuple(text_in(column, "Name") for column in column_info) or not isinstance(rows, list):
            raise lacks(api.endpoint, action, f"rows of {', '.join(columns)}")
        rows_read += [_row(api, row, len(columns)) for row in rows]
        token = text_in(content, "NextToken")
        if not token:
            # The first row of a SELECT's result holds the column names.
            return rows_read[1:] if rows_read[:1] == [columns] else rows_read
        parameters["NextToken"] = token
    raise lacks(api.endpoint, action, f"end after {MOST_PAGES} pages")


async def stop_query_execution(api: Athena, query: str) -> None:
    """Stop a query. Athena ignores this for a query that has ended."""
    action = "StopQueryExecution"
    await _ask(api, action, f"stop the query {query}", _refused(action), {"QueryExecutionId": query})


def failure(api: Athena, seen: QueryState, table: str) -> DsopsError:
    """Return the error for a query on `table` that Athena accepted but that failed."""
    match = _CODE.match(seen.reason)
    code = match[1] if match else "FAILED"
    aws = aws_answer(api.endpoint, 200, (code, seen.reason, seen.request_id), (api.credentials.session_token,))
    why = aws.message if aws is not None else ""
    if code in ("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND"):
        where = f" in {api.endpoint.region}" + (f", database {api.database}" if api.database else "")
        hint = (
            "name the table with `--from DATABASE.TABLE` (and `--region`), or create it with the statement in "
            "dsops' docs/how-to/audit-sql.md"
        )
        return QueryRefused(f"Athena has no table {table}{where}", why=why, hint=hint, aws=aws)
    if code in ("COLUMN_NOT_FOUND", "TYPE_MISMATCH", "FUNCTION_NOT_FOUND"):
        hint = f"check that {table} is a table of CloudTrail logs with the columns in dsops' docs/how-to/audit-sql.md"
        if "security_lake" in table:
            hint = (
                f"check that {table} is a table of source version 2 (OCSF 1.1 or a later 1.x), whose name ends "
                "in cloud_trail_mgmt_2_0, and query it with `--dialect ocsf`"
            )
        return QueryRefused(f"table {table} lacks columns that the query needs", why=why, hint=hint, aws=aws)
    if _DENIED.search(seen.reason):
        hint = (
            "Athena uses the caller's permissions: allow glue:GetTable, glue:GetDatabase and "
            "glue:GetPartitions, s3:GetObject and s3:ListBucket on the logs, s3:PutObject and s3:GetBucketLocation on "
            "the output, and kms:Decrypt if they are encrypted"
        )
        return AccessDenied(f"not allowed to query table {table} with Athena", why=why, hint=hint, aws=aws)
    hint = "read fewer days (`--begin`, `--end`); Athena's query history shows the query and the full error"
    return QueryFailed(f"the Athena query of table {table} failed", why=why, hint=hint, aws=aws)


def _row(api: Athena, row: object, length: int) -> Row:
    cells = objects_in(row, "Data") if isinstance(row, dict) else []
    if len(cells) != length:
        raise lacks(api.endpoint, "GetQueryResults", "row with a cell for each column")
    # Athena represents NULL as a cell without a value.
    return tuple([text_in(cell, "VarCharValue") if "VarCharValue" in cell else None for cell in cells])


async def _ask(api: Athena, action: str, doing: str, refusal: Refusal, parameters: Mapping[str, object]) -> Content:
    call = Call(api.endpoint, api.credentials, action, doing, refusal)
    return await call_json(api.client, call, "AmazonAthena", parameters)


def _refused(action: str) -> Refusal:
    def refusal(answer: AwsAnswer, doing: str) -> DsopsError | None:
        if is_denied(answer):
            return _denied(answer, doing, f"athena:{action}")
        if concerns_credentials(answer):
            return None
        hint = "`aws athena get-query-execution --query-execution-id ID` shows the query's state in Athena"
        return QueryFailed(f"Athena could not {doing}", why=answer.message, hint=hint, aws=answer)

    return refusal


def _refused_start(workgroup: str) -> Refusal:
    def refusal(answer: AwsAnswer, doing: str) -> DsopsError | None:
        if is_denied(answer):
            return _denied(answer, f"{doing}, workgroup {workgroup}", "athena:StartQueryExecution")
        if concerns_credentials(answer):
            return None
        message, hint = "Athena does not take the query", "look at what AWS says of it; `--workgroup` names another one"
        if re.search(r"(?i)output location|output bucket|outputlocation", answer.message):
            message = f"Athena has no location for the query's result, workgroup {workgroup}"
            hint = "name a place with `--output s3://BUCKET/PREFIX/`, or a workgroup that has one with `--workgroup`"
        elif re.search(r"(?i)work ?group.* not (found|exist)", answer.message):
            message = f"Athena has no workgroup {workgroup} here"
            hint = "`aws athena list-work-groups` lists the workgroups: choose with `--workgroup` and `--region`"
        return QueryRefused(message, why=answer.message, hint=hint, aws=answer)

    return refusal


def _count_in(content: Mapping[str, object], name: str) -> int | None:
    """Return a non-negative integer member of a response; None when it is missing or has another type."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _denied(answer: AwsAnswer, doing: str, action: str) -> AccessDenied:
    """Return the error for a call that IAM denies."""
    hint = f"allow {action} to {_caller(answer)}"
    if "explicit deny" in answer.message:
        hint = f"a policy denies {action} explicitly: the message names the policy's type"
    return AccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)


def _caller(answer: AwsAnswer) -> str:
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", answer.message)
    if match is None:
        return "the caller: the user, or the role of `--store`"
    return f"the role {match[1]}" if match[1] else f"the user {match[2]}"
