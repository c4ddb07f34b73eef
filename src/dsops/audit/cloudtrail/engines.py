"""A statement -> its rows, by an engine of AWS's: Athena, or CloudTrail Lake. One way for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol

from dsops.audit.cloudtrail.questions import AuditQuestion
from dsops.audit.report import Answer
from dsops.aws.apis import athena, cloudtrail
from dsops.aws.apis.athena import Athena
from dsops.aws.apis.cloudtrail import Lake
from dsops.aws.apis.queries import QueryState, Row
from dsops.endpoint import Endpoint
from dsops.errors import AnswerInvalid, DsopsError, QueryCancelled, QueryRefused, QueryTooSlow, Tried
from dsops.tasks import pause

TIMES: Final = frozenset({"hour", "first", "last", "time"})
NUMBERS: Final = frozenset(
    """
    sessions failures principals roles calls unused used others with_mfa hops hop asked_median asked_max
    used_median used_max
    """.split()
)
"""The columns of all questions that are no texts."""

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_NUMBER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: ?UTC|Z)?", re.ASCII)

Told = Callable[[QueryState, float], None]
"""Is told how far it is, and since how many seconds, each time that was asked."""


class Engine(Protocol):
    """One that takes a statement, and has to be asked whether it is done."""

    title: str
    begins: str
    """The action by which it takes one."""
    stop_words: str
    """The command that stops a query by hand; `{}` is its id."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""

    def check(self, sql: str) -> None:
        """Raises QueryRefused for a statement that it would not take."""

    async def start(self, sql: str) -> str:
        """The id of the query."""

    async def look(self, query: str) -> QueryState:
        """How far it is."""

    async def read(self, query: str, columns: tuple[str, ...]) -> list[Row]:
        """Its rows."""

    async def stop(self, query: str) -> None:
        """Ends it."""

    def failure(self, seen: QueryState) -> DsopsError:
        """Why it failed."""


class AthenaEngine:
    """Athena, over a table."""

    title = "Athena"
    begins = "StartQueryExecution"
    stop_words = "aws athena stop-query-execution --query-execution-id {}"

    def __init__(self, api: Athena, table: str, token: str) -> None:
        """By the token Athena knows a statement that is sent twice."""
        self._api, self._table, self._token = api, table, token

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self._api.endpoint

    def check(self, sql: str) -> None:
        """Raises QueryRefused for more bytes than Athena takes."""
        _check_length(self.title, len(sql.encode("utf-8", "surrogateescape")), athena.MOST_BYTES, "bytes")

    async def start(self, sql: str) -> str:
        """The id of the query."""
        return await athena.start_query_execution(self._api, sql, self._token)

    async def look(self, query: str) -> QueryState:
        """How far it is."""
        return await athena.get_query_execution(self._api, query)

    async def read(self, query: str, columns: tuple[str, ...]) -> list[Row]:
        """Its rows."""
        return await athena.get_query_results(self._api, query, columns)

    async def stop(self, query: str) -> None:
        """Ends it."""
        await athena.stop_query_execution(self._api, query)

    def failure(self, seen: QueryState) -> DsopsError:
        """Why it failed."""
        return athena.failure(self._api, seen, self._table)


class LakeEngine:
    """CloudTrail Lake, over an event data store."""

    title = "CloudTrail Lake"
    begins = "StartQuery"
    stop_words = "aws cloudtrail cancel-query --query-id {}"

    def __init__(self, api: Lake) -> None:
        self._api = api

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self._api.endpoint

    def check(self, sql: str) -> None:
        """Raises QueryRefused for more characters than CloudTrail Lake takes."""
        _check_length(self.title, len(sql), cloudtrail.MOST_CHARACTERS, "characters")

    async def start(self, sql: str) -> str:
        """The id of the query."""
        return await cloudtrail.start_query(self._api, sql)

    async def look(self, query: str) -> QueryState:
        """How far it is."""
        return await cloudtrail.describe_query(self._api, query)

    async def read(self, query: str, columns: tuple[str, ...]) -> list[Row]:
        """Its rows."""
        return await cloudtrail.get_query_results(self._api, query, columns)

    async def stop(self, query: str) -> None:
        """Ends it."""
        await cloudtrail.cancel_query(self._api, query)

    def failure(self, seen: QueryState) -> DsopsError:
        """Why it failed."""
        return cloudtrail.failure(self._api, seen)


