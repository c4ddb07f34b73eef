"""The relations that the questions use, in SQL that every engine reads: records -> calls -> issues -> uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from dsops.audit.cloudtrail.dialects import DETAILS, FIELDS, Dialect
from dsops.policy.language.session_actions import SESSION_OPERATIONS

NO_ORIGIN: Final[Mapping[str, str]] = {}

MOST_HOPS = 8
"""Maximum number of hops that are followed back in a chain."""

_SERVICE = "replace(event_source, '.amazonaws.com', '')"
_NAMES = ", ".join(f"'{name}'" for name in SESSION_OPERATIONS)
_IS_ISSUE = f"{_SERVICE} = 'sts' AND event_name IN ({_NAMES})"
_ROLE_NAME = "reverse(split_part(reverse(issuer), '/', 1))"


_MOST_TEXT = 4000
"""The maximum length of the list of a call's resources; a longer list is left out."""

_DETAILS = f"""
    coalesce(issuer, '') AS issuer,
    coalesce(is_read = 'true', FALSE) AS is_read,
    CASE WHEN is_issue THEN coalesce(role_arn, '') WHEN length(resources) > {_MOST_TEXT} THEN ''
      ELSE coalesce(resources, '') END AS about,"""


def fields(
    dialect: Dialect,
    source: str,
    where: str = "",
    *,
    has_details: bool = False,
    origin: Mapping[str, str] = NO_ORIGIN,
    without: Collection[str] = (),
) -> str:
    """Return a SELECT of each field as text from `source`, a table or an expression that yields records.

    With `has_details`, here and below, the fields of DETAILS are included. `origin` has further columns and their SQL.
    The fields in `without` are not read, and are NULL.
    """
    chosen = {**FIELDS, **DETAILS} if has_details else FIELDS
    read = {name: "CAST(NULL AS VARCHAR)" if name in without else dialect.field(path) for name, path in chosen.items()}
    columns = ",\n    ".join(f"{expression} AS {name}" for name, expression in (read | dict(origin)).items())
    return f"SELECT\n    {columns}\n  FROM {source}" + (f"\n  WHERE {where}" if where else "")


def records(
    dialect: Dialect, source: str = "fields", *, has_details: bool = False, origin: Iterable[str] = NO_ORIGIN
) -> str:
    """Return a SELECT of the needed columns from `fields`. `call_time` is NULL for a record without a time or name."""
    more = "".join(f"\n    {name}," for name in origin)
    return f"""SELECT{_DETAILS if has_details else ""}{more}
    {dialect.time.format("event_time")} AS call_time,
    event_name AS call_name,
    coalesce({_SERVICE}, '') AS service,
    coalesce(category, CASE WHEN is_management = 'false' THEN 'Data' ELSE 'Management' END) AS category,
    coalesce(error_code, '') AS code,
    coalesce(identity_type, '') AS identity_type,
    coalesce(
      CASE WHEN identity_type = 'AssumedRole' THEN
        CASE WHEN {_ROLE_NAME} LIKE 'AWSReservedSSO|_%' ESCAPE '|'
          THEN arn ELSE issuer END END,
      CASE WHEN identity_type = 'AssumedRole' AND arn LIKE '%:assumed-role/%'
        AND arn NOT LIKE '%:assumed-role/AWSReservedSSO|_%' ESCAPE '|'
        THEN replace(replace(split_part(arn, '/', 1), ':sts:', ':iam:'), ':assumed-role', ':role')
          || '/' || split_part(arn, '/', 2) END,
      CASE WHEN identity_type IN ('WebIdentityUser', 'SAMLUser') THEN principal_id END,
      arn,
      CASE WHEN identity_type = 'AWSAccount' THEN account_id || '/' || split_part(principal_id, ':', 1) END,
      invoked_by, principal_id,
      CASE WHEN access_key LIKE 'AKIA%' THEN access_key END, 'unknown') AS principal,
    coalesce(account_id, '') AS from_account,
    coalesce(access_key, '') AS signed_by,
    coalesce(serial_number IS NOT NULL OR mfa_authenticated = 'true', FALSE) AS has_mfa,
    external_id IS NOT NULL AS has_external_id,
    CASE WHEN is_issue THEN coalesce(
      role_arn,
      CASE WHEN event_name = 'AssumeRoot' THEN 'arn:aws:iam::' || CASE WHEN target LIKE 'arn:%'
        THEN split_part(target, ':', 5) ELSE target END || ':root' END,
      event_name) ELSE '' END AS role,
    CASE WHEN is_issue THEN coalesce(session_name, '') ELSE '' END AS session_name,
    CASE WHEN is_issue THEN coalesce(source_identity, carried_identity, '') ELSE '' END AS source_identity,
    CASE WHEN is_issue THEN coalesce(address, '') ELSE '' END AS address,
    CASE WHEN is_issue AND coalesce(error_code, '') = '' THEN coalesce(issued_key, '') ELSE '' END AS issued_key,
    CASE WHEN is_issue THEN coalesce(session_arn, '') ELSE '' END AS session_arn,
    CASE WHEN is_issue THEN try_cast(duration AS INTEGER) END AS duration_seconds,
    CASE WHEN is_issue THEN {dialect.spoken_time.format("expiration")} END AS expiration,
    coalesce(is_cached = 'true', FALSE) AS is_cached,
    coalesce({dialect.id.format("coalesce(shared_id, event_id)")}, {dialect.unique}) AS call_id,
    CASE WHEN shared_id IS NOT NULL THEN coalesce(event_id, '') ELSE '' END AS twin_id,
    coalesce(recipient, '') AS recipient,
    arn IS NOT NULL AS has_arn
  FROM (
    SELECT *, {_IS_ISSUE} AS is_issue
    FROM {source}) told"""


