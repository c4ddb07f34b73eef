"""Find every principal that can do something: directly, or by assuming roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

from dsops.access.facts.world import Gap
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of, callers_beyond
from dsops.access.questions.evaluator import AccessAnswer, Evaluator, Topic, Verdict


class WayStep(NamedTuple):
    """One request on a way to the goal: assuming a role, or the action itself."""

    caller: AccessCaller
    action: str
    resource: str
    answer: AccessAnswer


class Way(NamedTuple):
    """How a principal can do something: the roles to assume one after the other, and the action."""

    steps: tuple[WayStep, ...]

    @property
    def caller(self) -> AccessCaller:
        """The principal that begins."""
        return self.steps[0].caller

    @property
    def verdict(self) -> Verdict:
        """`yes` if no step has an open condition, `unknown` if a step depends on a fact that could not be read."""
        verdicts = {step.answer.verdict for step in self.steps}
        return "unknown" if "unknown" in verdicts else "conditional" if "conditional" in verdicts else "yes"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The facts that could not be read and could change the answer."""
        return tuple(dict.fromkeys(gap for step in self.steps for gap in step.answer.gaps))


class Stopped(NamedTuple):
    """A principal whose own policies allow the action, and the decision that stops it."""

    caller: AccessCaller
    answer: AccessAnswer


class WhoCan(NamedTuple):
    """The answer to `who can do ACTION on RESOURCE`."""

    action: str
    resource: str
    ways: tuple[Way, ...]
    """The best way of each principal, the best first: with the fewest open conditions, then with the fewest steps."""
    stopped: tuple[Stopped, ...]
    """The principals that control policies, a boundary, a Deny or the resource's policy stop."""
    gaps: tuple[Gap, ...]
    """Accounts and trust policies that could not be read, so that principals may be missing in the answer."""


def who_can(evaluator: Evaluator, assumptions: Assumptions, action: str, resource: str) -> WhoCan:
    """Return all principals that can do the action on the resource, an ARN without wildcards, or `*`."""
    topic = Topic(action, resource)
    direct: list[Way] = []
    stopped: list[Stopped] = []
    for identity in evaluator.world.identities.values():
        caller = caller_of(identity)
        if not evaluator.may_allow(caller, topic):
            continue
        answer = evaluator.ask(caller, topic)
        if answer.verdict != "no":
            direct.append(Way((WayStep(caller, action, resource, answer),)))
        elif evaluator.has_allow(caller, topic):
            stopped.append(Stopped(caller, answer))
    for caller in _beyond(evaluator, topic):
        answer = evaluator.ask(caller, topic)
        if answer.verdict != "no":
            direct.append(Way((WayStep(caller, action, resource, answer),)))
    ways = _extended(direct, assumptions)
    gaps = [gap for gap in evaluator.world.gaps if gap.place == "identities"]
    roles = [way.caller.identity for way in ways if way.caller.identity is not None and not way.caller.outside]
    gaps += filter(None, (assumptions.gap_of(role) for role in roles if role.kind == "role"))
    return WhoCan(action, resource, tuple(ways), tuple(stopped), tuple(gaps))


def _beyond(evaluator: Evaluator, topic: Topic) -> Iterator[AccessCaller]:
    """Yield the callers without an account of this world that the resource's policy names."""
    document = evaluator.resource_policy(topic.resource)
    if document is None or document.kind == "trust":
        return
    callers = {
        caller.name: caller
        for statement in topic.relevant(document).statements
        if statement.effect == "Allow"
        for caller in callers_beyond(evaluator.world, statement)
    }
    yield from callers.values()


def _extended(direct: Sequence[Way], assumptions: Assumptions) -> list[Way]:
    """Return the best way of each principal that reaches the goal, by assuming roles or without."""
    best: dict[str, Way] = {}
    order = count()
    waiting = [(_cost(way), next(order), way) for way in direct]
    heapify(waiting)
    while waiting:
        _, _, way = heappop(waiting)
        if way.caller.name in best:
            continue
        best[way.caller.name] = way
        identity = way.caller.identity
        if identity is None or identity.kind != "role" or way.caller.outside:
            continue
        for assumption in assumptions.of(identity.arn):
            if assumption.caller.name not in best:
                step = WayStep(assumption.caller, assumption.action, identity.arn, assumption.answer)
                longer = Way((step, *way.steps))
                heappush(waiting, (_cost(longer), next(order), longer))
    return [*best.values()]


def _cost(way: Way) -> tuple[int, int, int]:
    verdicts = [step.answer.verdict for step in way.steps]
    return verdicts.count("unknown"), verdicts.count("conditional"), len(verdicts)
