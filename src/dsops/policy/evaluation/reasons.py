"""Explain a decision: the result of each consulted policy, and why statements that nearly applied did not apply.

This module decides nothing. It repeats the tests of `evaluate` and records their results. Reasons are computed when
`Decision.reasons` is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from dsops.policy.evaluation.consulted import (
    HAS_IDENTITY,
    Effect,
    Group,
    Policies,
    PolicyType,
    has_boundary,
    identity_policies,
    limits,
    must_resource_allow,
    needs_identity,
    organization_levels,
    resource_type,
)
from dsops.policy.evaluation.question import PreparedRequest, Request
from dsops.policy.language.conditions import Condition
from dsops.policy.language.letters import fold, lower_case
from dsops.policy.language.match import compile_glob
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.principals import ACCOUNT, DIRECT, ISSUER, UNNAMED, Principal, Reach
from dsops.policy.language.tokens import ANY_ONE, ANY_RUN, PolicyVariable, resolve, tokenize
from dsops.startup import NamedTuple


class UnmetElement(NamedTuple):
    """An element or condition that prevented a statement from applying."""

    element: str
    """The element's name as written: Action, NotResource, Condition and so on."""
    operator: str
    """The condition operator; "" for the other elements."""
    key: str
    """The condition key as written; "" for the other elements."""
    wanted: tuple[str, ...]
    actual: tuple[str, ...] | None
    """The request's values; None if the request lacks the key. Secret values are shown as `***`, also in `wanted`."""
    hint: str
    """A few words about a difference that is easy to overlook; "" if no such difference is known."""
    line: int


def is_negated(element: str, operator: str) -> bool:
    """Whether the element excludes the values that it lists: NotAction, StringNotEquals, NotIpAddress and so on."""
    return element.startswith("Not") or "Not" in operator


class StatementReason(NamedTuple):
    """A statement that applied (`failures` is empty) or nearly applied."""

    policy: Policy
    statement: Statement
    failures: tuple[UnmetElement, ...]
    reach: Reach
    """How specifically the resource's policy names the caller; UNNAMED for policies without principals."""


class Reason(NamedTuple):
    """The result of one type of policy.

    SCPs and RCPs have one result per level, and session policies have one per layer.
    """

    policy_type: PolicyType
    level: int
    """The level of the organization or the layer of the session, from 0."""
    effect: Effect
    """The effect of these policies alone, without the policies of other types."""
    is_needed: bool
    """Whether these policies must allow the request. A Deny in them refuses the request in any case."""
    matched: tuple[StatementReason, ...]
    near: tuple[StatementReason, ...]
    """The statements that nearly applied, the nearest first."""
    note: str
    """A sentence about anything else that affects the result; often ""."""


def explain(request: Request, policies: Policies) -> tuple[Reason, ...]:
    """Return a reason for each type, level and layer that was consulted, in AWS's order of evaluation."""
    question = PreparedRequest(request, has_boundary=has_boundary(request, policies))
    reasons = _group_reasons(question, organization_levels(request, policies), is_needed=True)
    reach = UNNAMED
    if policies.resource is not None or must_resource_allow(request, policies):
        reason, reach = _resource_reason(question, request, policies)
        reasons.append(reason)
    if request.principal.kind in HAS_IDENTITY and request.principal.kind != "root":
        group: Group = ("identity-based policy", identity_policies(request, policies))
        reasons += _group_reasons(question, [group], is_needed=needs_identity(request, reach))
    is_settled = reach == DIRECT and not request.is_cross_account
    reasons += _group_reasons(question, limits(request, policies), is_needed=not is_settled)
    return tuple(reasons)


def _group_reasons(question: PreparedRequest, groups: Sequence[Group], *, is_needed: bool) -> list[Reason]:
    numbers: dict[PolicyType, int] = {}
    reasons = []
    for policy_type, policies in groups:
        level = numbers[policy_type] = numbers.get(policy_type, -1) + 1
        matched, near = _statements(question, policies)
        note = "" if policies else _EMPTY_NOTES.get(policy_type, "")
        reasons.append(Reason(policy_type, level, _effect(matched), is_needed, matched, near, note))
    return reasons


_EMPTY_NOTES: Final[dict[PolicyType, str]] = {
    "identity-based policy": "the caller has no identity-based policy",
    "session policy": "a federated session without a session policy has none of its user's permissions",
    "service control policy": "no policy is attached on this level, so nothing allows",
}


def _resource_reason(question: PreparedRequest, request: Request, policies: Policies) -> tuple[Reason, Reach]:
    resource = policies.resource
    matched, near = _statements(question, (resource,) if resource is not None else (), is_resource=True)
    reach = max((reason.reach for reason in matched if reason.statement.effect == "Allow"), default=UNNAMED)
    is_needed = must_resource_allow(request, policies)
    note = "" if resource is not None else "the resource has no policy that could name the caller"
    if reach != UNNAMED and not request.is_cross_account:
        note = _REACH_NOTES[reach]
    return Reason(resource_type(policies), 0, _effect(matched), is_needed, matched, near, note), reach


_REACH_NOTES: Final = {
    ACCOUNT: "it names the account, so the caller's own policies must allow as well",
    ISSUER: "it names the role or user behind the session: boundary and session policy still limit",
    DIRECT: "it names the caller itself or everyone: no other policy of the account need allow",
}


def _effect(matched: Iterable[StatementReason]) -> Effect:
    effects = {reason.statement.effect for reason in matched}
    if "Deny" in effects:
        return "ExplicitDeny"
    return "Allow" if effects else "ImplicitDeny"


