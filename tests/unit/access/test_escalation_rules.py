"""Each rule holds in a world that has just what it needs, and in no world that lacks a part of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.rules import ANY, KINDS, RESOURCE_TYPES, Rule, RuleNeed
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import IamIdentity, MemberAccount, OrganizationFacts, PolicyDocument, Resource, UserGroup
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.service_reference import open_reference
from tests.unit.access.worlds import ACCOUNT, NOW, policy, trust

PATHS = Path(os.environ.get("DSOPS_PATHFINDING", "/work/shared/oracles/pathfinding.cloud")) / "data" / "paths"
"""A copy of the published descriptions (Apache-2.0). It is not a part of this repository."""
RULES = {rule.identifier: rule for rule in ESCALATION_RULES}
IAM = f"arn:aws:iam::{ACCOUNT}"
ADMINISTRATOR = PolicyDocument("everything", "identity", json.dumps(policy({"Action": "*"})))
OWN_POLICY = f"{IAM}:policy/own"


def document(name: str, *statements: dict[str, str]) -> PolicyDocument:
    """Return an identity policy."""
    return PolicyDocument(name, "identity", json.dumps(policy(*statements)))


def caller_arn(rule: Rule) -> str:
    """Return the ARN of a principal of the kind that the rule is about."""
    is_role = any(need.on == "caller" and "Role" in need.action for need in rule.needs)
    return f"{IAM}:role/low" if is_role else f"{IAM}:user/low"


def resource_of(need: RuleNeed, rule: Rule) -> str:
    """Return the resource of a need in the minimal world."""
    if need.on in RESOURCE_TYPES:
        return "arn:*:" + RESOURCE_TYPES[need.on].format(region="*", account="*", name="own-*", id="*")
    return {
        ANY: "*",
        "caller": caller_arn(rule),
        "user": f"{IAM}:user/high",
        "role": f"{IAM}:role/high",
        "group": f"{IAM}:group/staff",
        "policy": OWN_POLICY,
        "resource": existing_arn(rule),
    }[need.on]


def existing_arn(rule: Rule) -> str:
    """Return the ARN of the existing resource of a rule; "" if the rule needs none."""
    text = RESOURCE_TYPES.get(rule.resource_type, "")
    return f"arn:aws:{text}".format(region="eu-west-1", account=ACCOUNT, name="own", id="1") if text else ""


def minimal_world(rule: Rule, needs: Sequence[RuleNeed], *, has_target: bool = True) -> OrganizationFacts:
    """Return a world in which only the rule's target, and the permissions of the given needs, exist."""
    arn = caller_arn(rule)
    allowed = [{"Action": need.action, "Resource": resource_of(need, rule)} for need in needs]
    if rule.target == "self":
        own = [document(OWN_POLICY, *allowed)] if allowed else []
    else:
        own = [document("inline", *allowed)] if allowed else []
    low = IamIdentity(
        arn,
        "role" if ":role/" in arn else "user",
        ACCOUNT,
        policies=tuple(own),
        groups=("staff",) if rule.target == "self" else (),
    )
    if low.kind == "role":
        low = low._replace(trust=PolicyDocument("trust", "trust", json.dumps(trust({"Service": "any.amazonaws.com"}))))
    trusted = {"Service": rule.service or "any.amazonaws.com"} if has_target else {"Service": "other.amazonaws.com"}
    is_assumable = any(need.action == "sts:AssumeRole" for need in rule.needs)
    high = (ADMINISTRATOR,) if not rule.is_written else (document(OWN_POLICY, {"Action": "s3:ListAllMyBuckets"}),)
    identities = [
        low,
        IamIdentity(f"{IAM}:user/high", "user", ACCOUNT, policies=high),
        IamIdentity(
            f"{IAM}:role/high",
            "role",
            ACCOUNT,
            policies=high,
            trust=PolicyDocument(
                "trust", "trust", json.dumps(trust({"AWS": f"{IAM}:root"} if is_assumable and has_target else trusted))
            ),
        ),
    ]
    resources = [Resource(existing_arn(rule), ACCOUNT, role=f"{IAM}:role/high" if has_target else "")]
    groups = [UserGroup(f"{IAM}:group/staff", ACCOUNT, (ADMINISTRATOR,) if rule.target == "group" else ())]
    return OrganizationFacts(
        {ACCOUNT: MemberAccount(ACCOUNT)},
        {each.arn: each for each in identities},
        {each.arn: each for each in resources if each.arn},
        {each.arn: each for each in groups},
    )


