"""Metrics of role sessions: issued, failed, requested durations, principals, and cross-account use."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

from dsops.arn import account_of_key_id, parse_arn
from dsops.openmetrics import Counter, Gauge, Histogram, Metric

DURATIONS = (900, 1800, 3600, 7200, 14400, 28800, 43200, 129600)
"""Bucket bounds in seconds: common durations from 15 minutes to 12 hours, and the 36 hours of GetSessionToken."""
_MOST_PRINCIPALS = 10_000


class RoleMetrics:
    """Metrics of issued sessions. The agent and a sandbox use the same metrics."""

    def __init__(self, prefix: str) -> None:
        self.issued = Counter(
            f"{prefix}_sessions_issued",
            "Sessions that were issued, by operation of STS and role.",
            ("operation", "role"),
            open_labels=("role",),
        )
        self.failed = Counter(
            f"{prefix}_issue_failures",
            "Sessions that could not be issued, by error and role.",
            ("code", "role"),
            open_labels=("role",),
        )
        self.durations = Histogram(
            f"{prefix}_session_duration_seconds", "Requested duration of issued sessions, in seconds.", DURATIONS
        )
        self.crossed = Counter(
            f"{prefix}_cross_account_sessions",
            "Issued sessions of roles in another account than the caller's.",
            ("from_account", "to_account"),
            open_labels=("from_account", "to_account"),
        )
        self._principals: set[str] = set()
        self._lock = Lock()
        self._seen = Gauge(
            f"{prefix}_principals", "Principals that were issued a session since the start.", self._count
        )

    @property
    def metrics(self) -> list[Metric]:
        """The metrics to add to a registry."""
        return [self.issued, self.failed, self.durations, self._seen, self.crossed]

    def count_issued(self, operation: str, role: str, caller: str, key_id: str, seconds: float) -> None:
        """Count an issued session. `caller` is an ARN or a token's subject, or "" if only the key id is known."""
        self.issued.add((operation, role))
        if seconds > 0:
            self.durations.observe(seconds)
        who = _principal(caller) or key_id
        if who and who not in self._principals:
            with self._lock:
                if len(self._principals) < _MOST_PRINCIPALS:
                    self._principals.add(who)
        theirs = _account(role)
        own = (_account(caller) or account_of_key_id(key_id)) if theirs else ""
        if own and own != theirs:
            self.crossed.add((own, theirs))

    def count_failed(self, code: str, role: str) -> None:
        """Count a session that could not be issued."""
        self.failed.add((code, role))

    def _count(self) -> float:
        with self._lock:
            return len(self._principals)


@lru_cache(maxsize=1024)
def _account(arn: str) -> str:
    parsed = parse_arn(arn)
    return "" if parsed is None else parsed.account


@lru_cache(maxsize=1024)
def _principal(arn: str) -> str:
    """Return the principal's ARN without the session name, which may differ for each session."""
    return "/".join(arn.split("/")[:2]) if ":assumed-role/" in arn else arn
