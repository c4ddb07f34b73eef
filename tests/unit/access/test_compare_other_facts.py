"""Changes that no new policy shows: a boundary, tags, a position, a new principal, an assignment, a condition."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.access.changes.compare import Comparison, compare
from dsops.access.facts.world import Assignment, OrganizationFacts
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, policy, trust, world_of

READER = policy({"Action": READ})


def world(
    *, users: dict[str, Any] | None = None, roles: dict[str, Any] | None = None, **more: Any
) -> OrganizationFacts:
    """Return a world with a secret."""
    return world_of({ACCOUNT: {"secrets": {"prod/db": "x"}, "users": users or {}, "roles": roles or {}, **more}})


def opened(comparison: Comparison, action: str = READ) -> dict[str, bool]:
    """Return the principals that newly can do the action -> whether they could under other conditions before."""
    return {
        change.caller.name.rpartition("/")[2]: change.was_conditional
        for change in comparison.opened
        if change.action == action
    }


def both_ways(before: OrganizationFacts, after: OrganizationFacts) -> Comparison:
    """Return the comparison, and check that the reverse one closes the same."""
    there, back = compare(before, after, NOW), compare(after, before, NOW)
    names = [
        {(change.caller.name, change.action, change.resource) for change in changes}
        for changes in (there.opened, back.closed)
    ]
    assert names[0] == names[1]
    return there


def test_a_boundary_that_is_removed_and_never_mentioned_the_action() -> None:
    """A boundary denies what it does not mention."""
    limit = {"policies": {"limit": policy({"Action": "s3:*"})}}
    user = {"policies": [READER]}
    bounded = user | {"boundary": f"arn:aws:iam::{ACCOUNT}:policy/limit"}
    changes = both_ways(world(users={"alice": bounded}, **limit), world(users={"alice": user}, **limit))

    assert {"alice": False} == opened(changes)


def test_a_user_that_the_secrets_policy_names_already() -> None:
    """The policy names a user who does not exist yet. Creating the user, without any policy, opens the secret."""
    named = {"secret_policies": {"prod/db": policy({"Action": READ, "Principal": {"AWS": _user("bob")}})}}
    changes = both_ways(world(**named), world(users={"bob": {}}, **named))

    assert {"bob": False} == opened(changes)


def test_a_user_that_a_trust_policy_names_already() -> None:
    """The new user assumes the role, and reads the secret through it."""
    roles = {"Reader": {"trust": trust({"AWS": _user("bob")}), "policies": [READER]}}
    changes = both_ways(world(roles=roles), world(users={"bob": {}}, roles=roles))

    assert {"bob": False} == opened(changes) == opened(changes, "sts:AssumeRole")


def test_a_tag_of_a_user() -> None:
    """The user's policy asks for a tag, and the change sets it."""
    conditional = policy({"Action": READ, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "db"}}})
    before = world(users={"alice": {"policies": [conditional]}})
    after = _tagged(before, _user("alice"), {"team": "db"})

    assert {"alice": False} == opened(both_ways(before, after))


def test_a_tag_of_a_resource() -> None:
    """The user's policy asks for a tag of the secret, and the change sets it."""
    conditional = policy({"Action": READ, "Condition": {"StringEquals": {"aws:ResourceTag/team": "db"}}})
    before = world(users={"alice": {"policies": [conditional]}})
    tagged = before.resources[SECRET]._replace(tags={"team": "db"})

    assert {"alice": False} == opened(both_ways(before, before._replace(resources={SECRET: tagged})))


def test_an_account_that_moves_to_another_unit() -> None:
    """No policy changes, but the account's path in the organization does."""
    path = "o-1/r-1/ou-1/"
    conditional = policy(
        {"Action": READ, "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{path}*"}}}
    )
    before = world(users={"alice": {"policies": [conditional]}})
    account = before.accounts[ACCOUNT]._replace(organization_id="o-1", path="o-1/r-1/ou-2/")
    before = before._replace(accounts={ACCOUNT: account})
    after = before._replace(accounts={ACCOUNT: account._replace(path=path)})

    assert {"alice": False} == opened(both_ways(before, after))


def test_a_control_policy_that_moves_to_another_level() -> None:
    """Each level needs an Allow. The same policies, attached otherwise, allow more."""
    before = world(users={"alice": {"policies": [READER]}})
    (full,) = before.identities[_user("admin")].policies
    account = before.accounts[ACCOUNT]
    stopped = account._replace(service_control=((full, full), ()))
    after = account._replace(service_control=((full,), (full,)))
    changes = both_ways(before._replace(accounts={ACCOUNT: stopped}), before._replace(accounts={ACCOUNT: after}))

    assert {"alice": False, "admin": False} == opened(changes)


def test_an_assignment_of_identity_center() -> None:
    """A group that newly may use a permission set newly assumes its role."""
    provider = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}
    name = "AWSReservedSSO_Reader_0123456789abcdef"
    before = world(roles={name: {"trust": trust(provider, "sts:AssumeRoleWithSAML"), "policies": [READER]}})
    members = Assignment("GROUP", "dba", "Reader", ACCOUNT)
    others = Assignment("GROUP", "ops", "Reader", ACCOUNT)
    changes = both_ways(before._replace(assignments=(others,)), before._replace(assignments=(others, members)))

    assert {"group dba of Identity Center": False} == opened(changes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        (
            {"StringEquals": {"aws:SourceVpc": "vpc-1"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}},
            {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
        ),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, {"StringEquals": {"aws:SourceVpc": ["vpc-1", "vpc-2"]}}),
    ],
)
def test_a_condition_that_allows_other_requests(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The user reads under conditions on both sides. The request that is told was refused before."""
    here, there = (
        world(users={"alice": {"policies": [policy({"Action": READ, "Condition": each})]}}) for each in (before, after)
    )

    assert {"alice": True} == opened(compare(here, there, NOW))


def test_a_condition_that_is_only_tightened_opens_nothing() -> None:
    """The reverse of a looser condition is told as closed."""
    values: tuple[Any, Any] = (["vpc-1", "vpc-2"], "vpc-1")
    before, after = (
        world(users={"alice": {"policies": [policy({"Action": READ, "Condition": {"StringEquals": each}})]}})
        for each in ({"aws:SourceVpc": value} for value in values)
    )
    changes = compare(before, after, NOW)

    assert {} == opened(changes)
    assert [True] == [change.was_conditional for change in changes.closed if change.action == READ]


def test_a_trust_policy_that_loses_its_external_id_for_another_condition() -> None:
    """An account keeps a condition, but not the same one."""
    before, after = (
        world(roles={"Vendor": {"trust": trust({"AWS": OTHER}, StringEquals={key: value}), "policies": [READER]}})
        for key, value in (("sts:ExternalId", "secret-id"), ("sts:RoleSessionName", "vendor"))
    )

    assert {OTHER: True} == opened(compare(before, after, NOW), "sts:AssumeRole")


def _user(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def _tagged(world: OrganizationFacts, arn: str, tags: dict[str, str]) -> OrganizationFacts:
    return world._replace(identities={**world.identities, arn: world.identities[arn]._replace(tags=tags)})
