"""S3 Block Public Access and access control lists: what they take back, and what is not known of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.access.facts.world import OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of, provider_caller
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import acl_gaps, external_uses, public_uses
from dsops.access.questions.topic import Topic
from dsops.cli.access.answers import reason_text
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, OTHER, ask, policy, ways_of, world_of

BUCKET = "arn:aws:s3:::papers"
OBJECT = f"{BUCKET}/x"
CAROL = f"arn:aws:iam::{OTHER}:user/carol"
PUBLIC = {"Principal": "*"}
ONE_ACCOUNT = {"Principal": {"AWS": f"arn:aws:iam::{FOREIGN}:root"}}
OF_SERVICE = {"Principal": {"Service": "cloudtrail.amazonaws.com"}}


def world(*statements: dict[str, Any], restricts: bool | None, may_have_acls: bool = False) -> OrganizationFacts:
    """Return a world with a bucket, and a reader in its account and in another one."""
    reads = {"policies": [policy({"Action": "s3:GetObject"})]}
    facts = world_of({ACCOUNT: {"users": {"alice": reads}}, OTHER: {"users": {"carol": reads}}})
    each = ({"Action": "s3:GetObject", "Resource": f"{BUCKET}/*", **statement} for statement in statements)
    document = PolicyDocument("the bucket's policy", "resource", json.dumps(policy(*each)))
    bucket = Resource(BUCKET, ACCOUNT, document, kms_key="", restricts_public=restricts, may_have_acls=may_have_acls)
    return facts._replace(resources={BUCKET: bucket})


@pytest.mark.parametrize("restricts", [True, False, None])
def test_a_blocked_bucket_is_not_public(*, restricts: bool | None) -> None:
    """With RestrictPublicBuckets no one outside of the account reads; if it is unknown, the answer says so."""
    evaluator = Evaluator(world(PUBLIC, restricts=restricts), NOW)
    uses = public_uses(evaluator, Assumptions(evaluator))

    assert ([] if restricts else ["anonymous"]) == [use.caller.name for use in uses]
    whys = [gap.why for use in uses for gap in use.answer.gaps]
    assert (restricts is None) == any("Block Public Access" in why for why in whys)


def test_the_block_stops_other_accounts_and_not_the_own_one() -> None:
    """The reader of another account is listed as stopped, with the reason; the one of the account reads."""
    answer = ask(world(PUBLIC, restricts=True), "s3:GetObject", OBJECT)

    assert {"user/alice": "yes"} == ways_of(answer)
    reasons = {entry.caller.name: reason_text(entry.answer) for entry in answer.stopped}
    assert "S3 Block Public Access refuses what the bucket's policy allows to everyone" == reasons[CAROL]


def test_a_public_statement_also_restricts_the_others_of_the_policy() -> None:
    """A policy with one public statement gives other accounts nothing, even those that it names; a service stays."""
    restricted = Evaluator(world(PUBLIC, ONE_ACCOUNT, OF_SERVICE, restricts=True), NOW)
    named_only = Evaluator(world(ONE_ACCOUNT, restricts=True), NOW)
    service = restricted.ask(provider_caller("cloudtrail.amazonaws.com"), Topic("s3:GetObject", OBJECT))

    assert () == external_uses(restricted, Assumptions(restricted))
    assert [FOREIGN] == [use.caller.name for use in external_uses(named_only, Assumptions(named_only))]
    assert service.is_possible


def test_a_policy_for_fixed_values_is_not_public() -> None:
    """A condition on an account's id makes the policy non-public, so the block does not touch it."""
    fixed = {**PUBLIC, "Condition": {"StringEquals": {"aws:PrincipalAccount": OTHER}}}
    answer = ask(world(fixed, restricts=True), "s3:GetObject", OBJECT)

    assert {"user/alice", "user/carol"} <= ways_of(answer).keys()


def test_access_control_lists_are_not_known() -> None:
    """A bucket that can have access control lists is named in the answers about it, and only there."""
    facts = world(restricts=True, may_have_acls=True)
    why = "the access control lists of bucket papers, and of the objects in it"

    assert [why] == [gap.why for gap in acl_gaps(facts)]
    assert why in [gap.why for gap in ask(facts, "s3:GetObject", OBJECT).gaps]
    assert why not in [gap.why for gap in ask(facts, "s3:GetObject", "arn:aws:s3:::other/x").gaps]
    assert () == acl_gaps(world(restricts=True))
    carol = Evaluator(facts, NOW).ask(caller_of(facts.identities[CAROL]), Topic("s3:GetObject", OBJECT))
    assert "no" == carol.verdict


@pytest.mark.parametrize(("has_tag_control", "verdict"), [(True, "yes"), (False, "no"), (None, "conditional")], ids=str)
def test_tags_of_a_bucket_count_only_if_s3_compares_them(*, has_tag_control: bool | None, verdict: str) -> None:
    """A condition on the bucket's tag is met, also for objects, if the bucket has attribute-based access control."""
    tagged = policy({"Action": "s3:*", "Condition": {"StringEquals": {"aws:ResourceTag/Dept": "Finance"}}})
    facts = world_of({ACCOUNT: {"users": {"alice": {"policies": [tagged]}}}})
    bucket = Resource(BUCKET, ACCOUNT, None, {"Dept": "Finance"}, kms_key="", has_tag_control=has_tag_control)
    evaluator = Evaluator(facts._replace(resources={BUCKET: bucket}), NOW)
    caller = caller_of(facts.identities[f"arn:aws:iam::{ACCOUNT}:user/alice"])

    for action, resource in (("s3:ListBucket", BUCKET), ("s3:GetObject", OBJECT)):
        assert verdict == evaluator.ask(caller, Topic(action, resource)).verdict
