"""The answer of who-can equals that of a plain loop over the policy engine, on random worlds.

The loop knows nothing of indexes, filters and best ways: it asks the engine about every user and role with all their
policies, and about every pair of a principal and a role, and repeats this until nothing is added.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import IamIdentity, MemberAccount, OrganizationFacts, PolicyDocument
from dsops.policy import CaseQuestion, Place, Policy, read_caller, simulate
from tests.groups import examples
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, ask, policy, world_of

ACCOUNTS = (ACCOUNT, OTHER)
NAMES = ("A", "B", "C")
ROLES = [f"arn:aws:iam::{account}:role/{name}" for account in ACCOUNTS for name in NAMES]
USERS = [f"arn:aws:iam::{account}:user/{name}" for account in ACCOUNTS for name in NAMES[:2]]

EFFECTS = st.sampled_from(["Allow", "Allow", "Allow", "Deny"])
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": EFFECTS,
        "Action": st.sampled_from(["*", "sts:*", "sts:AssumeRole", READ, "secretsmanager:Get*", "s3:*"]),
        "Resource": st.sampled_from(["*", *ROLES, SECRET, f"arn:aws:iam::{OTHER}:role/*", "arn:aws:iam::*:role/A"]),
    }
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=3).map(lambda statements: policy(*statements))
TRUSTED = st.sampled_from([{"AWS": text} for text in (*ROLES, *USERS, *ACCOUNTS)] + ["*"])
TRUSTS = st.lists(
    st.fixed_dictionaries({"Effect": st.sampled_from(["Allow", "Allow", "Deny"]), "Principal": TRUSTED}),
    min_size=1,
    max_size=3,
).map(
    lambda statements: {
        "Version": "2012-10-17",
        "Statement": [{**statement, "Action": "sts:AssumeRole"} for statement in statements],
    }
)


@st.composite
def worlds(draw: st.DrawFn) -> OrganizationFacts:
    """A world with two accounts, and perhaps with a service control policy and a policy of the secret."""
    accounts: dict[str, Any] = {}
    for account in ACCOUNTS:
        accounts[account] = {
            "policies": {"limit": draw(POLICIES)},
            "users": {name: _entity(draw, account) for name in NAMES[:2]},
            "roles": {name: _entity(draw, account) | {"trust": draw(TRUSTS)} for name in NAMES},
        }
    accounts[ACCOUNT]["secrets"] = {"prod/db": "x"}
    if draw(st.booleans()):
        principal = draw(TRUSTED)
        accounts[ACCOUNT]["secret_policies"] = {
            "prod/db": policy({"Effect": draw(EFFECTS), "Principal": principal, "Action": READ})
        }
    organization = {
        "management_account": "333333333333",
        "accounts": ["333333333333"],
        "organizational_units": {
            "unit": {
                "accounts": list(ACCOUNTS),
                "service_control_policies": [{"name": "scp", "document": draw(POLICIES)}],
                "full_aws_access": draw(st.booleans()),
            }
        },
    }
    rest = {"organization": organization} if draw(st.booleans()) else {}
    return world_of(accounts | ({"333333333333": {}} if rest else {}), **rest)


def _entity(draw: st.DrawFn, account: str) -> dict[str, Any]:
    entity: dict[str, Any] = {"policies": draw(st.lists(POLICIES, max_size=2))}
    if draw(st.integers(0, 3)) == 0:
        entity["boundary"] = f"arn:aws:iam::{account}:policy/limit"
    return entity


def is_allowed(world: OrganizationFacts, identity: IamIdentity, action: str, resource: str) -> bool:
    """Ask the engine with all policies that apply, unfiltered."""
    account = resource.split(":")[4]
    role, secret = world.identities.get(resource), world.resources.get(resource)
    of_resource = role.trust if role is not None else secret.policy if secret is not None else None
    policies: dict[Place, tuple[tuple[Policy, ...], ...]] = {
        "identity": (_parsed(identity.policies),),
        "boundary": (_parsed([identity.boundary]),) if identity.boundary is not None else (),
        "scp": tuple(_parsed(level) for level in _of(world, identity.account).service_control),
        "rcp": tuple(_parsed(level) for level in _of(world, account).resource_control),
        "trust" if role is not None else "resource": (_parsed([of_resource]),) if of_resource is not None else (),
    }
    caller = read_caller(identity.arn, unique_id=identity.unique_id)
    return simulate(CaseQuestion(caller, action, resource, account, {}), policies, (), NOW).decision.is_allowed


def _of(world: OrganizationFacts, account: str) -> MemberAccount:
    return world.accounts[account]


def _parsed(documents: list[PolicyDocument] | tuple[PolicyDocument, ...]) -> tuple[Policy, ...]:
    return tuple(document.policy for document in documents if document.policy is not None)


def slow_who_can(world: OrganizationFacts) -> set[str]:
    """Return everyone who reaches the secret."""
    able = {arn for arn, identity in world.identities.items() if is_allowed(world, identity, READ, SECRET)}
    while True:
        more = {
            arn
            for arn, identity in world.identities.items()
            if arn not in able
            and any(
                is_allowed(world, identity, "sts:AssumeRole", role) for role in able if ":role/" in role and role != arn
            )
        }
        if not more:
            return able
        able |= more


@settings(max_examples=examples(200), deadline=None)
@given(worlds())
def test_the_answer_is_that_of_a_plain_loop(world: OrganizationFacts) -> None:
    """The principals of the answer are those that the loop finds; no answer is uncertain without conditions."""
    answer = ask(world)

    inside = {way.caller.name for way in answer.ways if not way.caller.outside}
    assert slow_who_can(world) == inside
    assert {"yes"} >= {way.verdict for way in answer.ways if not way.caller.outside}
