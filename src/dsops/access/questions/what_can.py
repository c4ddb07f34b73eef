"""Find what a principal can do: the roles that it can become, and the resources that it can use."""

from __future__ import annotations

from typing import NamedTuple

from dsops.access.facts.world import Gap
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.path import ways_from
from dsops.access.questions.topic import Topic
from dsops.access.questions.who_can import Way


class ResourceUse(NamedTuple):
    """An action that a principal can do on a resource, as itself or as one of the roles that it can become."""

    resource: str
    action: str
    way: Way
    """How the principal becomes the role; no steps if it acts as itself."""
    answer: AccessAnswer


class WhatCan(NamedTuple):
    """The answer to `what can PRINCIPAL do`."""

    caller: AccessCaller
    roles: tuple[Way, ...]
    """The best way to each role that the principal can become."""
    uses: tuple[ResourceUse, ...]
    """The actions on the known resources, each by the way with the fewest open conditions."""
    gaps: tuple[Gap, ...]
    """The lists of resources that could not be read."""


def what_can(evaluator: Evaluator, assumptions: Assumptions, caller: AccessCaller) -> WhatCan:
    """Return what the principal can do, also by assuming roles."""
    world = evaluator.world
    roles = ways_from(assumptions, caller)
    starts = [Way(()), *roles]
    uses = []
    for resource in world.resources:
        for action, asked in data_requests(resource):
            use = _best_use(evaluator, caller, starts, Topic(action, asked), resource)
            if use is not None:
                uses.append(use)
    gaps = tuple(gap for gap in world.gaps if gap.place == "resources")
    return WhatCan(caller, tuple(roles), tuple(uses), gaps)


def _best_use(
    evaluator: Evaluator, caller: AccessCaller, starts: list[Way], topic: Topic, resource: str
) -> ResourceUse | None:
    """Return the use with the fewest open conditions; `starts` are sorted in the same way."""
    best: ResourceUse | None = None
    for way in starts:
        role = evaluator.world.identities.get(way.steps[-1].resource) if way.steps else None
        actor = caller_of(role) if role is not None else caller
        if not evaluator.may_allow(actor, topic):
            continue
        answer = evaluator.ask(actor, topic)
        if answer.verdict == "yes" and way.verdict == "yes":
            return ResourceUse(resource, topic.action, way, answer)
        if answer.verdict != "no" and best is None:
            best = ResourceUse(resource, topic.action, way, answer)
    return best
