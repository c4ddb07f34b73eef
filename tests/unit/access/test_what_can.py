"""What a principal can do equals the answer of a plain loop, and says what it left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import Gap, OrganizationFacts, PolicyDocument
from dsops.access.questions import actors
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.data_actions import data_requests
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.path import ways_from
from dsops.access.questions.policy_index import accounts_named_in
from dsops.access.questions.topic import Topic
from dsops.access.questions.what_can import what_can
from tests.groups import examples
from tests.unit.access.random_seeds import OF_CALLERS, OF_RESOURCES, USERS, seeds
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, policy, trust, world_of


def plain(world: OrganizationFacts, start: str) -> set[tuple[str, str]]:
    """Return the resources and actions of a principal, by asking the engine about each role and each resource."""
    evaluator = Evaluator(world, NOW)
    caller = caller_of(world.identities[start])
    roles = [way.steps[-1].resource for way in ways_from(Assumptions(evaluator), caller)]
    callers = [caller, *(caller_of(world.identities[role]) for role in roles)]
    return {
        (resource, action)
        for resource in world.resources
        for action, asked in data_requests(resource)
        if any(evaluator.ask(each, Topic(action, asked)).verdict != "no" for each in callers)
    }


@given(seeds(), st.lists(st.one_of(OF_CALLERS, OF_RESOURCES), max_size=2))
@settings(max_examples=examples(40), deadline=None)
def test_the_uses_are_those_of_a_plain_loop(seed: dict[str, Any], gaps: list[Gap]) -> None:
    """The roles that are not asked about a resource have no use of it, also if some facts could not be read."""
    read = world_of(**seed)
    world = read._replace(gaps=(*read.gaps, *gaps))
    for user in USERS:
        evaluator = Evaluator(world, NOW)
        found = what_can(evaluator, Assumptions(evaluator), caller_of(world.identities[user]))

        assert plain(world, user) == {(use.resource, use.action) for use in found.uses}


def test_roles_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a principal becomes more roles than the limit allows, the answer says how many were left out."""
    monkeypatch.setattr(actors, "_FEWEST", 2)
    reads = {"trust": trust("*"), "policies": [policy({"Action": READ})]}
    account = {"users": {"ada": {}}, "roles": {f"R{number}": reads for number in range(5)}, "secrets": {"db": "x"}}
    world = world_of({ACCOUNT: account})
    evaluator = Evaluator(world, NOW)
    caller = caller_of(world.identities[f"arn:aws:iam::{ACCOUNT}:user/ada"])

    limited = what_can(evaluator, Assumptions(evaluator), caller, looks=1)
    full = what_can(evaluator, Assumptions(evaluator), caller)

    assert ["what 3 of 5 roles can do with some resources, because there are too many"] == [
        gap.why for gap in limited.gaps
    ]
    assert () == full.gaps


def test_the_accounts_that_a_policy_names() -> None:
    """The users and roles of these accounts may need no policy of their own; a NotPrincipal names any account."""
    ada = f"arn:aws:iam::{ACCOUNT}:user/ada"
    session = f"arn:aws:sts::{OTHER}:assumed-role/R/s"
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"Principal": {"AWS": [ada, OTHER]}}, {ACCOUNT, OTHER}),
        ({"Principal": {"AWS": session}}, {OTHER}),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, set()),
        ({"Principal": "*"}, {""}),
        ({"Principal": {"AWS": "AIDAQ7V3XKZ2LMNOPQRST"}}, {""}),
        ({"Effect": "Deny", "Principal": "*"}, set()),
        ({"NotPrincipal": {"AWS": OTHER}, "Effect": "Deny"}, set()),
    ]
    for statement, accounts in cases:
        text = json.dumps(policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}))
        document = PolicyDocument("the policy", "resource", text)

        assert document.policy is not None
        assert accounts == {*accounts_named_in(document.policy)}
