"""A question and its policies, some of which may be unread -> what AWS would answer, as far as it can be known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dsops.policy.evaluation.evaluate import Decision, Effect, PolicyType, Request
from dsops.policy.language.policy import Statement
from dsops.policy.simulate.callers import known_context
from dsops.policy.simulate.case import CaseQuestion, Expected, Verdict
from dsops.policy.simulate.compiled import PolicySet, compile_policies, is_kms_key
from dsops.policy.simulate.questions import is_about_roles, refusal_of_aws
from dsops.policy.simulate.uncertain import Unread, possible_answers

VERDICTS: Final[dict[Effect, Verdict]] = {
    "Allow": "allow",
    "ExplicitDeny": "explicit-deny",
    "ImplicitDeny": "implicit-deny",
}


class Outcome(NamedTuple):
    """The answer."""

    decision: Decision
    """As if whatever is unread said nothing."""
    possible: frozenset[Effect]
    """What the answer may be, whatever stands in what is unread."""
    unread: tuple[Unread, ...]
    """What could not be read, of what is consulted for this request."""
    refusal: str
    """Why AWS refuses whatever policies say; "" when they decide."""
    at_best: Decision
    """As if whatever is unread were in the caller's favour."""
    at_worst: Decision
    """As if it were against him."""

    @property
    def verdict(self) -> Verdict:
        """The answer in a word."""
        if len(self.possible) == 1:
            return VERDICTS[next(iter(self.possible))]
        return "unknown" if "Allow" in self.possible else "deny"


def simulate(asked: CaseQuestion, found: PolicySet, unread: Sequence[Unread], now: datetime) -> Outcome:
    """What AWS would answer, and what it might where something is unread."""
    request = Request(asked.principal, asked.action, asked.resource, asked.resource_account, known_context(asked, now))
    policies = compile_policies(found, asked)
    refusal = refusal_of_aws(asked.principal, asked.action)
    if refusal:
        decision = Decision(False, "ImplicitDeny", "no policy", None, None, request, policies)
        return Outcome(decision, frozenset({decision.effect}), (), refusal, decision, decision)
    answers = possible_answers(request, policies, (*unread, *_not_given(asked, found, unread)))
    return Outcome(answers.decision, answers.possible, answers.unread, "", answers.at_best, answers.at_worst)


def _not_given(asked: CaseQuestion, found: PolicySet, unread: Sequence[Unread]) -> list[Unread]:
    """The policy that a role or a key always has, where nobody said anything of it."""
    spoken_of = {*found, *(each.place for each in unread)}
    if is_about_roles(asked.action) and "trust" not in spoken_of:
        return [Unread("trust", "every role has a trust policy, and it is not given")]
    if is_kms_key(asked.resource) and "resource" not in spoken_of:
        return [Unread("resource", "every key has a policy, and it is not given")]
    return []


def differences(outcome: Outcome, expected: Expected) -> tuple[str, ...]:
    """In what the answer differs from what was expected, in sentences; nothing when it is as expected."""
    if not _is_met(outcome, expected.verdict):
        return (f"expected {expected.verdict}, got {outcome.verdict}",)
    by_type = deciding(outcome.decision)
    if expected.decided_by:
        if expected.decided_by not in by_type:
            return (f"expected to be decided by the {expected.decided_by}, was by the {' and the '.join(by_type)}",)
        by_type = {expected.decided_by: by_type[expected.decided_by]}
    statements = [statement for each in by_type.values() for statement in each]
    found = []
    if expected.sid and expected.sid not in [statement.sid for statement in statements]:
        found.append(f"expected the statement `{expected.sid}` to decide, {_named(statements)} did")
    if expected.statement_line and expected.statement_line not in [statement.line for statement in statements]:
        found.append(f"expected the statement on line {expected.statement_line} to decide, {_named(statements)} did")
    return tuple(found)


def _is_met(outcome: Outcome, verdict: Verdict) -> bool:
    if verdict == "deny":
        return "Allow" not in outcome.possible
    return outcome.verdict == verdict


def deciding(decision: Decision) -> dict[PolicyType, list[Statement]]:
    """The types of policy that decided, in AWS's order, each with its statements that did.

    Several types may have had to allow: a role's trust policy and the caller's own, from another account.
    """
    found: dict[PolicyType, list[Statement]] = {}
    wanted = "Allow" if decision.is_allowed else "Deny"
    for reason in decision.reasons:
        is_one = reason.policy_type == decision.decided_by or (decision.is_allowed and reason.is_needed)
        if is_one and reason.effect == decision.effect:
            statements = [match.statement for match in reason.matched if match.statement.effect == wanted]
            found.setdefault(reason.policy_type, []).extend(statements)
    return found or {decision.decided_by: []}


def _named(statements: Sequence[Statement]) -> str:
    names = [f"line {each.line}" + (f" (`{each.sid}`)" if each.sid else "") for each in statements]
    return f"the one on {' and the one on '.join(names)}" if names else "none"
