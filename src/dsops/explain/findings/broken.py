"""Finds the policies of a decision that refuse the request, in the order in which AWS names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from dsops.explain.finding import Certainty
from dsops.explain.questions.sentence import RefusalMessage
from dsops.policy import (
    POLICY_TYPES,
    Decision,
    Effect,
    Outcome,
    Policies,
    Reason,
    StatementReason,
    UnmetElement,
    lower_case,
)

_ORGANIZATION: Final = ("service control policy", "resource control policy")
_OF_ROLES: Final = {"Principal": 8, "Action": 4, "Resource": 2}
_OF_OTHERS: Final = {"Principal": 4, "Action": 8, "Resource": 2}
"""The amount that each unmet element adds to the distance between a statement and a request.

A condition that is not met adds 1. The statement with the smallest distance is reported.
"""


class Broken(NamedTuple):
    """A type of policy that refuses the request."""

    policy_type: str
    effect: Effect
    found: StatementReason | None
    """The statement that denies, or the Allow statement that comes nearest to allowing the request."""
    note: str


def broken_places(decision: Decision, policies: Policies) -> list[Broken]:
    """Return the policy type that decides, then further types that would refuse as well.

    `policies` are the policies that were read.
    """
    if decision.is_allowed:
        return []
    refusing = [
        reason
        for reason in decision.reasons
        if reason.effect == "ExplicitDeny" or (reason.is_needed and reason.effect == "ImplicitDeny")
    ]
    refusing.sort(key=lambda reason: (reason.policy_type, reason.effect) != (decision.decided_by, decision.effect))
    places = [
        Broken(reason.policy_type, reason.effect, _as_read(nearest(reason), policies), reason.note)
        for reason in refusing
    ]
    if not places or places[0].policy_type != decision.decided_by:
        places.insert(0, Broken(decision.decided_by, decision.effect, None, ""))
    return places


def _as_read(reason: StatementReason | None, policies: Policies) -> StatementReason | None:
    """Return the statement as it was written.

    An evaluation with assumptions leaves out some of the statement's conditions.

    Returns None if the statement belongs to the stand-in for a policy that could not be read.
    """
    if reason is None:
        return None
    for policy in policies.all_policies():
        if (policy.name, policy.kind) != (reason.policy.name, reason.policy.kind):
            continue
        for statement in policy.statements:
            if statement.actions is reason.statement.actions:
                return reason._replace(policy=policy, statement=statement)
    return None


def nearest(reason: Reason) -> StatementReason | None:
    """Return the statement that denies; if none denies, the Allow statement with the fewest unmet elements."""
    if reason.effect == "ExplicitDeny":
        return next(candidate for candidate in reason.matched if candidate.statement.effect == "Deny")
    near = [
        candidate for candidate in reason.near if candidate.statement.effect == "Allow" and not _is_elsewhere(candidate)
    ]
    # Near matches are ranked differently: the statements of a secret's policy differ by use, the statements of a role's
    # trust policy by caller.
    ranks = _OF_ROLES if reason.policy_type == "role trust policy" else _OF_OTHERS
    near.sort(key=lambda candidate: _distance(candidate, ranks))
    if len(near) > 1 and _distance(near[0], ranks) == _distance(near[1], ranks) >= ranks["Action"]:
        return None  # both statements are equally near matches, so neither is named
    return near[0] if near else None


def _is_elsewhere(reason: StatementReason) -> bool:
    """Return whether the statement covers only actions of other services; it then does not count as a near match."""
    for failure in reason.failures:
        if failure.element == "Action" and failure.actual:
            service = lower_case(failure.actual[0].partition(":")[0])
            if not any(lower_case(action.partition(":")[0]) == service for action in failure.wanted):
                return True
    return False


def _distance(reason: StatementReason, ranks: Mapping[str, int]) -> int:
    return sum(ranks.get(failure.element.removeprefix("Not"), 1) for failure in reason.failures)


class Diagnosis(NamedTuple):
    """The policy type to report, how certain it is, and other policy types that refuse."""

    broken: Broken | None
    """The policy type that refused; None when everything that was read allows the request."""
    certainty: Certainty
    others: tuple[Broken, ...]


def verdict(outcome: Outcome, refusal: RefusalMessage) -> Diagnosis:
    """Return the policy type that refused, from AWS's message and the policies that were read."""
    read = outcome.decision.policies
    sure, guessed = broken_places(outcome.at_best, read), broken_places(outcome.decision, read)
    if refusal.refusing:
        # If AWS recorded which types of policy refuse the call, that record takes precedence over dsops' evaluation.
        sure = [broken for broken in sure if broken.policy_type in refusal.refusing]
    if refusal.policy_type:
        return _named_by_aws(refusal, sure, guessed, _suspect(refusal, outcome) if refusal.is_deny else None)
    if sure:
        return Diagnosis(sure[0], "proven", tuple(sure[1:]))
    if not guessed:
        # Everything that was read allows the request, except perhaps a Deny with a condition that can't be tested here.
        denying = [part for part in broken_places(outcome.at_worst, read) if part.found is not None]
        return Diagnosis(denying[0] if denying else None, "likely" if denying else "missing", ())
    unread = {POLICY_TYPES[part.place] for part in outcome.unread if part.place != "context"}
    first = guessed[0]
    if first.policy_type not in unread or first.found is not None:
        return Diagnosis(first, "likely", tuple(guessed[1:]))
    # Either of two may refuse the request: a policy with a condition that can't be tested, or a policy that could not
    # be read.
    leads = tuple(part for part in guessed if part.found is not None and part.policy_type not in unread)
    return Diagnosis(first, "missing", leads)


