"""Finds the parts of a world (operator, element, principal, policy) that decide the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dsops.policy import Policies, Policy, Principal, Request, Statement, evaluate
from dsops.policy.language.conditions import Condition
from dsops.policy.language.match import anything
from dsops.policy.language.principals import Principals, Written, compile_principals
from tests.contract.iam_alphabet import PRINCIPAL_FORMS, Json

Change = Callable[[Statement], Statement]


class Doubt(NamedTuple):
    """A part that may decide: it does if the policies with and without its change give different answers."""

    names: tuple[str, ...]
    one: Policies
    other: Policies


def doubts(policies: Policies, caller: Principal) -> list[Doubt]:
    """All parts that could decide a request of this caller under these policies."""
    found = [Doubt((name,), policies, without) for name, without in _without_a_type(policies)]
    for statement in _all_statements(policies):
        found += [
            Doubt(names, _changed(policies, statement, entry), _changed(policies, statement, other))
            for names, entry, other in _doubts_about(statement, caller)
        ]
    return found


def deciding(doubted: list[Doubt], request: Request) -> Iterator[str]:
    """The names of the parts that decide this request."""
    for doubt in doubted:
        if evaluate(request, doubt.one).effect != evaluate(request, doubt.other).effect:
            yield from doubt.names


def _without_a_type(policies: Policies) -> Iterator[tuple[str, Policies]]:
    if policies.identity:
        yield "identity-based policy", policies._replace(identity=())
    if policies.boundary is not None:
        yield "permissions boundary", policies._replace(boundary=None)
    if policies.session:
        yield "session policy", policies._replace(session=())
    if policies.service_control:
        yield "service control policy", policies._replace(service_control=())
    if policies.resource_control:
        yield "resource control policy", policies._replace(resource_control=())
    if policies.resource is not None:
        is_trust = policies.resource.kind == "trust"
        yield "role trust policy" if is_trust else "resource-based policy", policies._replace(resource=None)


def _doubts_about(statement: Statement, caller: Principal) -> Iterator[tuple[tuple[str, ...], Change, Change]]:
    for index, condition in enumerate(statement.conditions):
        yield _names(condition), _answering(index, met=True), _answering(index, met=False)
    actions = statement.actions
    if actions.written != ("*",):
        yield (actions.element,), _matching_actions(met=True), _matching_actions(met=False)
    resources = statement.resources
    if resources is not None and resources.written != ("*",):
        names = [resources.element]
        if any("${" in text for text in resources.written):
            names.append(f"variable in {resources.element}")
        yield tuple(names), _matching_resources(met=True), _matching_resources(met=False)
    if statement.principals is not None:
        yield from _doubts_about_principals(statement.principals, caller)


def _names(condition: Condition) -> tuple[str, ...]:
    parsed = condition.parsed
    plain = condition.operator.removeprefix(parsed.quantifier).removesuffix("IfExists")
    names = [plain, parsed.quantifier or "no quantifier", "IfExists" if parsed.is_if_exists else "no IfExists"]
    if any("${" in value for value in condition.values):
        names.append("variable in Condition")
    return tuple(names)


def _answering(index: int, *, met: bool) -> Change:
    def change(statement: Statement) -> Statement:
        listed = list(statement.conditions)
        listed[index] = listed[index]._replace(test=lambda _context: met)
        return statement._replace(conditions=tuple(listed))

    return change


def _matching_actions(*, met: bool) -> Change:
    matches = anything if met else (lambda _action: False)
    return lambda statement: statement._replace(actions=statement.actions._replace(matches=matches))


def _matching_resources(*, met: bool) -> Change:
    def change(statement: Statement) -> Statement:
        assert statement.resources is not None
        return statement._replace(resources=statement.resources._replace(matches=lambda _r, _p, _c: met))

    return change


NOBODY = compile_principals([("Service", "nobody.amazonaws.com")], is_negated=False, is_deny=False)


def _doubts_about_principals(
    principals: Principals, caller: Principal
) -> Iterator[tuple[tuple[str, ...], Change, Change]]:
    def unchanged(statement: Statement) -> Statement:
        return statement

    def naming_nobody(statement: Statement) -> Statement:
        return statement._replace(principals=NOBODY)

    if not principals.is_negated:
        names = [
            name
            for name, form in PRINCIPAL_FORMS.items()
            if _is_written(form, principals) and _alone(form).reach(caller)
        ]
        yield tuple(names), unchanged, naming_nobody
        return
    everyone = compile_principals([("AWS", "*")], is_negated=False, is_deny=principals.is_deny)
    yield ("NotPrincipal",), lambda statement: statement._replace(principals=everyone), naming_nobody


def _alone(form: Json) -> Principals:
    written: Written = ("AWS", "*") if form == "*" else next(iter(form.items()))
    return compile_principals([written], is_negated=False, is_deny=False)


def _is_written(form: Json, principals: Principals) -> bool:
    # `"*"` and `{"AWS": "*"}` have the same meaning, so they share one count.
    return _alone(form).written[0] in principals.written


def _all_statements(policies: Policies) -> Iterator[Statement]:
    for policy in _all_policies(policies):
        yield from policy.statements


def _all_policies(policies: Policies) -> Iterator[Policy]:
    yield from policies.identity
    for group in (*policies.session, *policies.service_control, *policies.resource_control):
        yield from group
    for policy in (policies.boundary, policies.resource):
        if policy is not None:
            yield policy


def _changed(policies: Policies, doubted: Statement, change: Change) -> Policies:
    """Return the policies with one statement changed."""

    def one(policy: Policy) -> Policy:
        if not any(statement is doubted for statement in policy.statements):
            return policy
        listed = (change(statement) if statement is doubted else statement for statement in policy.statements)
        return policy._replace(statements=tuple(listed))

    def groups(listed: tuple[tuple[Policy, ...], ...]) -> tuple[tuple[Policy, ...], ...]:
        return tuple(tuple(map(one, group)) for group in listed)

    return policies._replace(
        identity=tuple(map(one, policies.identity)),
        boundary=None if policies.boundary is None else one(policies.boundary),
        session=groups(policies.session),
        resource=None if policies.resource is None else one(policies.resource),
        service_control=groups(policies.service_control),
        resource_control=groups(policies.resource_control),
    )
