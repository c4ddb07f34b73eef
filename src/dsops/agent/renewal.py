"""Renews the session of a running command in the background, well before it expires."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from time import monotonic

from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.runtime import Event

RENEW_SECONDS = 20 * 60
"""Seconds before expiry at which a session is renewed, or a third of its lifetime if that is shorter.

Of the AWS SDKs, botocore requests new credentials earliest, with 15 minutes left (advisory refresh). The SDKs for
Java, Go and JavaScript request them with 5 minutes left or fewer.
"""

_JITTER = 0.25
"""The largest random fraction by which a renewal is moved forward, so that commands started together spread out."""

_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 300.0
_LONGEST_PAUSE_WITHOUT = 30.0
"""The longest pause in seconds between failed attempts after the session has expired.

Pauses double after each failure, up to five minutes while the session is valid, and up to this value afterwards.
"""

_LOOK_SECONDS = 30.0
"""How often the wall clock is read: a user may set it, and it continues while a laptop sleeps."""

_JOIN_SECONDS = 1.0


def renewal_lead(session: Credentials, early: float) -> float:
    """Return the number of seconds before expiry at which a session is renewed; `early` in [0, 1) is the jitter."""
    seconds: float = RENEW_SECONDS
    if session.expiration is not None and session.issued_at is not None:
        seconds = min(seconds, (session.expiration - session.issued_at).total_seconds() / 3)
    return seconds * (1 + _JITTER * early)


def retry_pause(failures: int, seconds_left: float, random: float) -> float:
    """Return the seconds until the next attempt after a failure: doubled after each, less near expiry, with jitter."""
    longest = min(_LONGEST_PAUSE_SECONDS, max(_LONGEST_PAUSE_WITHOUT, seconds_left))
    pause = min(longest, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return pause * (0.5 + random / 2)


Issue = Callable[[Credentials, Callable[[], bool]], Credentials]
"""A function that issues a new session; runs in its own thread, and may raise DsopsError.

Arguments: the current session, and a function that says whether the command has ended.
"""


class Renewal:
    """Renews a session in the event loop of process/watch.py; only its AWS calls run in a thread."""

    def __init__(
        self,
        first: Credentials,
        issue: Issue,
        *,
        now: Callable[[], datetime],
        random: Callable[[], float],
        report: Callable[[Event], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Create the renewal; `clock` is monotonic and times the pauses between attempts.

        `report` gets the events `session.renewed`, `session.not-renewed` and, once, `session.ended`.
        """
        self.failure: DsopsError | None = None
        """The error of the last attempt; None if the last attempt succeeded."""
        self._issue = issue
        self._now = now
        self._random = random
        self._report = report
        self._clock = clock
        self._hold(first)
        self._failures = 0
        self._retry_at: float | None = None
        self._is_told = False
        self._thread: threading.Thread | None = None
        self._outcome: Credentials | DsopsError | None = None
        self._is_over = threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    @property
    def current(self) -> Credentials | None:
        """The session until it expires; None afterwards."""
        return self._held if self._seconds_left() > 0 else None

    @property
    def is_under_way(self) -> bool:
        """Whether a request for a new session is running."""
        return self._thread is not None

    def readers(self) -> Iterable[int]:
        """Return the pipe that the thread writes to when it has a result."""
        return (self._reader,)

    def writers(self) -> Iterable[int]:
        """Return the descriptors to write to: none."""
        return ()

    def seconds(self) -> float | None:
        """Seconds until the next attempt."""
        if self._thread is not None:
            return _LOOK_SECONDS
        return min(_LOOK_SECONDS, max(0.0, self._wait_seconds()))

    def turn(self, ready: Collection[int]) -> None:
        """Take the thread's result, and start a new thread when it is time."""
        if self._reader in ready:
            self._take()
        if self._thread is None and self._wait_seconds() <= 0:
            self._begin()
        self._tell_end()

    def hurry(self) -> None:
        """Start an attempt now, for a client that waits; does nothing during the pause after a failure."""
        if self._thread is None and self._wait_seconds() <= 0:
            self._begin()

    def end(self) -> None:
        """Wait one second for the thread; abandon a thread that still waits for a program of the user."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def _hold(self, credentials: Credentials) -> None:
        self._held = credentials
        self._until = self._clock() + credentials.seconds_left(self._now())
        self._early = self._random()

    def _seconds_left(self) -> float:
        """Return the seconds until expiry, by the wall clock or the monotonic clock, whichever gives less.

        One of these clocks stops while the machine sleeps.
        """
        return min(self._held.seconds_left(self._now()), self._until - self._clock())

    def _wait_seconds(self) -> float:
        if self._retry_at is not None:
            return self._retry_at - self._clock()
        return self._seconds_left() - renewal_lead(self._held, self._early)

    def _begin(self) -> None:
        self._outcome = None
        self._thread = threading.Thread(target=self._work, args=(self._held,), daemon=True)
        self._thread.start()

    def _work(self, session: Credentials) -> None:
        """Issue a new session, set it or the error as the result, and wake the loop. Runs in the thread."""
        try:
            self._outcome = self._issue(session, self._is_over.is_set)
        except DsopsError as error:
            self._outcome = error
        except Exception as error:  # noqa: BLE001 - a bug must not leave the loop waiting; its text may hold a value
            self._outcome = DsopsError(
                f"internal error in dsops: {type(error).__name__}",
                hint="run the command with `--no-agent --debug` and report the output",
            )
        os.write(self._writer, b"x")

    def _take(self) -> None:
        os.read(self._reader, 64)
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        outcome = self._outcome
        if isinstance(outcome, Credentials) and outcome.access_key_id != self._held.access_key_id:
            self._hold(outcome)
            self.failure, self._failures, self._retry_at, self._is_told = None, 0, None, False
            facts = {"key": outcome.masked_key_id, "expires": outcome.expiration_text}
            self._report(Event("session.renewed", facts))
            return
        # The renewal failed, or it returned the old session. In the second case, another program has to renew the base
        # credentials, for example `aws sso login`.
        self.failure = outcome if isinstance(outcome, DsopsError) else None
        if self.failure is not None:
            facts = {"key": self._held.masked_key_id, "why": str(self.failure)}
            self._report(Event("session.not-renewed", facts))
        self._retry_at = self._clock() + retry_pause(self._failures, self._seconds_left(), self._random())
        self._failures += 1

    def _tell_end(self) -> None:
        """Report once that the session has expired and could not be renewed."""
        if self._is_told or self._thread is not None or self.failure is None or self.current is not None:
            return
        self._is_told = True
        why = f"{self.failure}: {self.failure.why}" if self.failure.why else str(self.failure)
        self._report(Event("session.ended", {"key": self._held.masked_key_id, "why": why}))
