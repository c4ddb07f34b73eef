"""Properties of policy evaluation for all requests and policies."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dsops.policy import Decision, denial_sentence, evaluate
from tests.groups import examples
from tests.property.iam_worlds import compiled, documents, statements, worlds
from tests.unit.policy.policies import APP

if TYPE_CHECKING:
    from dsops.policy import PolicyKind, Request
    from tests.property.iam_worlds import Json

    World = tuple[Request, dict[str, list[Json]]]


many = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""So many examples that an added or removed statement changes the answer in dozens of them."""

PLACES: tuple[PolicyKind, ...] = ("identity", "boundary", "session", "scp", "trust", "resource")


def decide(request: Request, places: dict[str, list[Json]]) -> Decision:
    """The decision on newly compiled documents."""
    return evaluate(request, compiled(places))


def with_statement(data: st.DataObject, places: dict[str, list[Json]], effect: str) -> dict[str, list[Json]]:
    """The documents with one more statement, at any position in one of them."""
    filled = [kind for kind in PLACES if places.get(kind)]
    assume(filled)
    kind = data.draw(st.sampled_from(filled))
    changed = copy.deepcopy(places)
    document = data.draw(st.sampled_from(changed[kind]))
    index = data.draw(st.integers(0, len(document["Statement"])))
    document["Statement"].insert(index, data.draw(statements(kind, effect)))
    return changed


@many
@given(worlds(), st.data())
def test_adding_a_deny_never_allows_more(world: World, data: st.DataObject) -> None:
    """Adding a Deny to any policy never allows more."""
    request, places = world
    changed = with_statement(data, places, "Deny")
    if not decide(request, places).is_allowed:
        assert not decide(request, changed).is_allowed


@many
@given(worlds(), st.data())
def test_adding_an_allow_never_denies(world: World, data: st.DataObject) -> None:
    """Adding an Allow to an existing policy never denies more."""
    request, places = world
    changed = with_statement(data, places, "Allow")
    if decide(request, places).is_allowed:
        assert decide(request, changed).is_allowed


def shuffled(data: st.DataObject, node: Json) -> Json:
    """The same JSON in another order of keys and list members."""
    if isinstance(node, dict):
        keys = data.draw(st.permutations(sorted(node)))
        return {key: shuffled(data, node[key]) for key in keys}
    if isinstance(node, list):
        return [shuffled(data, item) for item in data.draw(st.permutations(node))]
    return node


@many
@given(worlds(), st.data())
def test_the_order_of_statements_keys_and_values_is_nothing(world: World, data: st.DataObject) -> None:
    """The order of statements, keys and values changes neither the effect nor the policy type that decides."""
    request, places = world
    other = {place: shuffled(data, listed) for place, listed in places.items()}
    before, after = decide(request, places), decide(request, other)
    assert (before.effect, before.decided_by) == (after.effect, after.decided_by)


@many
@given(worlds((APP,)), documents("session"))
def test_a_session_never_has_more_than_its_role(world: World, document: Json) -> None:
    """A session policy never allows more than its role."""
    request, places = world
    limited = places | {"session": [*places["session"], document]}
    if decide(request, limited).is_allowed:
        assert decide(request, places).is_allowed


@settings(many, max_examples=300, derandomize=True)
@given(worlds(), st.data())
def _count(tally: Counter[str], world: World, data: st.DataObject) -> None:
    request, places = world
    decision = decide(request, places)
    denying = decide(request, with_statement(data, places, "Deny"))
    tally["worlds"] += 1
    tally["allowed"] += decision.is_allowed
    tally[decision.decided_by] += 1
    tally["a Deny changes"] += decision.is_allowed is not denying.is_allowed


@pytest.mark.nightly
def test_the_worlds_are_decided_in_every_way() -> None:
    """The generated worlds reach every kind of decision often enough for the properties to mean something."""
    tally: Counter[str] = Counter()
    _count(tally)
    assert tally["allowed"] >= 0.3 * tally["worlds"]
    assert tally["a Deny changes"] >= 0.03 * tally["worlds"]
    for decided_by in (
        "identity-based policy",
        "permissions boundary",
        "session policy",
        "resource-based policy",
        "role trust policy",
        "service control policy",
    ):
        assert tally[decided_by] >= 2, decided_by


@given(worlds())
def test_the_reasons_tell_the_same_story(world: World) -> None:
    """Reasons agree with the decision: for Allow, no required type denies; for Deny, the deciding type does."""
    request, places = world
    decision = decide(request, places)
    denying = {reason.policy_type for reason in decision.reasons if reason.effect == "ExplicitDeny"}
    silent = {reason.policy_type for reason in decision.reasons if reason.is_needed and reason.effect == "ImplicitDeny"}
    if decision.effect == "ExplicitDeny":
        assert decision.decided_by in denying
    elif decision.effect == "ImplicitDeny":
        assert not denying
        assert decision.decided_by in silent
    else:
        assert not denying
        assert not silent
    assert decision.is_allowed is (denial_sentence(request, decision) == "")


@given(worlds())
def test_the_deciding_statement_is_among_those_that_matched(world: World) -> None:
    """The deciding statement is a matching statement, unless a root user is allowed without a statement."""
    request, places = world
    decision = decide(request, places)
    matched = [found.statement for reason in decision.reasons for found in reason.matched]
    if decision.statement is not None:
        assert any(statement is decision.statement for statement in matched)
    elif decision.is_allowed:
        assert request.principal.kind == "root"
    else:
        assert decision.effect == "ImplicitDeny"


@given(worlds())
def test_a_near_statement_has_a_failure_and_a_matching_one_has_none(world: World) -> None:
    """A statement that nearly matches has failures (expected and actual values); a match has none."""
    request, places = world
    for reason in decide(request, places).reasons:
        assert not any(found.failures for found in reason.matched)
        for near in reason.near:
            assert near.failures
            assert all(failure.line >= 1 for failure in near.failures)
