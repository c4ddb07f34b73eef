"""Find what a principal can do: the roles that it can become, and the resources that it can use."""

from __future__ import annotations

from typing import NamedTuple

from dsops.access.facts.world import Gap
from dsops.access.questions.actors import MOST_LOOKS, Actors
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import grant_gaps
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
    """The lists of resources that could not be read, grants of keys, and roles that were too many to be asked about."""


def what_can(
    evaluator: Evaluator, assumptions: Assumptions, caller: AccessCaller, *, looks: int = MOST_LOOKS
) -> WhatCan:
    """Return what the principal can do, also by assuming roles. `looks` limits the work (see MOST_LOOKS)."""
    world = evaluator.world
    roles = ways_from(assumptions, caller)
    questions = [(resource, Topic(*each)) for resource in world.resources for each in data_requests(resource)]
    actors = Actors(evaluator, caller, roles, len(questions), looks)
    found = (_best_use(evaluator, actors, topic, resource) for resource, topic in questions)
    uses = tuple(use for use in found if use is not None)
    gaps = [gap for gap in world.gaps if gap.place == "resources"]
    arns = {caller.name, *(way.steps[-1].resource for way in roles)}
    gaps += grant_gaps(world, lambda grant: not grant.grantee or grant.grantee in arns)
    if actors.left_out:
        of_all = f"{actors.left_out:,} of {len(roles):,} roles"
        gaps.append(Gap("", "identities", f"what {of_all} can do with some resources, because there are too many"))
    return WhatCan(caller, tuple(roles), uses, tuple(gaps))


def _best_use(evaluator: Evaluator, actors: Actors, topic: Topic, resource: str) -> ResourceUse | None:
    """Return the use with the fewest open conditions; the actors are sorted in the same way."""
    best: ResourceUse | None = None
    for actor, way in actors.about(topic):
        if not evaluator.may_allow(actor, topic):
            continue
        answer = evaluator.ask(actor, topic)
        if answer.verdict == "yes" and way.verdict == "yes":
            return ResourceUse(resource, topic.action, way, answer)
        if answer.verdict != "no" and best is None:
            best = ResourceUse(resource, topic.action, way, answer)
    return best
