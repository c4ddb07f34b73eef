"""The questions of the report, each defined once in SQL for every engine.

The SQL reads the relations `calls`, `issues` and `uses`. Its placeholders:

- `$since` and `$boundary`: timestamps
- `$by`: the grouping of `summary`
- `$session`: the text that the user passed
- `$median(x)`: replaced by the engine's function

Output columns are in double quotes, since `first` and `last` are keywords of Athena.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from dsops.audit.cloudtrail.dialects import Dialect
from dsops.audit.cloudtrail.relations import MOST_HOPS

THROTTLED = tuple(
    """
    Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
    TooManyRequestsException RequestLimitExceeded Client.RequestLimitExceeded SlowDown
    ProvisionedThroughputExceededException PriorRequestNotComplete
    """.split()
)
"""AWS's error codes for throttling."""

DENIED = ("AuthorizationError", "AuthorizationErrorException", "NotAuthorized", "Forbidden")
"""Error codes of denials that lack the usual prefix or suffix of denial codes."""

BY = {
    "role": "role",
    "principal": "principal",
    "account": "CASE WHEN from_account = '' THEN '-' ELSE from_account END || ' > ' || "
    "CASE WHEN to_account = '' THEN '-' ELSE to_account END",
}
"""The groupings of `summary`, and their SQL."""

LAST_MINUTE_SECONDS = 60
SHORT_SECONDS = 60
LEAST_ASKED_SECONDS = 900
REPEATED = 3


class AuditQuestion(NamedTuple):
    """A question that `dsops audit report` answers."""

    name: str
    asks: str
    """The question in one line."""
    columns: tuple[str, ...]
    sql: str
    needs: str = "issues"
    """The relation that the question reads: `calls`, `issues`, or `uses` (issues with the use of each session)."""


class QuestionOptions(NamedTuple):
    """The user's options, which limit the records that the questions are about."""

    since: datetime | None = None
    """The earliest time of reported calls; all times here are in UTC."""
    boundary: datetime | None = None
    """The time from which calls count as recent; if None, `since`, or else a day before the latest call."""
    by: str = "role"
    session: str = ""


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _question(name: str, asks: str, columns: str, sql: str, needs: str = "issues") -> AuditQuestion:
    return AuditQuestion(name, asks, tuple(columns.split()), sql.strip("\n"), needs)


_FAILED = "sum(CASE WHEN code <> '' THEN 1 ELSE 0 END)"
_SESSIONS = "sum(CASE WHEN is_session THEN 1 ELSE 0 END)"

