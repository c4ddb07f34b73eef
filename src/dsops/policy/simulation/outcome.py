"""Answer a question from its policies and its list of unread facts, as far as the answer can be determined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dsops.policy.evaluation.consulted import Effect, PolicyType
from dsops.policy.evaluation.evaluate import Decision
from dsops.policy.evaluation.question import Request
from dsops.policy.language.policy import Statement
from dsops.policy.language.session_actions import is_about_roles
from dsops.policy.simulation.callers import known_context
from dsops.policy.simulation.case import Case, CaseQuestion, Expected, Verdict
from dsops.policy.simulation.compiled import PolicySet, compile_policies, is_kms_key
from dsops.policy.simulation.questions import refusal_of_aws
from dsops.policy.simulation.uncertain import Unread, possible_answers

VERDICTS: Final[dict[Effect, Verdict]] = {
    "Allow": "allow",
    "ExplicitDeny": "explicit-deny",
    "ImplicitDeny": "implicit-deny",
}


class Outcome(NamedTuple):
    """The answer to a question, as far as the readable policies and facts determine it."""

    decision: Decision
    """The decision if each unread policy were empty."""
    possible: frozenset[Effect]
    """All possible effects, depending on the unread policies and the unknown condition keys."""
    unread: tuple[Unread, ...]
    """The unread policies and condition keys that AWS consults for this request."""
    refusal: str
    """Why AWS refuses the request regardless of policies; "" if policies decide."""
    at_best: Decision
    """The decision if all unread facts were in the caller's favour."""
    at_worst: Decision
    """The decision if all unread facts were against the caller."""

    @property
    def verdict(self) -> Verdict:
        """Return the answer in one word; `unknown` if unread facts could change it."""
        if len(self.possible) == 1:
            return VERDICTS[next(iter(self.possible))]
        return "unknown" if "Allow" in self.possible else "deny"


class AnsweredCase(NamedTuple):
    """A case's question and answer, and the differences from the expected answer."""

    case: Case
    outcome: Outcome
    differences: tuple[str, ...]


def request_of(question: CaseQuestion, now: datetime) -> Request:
    """Return the request of a question, with the condition keys that AWS sets at time `now` (timezone-aware)."""
    return Request(
        question.principal, question.action, question.resource, question.resource_account, known_context(question, now)
    )


def simulate(question: CaseQuestion, policy_set: PolicySet, unread: Sequence[Unread], now: datetime) -> Outcome:
    """Answer the question as AWS would at time `now` (timezone-aware).

    - `policy_set`: the policies by place.
    - `unread`: the facts that could not be read. If the answer depends on one of them, the verdict is `unknown`.
    """
    request = request_of(question, now)
    policies = compile_policies(policy_set, question)
    refusal = refusal_of_aws(question.principal, question.action)
    if refusal:
        decision = Decision(False, "ImplicitDeny", "no policy", None, None, request, policies)
        return Outcome(decision, frozenset({decision.effect}), (), refusal, decision, decision)
    answers = possible_answers(request, policies, (*unread, *_not_given(question, policy_set, unread)))
    return Outcome(answers.decision, answers.possible, answers.unread, "", answers.at_best, answers.at_worst)


def _not_given(question: CaseQuestion, policy_set: PolicySet, unread: Sequence[Unread]) -> list[Unread]:
    """Return an Unread entry for a missing trust policy of a role, or a missing policy of a KMS key.

    Every role and every key has such a policy, so it exists but was not given.
    """
    spoken_of = {*policy_set, *(unread_part.place for unread_part in unread)}
    if is_about_roles(question.action) and "trust" not in spoken_of:
        return [Unread("trust", "every role has a trust policy, and it is not given")]
    if is_kms_key(question.resource) and "resource" not in spoken_of:
        return [Unread("resource", "every key has a policy, and it is not given")]
    return []


def differences(outcome: Outcome, expected: Expected) -> tuple[str, ...]:
    """Return sentences on how the answer differs from the expected answer; () if it does not differ."""
    if not _is_met(outcome, expected.verdict):
        return (f"expected {expected.verdict}, got {outcome.verdict}",)
    by_type = deciding(outcome.decision)
    if expected.decided_by:
        if expected.decided_by not in by_type:
            return (f"expected to be decided by the {expected.decided_by}, was by the {' and the '.join(by_type)}",)
        by_type = {expected.decided_by: by_type[expected.decided_by]}
    statements = [statement for of_one_type in by_type.values() for statement in of_one_type]
    sentences = []
    if expected.sid and expected.sid not in [statement.sid for statement in statements]:
        sentences.append(f"expected the statement `{expected.sid}` to decide, {_statement_names(statements)} did")
    if expected.statement_line and expected.statement_line not in [statement.line for statement in statements]:
        sentences.append(
            f"expected the statement on line {expected.statement_line} to decide, {_statement_names(statements)} did"
        )
    return tuple(sentences)


def _is_met(outcome: Outcome, verdict: Verdict) -> bool:
    if verdict == "deny":
        return "Allow" not in outcome.possible
    return outcome.verdict == verdict


def deciding(decision: Decision) -> dict[PolicyType, list[Statement]]:
    """Return the policy types that decided, in AWS's order, each with its deciding statements.

    Several types decide if all of them were required. For example, a cross-account AssumeRole needs the role's trust
    policy and the caller's identity policies.
    """
    by_type: dict[PolicyType, list[Statement]] = {}
    effect = "Allow" if decision.is_allowed else "Deny"
    for reason in decision.reasons:
        is_one = reason.policy_type == decision.decided_by or (decision.is_allowed and reason.is_needed)
        if is_one and reason.effect == decision.effect:
            statements = [match.statement for match in reason.matched if match.statement.effect == effect]
            by_type.setdefault(reason.policy_type, []).extend(statements)
    return by_type or {decision.decided_by: []}


def _statement_names(statements: Sequence[Statement]) -> str:
    names = [f"line {statement.line}" + (f" (`{statement.sid}`)" if statement.sid else "") for statement in statements]
    return f"the one on {' and the one on '.join(names)}" if names else "none"
