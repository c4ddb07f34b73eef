"""Find the decisions that are possible for a request when policies or condition keys are unread.

At best, an unread policy allows everything; at worst, it denies everything. A condition on an unknown value is either
met or not met. So three evaluations are enough:

- with the known facts only
- with all unknown facts in the caller's favour
- with all unknown facts against the caller
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple, assert_never

from dsops.policy.evaluation.consulted import Effect, Policies
from dsops.policy.evaluation.evaluate import Decision, evaluate
from dsops.policy.evaluation.question import Request
from dsops.policy.language.grammar import parse_policy
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.tokens import PolicyVariable, tokenize
from dsops.policy.simulation.case import POLICY_TYPES, Place
from dsops.policy.simulation.compiled import full_access


class Unread(NamedTuple):
    """A policy or condition key that affects a request and could not be read."""

    place: Place | Literal["context"]
    why: str
    keys: tuple[str, ...] = ()
    """For the place `context`: the condition keys in lower case.

    A key that ends in `/` stands for all keys with that prefix.
    """


class Answers(NamedTuple):
    """The possible decisions on a request."""

    decision: Decision
    """The decision if each unread policy were empty."""
    possible: frozenset[Effect]
    unread: tuple[Unread, ...]
    """The unread facts that affect this request."""
    at_best: Decision
    """The decision if all unread facts were in the caller's favour.

    If this decision is a denial, the request is denied in any case.
    """
    at_worst: Decision
    """The decision if all unread facts were against the caller."""


def possible_answers(request: Request, policies: Policies, unread: Sequence[Unread]) -> Answers:
    """Return the decisions for the known facts only, for the caller's best case, and for its worst case.

    In the best case, all unread facts are in the caller's favour. In the worst case, all of them are against the
    caller.
    """
    given_keys = {lower_case(key) for key in request.context}
    keys = {key for unread_part in unread for key in unread_part.keys} - given_keys
    missing = [unread_part for unread_part in unread if _is_relevant(unread_part, request, policies, given_keys)]
    filled_policies = _with_stand_ins(policies, missing, "nothing")
    decision = at_best = at_worst = evaluate(request, filled_policies)
    effects = {decision.effect}
    if missing:
        is_unknown = _test_of(keys, given_keys)
        for favoured in ("Allow", "Deny"):
            filled = _with_stand_ins(policies, missing, favoured)
            assumed = evaluate(request, _decided(filled, is_unknown, favoured))
            at_best, at_worst = (assumed, at_worst) if favoured == "Allow" else (at_best, assumed)
            effects.add(assumed.effect)
    return Answers(decision, frozenset(effects), tuple(missing), at_best, at_worst)


def _is_relevant(unread_part: Unread, request: Request, policies: Policies, given_keys: set[str]) -> bool:
    """Whether AWS consults the unread policy or key for this request."""
    if unread_part.place == "context":
        is_unknown = _test_of(set(unread_part.keys) - given_keys, given_keys)
        action = lower_case(request.action)
        statements = (statement for policy in policies.all_policies() for statement in policy.statements)
        return any(_depends(statement, is_unknown) and statement.actions.matches(action) for statement in statements)
    # A boundary that allows everything has the same effect as no boundary, so this evaluation uses no boundary.
    reasons = evaluate(
        request, _with_stand_ins(policies, [unread_part], "nothing" if unread_part.place == "boundary" else "Allow")
    ).reasons
    return any(reason.policy_type == POLICY_TYPES[unread_part.place] for reason in reasons)


_Says = Literal["nothing", "Allow", "Deny"]


@cache
def _stand_in(place: Place, says: _Says) -> Policy:
    """Return a policy that allows everything, denies everything, or contains no statement.

    `evaluate` does not check the policy's grammar.
    """
    effect = "Allow" if says == "nothing" else says
    text = f'{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "*", %s}}}}'
    if place in ("trust", "resource"):
        policy = parse_policy(text % '"Principal": "*"', "resource", name="unread")
    else:
        policy = parse_policy(text % '"Resource": "*"', "identity", name="unread")
    return policy._replace(kind=place, statements=() if says == "nothing" else policy.statements)


def _with_stand_ins(policies: Policies, missing: Sequence[Unread], says: _Says) -> Policies:
    """Return the policies, with a stand-in for each unread policy."""
    for place in dict.fromkeys(unread_part.place for unread_part in missing):
        if place != "context":
            policies = _with_stand_in(policies, place, says)
    return policies


def _with_stand_in(policies: Policies, place: Place, says: _Says) -> Policies:
    policy = _stand_in(place, says)
    match place:
        case "identity":
            return policies._replace(identity=(*policies.identity, policy))
        case "boundary":
            # The most permissive case is no boundary, because any boundary makes a Deny with NotPrincipal apply.
            return policies._replace(boundary=None if says == "Allow" else policy)
        case "session":
            return policies._replace(session=(*policies.session, (policy,)))
        case "trust" | "resource":
            return policies._replace(resource=policy)
        case "scp":
            return policies._replace(service_control=(*policies.service_control, *_levels("scp", policy, says)))
        case "rcp":
            return policies._replace(resource_control=(*policies.resource_control, *_levels("rcp", policy, says)))
        case _:
            assert_never(place)


def _levels(place: Place, policy: Policy, says: _Says) -> tuple[tuple[Policy, ...], ...]:
    """Return a level that contains the stand-in; () if `says` is `nothing`.

    The level also contains AWS's own policy, which allows everything. So only the stand-in can change the decision.
    """
    return () if says == "nothing" else ((full_access(place), policy),)


_IsUnknown = Callable[[str], bool]
"""A function that returns whether the value of a condition key is unknown. The key is in lower case."""


def _test_of(keys: set[str], given_keys: set[str]) -> _IsUnknown:
    prefixes = tuple(key for key in keys if key.endswith("/"))
    return lambda key: (key in keys or key.startswith(prefixes)) and key not in given_keys


def _depends(statement: Statement, is_unknown: _IsUnknown) -> bool:
    return any(is_unknown(key) for key in _keys(statement))


def _keys(statement: Statement) -> Iterator[str]:
    """Yield the condition keys that a statement tests, in lower case."""
    for condition in statement.conditions:
        yield lower_case(condition.key)
        yield from variable_keys(condition.values)
    if statement.resources is not None:
        yield from variable_keys(statement.resources.written)


def variable_keys(values: Sequence[str]) -> Iterator[str]:
    """Yield the condition keys of the policy variables in these strings, in lower case."""
    for value in values:
        if "${" not in value:
            continue
        try:
            tokens = tokenize(value, has_variables=True, has_wildcards=False)
        except ValueError:  # In version 2008-10-17 such a value is plain text.
            continue
        yield from (token.key for token in tokens if isinstance(token, PolicyVariable))


def _decided(policies: Policies, is_unknown: _IsUnknown, favoured: Literal["Allow", "Deny"]) -> Policies:
    """Return the policies with all conditions on unknown values decided.

    Such a condition counts as met in statements with the favoured effect, and as not met in all others.
    """

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
    known_conditions = tuple(
        condition
        for condition in statement.conditions
        if not is_unknown(lower_case(condition.key)) and not any(map(is_unknown, variable_keys(condition.values)))
    )
    resources = statement.resources
    if resources is not None and any(map(is_unknown, variable_keys(resources.written))):
        resources = None
    return statement._replace(conditions=known_conditions, resources=resources)
