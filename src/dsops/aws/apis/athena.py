"""Athena: a query begun, looked at, read and stopped; one function per API action."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.aws.http.answer import Content, aws_answer, lacks, object_in, objects_in, text_in
from dsops.aws.http.client import Call, Client, Refusal, call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AccessDenied, AwsAnswer, DsopsError, QueryFailed, QueryRefused

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Row = tuple[str | None, ...]
"""The texts of one row, in the order of the question's columns; None for NULL."""

MOST_PAGES = 1000
"""Pages of a result that are read, of a thousand rows each."""

MOST_BYTES = 262_144
"""Of a query's text (QueryString)."""

_STATES: Mapping[str, State] = {
    "QUEUED": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DENIED = re.compile(r"(?i)access denied|insufficient permissions|not authorized|accessdenied|forbidden")
# TABLE_NOT_FOUND: line 39:8: Table 'awsdatacatalog.default.cloudtrail_logs' does not exist
_CODE = re.compile(r"([A-Z][A-Z_]{3,}): ")


class QueryState(NamedTuple):
    """The state of a query, as GetQueryExecution reports it."""

    state: State
    reason: str = ""
    """AWS's reason, for a query that failed or was cancelled."""
    scanned_bytes: int | None = None
    """Bytes scanned so far; None where AWS does not say."""
    request_id: str = ""


class Athena(NamedTuple):
    """Client, credentials and target of Athena's calls; an empty field is left to the workgroup and to AWS."""

    client: Client
    credentials: Credentials
    endpoint: Endpoint
    workgroup: str = ""
    database: str = ""
    catalog: str = ""
    output: str = ""
    """Where the result goes: s3://BUCKET/PREFIX/."""


async def start_query_execution(api: Athena, sql: str, token: str) -> str:
    """The id of the query that has begun; with the same token (32 letters or more) it is begun once.

    Raises QueryRefused, besides what every call may raise.
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
    # The id is shown to people, and pasted into a shell.
    if not _ID.fullmatch(query):
        raise lacks(api.endpoint, "StartQueryExecution", "QueryExecutionId")
    return query


async def get_query_execution(api: Athena, query: str) -> QueryState:
    """How far it is."""
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
    """All rows of a query that is done, from all its pages; `columns` are those that it has to have, in their order."""
    action = "GetQueryResults"
    found: list[Row] = []
    parameters: dict[str, object] = {"QueryExecutionId": query}
    for _ in range(MOST_PAGES):
        content = await _ask(api, action, f"read the result of the query {query}", _refused(action), parameters)
        result = object_in(content, "ResultSet")
        told = objects_in(object_in(result, "ResultSetMetadata"), "ColumnInfo")
        rows = result.get("Rows")
        if columns != tuple(text_in(each, "Name") for each in told) or not isinstance(rows, list):
            raise lacks(api.endpoint, action, f"rows of {', '.join(columns)}")
        found += [_row(api, row, len(columns)) for row in rows]
        token = text_in(content, "NextToken")
        if not token:
            # The first row of a SELECT's result are the columns' names.
            return found[1:] if found[:1] == [columns] else found
        parameters["NextToken"] = token
    raise lacks(api.endpoint, action, f"end after {MOST_PAGES} pages")


async def stop_query_execution(api: Athena, query: str) -> None:
    """Has Athena stop it; one that has ended already stays as it is."""
    action = "StopQueryExecution"
    await _ask(api, action, f"stop the query {query}", _refused(action), {"QueryExecutionId": query})


def failure(api: Athena, seen: QueryState, table: str) -> DsopsError:
    """The error for a query of that table that Athena took and could not bring to its end."""
    match = _CODE.match(seen.reason)
    code = match[1] if match else "FAILED"
    aws = aws_answer(api.endpoint, 200, (code, seen.reason, seen.request_id), (api.credentials.session_token,))
    why = aws.message if aws is not None else ""
    if code in ("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND"):
        where = f" in {api.endpoint.region}" + (f", database {api.database}" if api.database else "")
        hint = (
            "name it with `--from DATABASE.TABLE` (and `--region`), or create it: the statement is in dsops' "
            "docs/how-to/audit-sql.md"
        )
        return QueryRefused(f"Athena has no table {table}{where}", why=why, hint=hint, aws=aws)
    if code in ("COLUMN_NOT_FOUND", "TYPE_MISMATCH", "FUNCTION_NOT_FOUND"):
        hint = f"is {table} a table of CloudTrail's logs, with the columns that dsops' docs/how-to/audit-sql.md lists?"
        return QueryRefused(f"{table} has not the columns that are asked for", why=why, hint=hint, aws=aws)
    if _DENIED.search(seen.reason):
        hint = (
            "Athena works with the session of whoever asks: allow glue:GetTable, glue:GetDatabase and "
            "glue:GetPartitions, s3:GetObject and s3:ListBucket on the logs, s3:PutObject and s3:GetBucketLocation on "
            "the output, kms:Decrypt where they are encrypted"
        )
        return AccessDenied(f"not allowed to read {table} by Athena", why=why, hint=hint, aws=aws)
    hint = "read fewer days (`--begin`, `--end`); the query stands in Athena's history with all its words"
    return QueryFailed(f"Athena could not answer from {table}", why=why, hint=hint, aws=aws)


def _row(api: Athena, row: object, length: int) -> Row:
    cells = objects_in(row, "Data") if isinstance(row, dict) else []
    if len(cells) != length:
        raise lacks(api.endpoint, "GetQueryResults", "row with a cell for each column")
    # NULL is a cell without a value.
    return tuple([text_in(cell, "VarCharValue") if "VarCharValue" in cell else None for cell in cells])


async def _ask(api: Athena, action: str, doing: str, refusal: Refusal, parameters: Mapping[str, object]) -> Content:
    call = Call(api.endpoint, api.credentials, action, doing, refusal)
    return await call_json(api.client, call, "AmazonAthena", parameters)


def _refused(action: str) -> Refusal:
    def refusal(said: AwsAnswer, doing: str) -> DsopsError | None:
        if is_denied(said):
            return _denied(said, doing, f"athena:{action}")
        if concerns_credentials(said):
            return None
        hint = "`aws athena get-query-execution --query-execution-id ID` shows what Athena knows of it"
        return QueryFailed(f"Athena can't {doing}", why=said.message, hint=hint, aws=said)

    return refusal


def _refused_start(workgroup: str) -> Refusal:
    def refusal(said: AwsAnswer, doing: str) -> DsopsError | None:
        if is_denied(said):
            return _denied(said, f"{doing}, workgroup {workgroup}", "athena:StartQueryExecution")
        if concerns_credentials(said):
            return None
        message, hint = "Athena does not take the query", "look at what AWS says of it; `--workgroup` names another one"
        if re.search(r"(?i)output location|output bucket|outputlocation", said.message):
            message = f"Athena can't put the result of a query anywhere, workgroup {workgroup}"
            hint = "name a place with `--output s3://BUCKET/PREFIX/`, or a workgroup that has one with `--workgroup`"
        elif re.search(r"(?i)work ?group.* not (found|exist)", said.message):
            message = f"Athena has no workgroup {workgroup} here"
            hint = "`aws athena list-work-groups` lists a region's: name one with `--workgroup`, or its `--region`"
        return QueryRefused(message, why=said.message, hint=hint, aws=said)

    return refusal


def _count_in(content: Mapping[str, object], name: str) -> int | None:
    """A number member of an answer; None where it is missing or something else."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _denied(said: AwsAnswer, doing: str, action: str) -> AccessDenied:
    """The error for a call that IAM denies."""
    hint = f"allow {action} to {_caller(said)}"
    if "explicit deny" in said.message:
        hint = f"a policy denies {action} explicitly: the message says of which kind"
    return AccessDenied(f"not allowed to {doing}", why=said.message, hint=hint, aws=said)


def _caller(said: AwsAnswer) -> str:
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", said.message)
    if match is None:
        return "the caller: the user, or the role of `--store`"
    return f"the role {match[1]}" if match[1] else f"the user {match[2]}"
