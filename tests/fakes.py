"""Fakes for tests: a clock, a user at the terminal, and recorders of events and acts."""

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
    """A clock that moves only when a test moves it."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def __call__(self) -> datetime:
        """The current time."""
        return self.time

    def advance(self, seconds: float) -> datetime:
        """Move the clock by this many seconds (negative: back); returns the new time."""
        self.time += timedelta(seconds=seconds)
        return self.time


class Person:
    """A user at the terminal who gives these answers in order, then no answer; records the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, question: str) -> Secret | None:
        """The next answer; None if none is left."""
        self.asked.append(question)
        return Secret(self.answers.pop(0)) if self.answers else None


class Reports:
    """Records the reported events, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Add an event."""
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The events' names, in order."""
        return [event.name for event in self.events]

    def facts(self, name: str) -> list[dict[str, str]]:
        """The facts of each event with this name, in order."""
        return [dict(event.facts) for event in self.events if event.name == name]


class Acts:
    """A journal that collects acts in a list instead of the audit trail."""

    run = "the-run"

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.facts: dict[str, object] = {}

    def about(self, **facts: object) -> None:
        """Store facts that all following acts share."""
        self.facts |= facts

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether only sandboxes answered."""
        note_who_answered(self.facts, is_sandbox=is_sandbox)

    def add(self, act: Act) -> None:
        """Add an act."""
        self.acts.append(act)

    def write(self) -> None:
        """Nothing to write."""

    @property
    def told(self) -> list[str]:
        """Each act as one line: operation, facts, service and outcome."""
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
    """A Runtime with an empty environment, noon, no prompt and no randomness."""
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
