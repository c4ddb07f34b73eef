"""Run a question of the report in Athena: start the query, poll it, read its rows, stop it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from dsops.audit.cloudtrail.question import AuditQuestion
from dsops.audit.report import Answer
from dsops.aws.apis import athena
from dsops.aws.apis.athena import Athena, QueryState, Row
from dsops.errors import AnswerInvalid, DsopsError, FailedOperation, QueryCancelled, QueryRefused, QueryTooSlow
from dsops.tasks import pause

TIMES: Final = frozenset({"hour", "first", "last", "time"})
NUMBERS: Final = frozenset(
    """
    sessions failures principals roles calls unused used others known with_mfa hops hop asked_median asked_max
    used_median used_max
    """.split()
)
"""The columns that hold times or numbers, from all questions; all other columns hold text."""

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_NUMBER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: ?UTC|Z)?", re.ASCII)

OnProgress = Callable[[QueryState, float], None]
"""Called after each poll with the query's state and the seconds since it was started."""


class AthenaQuery:
    """A question sent to Athena as one SQL statement."""

    def __init__(self, api: Athena, question: AuditQuestion, sql: str, *, table: str, caller: str) -> None:
        """`caller` (an ARN or a masked key id) and `table` appear in errors.

        Raises QueryRefused for a statement longer than Athena accepts.
        """
        _check_length(sql)
        self._api, self._question, self._sql, self._table, self._caller = api, question, sql, table, caller
        self._token = os.urandom(24).hex()  # idempotency token: Athena starts one query for each token
        self.id = ""
        """The QueryExecutionId, once Athena has accepted the query."""
        self.is_sent = False
        """Whether the query may have started in Athena. Set before the request, when the id is still unknown."""
        self.is_under_way = False
        """Whether the query still runs in AWS, where it costs money until it ends or is stopped."""
        self.scanned_bytes: int | None = None

    async def run(
        self,
        *,
        timeout_seconds: float,
        on_progress: OnProgress = lambda _state, _seconds: None,
        clock: Callable[[], float] = monotonic,
    ) -> Answer:
        """Run the query and return its rows. A query that times out or can't be polled is stopped first.

        Raises QueryRefused, QueryFailed, QueryCancelled or QueryTooSlow, in addition to the errors of any call.
        """
        begun = clock()
        self.is_sent = True
        self.id = await athena.start_query_execution(self._api, self._sql, self._token)
        self.is_under_way = True
        try:
            await self._wait(begun, timeout_seconds, on_progress, clock)
        except DsopsError as error:
            await self._stop_after(error)
            raise
        rows = await athena.get_query_results(self._api, self.id, self._question.columns)
        return answer_of(self._question, rows)

    async def _wait(
        self, begun: float, timeout_seconds: float, on_progress: OnProgress, clock: Callable[[], float]
    ) -> None:
        """Poll the query's state until the query has ended, with pauses that double up to five seconds."""
        wait = _FIRST_PAUSE
        while True:
            status = await athena.get_query_execution(self._api, self.id)
            self.scanned_bytes = self.scanned_bytes if status.scanned_bytes is None else status.scanned_bytes
            if status.state == "failed":
                self.is_under_way = False
                raise self._with_call(athena.failure(self._api, status, self._table))
            if status.state == "cancelled":
                self.is_under_way = False
                hint = "ask the account's administrator, then run the query again"
                raise self._with_call(
                    QueryCancelled(f"query {self.id} was cancelled in Athena", why=status.reason, hint=hint)
                )
            if status.state == "done":
                self.is_under_way = False
                return
            spent = clock() - begun
            on_progress(status, spent)
            if spent >= timeout_seconds:
                hint = "read fewer days (`--begin`, `--end`), or give it more time with `--timeout SECONDS`"
                message = f"Athena was not done within {timeout_seconds:g} s"
                raise self._with_call(QueryTooSlow(message, hint=hint))
            await pause(min(wait, max(0.0, timeout_seconds - spent)))
            wait = min(_LONGEST_PAUSE, wait * 2)

    async def _stop_after(self, error: DsopsError) -> None:
        """Stop the query after `error`; if that fails, add the command that stops it to the error's hint."""
        if not self.is_under_way:
            return
        try:
            await self.stop()
        except DsopsError:
            by_hand = f"it may still go on: `{self.stop_command}` stops it"
            error.retell(error.message, hint=f"{error.hint}; {by_hand}" if error.hint else by_hand)

    async def stop(self) -> None:
        """Stop the query in AWS."""
        await athena.stop_query_execution(self._api, self.id)
        self.is_under_way = False

    @property
    def stop_command(self) -> str:
        """The AWS CLI command that stops the query."""
        return f"aws athena stop-query-execution --query-execution-id {self.id}"

    def _with_call(self, error: DsopsError) -> DsopsError:
        """Add the operation StartQueryExecution to the error of a query that Athena accepted but that failed."""
        endpoint = self._api.endpoint
        error.add_tried(
            FailedOperation(
                "StartQueryExecution", self._caller, region=endpoint.signing_region, endpoint=endpoint.short
            )
        )
        return error


def answer_of(question: AuditQuestion, rows: Sequence[Row]) -> Answer:
    """Convert the rows' texts to the report's column types. Raises AnswerInvalid for a malformed number or time."""
    return Answer(question.name, question.columns, tuple(tuple(map(_cell, question.columns, row)) for row in rows))


def _cell(column: str, text: str | None) -> object:
    if text is None or column not in TIMES | NUMBERS:
        return text
    if not text:
        return None
    if column in NUMBERS and _NUMBER.fullmatch(text):
        return int(text)
    match = _TIME.fullmatch(text) if column in TIMES else None
    if match is not None:
        with suppress(ValueError):
            return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    kind = "time" if column in TIMES else "number"
    raise AnswerInvalid(
        f"Athena's result contains a value in the column `{column}` that is not a {kind}",
        hint="check that the Athena endpoint belongs to AWS",
    )


def _check_length(sql: str) -> None:
    length = len(sql.encode("utf-8", "surrogateescape"))
    if length > athena.MOST_BYTES:
        raise QueryRefused(
            f"the SQL query has {length} bytes, but Athena accepts at most {athena.MOST_BYTES}",
            hint="use a shorter `--session` or a shorter table name",
        )