class Query:
    """A question on its way through an engine."""

    def __init__(self, engine: Engine, question: AuditQuestion, sql: str, *, caller: str) -> None:
        """`caller` is who asks, for what is told of a failure: an ARN, or a masked key. Raises QueryRefused."""
        engine.check(sql)
        self._engine, self._question, self._sql, self._caller = engine, question, sql, caller
        self.id = ""
        """AWS's, once the engine has taken it."""
        self.is_sent = False
        """Whether it may have begun, though its id is not known yet."""
        self.is_under_way = False
        """Whether it goes on in AWS, and is billed, if nobody stops it."""
        self.scanned_bytes: int | None = None

    async def run(
        self,
        *,
        timeout_seconds: float,
        told: Told = lambda _state, _seconds: None,
        clock: Callable[[], float] = monotonic,
    ) -> Answer:
        """The answer. What fails, and what takes longer than that, is stopped before it is told.

        Raises QueryRefused, QueryFailed, QueryCancelled or QueryTooSlow, besides what every call may raise.
        """
        begun = clock()
        self.is_sent = True
        self.id = await self._engine.start(self._sql)
        self.is_under_way = True
        try:
            await self._wait(begun, timeout_seconds, told, clock)
        except DsopsError as error:
            await self._end(error)
            raise
        rows = await self._engine.read(self.id, self._question.columns)
        return answer_of(self._question, rows)

    async def _wait(self, begun: float, timeout_seconds: float, told: Told, clock: Callable[[], float]) -> None:
        """Until it is done."""
        wait = _FIRST_PAUSE
        while True:
            seen = await self._engine.look(self.id)
            self.scanned_bytes = self.scanned_bytes if seen.scanned_bytes is None else seen.scanned_bytes
            if seen.state == "failed":
                self.is_under_way = False
                raise self._tried(self._engine.failure(seen))
            if seen.state == "cancelled":
                self.is_under_way = False
                hint = "ask whoever looks after the account, then run it again"
                message = f"the query {self.id} was cancelled in {self._engine.title}"
                raise self._tried(QueryCancelled(message, why=seen.reason, hint=hint))
            if seen.state == "done":
                self.is_under_way = False
                return
            spent = clock() - begun
            told(seen, spent)
            if spent >= timeout_seconds:
                hint = "ask of fewer days (`--begin`, `--end`), or give it more time with `--timeout SECONDS`"
                message = f"{self._engine.title} was not done within {timeout_seconds:g} s"
                raise self._tried(QueryTooSlow(message, hint=hint))
            await pause(min(wait, max(0.0, timeout_seconds - spent)))
            wait = min(_LONGEST_PAUSE, wait * 2)

    async def _end(self, error: DsopsError) -> None:
        """Stops what nobody waits for any more; the error says so where it can't be."""
        if not self.is_under_way:
            return
        try:
            await self.stop()
        except DsopsError:
            by_hand = f"it may still go on: `{self.stop_words}` stops it"
            error.retell(error.message, hint=f"{error.hint}; {by_hand}" if error.hint else by_hand)

    async def stop(self) -> None:
        """Ends it in AWS."""
        await self._engine.stop(self.id)
        self.is_under_way = False

    @property
    def stop_words(self) -> str:
        """The command that stops it by hand."""
        return self._engine.stop_words.format(self.id)

    def _tried(self, error: DsopsError) -> DsopsError:
        """With what was asked, which no call that failed tells."""
        endpoint = self._engine.endpoint
        error.add_tried(
            Tried(self._engine.begins, self._caller, region=endpoint.signing_region, endpoint=endpoint.short)
        )
        return error


def answer_of(question: AuditQuestion, rows: Sequence[Row]) -> Answer:
    """The rows of texts as the report has them. Raises AnswerInvalid for a number or a time that is none."""
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
    what = "time" if column in TIMES else "number"
    raise AnswerInvalid(f"the result has no {what} in its column `{column}`", hint="is it really AWS that answered?")


def _check_length(title: str, length: int, most: int, unit: str) -> None:
    if length > most:
        raise QueryRefused(
            f"as SQL the question has {length} {unit}, and {title} takes {most}",
            hint="what is long in it is what you gave: `--session`, or the table's name",
        )