def _statements(
    question: PreparedRequest, policies: Sequence[Policy], *, is_resource: bool = False
) -> tuple[tuple[StatementReason, ...], tuple[StatementReason, ...]]:
    """Return the statements that apply, then the near misses, nearest first.

    A near miss is a statement that matches the action, or that fails in only one element.
    """
    matched, near = [], []
    for policy in policies:
        for statement in policy.statements:
            failures = _failures(question, policy, statement, is_resource=is_resource)
            statement_reason = StatementReason(policy, statement, failures, question.reach(statement))
            elements = {failure.element for failure in failures}
            if not failures:
                matched.append(statement_reason)
            elif len(elements) == 1 or statement.actions.element not in elements:
                near.append(statement_reason)
    near.sort(key=lambda statement_reason: len(statement_reason.failures))
    return tuple(matched), tuple(near)


def _failures(
    question: PreparedRequest, policy: Policy, statement: Statement, *, is_resource: bool
) -> tuple[UnmetElement, ...]:
    failures = []
    principals, actions, resources = statement.principals, statement.actions, statement.resources
    if principals is not None and not question.reach(statement):
        required = tuple(text if kind == "AWS" else f"{kind}: {text}" for kind, text in principals.written)
        actual = _names(question.principal)
        failures.append(
            UnmetElement(principals.element, "", "", required, actual, _hint(required, actual), statement.line)
        )
    elif principals is None and is_resource and statement.effect == "Allow":
        failures.append(UnmetElement("Principal", "", "", (), _names(question.principal), "", statement.line))
    if not actions.matches(question.action):
        actual = (question.written_action,)
        failures.append(UnmetElement(actions.element, "", "", actions.written, actual, "", statement.line))
    if resources is not None and not resources.matches(question.resource, question.parts, question.context):
        actual = (question.resource,)
        hint = _unset(question, policy, resources.written) or _hint(resources.written, actual)
        failures.append(UnmetElement(resources.element, "", "", resources.written, actual, hint, statement.line))
    failures += _failed_conditions(question, policy, statement)
    return tuple(failures)


def _failed_conditions(question: PreparedRequest, policy: Policy, statement: Statement) -> list[UnmetElement]:
    failures = []
    for condition in statement.conditions:
        answer = condition.test(question.context())
        if answer or (answer is None and statement.effect == "Deny"):
            continue
        actual = question.context().get(lower_case(condition.key)) or None
        hint = "the request's value can't be read as what the operator compares" if answer is None else ""
        if not hint and actual is not None:
            hint = "" if condition.is_secret else _unset(question, policy, condition.values)
            hint = hint or _hint(condition.values, actual)
            hint = hint or ("" if condition.is_secret else _plain_wildcard(question, policy, condition, actual))
        failures.append(
            UnmetElement(
                "Condition",
                condition.operator,
                condition.key,
                condition.shown_values,
                _hidden_if_secret(condition, actual),
                hint,
                condition.line,
            )
        )
    return failures


def _hidden_if_secret(condition: Condition, actual: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return ("***",) * len(actual) if actual and condition.is_secret else actual


def _names(principal: Principal) -> tuple[str, ...]:
    """Return every name that a policy can use for the principal, the most specific first."""
    names = (principal.arn, principal.issuer_arn, principal.unique_id, principal.account, principal.federated)
    return tuple(name for name in names if name) or (principal.kind,)


def _hint(required: Sequence[str], actual: Sequence[str]) -> str:
    """Return a hint about a difference that is easy to overlook: white space, or upper and lower case."""
    for want in required:
        for have in actual:
            if want == have:
                continue
            if want.strip() == have.strip():
                return "they differ only in white space around the value"
            if fold(want) == fold(have):
                return "they differ only in upper and lower case"
    return ""


def _plain_wildcard(question: PreparedRequest, policy: Policy, condition: Condition, actual: Sequence[str]) -> str:
    """Return a hint if StringEquals compared `*` or `?` literally, and StringLike would match the request."""
    if condition.parsed.family != "StringEquals" or condition.parsed.is_negated:
        return ""
    for text in condition.values:
        tokens = tokenize(text, has_variables=policy.version == _WITH_VARIABLES, has_wildcards=True)
        pattern = resolve(tokens, question.context())
        if pattern and (ANY_RUN in pattern or ANY_ONE in pattern) and any(map(compile_glob(pattern), actual)):
            operator = condition.operator.replace("StringEquals", "StringLike")
            return f"`*` and `?` are plain text in {condition.operator}: {operator} would match"
    return ""


_WITH_VARIABLES: Final = "2012-10-17"


def _unset(question: PreparedRequest, policy: Policy, policy_texts: Sequence[str]) -> str:
    """Return a hint about the first policy variable that has no value in this request."""
    variables = [token for text in policy_texts for token in _variables(text)]
    if variables and policy.version != _WITH_VARIABLES:
        return f"{variables[0].written} is plain text in version {policy.version}"
    for variable in variables:
        if variable.default is None and not _has_one_value(question, variable):
            return f"{variable.written} has no value in this request"
    return ""


def _has_one_value(question: PreparedRequest, variable: PolicyVariable) -> bool:
    values = question.context().get(variable.key, ())
    return len(values) == 1 and bool(values[0])


def _variables(text: str) -> list[PolicyVariable]:
    try:
        tokens = tokenize(text, has_variables=True, has_wildcards=False)
    except ValueError:  # In version 2008-10-17 `${...}` is plain text.
        return []
    return [token for token in tokens if isinstance(token, PolicyVariable)]
