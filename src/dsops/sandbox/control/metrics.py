"""The sandbox's metrics: counts of answered requests and of sessions.

The session counts correspond to the agent's metrics for real sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.openmetrics import Counter, Gauge, Histogram, ReadCounter, Registry
from dsops.openmetrics.process_metrics import process_metrics
from dsops.openmetrics.roles import RoleMetrics
from dsops.policy.language.session_actions import SESSION_OPERATIONS
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.authorization.request import AuthenticatedRequest

_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
"""Bucket bounds in seconds. Most requests take less than a millisecond; loading a service takes nearly a second."""
THROTTLING = frozenset(
    {"Throttling", "ThrottlingException", "SlowDown", "slow_down", "TooManyRequestsException", "RequestLimitExceeded"}
)


class SandboxMetrics:
    """All metrics of a sandbox."""

    def __init__(self, started: float, sessions: Callable[[], float], records: Callable[[], float]) -> None:
        """`started` is in seconds since 1970; `sessions` counts live sessions, `records` recorded events."""
        self._requests = Counter(
            "dsops_sandbox_requests",
            "Requests answered, by result.",
            ("service", "operation", "result"),
            open_labels=("operation",),
        )
        self._seconds = Histogram(
            "dsops_sandbox_request_seconds",
            "Time the sandbox took to answer a request, in seconds.",
            _LATENCIES,
            ("service",),
        )
        self._throttled = Counter("dsops_sandbox_throttled", "Requests answered with a throttling error.", ("service",))
        self._roles = RoleMetrics("dsops_sandbox")
        self.registry = Registry()
        self.registry.add(
            *self._roles.metrics,
            self._requests,
            self._throttled,
            self._seconds,
            Gauge("dsops_sandbox_sessions_held", "Temporary credentials in the session table.", sessions),
            ReadCounter("dsops_sandbox_events", "CloudTrail records made.", records),
            *process_metrics("dsops", started),
        )

    def answered(self, service: str, operation: str, result: str, seconds: float) -> None:
        """Count a request and its duration in seconds."""
        self._requests.add((service, operation, result))
        self._seconds.observe(seconds, (service,))
        if result == "throttled":
            self._throttled.add((service,))

    def called(self, turn: AuthenticatedRequest, result: Mapping[str, Value], code: str) -> None:
        """Count the session that a call issued, or count the call as refused.

        `code` is the error's code; "" means that the call succeeded.
        """
        if turn.operation not in SESSION_OPERATIONS:
            return
        role = turn.text("RoleArn") or turn.text("TargetPrincipal")
        if code:
            self._roles.count_failed(code, role)
            return
        credentials = result.get("Credentials")
        expires = credentials.get("Expiration") if isinstance(credentials, Mapping) else None
        seconds = expires.seconds - turn.now if isinstance(expires, Moment) else 0
        caller = turn.caller
        # A caller with a web identity token has no ARN; the token's subject identifies the caller.
        self._roles.count_issued(turn.operation, role, caller.arn or caller.user_id, caller.key_id, round(seconds))
