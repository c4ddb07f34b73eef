"""Stand-ins for the outside world: a clock that a test moves, a person to ask, a list for progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic as system_monotonic
from typing import TYPE_CHECKING

from dsops.runtime import Act, Event, Journal, Runtime, note_who_answered
from dsops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


class FixedClock:
    """The time is what the test says; it moves only when told."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def __call__(self) -> datetime:
        """The time at which the clock stands."""
        return self.time

    def advance(self, seconds: float) -> datetime:
        """The new time, that many seconds later (or earlier, when negative)."""
        self.time += timedelta(seconds=seconds)
        return self.time


class Person:
    """Somebody at the terminal who gives these answers in turn, then is gone; remembers what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, question: str) -> Secret | None:
        """The next answer; None when there is none left."""
        self.asked.append(question)
        return Secret(self.answers.pop(0)) if self.answers else None


class Reports:
    """Progress, kept in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keeps one more event."""
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The events' names alone, in order."""
        return [event.name for event in self.events]

    def facts(self, name: str) -> list[dict[str, str]]:
        """The facts of each event of that name, in order."""
        return [dict(event.facts) for event in self.events if event.name == name]


class Acts:
    """What goes on the audit trail, kept in order instead."""

    run = "the-run"

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.facts: dict[str, object] = {}

    def about(self, **facts: object) -> None:
        """Keeps what all that follows has in common."""
        self.facts |= facts

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Keeps whether only sandboxes have answered."""
        note_who_answered(self.facts, is_sandbox=is_sandbox)

    def add(self, act: Act) -> None:
        """Keeps one more."""
        self.acts.append(act)

    def write(self) -> None:
        """They are kept already."""

    @property
    def told(self) -> list[str]:
        """Each in a line: what was done with what, by which service, and what came of it."""
        return [
            " ".join(
                str(part)
                for part in (
                    act.name,
                    act.facts.get("secret") or act.facts.get("store"),
                    act.service or "-",
                    act.error.code if act.error is not None else "held" if act.facts.get("cached") else "ok",
                )
            )
            for act in self.acts
        ]


def make_runtime(
    environ: Mapping[str, str] | None = None,
    *,
    now: Callable[[], datetime] | None = None,
    ask: Callable[[str], Secret | None] | None = None,
    report: Callable[[Event], None] | None = None,
    random: Callable[[], float] = lambda: 0.5,
    folder: str = "/project",
    timestamp: str = "20261124T120000Z",
    journal: Journal | None = None,
    monotonic: Callable[[], float] = system_monotonic,
) -> Runtime:
    """A world in which nothing happens by itself: empty environment, noon, nobody to ask, no chance."""
    return Runtime(
        environ=dict(environ or {}),
        now=now or FixedClock(),
        ask=ask or Person(),
        report=report or Reports(),
        random=random,
        folder=folder,
        timestamp=timestamp,
        journal=journal,
        monotonic=monotonic,
    )
