"""Compare who can do what before and after a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple

from dsops.access.changes.affected import Sides, affected_topics, changed_documents
from dsops.access.facts.world import Gap, OrganizationFacts, PolicyDocument
from dsops.access.questions.assuming import ASSUME, Assumption, Assumptions
from dsops.access.questions.caller import AccessCaller
from dsops.access.questions.evaluator import AccessAnswer, Evaluator, Topic
from dsops.access.questions.outside import is_anyone
from dsops.access.questions.who_can import Way, WayStep, who_can

MOST_QUESTIONS: Final = 2000
"""The maximum number of questions that one comparison asks."""


class AccessChange(NamedTuple):
    """A principal that can do something only before, or only after the change."""

    kind: Literal["opened", "closed"]
    caller: AccessCaller
    action: str
    resource: str
    way: Way
    """How the principal can do it, on the side where it can."""
    was_conditional: bool
    """Whether the principal could do it under conditions on the other side."""
    refusal: AccessAnswer | None
    """The answer to the first request of the way that the other side refuses.

    None if the other side does not know the principal or the role, or if it refuses nothing and has a condition.
    """

    @property
    def is_public(self) -> bool:
        """Whether anyone can do it: any account, or any customer of a shared identity provider."""
        return is_anyone(self.caller, self.way.steps[0].answer)


class Comparison(NamedTuple):
    """What a change opens and closes."""

    opened: tuple[AccessChange, ...]
    closed: tuple[AccessChange, ...]
    gaps: tuple[Gap, ...]
    """The facts of the state after the change that could not be read."""
    left_out: int
    """The number of questions that were not asked, because there are too many."""


class _Side:
    """One state of the organization, with its answers."""

    def __init__(self, facts: OrganizationFacts, now: datetime) -> None:
        self.facts = facts
        self.evaluator = Evaluator(facts, now)
        self.assumptions = Assumptions(self.evaluator)

    def ways(self, action: str, resource: str) -> dict[str, Way]:
        """Return the way of each principal that can certainly do it, perhaps under conditions."""
        answer = who_can(self.evaluator, self.assumptions, action, resource)
        return {way.caller.name: way for way in answer.ways if way.verdict != "unknown"}

    def callers_of(self, role: str) -> dict[str, Assumption]:
        """Return the principals that can assume a role."""
        return {
            assumption.caller.name: assumption
            for assumption in self.assumptions.of(role)
            if assumption.answer.is_possible
        }

    def refusal(self, way: Way) -> AccessAnswer | None:
        """Return the answer to the first step of another side's way that this side refuses."""
        for step in way.steps:
            identity = step.caller.identity
            if identity is not None and not step.caller.outside:
                identity = self.facts.identities.get(identity.arn)
                if identity is None:
                    return None
            caller = step.caller._replace(identity=identity)
            answer = self.evaluator.ask(caller, Topic(step.action, step.resource))
            if not answer.is_possible:
                return answer
        return None


def compare(before: OrganizationFacts, after: OrganizationFacts, now: datetime) -> Comparison:
    """Return what the change opens and closes, with a request for each difference that the engine decides."""
    sides = (_Side(before, now), _Side(after, now))
    pair = Sides(before, after)
    changed = changed_documents(pair)
    roles = _roles_assumed_otherwise(sides, changed)
    topics = affected_topics(pair, changed, roles, [side.assumptions for side in sides])
    changes = [change for role in roles for change in _of_role(sides, role)]
    for action, resource in topics[:MOST_QUESTIONS]:
        ways = tuple(side.ways(action, resource) for side in sides)
        changes += _of_topic(sides, action, resource, (ways[0], ways[1]))
    opened = tuple(change for change in changes if change.kind == "opened")
    closed = tuple(change for change in changes if change.kind == "closed")
    return Comparison(opened, closed, after.gaps, max(0, len(topics) - MOST_QUESTIONS))


def _roles_assumed_otherwise(sides: tuple[_Side, _Side], changed: tuple[PolicyDocument, ...]) -> tuple[str, ...]:
    """Return the roles that other principals can assume, or under other conditions."""
    before, after = sides
    known = {arn for side in sides for arn, identity in side.facts.identities.items() if identity.kind == "role"}
    return tuple(
        role
        for role in sorted(known)
        if _is_about(role, sides, changed) and _verdicts(before.callers_of(role)) != _verdicts(after.callers_of(role))
    )


def _is_about(role: str, sides: tuple[_Side, _Side], changed: tuple[PolicyDocument, ...]) -> bool:
    """Whether a changed policy is about assuming the role."""
    before, after = (side.facts.identities.get(role) for side in sides)
    if before is None or after is None or before.trust != after.trust:
        return True
    topic = Topic(ASSUME, role)
    return any(document.kind != "trust" and topic.relevant(document).statements for document in changed)


def _verdicts(callers: Mapping[str, Assumption]) -> dict[str, str]:
    return {name: assumption.answer.verdict for name, assumption in callers.items()}


def _of_role(sides: tuple[_Side, _Side], role: str) -> Iterator[AccessChange]:
    before, after = (
        {
            name: Way((WayStep(assumption.caller, assumption.action, role, assumption.answer),))
            for name, assumption in side.callers_of(role).items()
            if name != role
        }
        for side in sides
    )
    yield from _of_topic(sides, ASSUME, role, (before, after))


def _of_topic(
    sides: tuple[_Side, _Side], action: str, resource: str, ways: tuple[dict[str, Way], dict[str, Way]]
) -> Iterator[AccessChange]:
    """Yield the principals that can do it on one side only, or without a condition on one side only."""
    before, after = ways
    for here, there, other, kind in ((after, before, sides[0], "opened"), (before, after, sides[1], "closed")):
        for name, way in here.items():
            known = there.get(name)
            if known is None or (known.verdict == "conditional" and way.verdict == "yes"):
                yield AccessChange(
                    "opened" if kind == "opened" else "closed",
                    way.caller,
                    way.steps[-1].action if action == ASSUME else action,
                    resource,
                    way,
                    known is not None,
                    other.refusal(way),
                )
