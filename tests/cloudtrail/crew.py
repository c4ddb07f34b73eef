"""What whoever works in a shift can do: assume roles, use what they were given, at moments of the shift."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from tests.cloudtrail.company import NAMES, ROLES, Company
from tests.cloudtrail.desk import Desk
from tests.cloudtrail.facts import Actor, Role
from tests.cloudtrail.records import KINDS, WEIGHTS

_SPARE: Final = 16
"""Calls that a chain may still need when there are hardly any left."""


class Span(NamedTuple):
    """Which part of the month it is."""

    number: int
    start: int
    end: int
    """The second after its last one."""
    calls: int
    is_last: bool
    """Newcomers start, and accounts that never spoke to each other do."""
    month_end: int


class Crew:
    """The company's staff and machines in a part of the month."""

    def __init__(self, company: Company, desk: Desk, span: Span, chance: random.Random) -> None:
        self.company = company
        self.desk = desk
        self.span = span
        self.chance = chance

    def left(self) -> int:
        """How many calls are still to be made."""
        return self.span.calls - self.desk.tally.calls

    def moment(self) -> int:
        """A second of the shift."""
        return self.chance.randrange(self.span.start, min(self.span.end, self.span.month_end + 1))

    def after(self, acting: Actor, seconds: int) -> int:
        """A moment soon after a session was issued, in the month."""
        start = acting.session.time if acting.session is not None else self.span.start
        return min(start + 1 + self.chance.randrange(seconds), self.span.month_end)

    def any_account(self) -> str:
        """But not the one that nobody enters before the last day."""
        return self.chance.choice(NAMES[:-1])

    def any_role(self) -> Role:
        """Of any account."""
        return self.company.role_of(self.any_account(), self.chance.choice(ROLES)[0])

    def usual_role(self, actor: Actor) -> Role:
        """One of those that they go to."""
        return self.chance.choice(self.company.roles_of(actor.principal))

    def assume(
        self, actor: Actor, time: int, role: Role, *, has_serial: bool = False, source_identity: str = ""
    ) -> None:
        """A role, what is done with it, and perhaps a further one."""
        asked = role.duration if self.chance.random() < 0.9 else 1800
        acting = self.desk.issue(
            actor,
            time,
            "AssumeRole",
            role,
            session_name=f"work-{self.chance.randrange(50)}",
            asked=asked,
            has_serial=has_serial,
            source_identity=source_identity,
        )
        self.go_on(acting, role)

    def go_on(self, acting: Actor | None, role: Role, source_identity: str = "") -> None:
        """Works with a session, and in a third of the cases goes on to another role with it."""
        if acting is None:
            return
        hops = len(acting.session.hops()) if acting.session is not None else 0
        if hops < 5 and self.chance.random() < 0.35:
            self.assume(acting, self.after(acting, 300), self.usual_role(acting), source_identity=source_identity)
        self.use(acting, role.habit)

    def use(self, acting: Actor, habit: str, most: int = 9) -> None:
        """Calls with a session as the habit has it."""
        asked = acting.session.asked if acting.session is not None else 0
        chance = self.chance
        if habit == "never" or chance.random() < 0.1:
            return
        if habit == "seconds" and chance.random() < 0.85:
            self.use_until(acting, chance.randrange(60), most)
        elif habit == "end" and chance.random() < 0.7:
            self.use_until(acting, asked - chance.randrange(61), most)
        else:
            self.use_until(acting, chance.randrange(asked + 1), most)

    def use_until(self, acting: Actor, last: int, most: int) -> None:
        """At most that many calls, the last one that many seconds after the session was issued."""
        if acting.session is None:
            return
        start = acting.session.time
        end = min(start + last, self.span.month_end)
        for number in range(min(most, 1 + int(self.chance.expovariate(0.3)), max(1, self.left() - _SPARE))):
            time = self.chance.randint(start, end) if number else end
            code = "ExpiredTokenException" if time > acting.session.expires else ""
            self.desk.call(acting, self.chance.choices(KINDS, WEIGHTS)[0], time, code)
