"""Find the escalations that a change makes possible."""

from __future__ import annotations

from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator

Questions = tuple[Evaluator, Assumptions]
"""What answers questions about one side of a change."""


def new_escalations(before: Questions, after: Questions) -> tuple[Escalation, ...]:
    """Return the escalations after the change whose principal has none by the same rule before it.

    Escalations that depend on facts that could not be read are left out on both sides.
    """
    known = {_key(escalation) for escalation in _escalations(before)}
    new: dict[tuple[str, str], Escalation] = {}
    for escalation in _escalations(after):
        if _key(escalation) not in known:
            new.setdefault(_key(escalation), escalation)
    return tuple(new.values())


def _escalations(questions: Questions) -> list[Escalation]:
    evaluator, assumptions = questions
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    found = Escalations(evaluator, assumptions, rules).find(evaluator.world.identities.values())
    return [escalation for escalation in found if escalation.verdict != "unknown"]


def _key(escalation: Escalation) -> tuple[str, str]:
    return escalation.caller.name, escalation.rule.identifier
