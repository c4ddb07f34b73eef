"""What a sandbox counts: the requests that it answered, and of sessions what the agent counts of real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.openmetrics import Counter, Gauge, Histogram, ReadCounter, Registry
from dsops.openmetrics.process import process_metrics
from dsops.openmetrics.roles import RoleMetrics
from dsops.sandbox.authorization.request import StsRequest
from dsops.sandbox.wire.responses import Moment, Value

_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
"""Seconds: most requests take less than one thousandth, loading a service nearly one."""
_OTHER_OPERATIONS = ("GetSessionToken", "GetFederationToken")
THROTTLING = frozenset(
    {"Throttling", "ThrottlingException", "SlowDown", "slow_down", "TooManyRequestsException", "RequestLimitExceeded"}
)


class SandboxMetrics:
    """Everything that a sandbox counts."""

    def __init__(self, started: float, sessions: Callable[[], float], records: Callable[[], float]) -> None:
        """`started` in seconds since 1970; `sessions` are held now, `records` is how many calls were recorded."""
        self._requests = Counter(
            "dsops_sandbox_requests",
            "Requests that were answered, by what came of it.",
            ("service", "operation", "result"),
            open_labels=("operation",),
        )
        self._seconds = Histogram(
            "dsops_sandbox_request_seconds", "How long the sandbox took for a request.", _LATENCIES, ("service",)
        )
        self._throttled = Counter(
            "dsops_sandbox_throttled", "Requests that were answered with a wish to slow down.", ("service",)
        )
        self._roles = RoleMetrics("dsops_sandbox")
        self.registry = Registry()
        self.registry.add(
            *self._roles.metrics,
            self._requests,
            self._throttled,
            self._seconds,
            Gauge("dsops_sandbox_sessions_held", "Temporary credentials that are known now.", sessions),
            ReadCounter("dsops_sandbox_events", "Records of CloudTrail's kind that were made.", records),
            *process_metrics("dsops", started),
        )

    def answered(self, service: str, operation: str, result: str, seconds: float) -> None:
        """A request was answered."""
        self._requests.add((service, operation, result))
        self._seconds.observe(seconds, (service,))
        if result == "throttled":
            self._throttled.add((service,))

    def called(self, turn: StsRequest, result: Mapping[str, Value], code: str) -> None:
        """A caller who is known has called; `code` is that of the error, "" for none."""
        if not turn.operation.startswith("AssumeRo") and turn.operation not in _OTHER_OPERATIONS:
            return
        role = turn.text("RoleArn") or turn.text("TargetPrincipal")
        if code:
            self._roles.count_failed(code, role)
            return
        credentials = result.get("Credentials")
        expires = credentials.get("Expiration") if isinstance(credentials, Mapping) else None
        seconds = expires.seconds - turn.now if isinstance(expires, Moment) else 0
        caller = turn.caller
        # Whoever shows a token has no ARN: its subject says who it is.
        self._roles.count_issued(turn.operation, role, caller.arn or caller.user_id, caller.key_id, round(seconds))
