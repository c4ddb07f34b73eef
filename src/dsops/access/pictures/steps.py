"""The requests that a picture draws: steps of ways, and escalations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dsops.access.escalations.chains import by_principal
from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import is_anyone


class PictureStep(NamedTuple):
    """What a principal can do: assume a role, do something with the goal, or become another identity."""

    caller: AccessCaller
    end: str
    """The ARN of the role, of the goal, or of what the principal becomes."""
    action: str
    answers: tuple[AccessAnswer, ...]
    rules: tuple[str, ...] = ()
    """The ids of the rules of an escalation, the best first."""
    is_administrator: bool = False
    """Whether an escalation leads to an administrator."""
    is_further: bool = False
    """Whether another escalation of the same principal is better."""

    @property
    def verdict(self) -> str:
        """`unknown` if an answer is, else `conditional` if an answer is, else `yes`."""
        verdicts = {answer.verdict for answer in self.answers}
        return "unknown" if "unknown" in verdicts else "conditional" if "conditional" in verdicts else "yes"

    @property
    def is_from_anyone(self) -> bool:
        """Whether anyone can make the request."""
        return not self.rules and is_anyone(self.caller, self.answers[0])

    @property
    def conditions(self) -> tuple[str, ...]:
        """The open conditions in words. The values of secret keys are hidden."""
        texts = (
            f"{'unless' if opened.effect == 'Deny' else 'if'} {opened.condition.key} {opened.condition.operator} "
            f"{', '.join(opened.condition.shown_values)}"
            for answer in self.answers
            for opened in answer.open
        )
        return tuple(dict.fromkeys(texts))


PicturePath = Sequence[PictureStep]


def searched(evaluator: Evaluator, assumptions: Assumptions) -> Escalations:
    """Return a search for escalations by all rules but those about roles that a principal can assume anyway."""
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    return Escalations(evaluator, assumptions, rules)


def escalation_paths(found: Iterable[Escalation]) -> Iterator[PicturePath]:
    """Yield a path with one step for each principal and each identity that it becomes."""
    for ways in by_principal(found).values():
        targets: dict[str, list[Escalation]] = {}
        for each in ways:
            targets.setdefault(each.target, []).append(each)
        for number, (target, by_target) in enumerate(targets.items()):
            best = by_target[0]
            yield (
                PictureStep(
                    best.caller,
                    target,
                    best.requests[0].action,
                    tuple(request.answer for request in best.requests),
                    tuple(dict.fromkeys(each.rule.identifier for each in by_target)),
                    best.gain.is_administrator,
                    number > 0,
                ),
            )
