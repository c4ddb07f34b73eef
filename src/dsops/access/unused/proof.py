"""Check that a tightened policy still allows every call of the logs.

The check parses the tightened policy's text, so that it finds a mistake of `tighten`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Final, NamedTuple

from dsops.access.facts.world import IamIdentity, PolicyDocument
from dsops.access.questions.answer import Verdict
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.access.unused.calls import UNKNOWN, PrincipalCalls, UsedAction
from dsops.access.unused.tighten import TightenedPolicy, covers_resource
from dsops.plan.statements import policy
from dsops.policy import Statement, lower_case

_RANK: Final[dict[Verdict, int]] = {"no": 0, "unknown": 1, "conditional": 2, "yes": 3}


class LostCall(NamedTuple):
    """A call that the policies allow and the tightened policy does not. There is none, unless dsops has a bug."""

    action: str
    resource: str
    calls: int


class CallProof(NamedTuple):
    """What the evaluation of the calls found. All fields but `lost` are numbers of calls."""

    evaluated: int = 0
    """The engine allows them under the tightened policy as under the old policies."""
    by_statement: int = 0
    """The tightened policy has the action in each statement that had it.

    The engine can't evaluate these calls: the logs do not tell their resource, or a fact is missing, such as the
    policy of a key.
    """
    unexplained: int = 0
    """AWS allowed them, but the policies of the facts do not, so no policy can be checked.

    A resource's policy may have allowed them, or the policies have changed since.
    """
    unknown: int = 0
    """Their action is unknown."""
    lost: tuple[LostCall, ...] = ()

    def plus(self, other: CallProof) -> CallProof:
        """Return the sum of two proofs."""
        return CallProof(
            self.evaluated + other.evaluated,
            self.by_statement + other.by_statement,
            self.unexplained + other.unexplained,
            self.unknown + other.unknown,
            self.lost + other.lost,
        )


def prove(evaluator: Evaluator, identity: IamIdentity, tightened: TightenedPolicy, calls: PrincipalCalls) -> CallProof:
    """Ask the engine about each call, under the old policies and under the tightened policy.

    Both are evaluated with the boundary, the control policies and the resource's policy of the facts.
    """
    checker = _Checker(evaluator, identity, tightened)
    proof = CallProof(unknown=sum(event.calls for event in calls.unknown))
    for used in calls.actions.values():
        for resource, count in used.resources.items():
            proof = proof.plus(checker.check(used, resource, count))
    return proof


def tightened_identity(identity: IamIdentity, tightened: TightenedPolicy) -> IamIdentity:
    """Return the user or role with the tightened policy in the place of its policies."""
    if not tightened.statements:
        return identity._replace(policies=())
    text = json.dumps(policy([*tightened.statements]))
    return identity._replace(policies=(PolicyDocument(f"tightened policy of {identity.arn}", "identity", text),))


class _Checker:
    def __init__(self, evaluator: Evaluator, identity: IamIdentity, tightened: TightenedPolicy) -> None:
        self._evaluator = evaluator
        self._before = identity
        self._after = tightened_identity(identity, tightened)

    def check(self, used: UsedAction, resource: str, count: int) -> CallProof:
        """Check the calls of one action on one resource."""
        if resource == UNKNOWN:
            return self._compare(used.action, resource, count)
        topic = Topic(used.action, resource)
        verdict = self._evaluator.ask(caller_of(self._before), topic).verdict
        if verdict == "no":
            return self._compare(used.action, resource, count)
        if _RANK[self._evaluator.ask(caller_of(self._after), topic).verdict] < _RANK[verdict]:
            return CallProof(lost=(LostCall(used.action, resource, count),))
        return CallProof(evaluated=count)

    def _compare(self, action: str, resource: str, count: int) -> CallProof:
        """Compare the statements about the action, and about the resource if it is known."""
        before, after = self._scopes(self._before, action, resource), self._scopes(self._after, action, resource)
        if not any(is_allowing for is_allowing, *_ in before):
            return CallProof(unexplained=count)
        return (
            CallProof(by_statement=count) if before == after else CallProof(lost=(LostCall(action, resource, count),))
        )

    @staticmethod
    def _scopes(identity: IamIdentity, action: str, resource: str) -> Counter[tuple[bool, object, object]]:
        """Return the resources and conditions on which the policies allow or deny an action."""
        scopes: Counter[tuple[bool, object, object]] = Counter()
        for document in dict.fromkeys(identity.policies):
            policy_of_document = document.policy
            for statement in policy_of_document.statements if policy_of_document is not None else ():
                is_about = resource == UNKNOWN or covers_resource(statement, resource)
                if is_about and statement.actions.matches(lower_case(action)):
                    is_old = policy_of_document is not None and policy_of_document.version != "2012-10-17"
                    scopes[_scope(statement, is_literal=is_old)] += 1
        return scopes


def _scope(statement: Statement, *, is_literal: bool) -> tuple[bool, object, object]:
    def text(value: str) -> str:
        return value.replace("${", "${$}{") if is_literal else value

    resources = statement.resources
    return (
        statement.effect == "Allow",
        (resources.is_negated, tuple(map(text, resources.written))) if resources is not None else None,
        frozenset((entry.operator, entry.key, tuple(map(text, entry.values))) for entry in statement.conditions),
    )