TIMELINE = _question(
    "timeline",
    "sessions and failures, hour by hour",
    "hour sessions failures principals",
    f"""
SELECT date_trunc('hour', call_time) AS "hour", {_SESSIONS} AS "sessions", {_FAILED} AS "failures",
  count(DISTINCT principal) AS "principals"
FROM issues WHERE call_time >= $since
GROUP BY 1 ORDER BY 1
""",
)
FAILURES = _question(
    "failures",
    "AssumeRole failures, by role and code",
    "role code failures principals first last",
    """
SELECT role AS "role", code AS "code", count(*) AS "failures", count(DISTINCT principal) AS "principals",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues WHERE code <> '' AND call_time >= $since
GROUP BY role, code ORDER BY 3 DESC, 1, 2
""",
)
DURATIONS = _question(
    "durations",
    "how long sessions are used, against what was asked for",
    "role sessions unused asked_median asked_max used_median used_max",
    """
SELECT role AS "role", count(*) AS "sessions", sum(CASE WHEN used_seconds IS NULL THEN 1 ELSE 0 END) AS "unused",
  $median(asked_seconds) AS "asked_median", max(asked_seconds) AS "asked_max",
  $median(used_seconds) AS "used_median", max(used_seconds) AS "used_max"
FROM uses WHERE is_session AND call_time >= $since
GROUP BY role ORDER BY 2 DESC, 1
""",
    "uses",
)
PRINCIPALS = _question(
    "principals",
    "who assumes which role",
    "role principal sessions failures first last",
    f"""
SELECT role AS "role", principal AS "principal", {_SESSIONS} AS "sessions", {_FAILED} AS "failures",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues WHERE call_time >= $since
GROUP BY role, principal ORDER BY 1, 3 DESC, 4 DESC, 2
""",
)
ACCOUNTS = _question(
    "accounts",
    "access across accounts, by pair",
    "from_account to_account calls failures principals roles first last",
    f"""
SELECT from_account AS "from_account", to_account AS "to_account", count(*) AS "calls", {_FAILED} AS "failures",
  count(DISTINCT principal) AS "principals", count(DISTINCT role) AS "roles",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account AND call_time >= $since
GROUP BY from_account, to_account ORDER BY 3 DESC, 1, 2
""",
)
THROTTLING = _question(
    "throttling",
    "calls that AWS throttled",
    "service name code calls first last",
    f"""
SELECT service AS "service", call_name AS "name", code AS "code", count(*) AS "calls",
  min(call_time) AS "first", max(call_time) AS "last"
FROM calls WHERE code IN ({_list(THROTTLED)}) AND call_time >= $since
GROUP BY service, call_name, code ORDER BY 4 DESC, 1, 2, 3
""",
    "calls",
)
EVENTS = _question(
    "events",
    "what is recorded, and so paid for: management and data events",
    "category service calls",
    """
SELECT category AS "category", service AS "service", count(*) AS "calls"
FROM calls WHERE call_time >= $since
GROUP BY category, service ORDER BY 3 DESC, 1, 2
""",
    "calls",
)
SAVED = _question(
    "saved",
    "calls that dsops' cache saved (its own trail says so)",
    "name calls",
    """
SELECT call_name AS "name", count(*) AS "calls"
FROM calls WHERE is_cached AND call_time >= $since
GROUP BY call_name ORDER BY 2 DESC, 1
""",
    "calls",
)
NEW_PRINCIPALS = _question(
    "new-principals",
    "principals never seen on a role before",
    "role principal sessions first",
    """
SELECT role AS "role", principal AS "principal", count(*) AS "sessions", min(call_time) AS "first"
FROM issues
WHERE is_session AND role IN (SELECT role FROM issues WHERE is_session AND call_time < $boundary)
GROUP BY role, principal HAVING min(call_time) >= $boundary ORDER BY 1, 2
""",
)
NEW_ACCOUNTS = _question(
    "new-accounts",
    "pairs of accounts never seen before",
    "from_account to_account calls failures first",
    f"""
SELECT from_account AS "from_account", to_account AS "to_account", count(*) AS "calls", {_FAILED} AS "failures",
  min(call_time) AS "first"
FROM issues
WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account
  AND (SELECT count(*) FROM issues WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account
    AND call_time < $boundary) > 0
GROUP BY from_account, to_account HAVING min(call_time) >= $boundary ORDER BY 1, 2
""",
)
_FROM_OUTSIDE = "address <> '' AND address <> 'AWS Internal' AND address NOT LIKE '%.amazonaws.com'"
NEW_ADDRESSES = _question(
    "new-addresses",
    "principals at a source address that they never used before",
    "principal address calls failures known first",
    f"""
SELECT principal AS "principal", address AS "address", count(*) AS "calls", {_FAILED} AS "failures",
  max(addresses) AS "known", min(call_time) AS "first"
FROM issues
JOIN (
  SELECT principal AS known_principal, count(DISTINCT address) AS addresses
  FROM issues WHERE {_FROM_OUTSIDE} AND call_time < $boundary GROUP BY principal) earlier
ON known_principal = principal
WHERE {_FROM_OUTSIDE}
GROUP BY principal, address HAVING min(call_time) >= $boundary ORDER BY 1, 2
""",
)
WITHOUT_MFA = _question(
    "without-mfa",
    "users without MFA on roles where others have it",
    "role principal calls with_mfa others",
    """
SELECT mine.role AS "role", mine.principal AS "principal", mine.without_mfa AS "calls", mine.with_mfa AS "with_mfa",
  with_others.people - CASE WHEN mine.with_mfa > 0 THEN 1 ELSE 0 END AS "others"
FROM (
  SELECT role, principal, sum(CASE WHEN has_mfa THEN 0 ELSE 1 END) AS without_mfa,
    sum(CASE WHEN has_mfa THEN 1 ELSE 0 END) AS with_mfa
  FROM issues WHERE call_name = 'AssumeRole' AND code = '' AND identity_type = 'IAMUser' AND call_time >= $since
  GROUP BY role, principal) mine
JOIN (
  SELECT role, count(DISTINCT principal) AS people
  FROM issues
  WHERE call_name = 'AssumeRole' AND code = '' AND identity_type = 'IAMUser' AND has_mfa AND call_time >= $since
  GROUP BY role) with_others
ON with_others.role = mine.role
WHERE mine.without_mfa > 0 AND with_others.people > CASE WHEN mine.with_mfa > 0 THEN 1 ELSE 0 END
ORDER BY 1, 2
""",
)
WITHOUT_EXTERNAL_ID = _question(
    "without-external-id",
    "accounts without logs here that get sessions without an external ID",
    "role from_account calls principals first last",
    """
SELECT role AS "role", from_account AS "from_account", count(*) AS "calls", count(DISTINCT principal) AS "principals",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues
WHERE call_name = 'AssumeRole' AND code = '' AND NOT has_external_id AND recipient <> ''
  AND from_account <> '' AND to_account <> '' AND from_account <> to_account
  AND from_account NOT IN (SELECT recipient FROM calls) AND call_time >= $since
GROUP BY role, from_account ORDER BY 3 DESC, 1, 2
""",
)
LONG_USE = _question(
    "long-use",
    "sessions used to their last minute",
    "role sessions used asked_max",
    f"""
SELECT role AS "role", sum(CASE WHEN to_the_end THEN 1 ELSE 0 END) AS "sessions", count(*) AS "used",
  max(CASE WHEN to_the_end THEN asked_seconds END) AS "asked_max"
FROM (
  SELECT role, asked_seconds,
    coalesce(date_diff('second', last_use, expires) <= {LAST_MINUTE_SECONDS}, FALSE) AS to_the_end
  FROM uses WHERE is_session AND last_use IS NOT NULL AND call_time >= $since) used
GROUP BY role HAVING sum(CASE WHEN to_the_end THEN 1 ELSE 0 END) > 0 ORDER BY 2 DESC, 1
""",
    "uses",
)
SHORT_USE = _question(
    "short-use",
    "sessions used for seconds, on roles where most are",
    "role sessions used asked_median used_max",
    f"""
SELECT role AS "role", sum(CASE WHEN is_short THEN 1 ELSE 0 END) AS "sessions", count(*) AS "used",
  $median(CASE WHEN is_short THEN asked_seconds END) AS "asked_median",
  max(CASE WHEN is_short THEN used_seconds END) AS "used_max"
FROM (
  SELECT role, asked_seconds, used_seconds,
    coalesce(used_seconds < {SHORT_SECONDS} AND asked_seconds > {LEAST_ASKED_SECONDS}, FALSE) AS is_short
  FROM uses WHERE is_session AND last_use IS NOT NULL AND call_time >= $since) used
GROUP BY role
HAVING sum(CASE WHEN is_short THEN 1 ELSE 0 END) > 0 AND 2 * sum(CASE WHEN is_short THEN 1 ELSE 0 END) >= count(*)
ORDER BY 2 DESC, 1
""",
    "uses",
)
DENIALS = _question(
    "denials",
    "denied calls that repeat",
    "principal service name role code calls first last",
    f"""
SELECT principal AS "principal", service AS "service", call_name AS "name", role AS "role", code AS "code",
  count(*) AS "calls", min(call_time) AS "first", max(call_time) AS "last"
FROM calls
WHERE (code LIKE 'AccessDenied%' OR code LIKE '%AccessDenied' OR code LIKE '%AccessDeniedException'
    OR code LIKE '%UnauthorizedOperation' OR code IN ({_list(DENIED)}))
  AND call_time >= $since
GROUP BY principal, service, call_name, role, code HAVING count(*) >= {REPEATED}
ORDER BY 6 DESC, 1, 2, 3, 4, 5
""",
    "calls",
)


