"""Find how a principal becomes a role, by assuming one role after the other."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import ASSUME, Assumption, Assumptions, Settled
from dsops.access.questions.caller import AccessCaller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.access.questions.who_can import Way, WayStep, cost_of
from dsops.best_first import best_ways


def ways_from(assumptions: Assumptions, caller: AccessCaller) -> list[Way]:
    """Return the best way to each role that the principal can become, the best first.

    The steps of a way assume roles; the last one assumes the role itself.
    """
    # The roles whose best path is known: paths are found in order of cost, so a later path to the same role is never
    # better.
    settled = Settled()
    settled.names.add(caller.name)

    def longer(way: Way) -> Iterator[Way]:
        name = way.steps[-1].resource if way.steps else caller.name
        for role, assumption in assumptions.unsettled_by(name, settled):
            yield Way((*way.steps, _step(role, assumption)))
            if assumption.answer.verdict == "yes":
                settled.names.add(role)

    return [*best_ways(longer(Way(())), longer, lambda way: way.steps[-1].resource, cost_of)]


def _step(role: str, assumption: Assumption) -> WayStep:
    return WayStep(assumption.caller, assumption.action, role, assumption.answer)


def refusal(evaluator: Evaluator, caller: AccessCaller, role: str) -> AccessAnswer:
    """Return the answer to the principal's own AssumeRole request for the role."""
    return evaluator.ask(caller, Topic(ASSUME, role))