IS_CALL = (
    "(call_name IS NOT NULL AND call_time BETWEEN TIMESTAMP '0001-01-02 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59')"
)
"""An SQL condition for valid records: with a name, and with a possible time. It is NULL without a time.

Engines also accept times that a `datetime` can't hold (`infinity`, the year 10000). The first valid day is 0001-01-02,
since the day before the first call has to exist.
"""

COPIES = """row_number() OVER (
      PARTITION BY call_id ORDER BY CASE WHEN has_arn THEN 0 ELSE 1 END, call_time, recipient, twin_id) AS copy"""
"""An SQL column that numbers the records of one call; only the record with number 1 is used."""


def calls(source: str = "records") -> str:
    """Return a SELECT from `records` with one record per call."""
    return f"""SELECT * FROM (
    SELECT *, {COPIES}
    FROM {source} WHERE {IS_CALL}) numbered
  WHERE copy = 1"""


def issues(source: str = "calls") -> str:
    """Return a SELECT from `calls` of the calls that issue a session or fail to issue one."""
    return f"""SELECT
    call_time, call_name, code, identity_type, principal, from_account, signed_by, has_mfa, has_external_id, role,
    recipient,
    CASE WHEN role LIKE 'arn:%' THEN split_part(role, ':', 5) ELSE '' END AS to_account,
    session_name, source_identity, address, issued_key, issued_key <> '' AS is_session, session_arn, expiration,
    coalesce(duration_seconds, date_diff('second', call_time, expiration)) AS asked_seconds
  FROM {source} WHERE role <> ''"""


def uses(dialect: Dialect, source: str = "calls") -> str:
    """Return a SELECT of `issues` with the last use of each session: the last of `calls` that the session signed."""
    later = dialect.later.format(time="call_time", seconds="asked_seconds")
    return f"""SELECT
    issues.*,
    coalesce(expiration, {later}) AS expires,
    CASE WHEN last_use < call_time THEN 0 ELSE date_diff('second', call_time, last_use) END AS used_seconds,
    last_use
  FROM issues
  LEFT JOIN (
    SELECT signed_by AS used_key, max(call_time) AS last_use
    FROM {source} WHERE signed_by <> '' GROUP BY signed_by) used
  ON used_key = issued_key AND issued_key <> ''"""
