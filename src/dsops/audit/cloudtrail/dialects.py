"""The SQL dialects: how each engine reads the fields of a record, and the few other differences.

Athena is a Trino, so both have the same dialect. They read the table of
https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-partition-projection.html, where
`requestparameters` and similar columns hold JSON text, with one more column: `managementevent`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

FIELDS: Mapping[str, str] = {
    "event_time": "eventTime",
    "event_name": "eventName",
    "event_source": "eventSource",
    "category": "eventCategory",
    "is_management": "managementEvent",
    "error_code": "errorCode",
    "event_id": "eventID",
    "shared_id": "sharedEventID",
    "recipient": "recipientAccountId",
    "address": "sourceIPAddress",
    "identity_type": "userIdentity.type",
    "principal_id": "userIdentity.principalId",
    "arn": "userIdentity.arn",
    "account_id": "userIdentity.accountId",
    "access_key": "userIdentity.accessKeyId",
    "invoked_by": "userIdentity.invokedBy",
    "mfa_authenticated": "userIdentity.sessionContext.attributes.mfaAuthenticated",
    "issuer": "userIdentity.sessionContext.sessionIssuer.arn",
    "carried_identity": "userIdentity.sessionContext.sourceIdentity",
    "role_arn": "requestParameters.roleArn",
    "session_name": "requestParameters.roleSessionName",
    "duration": "requestParameters.durationSeconds",
    "serial_number": "requestParameters.serialNumber",
    "external_id": "requestParameters.externalId",
    "source_identity": "requestParameters.sourceIdentity",
    "target": "requestParameters.targetPrincipal",
    "issued_key": "responseElements.credentials.accessKeyId",
    "expiration": "responseElements.credentials.expiration",
    "session_arn": "responseElements.assumedRoleUser.arn",
    "is_cached": "additionalEventData.cached",
}
"""The fields that are read from records: the name in dsops -> the path in a CloudTrail record."""

DETAILS: Mapping[str, str] = {"resources": "resources", "is_read": "readOnly"}
"""Further fields, which only questions about permissions read. `resources` is JSON text."""

_FREE = ("requestParameters", "responseElements", "additionalEventData")
"""Fields whose structure depends on the event."""


class Dialect(NamedTuple):
    """The SQL of one engine, where it differs from the SQL of other engines."""

    name: str
    title: str
    field: Callable[[str], str]
    """Maps the path of a field to an SQL expression for its text; NULL if the field is missing."""
    time: str
    """SQL for a timestamp of whole seconds in UTC; `{}` is the expression for eventTime."""
    spoken_time: str
    """SQL for a timestamp or NULL; `{}` is text such as `Nov 20, 2026, 11:00:00 AM`."""
    id: str
    """SQL that shortens an id and keeps it unique; `{}` is the text of the id."""
    unique: str
    """SQL for a value that occurs only once and has the same type as `id`."""
    later: str
    """SQL for the timestamp `{seconds}` after `{time}`."""
    median: str
    """SQL for the lower median of the expression `{}`."""


def _struct(path: str) -> str:
    return "r." + ".".join(f'"{part}"' for part in path.split("."))


def _athena(path: str) -> str:
    first, _, rest = path.partition(".")
    if first in _FREE:
        return f"json_extract_scalar({first.lower()}, '$.{rest}')"
    if path == "userIdentity.sessionContext.sourceIdentity":
        # AWS's documentation creates the table without this field: a JSON path then gives NULL, but a column name would
        # be an error.
        return "json_extract_scalar(CAST(useridentity AS JSON), '$.sessioncontext.sourceidentity')"
    return path.lower()


_TRINO_SPOKEN = (
    "coalesce(try(date_parse({0}, '%b %e, %Y, %h:%i:%s %p')), try(CAST(from_iso8601_timestamp({0}) AS TIMESTAMP)))"
)

# A cast to TIMESTAMP ignores the UTC offset; a cast to TIMESTAMPTZ takes text without an offset as local time.
_DUCKDB_TIME = """date_trunc('second', CASE
      WHEN {0} NOT LIKE '%Z' AND regexp_matches({0}, '[T ].*[+-][0-9]{{2}}(:?[0-9]{{2}})?$')
        THEN make_timestamp(epoch_us(try_cast({0} AS TIMESTAMPTZ)))
      ELSE try_cast({0} AS TIMESTAMP) END)"""

DUCKDB = Dialect(
    name="duckdb",
    title="DuckDB",
    field=_struct,
    time=_DUCKDB_TIME,
    spoken_time=f"coalesce(try_strptime({{0}}, '%b %d, %Y, %I:%M:%S %p'), {_DUCKDB_TIME})",
    id="coalesce(try_cast({0} AS UUID), try_cast(md5({0}) AS UUID))",
    unique="uuid()",
    later="({time} + to_seconds({seconds}))",
    median="quantile_disc({}, 0.5)",
)
ATHENA = Dialect(
    name="athena",
    title="Athena",
    field=_athena,
    time="date_trunc('second', CAST(try(from_iso8601_timestamp({})) AS TIMESTAMP))",
    spoken_time=_TRINO_SPOKEN,
    id="{}",
    unique="CAST(uuid() AS VARCHAR)",
    later="date_add('second', {seconds}, {time})",
    # `approx_percentile({}, 0.5)` returns the upper of two middle values.
    median="element_at(array_sort(array_agg({0}) FILTER (WHERE {0} IS NOT NULL)), "
    "CAST((count({0}) + 1) / 2 AS INTEGER))",
)
TRINO = ATHENA._replace(name="trino", title="Trino")
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (ATHENA, DUCKDB, TRINO)}
