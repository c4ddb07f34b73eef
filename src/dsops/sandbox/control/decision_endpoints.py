"""The control endpoints that show authorization decisions: the latest ones, and one with all details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.request.context import iso_time
from dsops.sandbox.authorization.authorizer import RecordedDecision
from dsops.sandbox.authorization.decisions import decision_record
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.calls import call_details, call_row

Said = tuple[int, Mapping[str, object]]
"""HTTP status and JSON content of a response."""
_MOST_ASKED = 100
"""How many decisions on questions are kept, so that the documents of each can be edited."""


class DecisionEndpoints:
    """The endpoints for the decisions of one sandbox. Each decision has a number, counted from 1."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._asked: dict[int, RecordedDecision] = {}
        """Number -> the decision on a question. The numbers count down from -1."""
        self._last_asked = 0

    def latest(self, query: Mapping[str, str]) -> Said:
        """Return the `last` decisions; with `after` only those after that number; with `rows` one row for each.

        The response contains `now`, the sandbox's time, and `next`, the number of the last decision: the value of
        `after` in the next request. The caller must hold the world's lock.
        """
        judge = self._sandbox.judge
        after, last = whole_number(query.get("after", "")), whole_number(query.get("last", ""))
        entries = [entry for entry in enumerate(judge.decisions, self._first) if entry[0] > after][-last:]
        shown = [call_row(*entry) if "rows" in query else self._record(entry[1]) for entry in entries]
        return 200, {"decisions": shown, "next": judge.made, "now": iso_time(self._sandbox.clock.now())}

    def one(self, number: int) -> Said:
        """Return a decision with the documents that were evaluated, and with what would allow it."""
        with self._sandbox.world.lock:
            entry = self.entry(number)
            if entry is None:
                return 404, {"error": f"decision {number} is not kept any more"}
            return 200, call_details(self._sandbox.world, number, entry)

    def keep_asked(self, entry: RecordedDecision) -> int:
        """Keep the decision on a question, and return its number. The caller must hold the world's lock."""
        self._last_asked -= 1
        self._asked[self._last_asked] = entry
        self._asked.pop(self._last_asked + _MOST_ASKED, None)
        return self._last_asked

    def forget_asked(self) -> None:
        """Drop all questions. Their numbers are not used again."""
        self._asked.clear()

    def entry(self, number: int) -> RecordedDecision | None:
        """Return the decision with this number; None if it is not kept. The caller must hold the world's lock."""
        if number < 0:
            return self._asked.get(number)
        judge = self._sandbox.judge
        return judge.decisions[number - self._first] if self._first <= number <= judge.made else None

    def newest_first(self) -> Iterator[tuple[int, RecordedDecision]]:
        """Yield all kept decisions with their numbers. The caller must hold the world's lock."""
        judge = self._sandbox.judge
        return zip(range(judge.made, 0, -1), reversed(judge.decisions), strict=False)

    @property
    def _first(self) -> int:
        """The number of the oldest decision that is kept."""
        judge = self._sandbox.judge
        return judge.made - len(judge.decisions) + 1

    def _record(self, entry: RecordedDecision) -> dict[str, object]:
        record = decision_record(entry)
        if not entry.decision.is_allowed:
            record["encoded_message"] = self._sandbox.sts.messages.encode(entry.decision)
        return record


def whole_number(text: str) -> int:
    """Parse a whole number in a query parameter; return 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
