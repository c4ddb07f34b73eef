"""The agent's metrics, and a port of 127.0.0.1 where Prometheus reads them.

Every user of this machine can read the port: no label contains the name of a secret, an access key id or the name of
a session. Labels contain roles and accounts.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Final

from dsops.agent import DECLINED, FAILED, RESULT
from dsops.agent.client import ANSWERED
from dsops.agent.loopback import LoopbackAttendant, LoopbackConnection
from dsops.errors import DsopsError, Failures
from dsops.openmetrics import CONTENT_TYPE, Counter, Gauge, Histogram, Registry
from dsops.openmetrics.process_metrics import process_metrics
from dsops.openmetrics.roles import RoleMetrics

PATH: Final = "/metrics"
LATENCIES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Histogram buckets in seconds for one AWS call: from a call to a nearby region up to dsops' longest timeout."""
TURNS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30, 120)
"""Histogram buckets in seconds for one request: from a cached answer up to a user who types an MFA code."""
_LONGEST_WAIT_SECONDS: Final = 3600.0
_RESULTS: Final = {RESULT: "ok", FAILED: "failed", DECLINED: "declined"}


class AgentMetrics:
    """All metrics of an agent."""

    def __init__(self, started: float, sessions: Callable[[], float], values: Callable[[], float]) -> None:
        """Create the metrics.

        `started` is in seconds since 1970. `sessions` and `values` return the number of cached sessions and cached
        values.
        """
        self._requests = Counter(
            "dsops_requests", "Requests that the agent answered, by command and result.", ("command", "result")
        )
        self._seconds = Histogram(
            "dsops_request_seconds", "How long the agent took for a request.", TURNS, ("command",)
        )
        self._errors = Counter("dsops_errors", "Errors returned to clients, by code (dsops help CODE).", ("code",))
        self.prompts = Counter(
            "dsops_prompts", "Questions to the user, such as for an MFA code, by result.", ("result",)
        )
        self._roles = RoleMetrics("dsops")
        self._lookups = Counter(
            "dsops_cache_lookups", "Cache lookups of sessions and secrets, by result.", ("kind", "result")
        )
        self._renewed = Counter("dsops_sessions_renewed", "Sessions issued to replace a cached one.")
        self._evicted = Counter("dsops_sessions_evicted", "Cached sessions that AWS rejected before they expired.")
        self._calls = Counter(
            "dsops_aws_requests",
            "Requests to AWS (each attempt of a call), by result.",
            ("service", "operation", "result"),
            open_labels=("operation",),
        )
        self._throttled = Counter("dsops_throttled", "Requests to AWS that were throttled.", ("service",))
        self._latencies = Histogram(
            "dsops_aws_request_seconds",
            "How long AWS took for a request.",
            LATENCIES,
            ("service", "operation"),
            open_labels=("operation",),
        )
        self._port: MetricsPort | None = None
        self._port_lock = Lock()
        self.registry = Registry()
        self.registry.add(
            *self._roles.metrics,
            self._renewed,
            self._evicted,
            Gauge("dsops_sessions_held", "Cached sessions that have not expired.", sessions),
            Gauge("dsops_values_held", "Cached secret values, of stores with cache_seconds.", values),
            self._lookups,
            self._calls,
            self._throttled,
            self._latencies,
            self._requests,
            self._seconds,
            self._errors,
            self.prompts,
            *process_metrics("dsops", started),
        )
        self._takers = self._counters_by_event()

    def _counters_by_event(self) -> Mapping[str, Callable[[tuple[str, ...], float], None]]:
        """Map each event of the pipeline to the function that counts it."""
        return {
            "aws.call": self._call,
            "cache.session": lambda labels, value: self._lookups.add(("session", *labels), value),
            "cache.secret": lambda labels, value: self._lookups.add(("secret", *labels), value),
            "session.issued": self._issued,
            "session.failed": lambda labels, _: self._roles.count_failed(*labels),
            "session.renewed": lambda _, value: self._renewed.add((), value),
            "session.evicted": lambda _, value: self._evicted.add((), value),
        }

    def measure(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Record a measurement of the pipeline; ignores unknown names."""
        taker = self._takers.get(name)
        if taker is not None:
            taker(labels, value)

    def answered(self, words: Sequence[bytes], kind: int, seconds: float) -> None:
        """Record an answered request; the first of `words` is the requested operation."""
        command = words[0].decode()
        if command == "answer":
            # For the operation `answer`, the second word is the command (`get` or `credentials`).
            name = words[1].decode("ascii", "replace") if len(words) > 1 else ""
            command = name if name in ANSWERED else "other"
        self._requests.add((command, _RESULTS[kind]))
        self._seconds.observe(seconds, (command,))

    def serve(self, port: int) -> int:
        """Serve the metrics on this port of 127.0.0.1 (0: a free port); return the port. Raises UsageError."""
        with self._port_lock:
            if self._port is None or port not in {0, self._port.port}:
                opened = MetricsPort(self.registry, port)
                if self._port is not None:
                    self._port.close()
                self._port = opened
            return self._port.port

    def close(self) -> None:
        """Closes the port."""
        with self._port_lock:
            if self._port is not None:
                self._port.close()
                self._port = None

    def fail(self, error: DsopsError) -> None:
        """Count an error that a client gets. If the error combines several errors, each of them is counted."""
        for one in error.errors if isinstance(error, Failures) else (error,):
            self._errors.add((one.code,))

    def _call(self, labels: tuple[str, ...], seconds: float) -> None:
        service, operation, result = labels
        self._calls.add(labels)
        if result == "throttled":
            self._throttled.add((service,))
        self._latencies.observe(seconds, (service, operation))

    def _issued(self, labels: tuple[str, ...], seconds: float) -> None:
        operation, role, caller, key_id = labels
        self._roles.count_issued(operation, role, caller, key_id, seconds)


class Tally:
    """Buffers the measurements of one request until it is known whether a sandbox or AWS answered its calls."""

    def __init__(self) -> None:
        self.is_of_sandbox: Callable[[], bool] = lambda: False
        self._counted: list[Callable[[AgentMetrics], None]] = []

    def add(self, count: Callable[[AgentMetrics], None]) -> None:
        """Buffer a function that records one measurement."""
        self._counted.append(count)

    def measure(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Buffer a measurement of the pipeline; passed as `measure` of a Runtime."""
        self.add(lambda metrics: metrics.measure(name, labels, value))

    def count(self, metrics: AgentMetrics) -> None:
        """Record all measurements in `metrics`."""
        for count in self._counted:
            count(metrics)


class MetricsPort(LoopbackAttendant):
    """Serves `GET /metrics` on a port of 127.0.0.1, from its own thread."""

    def __init__(self, registry: Registry, port: int) -> None:
        """Open the port; `port` 0 chooses a free one. Raises UsageError if the port is taken."""
        super().__init__(port=port)
        self._registry = registry
        self._wake, self._woken = os.pipe()
        self._thread = Thread(target=self._run, name="dsops-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes the port."""
        with suppress(OSError):
            os.write(self._woken, b".")
        self._thread.join()
        self.end()
        os.close(self._wake)
        os.close(self._woken)

    def asked(self, client: LoopbackConnection, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Sends the metrics in answer to a GET."""
        del headers
        if method != "GET":
            self.refuse(client, 405, "only GET is answered")
        elif path != PATH:
            self.refuse(client, 404, f"there is only {PATH}")
        else:
            self.answer(client, 200, CONTENT_TYPE, self._registry.text().encode())

    def _run(self) -> None:
        while True:
            wait = self.seconds()
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            for descriptor in self.readers():
                poll.register(descriptor, select.POLLIN)
            for descriptor in self.writers():
                poll.register(descriptor, select.POLLOUT)
            events = poll.poll(1000 * min(_LONGEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS if wait is None else wait))
            ready = {descriptor for descriptor, _ in events}
            if self._wake in ready:
                return
            self.turn(ready)
