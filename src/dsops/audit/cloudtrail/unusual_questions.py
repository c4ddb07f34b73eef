"""The questions that find unusual use: new principals, missing MFA, odd durations, repeated denials."""

from __future__ import annotations

from dsops.audit.cloudtrail.question import FAILED_CALLS, make_question, text_list

DENIED = ("AuthorizationError", "AuthorizationErrorException", "NotAuthorized", "Forbidden")
"""Error codes of denials that lack the usual prefix or suffix of denial codes."""

DENIAL = f"""(code LIKE 'AccessDenied%' OR code LIKE '%AccessDenied' OR code LIKE '%AccessDeniedException'
    OR code LIKE '%UnauthorizedOperation' OR code IN ({text_list(DENIED)}))"""
"""An SQL condition for calls that AWS denied. `is_denial` has the same rule."""

LAST_MINUTE_SECONDS = 60
SHORT_SECONDS = 60
LEAST_ASKED_SECONDS = 900
REPEATED = 3

NEW_PRINCIPALS = make_question(
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
NEW_ACCOUNTS = make_question(
    "new-accounts",
    "pairs of accounts never seen before",
    "from_account to_account calls failures first",
    f"""
SELECT from_account AS "from_account", to_account AS "to_account", count(*) AS "calls", {FAILED_CALLS} AS "failures",
  min(call_time) AS "first"
FROM issues
WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account
  AND (SELECT count(*) FROM issues WHERE from_account <> '' AND to_account <> '' AND from_account <> to_account
    AND call_time < $boundary) > 0
GROUP BY from_account, to_account HAVING min(call_time) >= $boundary ORDER BY 1, 2
""",
)
_FROM_OUTSIDE = "address <> '' AND address <> 'AWS Internal' AND address NOT LIKE '%.amazonaws.com'"
NEW_ADDRESSES = make_question(
    "new-addresses",
    "principals at a source address that they never used before",
    "principal address calls failures known first",
    f"""
SELECT principal AS "principal", address AS "address", count(*) AS "calls", {FAILED_CALLS} AS "failures",
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
WITHOUT_MFA = make_question(
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
WITHOUT_EXTERNAL_ID = make_question(
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
LONG_USE = make_question(
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
SHORT_USE = make_question(
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
DENIALS = make_question(
    "denials",
    "denied calls that repeat",
    "principal service name role code calls first last",
    f"""
SELECT principal AS "principal", service AS "service", call_name AS "name", role AS "role", code AS "code",
  count(*) AS "calls", min(call_time) AS "first", max(call_time) AS "last"
FROM calls
WHERE {DENIAL}
  AND call_time >= $since
GROUP BY principal, service, call_name, role, code HAVING count(*) >= {REPEATED}
ORDER BY 6 DESC, 1, 2, 3, 4, 5
""",
    "calls",
)


def is_denial(code: str) -> bool:
    """Whether an error code means that AWS denied the call. The SQL of the question `denials` has the same rule."""
    return (
        code.startswith("AccessDenied")
        or code.endswith(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"))
        or code in DENIED
    )