def _chains() -> str:
    """Return SQL for chains of sessions: the last three hops are required, earlier hops are optional."""
    back = range(4, MOST_HOPS + 1)
    joins = "\n".join(f"LEFT JOIN sessions s{n} ON s{n}.issued_key = s{n - 1}.signed_by" for n in back)
    first = ", ".join(f"s{n}.principal" for n in reversed((3, *back)))
    earlier = " || ".join(f"coalesce(' > ' || s{n}.role, '')" for n in reversed(back))
    hops = " + ".join(f"CASE WHEN s{n}.issued_key IS NULL THEN 0 ELSE 1 END" for n in back)
    return f"""
WITH sessions AS (
  SELECT issued_key, signed_by, principal, role, call_time FROM issues WHERE is_session)
SELECT path AS "path", hops AS "hops", count(*) AS "sessions", min(call_time) AS "first", max(call_time) AS "last"
FROM (
  SELECT coalesce({first}) || {earlier}
      || ' > ' || s3.role || ' > ' || s2.role || ' > ' || s1.role AS path,
    3 + {hops} AS hops,
    s1.call_time
  FROM sessions s1
  JOIN sessions s2 ON s2.issued_key = s1.signed_by
  JOIN sessions s3 ON s3.issued_key = s2.signed_by
  {joins}
  WHERE s1.call_time >= $since) chain
GROUP BY path, hops ORDER BY 2 DESC, 3 DESC, 1
"""


