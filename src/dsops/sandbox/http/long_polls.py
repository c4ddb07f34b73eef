"""Keep the connections of long polls open, and repeat the polls.

The time for polling is limited, so that other clients are served too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from dsops.request.messages import HttpAnswer, Wait

Client = TypeVar("Client")

_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 0.02
_SHARE = 3
"""After polls that returned nothing, the pause is at least this many times as long as these polls took."""


class _Poll(NamedTuple, Generic[Client]):
    client: Client
    answer: HttpAnswer
    """The answer to send if the wait ends without a result."""
    wait: Wait
    until: float


class Waiting(Generic[Client]):
    """The waiting long polls of one server. If several polls wait for one source, the oldest is answered first."""

    def __init__(
        self,
        deliver: Callable[[Client, HttpAnswer], None],
        is_gone: Callable[[Client], bool],
        most: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Set up without any long polls.

        - `deliver`: sends an answer; it may call `add` for another client.
        - `is_gone`: whether a client has disconnected.
        - `most`: the maximum number of waiting clients. Above this number, the next `look` sends the oldest clients
          their empty answers early.
        """
        self._deliver = deliver
        self._is_gone = is_gone
        self._most = most
        self._clock = clock
        self._polls: dict[str, deque[_Poll[Client]]] = {}
        """Source -> the waiting polls of this source. The source that was polled longest ago is the first."""
        self._look_at = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._polls.values()))

    def add(self, client: Client, answer: HttpAnswer, wait: Wait) -> None:
        """Add a client that waits for the result of a long poll."""
        self._polls.setdefault(wait.source, deque()).append(_Poll(client, answer, wait, self._clock() + wait.seconds))
        if len(self) > self._most:
            self._look_at = 0.0

    def pause(self, longest: float) -> float:
        """Return the seconds until the next `look` is due, at most `longest`."""
        return min(longest, max(0.0, self._look_at - self._clock())) if self._polls else longest

    def look(self) -> None:
        """Answer the clients that have a result and those whose wait has ended. Does nothing during a pause."""
        begun = self._clock()
        if not self._polls or begun < self._look_at:
            return
        for poll in [poll for polls in self._polls.values() for poll in polls]:
            if self._is_gone(poll.client):
                self._remove(poll)
            elif poll.until <= begun:
                self._remove(poll)
                self._deliver(poll.client, poll.wait.ask() or poll.answer)
        self._end_surplus()
        until, in_vain, pause = begun + _LOOK_SECONDS, 0.0, _PAUSE_SECONDS
        for source in list(self._polls):
            seconds = self._ask_for(source, until)
            if seconds is None:
                pause = 0.0
                break
            in_vain += seconds
        self._look_at = 0.0 if len(self) > self._most else self._clock() + max(pause, _SHARE * in_vain)

    def _end_surplus(self) -> None:
        """Answer the oldest clients above the limit. The next `look` handles clients that are added meanwhile."""
        for _ in range(len(self) - self._most):
            oldest = min((polls[0] for polls in self._polls.values()), key=lambda poll: poll.until)
            self._remove(oldest)
            self._deliver(oldest.client, oldest.answer)

    def _ask_for(self, source: str, until: float) -> float | None:
        """Answer the clients of a source until a poll returns nothing, then move the source to the end of the queue.

        Returns how many seconds the poll without a result took, or None if the time budget was used up.
        """
        while (polls := self._polls.get(source)) is not None:
            begun = self._clock()
            if begun >= until:
                return None
            answer = polls[0].wait.ask()
            if answer is None:
                self._polls[source] = self._polls.pop(source)
                return self._clock() - begun
            poll = polls[0]
            self._remove(poll)
            self._deliver(poll.client, answer)
        return 0.0

    def _remove(self, poll: _Poll[Client]) -> None:
        polls = self._polls[poll.wait.source]
        polls.remove(poll)
        if not polls:
            del self._polls[poll.wait.source]
