"""Read an organization or a secret with several keys of a session chain."""

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
    """Return the account's place in the organization as two keys together read it."""
    with StubServer(first) as one, StubServer(second) as other:
        asking = Asking(one)
        more = [Asking(other).organizations]
        return asking.run(OrganizationReader({ACCOUNT: asking.organizations}, lambda _: None, more).membership(ACCOUNT))


def secret(*stubs: StubIam) -> ResourcePolicy:
    """Return the secret's policy as these keys together read it."""

    def with_all(left: Sequence[StubIam], asked: tuple[Asking, ...]) -> ResourcePolicy:
        if not left:
            return asked[0].run(read_with_any([entry.secrets for entry in asked], SECRET))
        with StubServer(left[0]) as server:
            return with_all(left[1:], (*asked, Asking(server)))

    return with_all(stubs, ())


def test_an_organization_is_read_with_the_next_keys_where_the_first_may_not() -> None:
    """If the first keys may not read the organization, dsops uses the next ones.

    Base credentials may have more rights than a role.
    """
    blind = StubIam(organizations=StubOrganizations(parents={ACCOUNT: ROOT}, denied=["DescribeOrganization"]))
    seeing = StubIam(organizations=StubOrganizations(parents={ACCOUNT: ROOT}))

    assert ID == membership(blind, seeing).organization_id
    assert membership(blind, blind).organization_id is None


def test_of_a_secret_each_part_is_of_who_may_read_it() -> None:
    """A secret's policy and its tags may be read with different keys."""
    policy_only = StubIam(secrets={SECRET: {"Version": "2012-10-17", "Statement": []}}, denied=["DescribeSecret"])
    tags_only = StubIam(secrets={SECRET: None}, denied=["GetResourcePolicy"])

    known_secret = secret(policy_only, tags_only)

    assert known_secret.policy is not None
    assert (("team", "core"),) == known_secret.tags
    assert ("", "") == (known_secret.unread_policy, known_secret.unread_tags)
    assert secret(tags_only).unread_policy
