"""Compare who can do what before and after a change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from dsops.access.changes.affected import Sides, affected_topics, changed_arns, changed_documents
from dsops.access.changes.escalated import new_escalations
from dsops.access.escalations.find import Escalation
from dsops.access.facts.world import Gap, OrganizationFacts, PolicyDocument
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import ASSUME, SIGN_IN_PREFIX, Assumption, Assumptions
from dsops.access.questions.caller import AccessCaller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import is_anyone
from dsops.access.questions.topic import Topic
from dsops.access.questions.who_can import Way, WayStep, who_can

MOST_QUESTIONS: Final = 2000
"""The maximum number of questions that one comparison asks."""


class AccessChange(NamedTuple):
    """A principal that can do something only before, or only after the change, or under other conditions."""

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
    """The facts of the state after the change that could not be read, and what the search for escalations left out."""
    left_out: int
    """The number of questions that were not asked, because there are too many."""
    escalations: tuple[Escalation, ...] = ()
    """The escalations that the change makes possible, if they were asked for."""


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

    def beyond(self, other: _Side, way: Way) -> Way | None:
        """Return the way with a request that this side allows and the other one refuses; None if there is none.

        A way through roles has none: the comparison asks about each of its steps.
        """
        if len(way.steps) != 1:
            return None
        (step,) = way.steps
        topic = Topic(step.action, step.resource)
        answer = self.evaluator.allows_beyond(other.evaluator, step.caller, topic)
        return Way((step._replace(answer=answer),)) if answer is not None else None

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


def compare(
    before: OrganizationFacts, after: OrganizationFacts, now: datetime, *, has_escalations: bool = False
) -> Comparison:
    """Return what the change opens and closes, with a request for each difference that the engine decides.

    `has_escalations`: whether the result contains new escalations, which takes more time.
    """
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
    found = Comparison(opened, closed, after.gaps, max(0, len(topics) - MOST_QUESTIONS))
    if not has_escalations:
        return found
    earlier, later = ((side.evaluator, side.assumptions) for side in sides)
    escalations, gaps = new_escalations(earlier, later)
    return found._replace(escalations=escalations, gaps=(*found.gaps, *gaps))


def _roles_assumed_otherwise(sides: tuple[_Side, _Side], changed: tuple[PolicyDocument, ...]) -> tuple[str, ...]:
    """Return the roles that other principals can assume, or under other conditions."""
    before, after = (side.facts for side in sides)
    known = {arn for side in sides for arn, identity in side.facts.identities.items() if identity.kind == "role"}
    others = changed_arns(Sides(before, after))
    if before.assignments != after.assignments:
        others |= frozenset(arn for arn in known if SIGN_IN_PREFIX in arn)
    return tuple(
        role
        for role in sorted(known)
        if (role in others or _is_about(role, sides, changed)) and any(True for _ in _of_role(sides, role))
    )


def _is_about(role: str, sides: tuple[_Side, _Side], changed: tuple[PolicyDocument, ...]) -> bool:
    """Whether a changed policy is about assuming the role."""
    before, after = (side.facts.identities.get(role) for side in sides)
    if before is None or after is None or before.trust != after.trust:
        return True
    topic = Topic(ASSUME, role)
    return any(
        topic.relevant(document).statements if document.kind != "trust" else document in (before.trust, after.trust)
        for document in changed
    )


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
    directions: tuple[tuple[Literal["opened", "closed"], dict[str, Way], dict[str, Way], _Side, _Side], ...] = (
        ("opened", after, before, sides[1], sides[0]),
        ("closed", before, after, sides[0], sides[1]),
    )
    for kind, here, there, side, other in directions:
        for name, way in here.items():
            known = there.get(name)
            shown: Way | None = way
            if known is not None:
                is_loosened = known.verdict == "conditional" and way.verdict == "yes"
                shown = way if is_loosened else _with_other_conditions(side, other, way, known)
            if shown is not None:
                last = way.steps[-1].action
                named = last if action == ASSUME else action
                refusal = other.refusal(way)
                yield AccessChange(kind, way.caller, named, resource, shown, known is not None, refusal)


def _with_other_conditions(side: _Side, other: _Side, way: Way, known: Way) -> Way | None:
    """Return the way with a request that only this side allows, if both sides have conditions."""
    is_conditional = way.verdict == known.verdict == "conditional"
    return side.beyond(other, way) if is_conditional else None