def _suspect(refusal: RefusalMessage, outcome: Outcome) -> StatementReason | None:
    """Return the Deny statement that refused the call; None if it can't be determined.

    Only policies of the type in AWS's message are searched. The result is None if several Deny statements may have
    matched, or if a policy of this type could not be read.
    """
    if any(POLICY_TYPES[part.place] == refusal.policy_type for part in outcome.unread if part.place != "context"):
        return None
    matched = [
        statement_reason
        for reason in outcome.at_worst.reasons
        if reason.policy_type == refusal.policy_type
        for statement_reason in reason.matched
        if statement_reason.statement.effect == "Deny"
    ]
    # Policies are matched by name or ARN, because AWS makes up a Sid for a statement without one.
    named = [
        statement_reason for statement_reason in matched if statement_reason.policy.name == refusal.policy_arn
    ] or matched
    named = [
        statement_reason for statement_reason in named if refusal.sid and statement_reason.statement.sid == refusal.sid
    ] or named
    return _as_read(named[0], outcome.decision.policies) if len(named) == 1 else None


def _named_by_aws(
    refusal: RefusalMessage, sure: list[Broken], guessed: list[Broken], suspect: StatementReason | None
) -> Diagnosis:
    def is_meant(broken: Broken) -> bool:
        # AWS calls an SCP's refusal an explicit deny even if no statement of the SCP allows the action.
        is_deny = broken.effect == "ExplicitDeny"
        return broken.policy_type == refusal.policy_type and (
            is_deny == refusal.is_deny or refusal.policy_type in _ORGANIZATION
        )

    for broken in sure:
        if is_meant(broken):
            return Diagnosis(broken, "proven", tuple(place for place in sure if place is not broken))
    effect: Effect = "ExplicitDeny" if refusal.is_deny else "ImplicitDeny"
    named = suspect or next((broken.found for broken in guessed if is_meant(broken) and not refusal.is_deny), None)
    others = tuple(broken for broken in sure if broken.policy_type != refusal.policy_type)
    return Diagnosis(Broken(refusal.policy_type, effect, named, ""), "proven", others)


def failures_of(broken: Broken) -> tuple[UnmetElement, ...]:
    """Return the unmet elements of an Allow statement, or the conditions of a Deny statement, which are all met."""
    return broken.found.failures if broken.found is not None else ()
