"""The escalations and the roles in reach equal those of plain loops, on random worlds.

The loops ask about every rule, option and request, first the requests and then the gain, and look at each pair of a
principal and a role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.escalations import reach
from dsops.access.escalations.find import Escalations
from dsops.access.escalations.gains import Gains
from dsops.access.escalations.options import Options
from dsops.access.escalations.reach import Reach, Reaches
from dsops.access.escalations.rules import ANY, RESOURCE_TYPES
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import IamIdentity, OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from tests.groups import examples
from tests.unit.access.random_seeds import ROLES, USERS, seeds
from tests.unit.access.worlds import ACCOUNT, NOW, policy, trust, world_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsops.access.escalations.options import Option
    from dsops.access.escalations.rules import Rule

IAM = f"arn:aws:iam::{ACCOUNT}"
RULES = [
    rule
    for rule in ESCALATION_RULES
    if rule.identifier
    in {"iam-001", "iam-002", "iam-005", "iam-007", "iam-012", "iam-014", "iam-017", "lambda-001", "ecs-002"}
]
ACTIONS = sorted({need.action for rule in RULES for need in rule.needs})
CONDITIONS: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
    {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
    {"Condition": {"ArnEquals": {"aws:PrincipalArn": f"{IAM}:user/A"}}},
]
STATEMENTS = st.builds(
    lambda effect, actions, resource, condition: {
        "Effect": effect,
        "Action": actions,
        "Resource": resource,
        **condition,
    },
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from([*ACTIONS, "iam:*", "lambda:*", "ecs:*", "s3:GetObject"]), min_size=1, max_size=4),
    st.sampled_from(["*", "*", *ROLES[:2], *USERS[:1], f"{IAM}:role/*"]),
    st.sampled_from(CONDITIONS),
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=3).map(lambda statements: policy(*statements))
TRUSTS = st.sampled_from(
    [
        {"Service": "lambda.amazonaws.com"},
        {"AWS": ACCOUNT},
        {"AWS": USERS[0]},
        "*",
        {"Service": "ecs-tasks.amazonaws.com"},
    ]
).map(trust)
ACCOUNTS = st.fixed_dictionaries(
    {
        "users": st.fixed_dictionaries(
            {name: st.fixed_dictionaries({"policies": st.lists(POLICIES, max_size=2)}) for name in "AB"}
        ),
        "roles": st.fixed_dictionaries(
            {
                name: st.fixed_dictionaries({"trust": TRUSTS, "policies": st.lists(POLICIES, max_size=2)})
                for name in "ABC"
            }
        ),
    }
)


def reached(assumptions: Assumptions, world: OrganizationFacts, start: IamIdentity) -> set[str]:
    """Return the ARNs of what a principal reaches, by a look at each pair."""
    found = {start.arn}
    waiting = [start.arn]
    while waiting:
        arn = waiting.pop()
        for role in world.identities:
            callers = {each.caller.name for each in assumptions.of(role) if each.answer.is_possible}
            if role not in found and arn in callers:
                found.add(role)
                waiting.append(role)
    return found


def plain(world: OrganizationFacts) -> Iterator[tuple[str, ...]]:
    """Yield the escalations in a form that can be compared."""
    evaluator = Evaluator(world, NOW)
    assumptions = Assumptions(evaluator)
    gains = Gains(evaluator, assumptions)
    options, search = Options(evaluator, gains), Escalations(evaluator, assumptions, RULES)
    for identity in world.identities.values():
        own = Reach(world.identities[arn] for arn in reached(assumptions, world, identity))
        if any(member.account == identity.account and gains.is_administrator(member) for member in own.members):
            continue
        for rule in RULES:
            for option in options.of(identity, rule):
                if all(_is_allowed(search, identity, rule, option, kind) for kind in {need.on for need in rule.needs}):
                    gain = gains.of(own, option.becomes, is_changed=option.is_changed)
                    if gain is not None:
                        yield identity.arn, rule.identifier, option.target, gain.permission, gain.by


def _is_allowed(search: Escalations, identity: IamIdentity, rule: Rule, option: Option, kind: str) -> bool:
    """Whether one resource of a kind allows all requests of a rule about this kind."""
    caller = caller_of(identity)
    needs = [need for need in rule.needs if need.on == kind]
    if kind == ANY or kind in RESOURCE_TYPES:
        return search._shared_requests(caller, identity, rule._replace(needs=tuple(needs))) is not None
    return any(
        all(
            search._evaluator.ask(caller, search._new_topic(need, arn, option.boundary)).verdict != "no"
            for need in needs
        )
        for arn in option.resources[kind]
    )


@given(ACCOUNTS)
@settings(max_examples=examples(40), deadline=None)
def test_the_escalations_are_those_of_a_plain_loop(account: dict[str, Any]) -> None:
    """Whatever is left out by an index, a shared answer or the order of the questions is no escalation."""
    world = world_of({ACCOUNT: account})
    evaluator = Evaluator(world, NOW)

    found = Escalations(evaluator, Assumptions(evaluator), RULES).find(world.identities.values())

    told = sorted(
        (each.caller.name, each.rule.identifier, each.target, each.gain.permission, each.gain.by) for each in found
    )
    assert sorted(plain(world)) == told


@pytest.mark.parametrize("many", [0, 1_000_000], ids=["shared", "each by itself"])
def test_the_roles_in_reach_are_those_of_a_plain_loop(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a principal reaches is the same set, for few roles and for so many that roles share their sets."""
    monkeypatch.setattr(reach, "_MANY", many)
    monkeypatch.setattr(reach, "_MANY_OF_ALL", many)

    @given(seeds())
    @settings(max_examples=examples(25), deadline=None)
    def holds(seed: dict[str, Any]) -> None:
        world = world_of(**seed)
        evaluator = Evaluator(world, NOW)
        assumptions = Assumptions(evaluator)
        reaches = Reaches(evaluator, assumptions)
        for identity in world.identities.values():
            assert reached(assumptions, world, identity) == reaches.of(identity).arns

    holds()


def test_principals_beyond_the_limit_are_counted() -> None:
    """If the work has a limit, the principals that were not looked at are counted, and none of them is reported."""
    writes = {"policies": [policy({"Action": "iam:PutUserPolicy"})]}
    world = world_of({ACCOUNT: {"users": dict.fromkeys("ABCD", writes) | {"admin": {"policies": []}}}})
    evaluator = Evaluator(world, NOW)
    escalations = Escalations(evaluator, Assumptions(evaluator), RULES, most_work=100)

    found = [*escalations.find(world.identities.values())]

    names = {each.caller.name for each in found}
    assert 0 < len(names) < 4
    assert names | {each.arn for each in escalations.left_out} == {f"{IAM}:user/{name}" for name in "ABCD"}
    gap = escalations.gap()
    assert gap is not None
    assert f"the escalations of {4 - len(names)} principals, because the search has a limit" == gap.why
