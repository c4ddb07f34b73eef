"""Simulate one action on its resources, and format the decision as IAM's EvaluationResult."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from dsops.arn import is_account_id, parse_arn
from dsops.policy import (
    Decision,
    Policies,
    Policy,
    Principal,
    Request,
    Statement,
    StatementReason,
    evaluate,
    lower_case,
    parse_policy,
)
from dsops.policy.language.match import split_arn
from dsops.request.question import Context
from dsops.request.wire.responses import Value
from dsops.sandbox.iam_api.policy_sources import keys_of, statement_spans

_Decision = Literal["explicitDeny", "implicitDeny", "allowed"]
_RESTRICTIVE_FIRST: Final[tuple[_Decision, ...]] = ("explicitDeny", "implicitDeny", "allowed")
RESOURCE_POLICY: Final = "ResourcePolicy"
"""The name that the simulator gives to the resource policy."""
_TRUSTING: Final = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "sts:*"}}'
)
"""A policy that trusts the whole account. It replaces a trust policy, which the simulator does not evaluate."""


class SimulationCase(NamedTuple):
    """The input of a simulation that is the same for all actions and resources of the request."""

    principal: Principal
    policies: Policies
    texts: Sequence[tuple[Policy, str]]
    """Pairs of a policy and its document.

    Policies are not identified by name, because an account may have its own policy named `ReadOnlyAccess`.
    """
    context: Context
    """Condition keys in lower case -> their values."""
    owner: str
    """The account that owns resources whose ARN contains no account."""


class _Outcome(NamedTuple):
    """The result of one action on one resource."""

    resource: str
    decision: _Decision
    matched: tuple[StatementReason, ...]
    missing: tuple[str, ...]
    decided: Decision


def result_of(case: SimulationCase, action: str, resources: list[str]) -> dict[str, Value]:
    """Return an action's EvaluationResult for all resources.

    Its `EvalDecision` is the most restrictive decision for any of the resources.
    """
    outcomes = [_weigh(case, action, resource) for resource in resources]
    worst = min((outcome.decision for outcome in outcomes), key=_RESTRICTIVE_FIRST.index)
    decisive = [outcome for outcome in outcomes if outcome.decision == worst]
    is_all = resources == ["*"]
    result: dict[str, Value] = {
        "EvalActionName": action,
        "EvalResourceName": resources[0] if len(resources) == 1 else "*",
        "EvalDecision": worst,
        "MatchedStatements": _statements(case, _all_matched(decisive)),
        "MissingContextValues": list(outcomes[0].missing) if is_all else [],
    }
    if case.policies.service_control:
        is_allowed = not any(_is_refused_by(outcome, "service control policy") for outcome in outcomes)
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": flag(is_allowed)}
    result |= _boundary_detail(case, outcomes)
    if not is_all:
        result["EvalDecisionDetails"] = {}
        result["ResourceSpecificResults"] = [_specific(case, outcome) for outcome in outcomes]
    return result


def _all_matched(outcomes: Iterable[_Outcome]) -> Iterator[StatementReason]:
    for outcome in outcomes:
        yield from outcome.matched


def _specific(case: SimulationCase, outcome: _Outcome) -> dict[str, Value]:
    return {
        "EvalResourceName": outcome.resource,
        "EvalResourceDecision": outcome.decision,
        "MatchedStatements": _statements(case, outcome.matched),
        "MissingContextValues": list(outcome.missing),
        **_boundary_detail(case, [outcome]),
    }


def _boundary_detail(case: SimulationCase, outcomes: list[_Outcome]) -> dict[str, Value]:
    if case.policies.boundary is None:
        return {}
    is_allowed = not any(_is_refused_by(outcome, "permissions boundary") for outcome in outcomes)
    return {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": flag(is_allowed)}}


def _is_refused_by(outcome: _Outcome, kind: str) -> bool:
    return any(reason.policy_type == kind and reason.effect != "Allow" for reason in outcome.decided.reasons)


def flag(is_so: bool) -> str:  # noqa: FBT001 - the boolean is the only argument
    """Format a boolean as XML text."""
    return "true" if is_so else "false"


def _weigh(case: SimulationCase, action: str, resource: str) -> _Outcome:
    policies, owner = case.policies, case.owner
    arn = parse_arn(resource)
    if arn is not None and is_account_id(arn.account):
        owner = arn.account
    principal = case.principal
    if lower_case(action).startswith("sts:") and policies.resource is None:
        trusting = parse_policy(_TRUSTING % principal.account, "trust", name="")
        policies, owner = policies._replace(resource=trusting), principal.account
    if policies.resource is None:
        # Without a resource policy it is unknown whether another account's resource denies access, so the resource is
        # treated as the caller's own.
        owner = principal.account
    decided = evaluate(Request(principal, action, resource, owner, case.context), policies)
    if decided.is_allowed:
        decision: _Decision = "allowed"
    else:
        decision = "explicitDeny" if decided.effect == "ExplicitDeny" else "implicitDeny"
    return _Outcome(resource, decision, _matched(case, decision, decided), _missing(case, decided.request), decided)


def _matched(case: SimulationCase, decision: _Decision, decided: Decision) -> tuple[StatementReason, ...]:
    """Return the statements that led to the decision; () for an implicit denial.

    The statements are from identity policies, the permissions boundary and the resource policy.
    """
    if decision == "implicitDeny":
        return ()
    effect = "Allow" if decision == "allowed" else "Deny"
    return tuple(
        statement_reason
        for reason in decided.reasons
        for statement_reason in reason.matched
        if statement_reason.statement.effect == effect
        and any(policy is statement_reason.policy for policy, _ in case.texts)
        and (effect == "Deny" or statement_reason.policy.kind != "boundary")
    )


def _missing(case: SimulationCase, request: Request) -> tuple[str, ...]:
    """Return the condition keys for which the simulation has no value.

    Only statements of identity and resource policies that match the action and the resource are considered.
    """
    missing_keys: dict[str, str] = {}
    policies = [*case.policies.identity, *((case.policies.resource,) if case.policies.resource is not None else ())]
    for policy in policies:
        for statement in policy.statements:
            unset = [key for key in keys_of(statement) if lower_case(key) not in case.context]
            if unset and _is_about(statement, request, case.context):
                missing_keys |= {lower_case(key): key for key in unset if lower_case(key) not in missing_keys}
    return tuple(missing_keys.values())


def _is_about(statement: Statement, request: Request, context: Context) -> bool:
    """Whether the statement matches action and resource. A resource with a policy variable is assumed to match."""
    if not statement.actions.matches(lower_case(request.action)):
        return False
    resources = statement.resources
    if resources is None or any("${" in text for text in resources.written):
        return True
    return resources.matches(request.resource, split_arn(request.resource), lambda: context)


def _statements(case: SimulationCase, matched: Iterable[StatementReason]) -> list[Value]:
    statements_by_place: dict[tuple[int, int], Value] = {}
    for statement_reason in matched:
        place, text = next(
            (at, text) for at, (policy, text) in enumerate(case.texts) if policy is statement_reason.policy
        )
        number = next(
            index
            for index, statement in enumerate(statement_reason.policy.statements)
            if statement is statement_reason.statement
        )
        start, end = statement_spans(text)[number]
        is_resources = statement_reason.policy.kind == "resource"
        statements_by_place[place, number] = {
            "SourcePolicyId": statement_reason.policy.name,
            "SourcePolicyType": "Resource Policy" if is_resources else "IAM Policy",
            "StartPosition": {"Line": start[0], "Column": start[1]},
            "EndPosition": {"Line": end[0], "Column": end[1]},
        }
    return list(statements_by_place.values())
