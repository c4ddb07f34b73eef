"""The questions about permissions: which principal made which calls, and what the logs cover.

They read columns that only a database with details has.
"""

from __future__ import annotations

from dsops.audit.cloudtrail.question import make_question
from dsops.audit.cloudtrail.unusual_questions import DENIAL

MOST_RESOURCES = 200
"""The number of resources of one call of one principal that are told apart; the others count as unknown."""

PERMISSION_USES = make_question(
    "permission-uses",
    "the calls of each principal that AWS did not deny",
    "principal service name resources calls first last",
    f"""
SELECT actor AS "principal", service AS "service", call_name AS "name",
  CASE WHEN place <= {MOST_RESOURCES} THEN about ELSE '' END AS "resources",
  sum(calls)::BIGINT AS "calls", min(earliest) AS "first", max(latest) AS "last"
FROM (
  SELECT *, row_number() OVER (PARTITION BY actor, service, call_name ORDER BY calls DESC, about) AS place
  FROM (
    SELECT CASE WHEN issuer LIKE 'arn:%' THEN issuer ELSE principal END AS actor, service, call_name, about,
      count(*) AS calls, min(call_time) AS earliest, max(call_time) AS latest
    FROM calls WHERE NOT {DENIAL} AND call_time >= $since
    GROUP BY ALL) counted) numbered
WHERE actor LIKE 'arn:%'
GROUP BY ALL ORDER BY 1, 2, 3, 4
""",
    "calls",
)
COVERAGE = make_question(
    "coverage",
    "the services and kinds of events that the logs contain",
    "service category calls reads",
    """
SELECT service AS "service", category AS "category", count(*) AS "calls",
  sum(CASE WHEN is_read THEN 1 ELSE 0 END)::BIGINT AS "reads"
FROM calls WHERE call_time >= $since
GROUP BY service, category ORDER BY 1, 2
""",
    "calls",
)
