"""Find the escalations that a change makes possible."""

from __future__ import annotations

from datetime import datetime

from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator


def new_escalations(before: OrganizationFacts, after: OrganizationFacts, now: datetime) -> tuple[Escalation, ...]:
    """Return the escalations after the change whose principal has none by the same rule before it.

    Escalations that depend on facts that could not be read are left out on both sides.
    """
    known = {_key(escalation) for escalation in _escalations(before, now)}
    new: dict[tuple[str, str], Escalation] = {}
    for escalation in _escalations(after, now):
        if _key(escalation) not in known:
            new.setdefault(_key(escalation), escalation)
    return tuple(new.values())


def _escalations(facts: OrganizationFacts, now: datetime) -> list[Escalation]:
    evaluator = Evaluator(facts, now)
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    found = Escalations(evaluator, Assumptions(evaluator), rules).find(facts.identities.values())
    return [escalation for escalation in found if escalation.verdict != "unknown"]


def _key(escalation: Escalation) -> tuple[str, str]:
    return escalation.caller.name, escalation.rule.identifier
