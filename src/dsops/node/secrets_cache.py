"""The secrets that a node has read: each is read once for all callers, and kept for five minutes in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from dsops.aws.apis.secretsmanager import SecretValue
from dsops.errors import DsopsError
from dsops.node.flights import Flight, Flights
from dsops.node.issuer import SecretRequest
from dsops.node.secrets_api import is_transient

KEPT_SECONDS: Final = 300.0
"""How long a secret is kept, as in the AWS Secrets Manager Agent."""
_MOST_SECRETS: Final = 1000
_FAILED_SECONDS: Final = 1.0
"""How long an error is returned to all callers without another request to AWS."""


class _Entry:
    """The last result of reading one secret. Times are seconds of the monotonic clock."""

    __slots__ = ("error", "error_until", "until", "value")

    def __init__(self) -> None:
        self.value: SecretValue | None = None
        self.until = 0.0
        self.error: DsopsError | None = None
        self.error_until = 0.0


class NodeSecrets:
    """Reads and keeps secrets. Used by the event loop's thread."""

    def __init__(
        self, read: Callable[[SecretRequest], SecretValue], flights: Flights, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """`read` runs in a thread, and may raise DsopsError."""
        self._read = read
        self._flights = flights
        self._clock = clock
        self._entries: OrderedDict[SecretRequest, _Entry] = OrderedDict()

    def result(self, request: SecretRequest) -> SecretValue | DsopsError | None:
        """Return the kept value or recent error; otherwise start to read the secret, and return None.

        While AWS is unreachable, an older value is returned.
        """
        entry, now = self._entries.get(request), self._clock()
        if entry is not None:
            if entry.value is not None and now < entry.until:
                self._entries.move_to_end(request)
                return entry.value
            if entry.error is not None and now < entry.error_until:
                is_stale = entry.value is not None and is_transient(entry.error)
                return entry.value if is_stale else entry.error
        self._start(request)
        return None

    def refresh(self, request: SecretRequest) -> None:
        """Drop the kept value, so that the next `result` reads the secret; does nothing if it is being read."""
        entry = self._entries.get(request)
        if entry is not None:
            entry.until = entry.error_until = 0.0

    def is_under_way(self, request: SecretRequest) -> bool:
        """Whether the secret is being read."""
        return self._flights.is_under_way(request)

    def _start(self, request: SecretRequest) -> None:
        self._flights.start(Flight(request, lambda: self._read(request), lambda outcome: self._land(request, outcome)))

    def _land(self, request: SecretRequest, outcome: object) -> None:
        entry = self._entries.setdefault(request, _Entry())
        self._entries.move_to_end(request)
        now = self._clock()
        if isinstance(outcome, SecretValue):
            entry.value, entry.until, entry.error = outcome, now + KEPT_SECONDS, None
        elif isinstance(outcome, DsopsError):
            entry.error, entry.error_until = outcome, now + _FAILED_SECONDS
            if not is_transient(outcome):
                entry.value = None  # the secret was deleted, or may not be read any more
        while len(self._entries) > _MOST_SECRETS:
            self._entries.popitem(last=False)
