"""What a principal can do and become, and what is reachable from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.access.facts.world import OrganizationFacts, PolicyDocument, Resource, merge_worlds
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import OutsideUse, external_uses, public_uses
from dsops.access.questions.path import ways_from
from dsops.access.questions.what_can import what_can
from dsops.errors import PolicyInvalid
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, READ, SECRET, ask, policy, trust, ways_of, world_of

GITHUB = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"
BUCKET = "arn:aws:s3:::payroll"
HOP = policy({"Action": "sts:AssumeRole"})
CHAIN = {
    "secrets": {"prod/db": "x"},
    "users": {"alice": {"policies": [HOP]}},
    "roles": {
        "One": {"trust": trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"}), "policies": [HOP]},
        "Two": {"trust": trust({"AWS": f"arn:aws:iam::{ACCOUNT}:role/One"}), "policies": [policy({"Action": READ})]},
    },
}


def roles_of(role: str, trust_policy: object) -> dict[str, object]:
    """Return an account with one role that reads secrets."""
    return {"roles": {role: {"trust": trust_policy, "policies": [policy({"Action": READ})]}}}


def with_bucket(world: OrganizationFacts, document: dict[str, object]) -> OrganizationFacts:
    """Add a bucket with this policy."""
    of_bucket = PolicyDocument("the policy of payroll", "resource", json.dumps(document))
    bucket = Resource(BUCKET, ACCOUNT, of_bucket, kms_key="")
    return world._replace(resources={**world.resources, BUCKET: bucket})


def outside(world: OrganizationFacts, *, is_public: bool) -> list[OutsideUse]:
    """Return what is reachable from outside."""
    evaluator = Evaluator(world, NOW)
    return [*(public_uses if is_public else external_uses)(evaluator, Assumptions(evaluator))]


def test_a_way_through_two_roles() -> None:
    """Each step assumes one role; the roles that can't be assumed are not in the result."""
    evaluator = Evaluator(world_of({ACCOUNT: CHAIN}), NOW)
    alice = caller_of(evaluator.world.identities[f"arn:aws:iam::{ACCOUNT}:user/alice"])
    ways = ways_from(Assumptions(evaluator), alice)

    assert [["One"], ["One", "Two"]] == [[step.resource.rpartition("/")[2] for step in way.steps] for way in ways]


def test_what_a_user_can_do_as_the_role_at_the_end() -> None:
    """The user itself may not read the secret; the last role may, and may do nothing else with it."""
    evaluator = Evaluator(world_of({ACCOUNT: CHAIN}), NOW)
    alice = caller_of(evaluator.world.identities[f"arn:aws:iam::{ACCOUNT}:user/alice"])
    (use,) = what_can(evaluator, Assumptions(evaluator), alice).uses

    assert (SECRET, READ, 2) == (use.resource, use.action, len(use.way.steps))


def test_a_bucket_that_anyone_can_read() -> None:
    """The policy allows everyone; a policy for one organization does not."""
    everyone = {"Principal": "*", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
    condition = {"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}
    world = world_of({ACCOUNT: {}})

    (use,) = outside(with_bucket(world, policy(everyone)), is_public=True)
    assert ("anonymous", "s3:GetObject", "yes") == (use.caller.name, use.action, use.answer.verdict)
    closed = outside(with_bucket(world, policy(everyone | condition)), is_public=True)
    assert [] == [use for use in closed if use.answer.verdict == "yes"]


def test_a_role_for_every_repository_of_github_is_public() -> None:
    """Without a condition on the claim that names the customer, each GitHub workflow can assume the role."""
    open_trust = trust({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity")
    closed = trust(
        {"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", StringLike={f"{GITHUB}:sub": "repo:acme/app:*"}
    )

    assert [f"arn:aws:iam::{ACCOUNT}:role/Ci"] == [
        use.resource for use in outside(world_of({ACCOUNT: roles_of("Ci", open_trust)}), is_public=True)
    ]
    assert [] == outside(world_of({ACCOUNT: roles_of("Ci", closed)}), is_public=True)


@pytest.mark.parametrize("has_id", [True, False])
def test_another_account_with_and_without_an_external_id(has_id: bool) -> None:  # noqa: FBT001
    """The use says whether the request needs an external ID."""
    conditions: dict[str, Any] = {"StringEquals": {"sts:ExternalId": "hush"}} if has_id else {}
    world = world_of({ACCOUNT: roles_of("Vendor", trust({"AWS": FOREIGN}, **conditions))})
    (use,) = outside(world, is_public=False)

    assert (FOREIGN, has_id) == (use.caller.outside, use.needs_external_id)


def test_a_wildcard_in_the_resource_is_tried_with_what_policies_name() -> None:
    """Who may read only a folder of the bucket is found for `bucket/*`, and not for another folder.

    For a bucket that is not among the facts, the answer depends on its KMS key.
    """
    reader = policy({"Action": "s3:GetObject", "Resource": f"{BUCKET}/reports/*"})
    world = world_of({ACCOUNT: {"users": {"alice": {"policies": [reader]}}}})
    other = policy({"Principal": {"AWS": ACCOUNT}, "Action": "s3:ListBucket", "Resource": BUCKET})

    assert {"user/alice": "yes"} == ways_of(ask(with_bucket(world, other), "s3:GetObject", f"{BUCKET}/*"))
    assert {"user/alice": "conditional"} == ways_of(ask(world, "s3:GetObject", f"{BUCKET}/*"))
    assert {} == ways_of(ask(world, "s3:GetObject", f"{BUCKET}/salaries/*"))


def test_two_versions_of_a_role_are_an_error() -> None:
    """The same role from two files is one role; a different one is refused, with its ARN."""
    first = world_of({ACCOUNT: roles_of("Reader", trust({"AWS": ACCOUNT}))})
    same = world_of({ACCOUNT: roles_of("Reader", trust({"AWS": ACCOUNT}))})
    other = world_of({ACCOUNT: roles_of("Reader", trust({"AWS": FOREIGN}))})

    assert set(first.identities) == set(merge_worlds([first, same]).identities)
    with pytest.raises(PolicyInvalid) as caught:
        merge_worlds([first, other])
    assert "role/Reader" in caught.value.message