CHAINS = _question("chains", "sessions of three hops or more", "path hops sessions first last", _chains())


def _history() -> str:
    columns = "call_time call_name principal role session_name source_identity address signed_by issued_key".split()
    hops = range(1, MOST_HOPS + 1)
    # All hops of a chain are joined side by side in one row, and the row is repeated for each hop. With a subquery for
    # each hop, Athena would read the table 36 times.
    before = "\n".join(f"LEFT JOIN sessions s{n} ON s{n}.issued_key = s{n - 1}.signed_by" for n in hops[1:])
    numbers = " UNION ALL ".join(f"SELECT {n}{' AS back' if n == 1 else ''}" for n in hops)

    def of_hop(column: str) -> str:
        return f"CASE back {' '.join(f'WHEN {n} THEN s{n}.{column}' for n in hops)} END"

    call_time, call_name, principal, role, session_name, source_identity, address, signed_by, key = map(of_hop, columns)
    return f"""
WITH sessions AS (
  SELECT {", ".join(columns)}, session_arn FROM issues WHERE is_session),
s1 AS (
  SELECT * FROM sessions WHERE issued_key = $session OR session_name = $session OR session_arn = $session
  ORDER BY call_time DESC, issued_key LIMIT 1)
SELECT max(back) OVER () - back + 1 AS "hop", {call_time} AS "time", {call_name} AS "name",
  {principal} AS "principal", {role} AS "role", {session_name} AS "session_name",
  {source_identity} AS "source_identity", {address} AS "address", {signed_by} AS "signed_by", {key} AS "key"
FROM s1
{before}
JOIN ({numbers}) numbers ON {key} IS NOT NULL
ORDER BY 1
"""


HISTORY = _question(
    "history",
    "who is behind one session, hop by hop",
    "hop time name principal role session_name source_identity address signed_by key",
    _history(),
)
SUMMARY = _question(
    "summary",
    "all of it by role, principal or pair of accounts",
    "by calls sessions failures principals roles asked_median used_median first last",
    f"""
SELECT $by AS "by", count(*) AS "calls", {_SESSIONS} AS "sessions", {_FAILED} AS "failures",
  count(DISTINCT principal) AS "principals", count(DISTINCT role) AS "roles",
  $median(CASE WHEN is_session THEN asked_seconds END) AS "asked_median",
  $median(CASE WHEN is_session THEN used_seconds END) AS "used_median",
  min(call_time) AS "first", max(call_time) AS "last"
FROM uses WHERE call_time >= $since
GROUP BY 1 ORDER BY 2 DESC, 1
""",
    "uses",
)

REPORTED = (
    SUMMARY,
    TIMELINE,
    FAILURES,
    DURATIONS,
    PRINCIPALS,
    ACCOUNTS,
    THROTTLING,
    EVENTS,
    SAVED,
    NEW_PRINCIPALS,
    NEW_ACCOUNTS,
    NEW_ADDRESSES,
    WITHOUT_MFA,
    WITHOUT_EXTERNAL_ID,
    LONG_USE,
    SHORT_USE,
    DENIALS,
    CHAINS,
)
"""All questions of a report."""
QUESTIONS: Mapping[str, AuditQuestion] = {question.name: question for question in (*REPORTED, HISTORY)}

_PLACE = re.compile(r"\$(?:median\((?P<of>[^()]*)\)|(?P<word>[a-z]+))")


def is_denial(code: str) -> bool:
    """Whether an error code means that AWS denied the call. The SQL of the question `denials` has the same rule."""
    return (
        code.startswith("AccessDenied")
        or code.endswith(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"))
        or code in DENIED
    )


def sql_of(question: AuditQuestion, options: QuestionOptions, dialect: Dialect) -> str:
    """Return the question's SQL for an engine, over the relations that it needs."""
    day_before = dialect.later.format(time="max(call_time)", seconds="-86400")
    boundary = options.boundary or options.since
    words = {
        "since": _timestamp(options.since or datetime.min),  # noqa: DTZ901 - UTC is what timestamps are in
        "boundary": _timestamp(boundary) if boundary else f"(SELECT {day_before} FROM calls)",
        "by": BY[options.by],
        "session": text_literal(options.session),
    }

    def filled(match: re.Match[str]) -> str:
        return words[match["word"]] if match["word"] else dialect.median.format(match["of"])

    return _PLACE.sub(filled, question.sql)


def text_literal(text: str) -> str:
    """Text as an SQL literal: in single quotes, with quotes inside doubled; no other character has a meaning there."""
    return "'" + text.replace("'", "''") + "'"


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(' ', 'seconds')}'"
