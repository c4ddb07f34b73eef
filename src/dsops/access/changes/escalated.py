"""Find the escalations that a change makes possible."""

from __future__ import annotations

from typing import NamedTuple

from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import Gap
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator

Questions = tuple[Evaluator, Assumptions]
"""What answers questions about one side of a change."""


def new_escalations(before: Questions, after: Questions) -> tuple[tuple[Escalation, ...], tuple[Gap, ...]]:
    """Return the escalations after the change whose principal has none by the same rule before it.

    Escalations that depend on facts that could not be read are left out on both sides. The second value tells which
    principals a search left out.
    """
    earlier, later = _searched(before), _searched(after)
    known = {_key(escalation) for escalation in earlier.found}
    unknown = {identity.arn for identity in earlier.search.left_out}
    new: dict[tuple[str, str], Escalation] = {}
    for escalation in later.found:
        if _key(escalation) not in known and escalation.caller.name not in unknown:
            new.setdefault(_key(escalation), escalation)
    gaps = dict.fromkeys(filter(None, (earlier.search.gap(), later.search.gap())))
    return tuple(new.values()), tuple(gaps)


class _Searched(NamedTuple):
    search: Escalations
    found: list[Escalation]


def _searched(questions: Questions) -> _Searched:
    evaluator, assumptions = questions
    search = Escalations(evaluator, assumptions, [rule for rule in ESCALATION_RULES if rule.target != "assumed"])
    found = search.find(evaluator.world.identities.values())
    return _Searched(search, [escalation for escalation in found if escalation.verdict != "unknown"])


def _key(escalation: Escalation) -> tuple[str, str]:
    return escalation.caller.name, escalation.rule.identifier
