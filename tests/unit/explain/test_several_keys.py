"""What several keys of a chain may read: of an organization and of a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.explain.evidence.organization import OrganizationReader
from dsops.explain.evidence.secret import read_with_any
from dsops.policy.simulation.facts import ResourcePolicy
from tests.stubs.iam import ACCOUNT, StubIam
from tests.stubs.organizations import ID, ROOT, StubOrganizations
from tests.stubs.server import StubServer
from tests.unit.aws.test_iam import Asking
from tests.unit.policy.policies import SECRET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsops.policy.simulation.facts import AccountPlace


def membership(first: StubIam, second: StubIam) -> AccountPlace:
    """Of the account, as two keys of it tell together."""
    with StubServer(first) as one, StubServer(second) as other:
        asking = Asking(one)
        more = [Asking(other).organizations]
        return asking.run(OrganizationReader({ACCOUNT: asking.organizations}, lambda _: None, more).membership(ACCOUNT))


def secret(*stubs: StubIam) -> ResourcePolicy:
    """What they tell of the secret together."""

    def with_all(left: Sequence[StubIam], asked: tuple[Asking, ...]) -> ResourcePolicy:
        if not left:
            return asked[0].run(read_with_any([each.secrets for each in asked], SECRET))
        with StubServer(left[0]) as server:
            return with_all(left[1:], (*asked, Asking(server)))

    return with_all(stubs, ())


def test_an_organization_is_read_with_the_next_keys_where_the_first_may_not() -> None:
    """The base credentials may read more than the role that was assumed with them."""
    blind = StubIam(organizations=StubOrganizations(parents={ACCOUNT: ROOT}, denied=["DescribeOrganization"]))
    seeing = StubIam(organizations=StubOrganizations(parents={ACCOUNT: ROOT}))

    assert ID == membership(blind, seeing).organization_id
    assert membership(blind, blind).organization_id is None


def test_of_a_secret_each_part_is_of_who_may_read_it() -> None:
    """One may read its policy, another its tags."""
    policy_only = StubIam(secrets={SECRET: {"Version": "2012-10-17", "Statement": []}}, denied=["DescribeSecret"])
    tags_only = StubIam(secrets={SECRET: None}, denied=["GetResourcePolicy"])

    found = secret(policy_only, tags_only)

    assert found.policy is not None
    assert (("team", "core"),) == found.tags
    assert ("", "") == (found.unread_policy, found.unread_tags)
    assert secret(tags_only).unread_policy
