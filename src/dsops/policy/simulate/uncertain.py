"""What is not known of a request -> the answers that are possible all the same.

Whatever stands in a policy that nobody could read, it does no more than allow everything or deny everything, and
whatever a condition key holds that nobody knows, a condition on it is met or is not. So three evaluations are
enough: what is known alone, the unknown in favour of the caller, and the unknown against him.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from dsops.policy.evaluation.evaluate import Decision, Effect, Policies, Request, evaluate
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import Policy, Statement, parse_policy
from dsops.policy.language.tokens import PolicyVariable, tokenize
from dsops.policy.simulate.case import POLICY_TYPES, Place
from dsops.policy.simulate.compiled import full_access


class Unread(NamedTuple):
    """Something that bears on a request and could not be read."""

    place: Place | Literal["context"]
    why: str
    keys: tuple[str, ...] = ()
    """For `context`: condition keys in lower case; one that ends in `/` stands for all that begin with it."""


class Answers(NamedTuple):
    """What can be said."""

    decision: Decision
    """As if whatever is unread said nothing."""
    possible: frozenset[Effect]
    unread: tuple[Unread, ...]
    """What bears on this request."""
    at_best: Decision
    """As if whatever is unread were in the caller's favour: a denial here is one whatever stands there."""
    at_worst: Decision
    """As if it were against him: what denies here may be what denies."""


def possible_answers(request: Request, policies: Policies, unread: Sequence[Unread]) -> Answers:
    """What AWS may answer, whatever stands in what is unread."""
    said = {lower_case(key) for key in request.context}
    keys = {key for each in unread for key in each.keys} - said
    missing = [each for each in unread if _bears(each, request, policies, said)]
    known = _filled(policies, missing, "nothing")
    decision = at_best = at_worst = evaluate(request, known)
    effects = {decision.effect}
    if missing:
        is_unknown = _test_of(keys, said)
        for favoured in ("Allow", "Deny"):
            filled = _filled(policies, missing, favoured)
            found = evaluate(request, _settled(filled, is_unknown, favoured))
            at_best, at_worst = (found, at_worst) if favoured == "Allow" else (at_best, found)
            effects.add(found.effect)
    return Answers(decision, frozenset(effects), tuple(missing), at_best, at_worst)


def _bears(each: Unread, request: Request, policies: Policies, said: set[str]) -> bool:
    """It is consulted for that request."""
    if each.place == "context":
        is_unknown = _test_of(set(each.keys) - said, said)
        action = lower_case(request.action)
        statements = (found for policy in _all(policies) for found in policy.statements)
        return any(_depends(found, is_unknown) and found.actions.matches(action) for found in statements)
    # A boundary that allows everything is as good as none, and so it is filled in.
    reasons = evaluate(request, _filled(policies, [each], "nothing" if each.place == "boundary" else "Allow")).reasons
    return any(reason.policy_type == POLICY_TYPES[each.place] for reason in reasons)


_Says = Literal["nothing", "Allow", "Deny"]


def _stand_in(place: Place, says: _Says) -> Policy:
    """A policy that allows or denies everything to everyone. `evaluate` looks at what it says, not at its grammar."""
    effect = "Allow" if says == "nothing" else says
    text = f'{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "*", %s}}}}'
    if place in ("trust", "resource"):
        policy = parse_policy(text % '"Principal": "*"', "resource", name="unread")
    else:
        policy = parse_policy(text % '"Resource": "*"', "identity", name="unread")
    return policy._replace(kind=place, statements=() if says == "nothing" else policy.statements)


def _filled(policies: Policies, missing: Sequence[Unread], says: _Says) -> Policies:
    """The policies with others in the place of those that are unread."""
    for place in dict.fromkeys(each.place for each in missing):
        if place == "context":
            continue
        policy = _stand_in(place, says)
        if place == "identity":
            policies = policies._replace(identity=(*policies.identity, policy))
        elif place == "boundary":
            # Without one the caller may most: a boundary also makes a Deny with NotPrincipal apply to him.
            policies = policies._replace(boundary=None if says == "Allow" else policy)
        elif place == "session":
            policies = policies._replace(session=(*policies.session, (policy,)))
        elif place in ("scp", "rcp"):
            # AWS's own policies allow everything on every level: only what is attached besides says something.
            level = (full_access(place), policy)
            levels = () if says == "nothing" else (level,)
            if place == "scp":
                policies = policies._replace(service_control=(*policies.service_control, *levels))
            else:
                policies = policies._replace(resource_control=(*policies.resource_control, *levels))
        else:
            policies = policies._replace(resource=policy)
    return policies


_IsUnknown = Callable[[str], bool]
"""Takes a condition key in lower case."""


def _test_of(keys: set[str], said: set[str]) -> _IsUnknown:
    prefixes = tuple(key for key in keys if key.endswith("/"))
    return lambda key: (key in keys or key.startswith(prefixes)) and key not in said


def _depends(statement: Statement, is_unknown: _IsUnknown) -> bool:
    return any(is_unknown(key) for key in _keys(statement))


def _keys(statement: Statement) -> Iterator[str]:
    """The condition keys that a statement looks at, in lower case."""
    for condition in statement.conditions:
        yield lower_case(condition.key)
        yield from variable_keys(condition.values)
    if statement.resources is not None:
        yield from variable_keys(statement.resources.written)


def variable_keys(values: Sequence[str]) -> Iterator[str]:
    """The condition keys, in lower case, that policy variables in these texts stand for."""
    for value in values:
        try:
            tokens = tokenize(value, has_variables=True, has_wildcards=False)
        except ValueError:  # plain text in version 2008-10-17
            continue
        yield from (token.key for token in tokens if isinstance(token, PolicyVariable))


def _settled(policies: Policies, is_unknown: _IsUnknown, favoured: Literal["Allow", "Deny"]) -> Policies:
    """The policies as if every unknown value met the conditions on it where that favours the effect, else none."""

    def settle(policy: Policy) -> Policy:
        return policy._replace(
            statements=tuple(
                _without_unknown(statement, is_unknown) if _depends(statement, is_unknown) else statement
                for statement in policy.statements
                if statement.effect == favoured or not _depends(statement, is_unknown)
            )
        )

    def settle_groups(groups: Sequence[tuple[Policy, ...]]) -> tuple[tuple[Policy, ...], ...]:
        return tuple(tuple(settle(policy) for policy in group) for group in groups)

    return policies._replace(
        identity=tuple(settle(policy) for policy in policies.identity),
        boundary=settle(policies.boundary) if policies.boundary is not None else None,
        session=settle_groups(policies.session),
        resource=settle(policies.resource) if policies.resource is not None else None,
        service_control=settle_groups(policies.service_control),
        resource_control=settle_groups(policies.resource_control),
    )


def _without_unknown(statement: Statement, is_unknown: _IsUnknown) -> Statement:
    kept = tuple(
        condition
        for condition in statement.conditions
        if not is_unknown(lower_case(condition.key)) and not any(map(is_unknown, variable_keys(condition.values)))
    )
    resources = statement.resources
    if resources is not None and any(map(is_unknown, variable_keys(resources.written))):
        resources = None
    return statement._replace(conditions=kept, resources=resources)


def _all(policies: Policies) -> Iterator[Policy]:
    yield from policies.identity
    yield from (policy for policy in (policies.boundary, policies.resource) if policy is not None)
    for groups in (policies.session, policies.service_control, policies.resource_control):
        for group in groups:
            yield from group