def found(rule: Rule, world: OrganizationFacts) -> list[Escalation]:
    """Return the escalations of the low principal by the rule."""
    evaluator = Evaluator(world, NOW)
    escalations = Escalations(evaluator, Assumptions(evaluator), (rule,))
    return [*escalations.find([world.identities[caller_arn(rule)]])]


@pytest.mark.parametrize("identifier", RULES)
def test_a_rule_holds_with_all_of_its_needs(identifier: str) -> None:
    """The principal with the permissions of the rule becomes an administrator; each request is allowed."""
    rule = RULES[identifier]
    answers = found(rule, minimal_world(rule, rule.needs))

    assert [identifier] == [each.rule.identifier for each in answers]
    assert answers[0].gain.is_administrator
    assert "yes" == answers[0].verdict
    assert sorted(need.action for need in rule.needs) == sorted(request.action for request in answers[0].requests)


@pytest.mark.parametrize(
    ("identifier", "missing"), [(rule.identifier, need) for rule in ESCALATION_RULES for need in rule.needs]
)
def test_a_rule_does_not_hold_without_one_of_its_needs(identifier: str, missing: RuleNeed) -> None:
    """Without the permission for one request, the principal becomes nothing."""
    rule = RULES[identifier]
    needs = [need for need in rule.needs if need != missing]

    assert [] == found(rule, minimal_world(rule, needs))


@pytest.mark.parametrize("identifier", RULES)
def test_a_rule_does_not_hold_without_its_target(identifier: str) -> None:
    """A role that trusts another service, a resource without a role, and permissions on other names are no way."""
    rule = RULES[identifier]
    if rule.target in {"passed", "resource", "assumed"}:
        world = minimal_world(rule, rule.needs, has_target=False)
    else:
        elsewhere = [RuleNeed(need.action, ANY) for need in rule.needs]
        world = minimal_world(rule, elsewhere)
        name = caller_arn(rule)
        low = world.identities[name]
        other = [{"Action": need.action, "Resource": f"{IAM}:role/another"} for need in rule.needs]
        changed = low._replace(policies=(document(OWN_POLICY, *other),))
        world = world._replace(identities={**world.identities, name: changed})

    assert [] == found(rule, world)


def test_every_published_way_has_a_rule() -> None:
    """The rules have the ids and the required permissions of the published descriptions."""
    if not PATHS.is_dir():
        pytest.skip(f"{PATHS} is not there: the copy of pathfinding.cloud is not a part of this repository")
    published = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(PATHS.glob("**/*.yaml"))]

    assert len(published) >= 65
    for path in published:
        required = {entry["permission"] for entry in path["permissions"]["required"]}
        assert required == {need.action for need in RULES[path["id"]].needs}, path["id"]


def test_rules_are_unique_and_complete() -> None:
    """Each id occurs once; each kind has a heading; each need names a known resource."""
    words = {"caller", "user", "role", "group", "policy", "resource", ANY, *RESOURCE_TYPES}

    assert len(RULES) == len(ESCALATION_RULES)
    assert {rule.kind for rule in ESCALATION_RULES} == set(KINDS)
    assert {need.on for rule in ESCALATION_RULES for need in rule.needs} <= words


@pytest.mark.parametrize("identifier", RULES)
def test_the_resources_of_a_rule_are_those_of_its_actions(identifier: str) -> None:
    """The Service Authorization Reference lists a resource type of the need's form for each action."""
    rule = RULES[identifier]
    reference = open_reference()
    assert reference is not None
    for need in rule.needs:
        service, _, name = need.action.partition(":")
        facts = reference.service(service)
        assert facts is not None
        formats = facts.actions[name.lower()].arns
        if need.on == ANY:
            assert () == formats, need
        else:
            assert any(_has_form(resource_of(need, rule), text) for text in formats), (need, formats)


def _has_form(arn: str, written: str) -> bool:
    """Whether an ARN has the service and the type of a format, such as `arn:${Partition}:iam::${Account}:role/...`."""
    return all(own == other or "$" in other for own, other in zip(_type_of(arn), _type_of(written), strict=True))


def _type_of(arn: str) -> tuple[str, str]:
    parts = arn.split(":", 5)
    return parts[2], parts[5].partition("/")[0].partition(":")[0]
