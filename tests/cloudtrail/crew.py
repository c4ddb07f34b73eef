"""Plays the callers of a shift: they assume roles and use their sessions at random times."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from tests.cloudtrail.company import NAMES, ROLES, Company
from tests.cloudtrail.desk import Desk
from tests.cloudtrail.facts import Actor, Role
from tests.cloudtrail.records import KINDS, WEIGHTS

_SPARE: Final = 16
"""The number of calls kept in reserve, so that a chain can be completed."""


class Span(NamedTuple):
    """One part of the month."""

    number: int
    start: int
    end: int
    """The first second after the span."""
    calls: int
    is_last: bool
    """Whether this is the last part, in which new principals and new account pairs appear."""
    month_end: int


class Crew:
    """The company's callers during one part of the month."""

    def __init__(self, company: Company, desk: Desk, span: Span, chance: random.Random) -> None:
        self.company = company
        self.desk = desk
        self.span = span
        self.chance = chance

    def left(self) -> int:
        """The number of calls still to be made."""
        return self.span.calls - self.desk.tally.calls

    def moment(self) -> int:
        """A random second of the shift."""
        return self.chance.randrange(self.span.start, min(self.span.end, self.span.month_end + 1))

    def after(self, acting: Actor, seconds: int) -> int:
        """A time soon after the session was issued, but within the month."""
        start = acting.session.time if acting.session is not None else self.span.start
        return min(start + 1 + self.chance.randrange(seconds), self.span.month_end)

    def any_account(self) -> str:
        """A random account, except the one that is first used on the last day."""
        return self.chance.choice(NAMES[:-1])

    def any_role(self) -> Role:
        """A random role of a random account."""
        return self.company.role_of(self.any_account(), self.chance.choice(ROLES)[0])

    def usual_role(self, actor: Actor) -> Role:
        """One of the roles that the caller uses."""
        return self.chance.choice(self.company.roles_of(actor.principal))

    def assume(
        self, actor: Actor, time: int, role: Role, *, has_serial: bool = False, source_identity: str = ""
    ) -> None:
        """Assume a role, use its session, and perhaps assume another role with it."""
        request_asked = role.duration if self.chance.random() < 0.9 else 1800
        acting = self.desk.issue(
            actor,
            time,
            "AssumeRole",
            role,
            session_name=f"work-{self.chance.randrange(50)}",
            asked=request_asked,
            has_serial=has_serial,
            source_identity=source_identity,
        )
        self.go_on(acting, role)

    def go_on(self, acting: Actor | None, role: Role, source_identity: str = "") -> None:
        """Use a session; in one third of the cases, assume another role with it."""
        if acting is None:
            return
        hops = len(acting.session.hops()) if acting.session is not None else 0
        if hops < 5 and self.chance.random() < 0.35:
            self.assume(acting, self.after(acting, 300), self.usual_role(acting), source_identity=source_identity)
        self.use(acting, role.habit)

    def use(self, acting: Actor, habit: str, most: int = 9) -> None:
        """Make calls with a session according to its role's habit."""
        request_asked = acting.session.asked if acting.session is not None else 0
        chance = self.chance
        if habit == "never" or chance.random() < 0.1:
            return
        if habit == "seconds" and chance.random() < 0.85:
            self.use_until(acting, chance.randrange(60), most)
        elif habit == "end" and chance.random() < 0.7:
            self.use_until(acting, request_asked - chance.randrange(61), most)
        else:
            self.use_until(acting, chance.randrange(request_asked + 1), most)

    def use_until(self, acting: Actor, last: int, most: int) -> None:
        """Make at most this many calls, the last one `last` seconds after the session was issued."""
        if acting.session is None:
            return
        start = acting.session.time
        end = min(start + last, self.span.month_end)
        for number in range(min(most, 1 + int(self.chance.expovariate(0.3)), max(1, self.left() - _SPARE))):
            time = self.chance.randint(start, end) if number else end
            code = "ExpiredTokenException" if time > acting.session.expires else ""
            self.desk.call(acting, self.chance.choices(KINDS, WEIGHTS)[0], time, code)
