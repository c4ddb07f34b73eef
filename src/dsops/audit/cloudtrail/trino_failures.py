"""The dsops error for each way in which a query in a Trino cluster fails."""

from __future__ import annotations

import os
from typing import Any, Final

from dsops.audit.cloudtrail.ocsf import OTHER_VERSION
from dsops.audit.cloudtrail.trino_address import CERTIFICATE, KEY, PASSWORD, TOKEN, TrinoAddress, TrinoCredentials
from dsops.errors import (
    AccessDenied,
    AnswerInvalid,
    DsopsError,
    QueryCancelled,
    QueryFailed,
    QueryRefused,
    TimedOut,
    TlsRefused,
    Unreachable,
    VariableInvalid,
)
from dsops.text import clean

_PAGE: Final = "dsops' docs/how-to/trino.md"
_NO_TABLE: Final = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "MISSING_CATALOG_NAME"})
_OTHER_COLUMNS: Final = frozenset(
    {"COLUMN_NOT_FOUND", "TYPE_MISMATCH", "FUNCTION_NOT_FOUND", "INVALID_CAST_ARGUMENT", "COLUMN_TYPE_UNKNOWN"}
)
_STOPPED: Final = frozenset({"USER_CANCELED", "ADMINISTRATIVELY_CANCELED", "ADMINISTRATIVELY_KILLED"})
_LONGEST_REASON: Final = 600


def failure(
    error: Exception, address: TrinoAddress, credentials: TrinoCredentials, table: str, query_id: str
) -> DsopsError:
    """Return the error for what the package `trino` raised. `query_id` is "" if Trino did not accept the query."""
    from trino import exceptions

    if isinstance(error, exceptions.TrinoQueryError):
        return _of_query(error, address, table)
    if isinstance(error, exceptions.HttpError | exceptions.TrinoConnectionError):
        return _of_connection(error, address, credentials, query_id)
    return _not_trino(address, f"reading its answer failed with {type(error).__name__}")


def _of_query(error: Any, address: TrinoAddress, table: str) -> DsopsError:
    """Return the error for a query that Trino refused or that failed there."""
    name, why = str(error.error_name), _reason(error)
    where = f"{address.catalog}.{address.schema} on {address.short}"
    if name in _NO_TABLE:
        hint = f"name the table with `--from TABLE` or `--from CATALOG.SCHEMA.TABLE`, or create it: {_PAGE}"
        return QueryRefused(f"Trino has no table {table} in {where}", why=why, hint=hint)
    if OTHER_VERSION in why:
        hint = "limit the days to those of records with OCSF 1.1 or later: `--begin`, `--end`"
        return QueryFailed(f"table {table} has records of another version of OCSF", why=why, hint=hint)
    if name in _OTHER_COLUMNS:
        return _other_columns(table, why)
    if name == "PERMISSION_DENIED":
        hint = f"allow {address.user} to select from {table} in Trino's access control"
        return AccessDenied(f"{address.user} may not query {table} in {where}", why=why, hint=hint)
    if name in _STOPPED:
        return QueryCancelled(
            f"query {error.query_id} was cancelled in Trino", why=why, hint="ask Trino's administrator, then try again"
        )
    hint = (
        f"Trino's web interface shows query {error.query_id} with the whole error; `--begin` makes it read fewer days"
    )
    return QueryFailed(f"the Trino query of table {table} failed ({name})", why=why, hint=hint)


def _other_columns(table: str, why: str) -> QueryRefused:
    if "'timestamp'" in why:
        hint = f"leave out `--begin` and `--end`, or add the partition column: {_PAGE}"
        return QueryRefused(f"table {table} has no column `timestamp` with the day", why=why, hint=hint)
    message = f"table {table} lacks columns that the query needs, or has other types"
    return QueryRefused(message, why=why, hint=f"check that {table} has the columns and types in {_PAGE}")


def _reason(error: Any) -> str:
    """Return Trino's message as one line of limited length."""
    return clean(" ".join(str(error.message).split()))[:_LONGEST_REASON]


def _of_connection(error: Exception, address: TrinoAddress, credentials: TrinoCredentials, query_id: str) -> DsopsError:
    """Return the error for a request that got no answer, or an HTTP error."""
    import requests

    cause = error.__context__ if isinstance(error.__context__, requests.RequestException) else error
    status = str(error).removeprefix("error ")[:3]
    if status in ("401", "403"):
        return _not_accepted(address, credentials)
    if isinstance(cause, requests.exceptions.SSLError):
        hint = "if a private CA signed the server's certificate, name the CA's certificates with SSL_CERT_FILE"
        return TlsRefused(f"the TLS connection to {address.short} failed", why=_short(cause), hint=hint)
    if isinstance(cause, requests.exceptions.InvalidSchema):
        hint = "set `http-server.process-forwarded=true` in the coordinator, if a load balancer is in front of it"
        return AnswerInvalid(f"{address.short} sent an address without TLS for the next request", hint=hint)
    if isinstance(cause, requests.RequestException) or status in ("502", "503", "504"):
        return _lost(cause, address, query_id)
    return _not_trino(address, clean(str(error))[:_LONGEST_REASON])


def _lost(cause: BaseException, address: TrinoAddress, query_id: str) -> DsopsError:
    """Return the error for a connection that could not be made, or that ended during a query."""
    import requests

    if isinstance(cause, requests.ReadTimeout):
        hint = "try again when the cluster is less busy"
        return TimedOut(f"Trino at {address.short} did not answer in time", hint=hint)
    why = _short(cause)
    if query_id:
        hint = "start the command again: Trino cancels a query without a client after some minutes"
        return Unreachable(
            f"lost the connection to Trino at {address.short} during query {query_id}", why=why, hint=hint
        )
    hint = "check the host and port of `--engine`"
    return Unreachable(f"no connection to Trino at {address.short}", why=why, hint=hint)


def _not_trino(address: TrinoAddress, why: str) -> AnswerInvalid:
    hint = "check the host and port of `--engine`; write `trino://` if the server needs TLS, otherwise `trino+http://`"
    return AnswerInvalid(f"{address.short} does not answer as Trino does", why=why, hint=hint)


def _not_accepted(address: TrinoAddress, credentials: TrinoCredentials) -> AccessDenied:
    variable = credentials.variable
    hint = (
        f"check {variable} and the user of `--engine`"
        if variable
        else f"set {PASSWORD}, {TOKEN}, or {CERTIFICATE} and {KEY}"
    )
    why = f"the credentials come from {variable}" if variable else "no credentials were sent"
    return AccessDenied(f"Trino at {address.short} did not accept the user {address.user}", why=why, hint=hint)


def _short(cause: BaseException) -> str:
    """Return the reason of the operating system or of TLS; requests' own text has URLs and addresses of objects."""
    inner: BaseException | None = cause
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return clean(str(getattr(inner, "verify_message", "") or inner.strerror).lower())
        parts = (getattr(inner, "reason", None), *inner.args, inner.__context__)
        inner = next((part for part in parts if isinstance(part, BaseException) and part is not inner), None)
    return type(cause).__name__


def check_files(credentials: TrinoCredentials) -> None:
    """Raise VariableInvalid if the client's certificate or key is not a file."""
    for variable, path in ((CERTIFICATE, credentials.certificate), (KEY, credentials.key)):
        if path and not os.path.isfile(path):
            raise VariableInvalid(
                f"{variable} is set to {path}, which is not a file", hint=f"correct or unset {variable}"
            )
