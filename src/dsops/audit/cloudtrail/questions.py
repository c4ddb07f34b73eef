"""All questions of the report. The questions about unusual use are in `unusual_questions`, the others here."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.audit.cloudtrail.question import FAILED_CALLS, ISSUED_SESSIONS, AuditQuestion, make_question, text_list
from dsops.audit.cloudtrail.relations import MOST_HOPS
from dsops.audit.cloudtrail.unusual_questions import (
    DENIALS,
    LONG_USE,
    NEW_ACCOUNTS,
    NEW_ADDRESSES,
    NEW_PRINCIPALS,
    SHORT_USE,
    WITHOUT_EXTERNAL_ID,
    WITHOUT_MFA,
)

THROTTLED = tuple(
    """
    Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
    TooManyRequestsException RequestLimitExceeded Client.RequestLimitExceeded SlowDown
    ProvisionedThroughputExceededException PriorRequestNotComplete
    """.split()
)
"""AWS's error codes for throttling."""

TIMELINE = make_question(
    "timeline",
    "sessions and failures, hour by hour",
    "hour sessions failures principals",
    f"""
SELECT date_trunc('hour', call_time) AS "hour", {ISSUED_SESSIONS} AS "sessions", {FAILED_CALLS} AS "failures",
  count(DISTINCT principal) AS "principals"
FROM issues WHERE call_time >= $since
GROUP BY 1 ORDER BY 1
""",
)
FAILURES = make_question(
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
DURATIONS = make_question(
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
PRINCIPALS = make_question(
    "principals",
    "who assumes which role",
    "role principal sessions failures first last",
    f"""
SELECT role AS "role", principal AS "principal", {ISSUED_SESSIONS} AS "sessions", {FAILED_CALLS} AS "failures",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues WHERE call_time >= $since
GROUP BY role, principal ORDER BY 1, 3 DESC, 4 DESC, 2
""",
)
ACCOUNTS = make_question(
    "accounts",
    "access across accounts, by pair",
    "from_account to_account calls failures principals roles first last",
    f"""
SELECT from_account AS "from_account", to_account AS "to_account", count(*) AS "calls", {FAILED_CALLS} AS "failures",
  count(DISTINCT principal) AS "principals", count(DISTINCT role) AS "roles",
  min(call_time) AS "first", max(call_time) AS "last"
FROM issues WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account AND call_time >= $since
GROUP BY from_account, to_account ORDER BY 3 DESC, 1, 2
""",
)
THROTTLING = make_question(
    "throttling",
    "calls that AWS throttled",
    "service name code calls first last",
    f"""
SELECT service AS "service", call_name AS "name", code AS "code", count(*) AS "calls",
  min(call_time) AS "first", max(call_time) AS "last"
FROM calls WHERE code IN ({text_list(THROTTLED)}) AND call_time >= $since
GROUP BY service, call_name, code ORDER BY 4 DESC, 1, 2, 3
""",
    "calls",
)
EVENTS = make_question(
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
SAVED = make_question(
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


CHAINS = make_question("chains", "sessions of three hops or more", "path hops sessions first last", _chains())


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


HISTORY = make_question(
    "history",
    "who is behind one session, hop by hop",
    "hop time name principal role session_name source_identity address signed_by key",
    _history(),
)
SUMMARY = make_question(
    "summary",
    "all of it by role, principal or pair of accounts",
    "by calls sessions failures principals roles asked_median used_median first last",
    f"""
SELECT $by AS "by", count(*) AS "calls", {ISSUED_SESSIONS} AS "sessions", {FAILED_CALLS} AS "failures",
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
