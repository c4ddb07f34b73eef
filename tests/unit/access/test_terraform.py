"""The facts in Terraform's plans and states.

The two plans in `data` were recorded with Terraform 1 and AWS's provider against a sandbox: one creates 21 resources,
the other widens a bucket's policy and removes a queue's policy, an inline policy and an attachment. Attributes that no
test needs are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.access.facts.files import read_facts
from dsops.access.facts.templates import NO_ACCOUNT, read_plan
from dsops.access.facts.world import OrganizationFacts
from dsops.cli import main
from dsops.errors import PolicyInvalid
from tests.unit.access.worlds import ACCOUNT, FOREIGN, policy, trust

DATA = Path(__file__).parent / "data"
CREATE, UPDATE = DATA / "terraform-create.json", DATA / "terraform-update.json"
OWN = "222222222222"
"""The account in which the plans were recorded."""


def facts_of(plan: Path | dict[str, Any]) -> OrganizationFacts:
    """Return the facts that a plan leads to."""
    text = plan.read_text(encoding="utf-8") if isinstance(plan, Path) else json.dumps(plan)
    return read_facts(text, "plan.json", lambda _: "")


def gaps_of(facts: OrganizationFacts) -> set[tuple[str, str]]:
    """Return the place and the last part of the ARN of each gap of the account."""
    return {(gap.place, gap.arn.rpartition(":")[2]) for gap in facts.gaps if gap.account}


def policies_of(facts: OrganizationFacts, arn: str) -> list[str]:
    """Return the names of an identity's policies, without owners and paths."""
    return [document.name.partition(" of ")[0].rpartition("/")[2] for document in facts.identities[arn].policies]


def test_a_plan_that_creates_resources() -> None:
    """References to other resources become their ARNs, and values that are `known after apply` are told."""
    facts = facts_of(CREATE)
    worker, generated = (
        f"arn:aws:iam::{NO_ACCOUNT}:role/app/Worker",
        f"arn:aws:iam::{NO_ACCOUNT}:role/aws_iam_role.generated",
    )
    place = f"eu-west-1:{NO_ACCOUNT}"

    assert {worker, generated, f"arn:aws:iam::{NO_ACCOUNT}:user/ann"} == {*facts.identities}
    assert ["read-secrets", "send"] == policies_of(facts, worker)
    assert [] == policies_of(facts, generated)
    assert {("identity", "role/aws_iam_role.generated"), ("resource", "jobs")} == gaps_of(facts)
    assert {
        "arn:aws:s3:::acme-files": True,
        f"arn:aws:secretsmanager:{place}:secret:prod/db-000000": True,
        f"arn:aws:kms:{place}:key/aws_kms_key.main": True,
        f"arn:aws:lambda:{place}:function:run": True,
        f"arn:aws:sns:{place}:news": False,
        f"arn:aws:sqs:{place}:jobs": False,
    } == {arn: resource.policy is not None for arn, resource in facts.resources.items()}
    assert worker == facts.resources[f"arn:aws:lambda:{place}:function:run"].role


def test_groups_profiles_and_providers_of_a_plan() -> None:
    """A user has the policies of its groups, a role its instance profiles, the account its provider."""
    facts = facts_of(UPDATE)

    assert ("Staff",) == facts.identities[f"arn:aws:iam::{OWN}:user/ann"].groups
    assert 1 == len(facts.identities[f"arn:aws:iam::{OWN}:user/ann"].policies)
    assert (f"arn:aws:iam::{OWN}:instance-profile/worker",) == (
        facts.identities[f"arn:aws:iam::{OWN}:role/app/Worker"].instance_profiles
    )
    assert {f"arn:aws:iam::{OWN}:oidc-provider/token.actions.githubusercontent.com"} == facts.providers


def test_what_a_plan_removes_is_only_on_the_side_before() -> None:
    """A plan repeats computed attributes of the state; policies that it removes don't count because of them."""
    before, after = read_plan(UPDATE.read_text(encoding="utf-8"), "plan.json")
    worker = f"arn:aws:iam::{OWN}:role/app/Worker"
    queue = f"arn:aws:sqs:eu-west-1:{OWN}:jobs"

    assert (["read-secrets", "send"], ["send"]) == (policies_of(before, worker), policies_of(after, worker))
    assert before.resources[queue].policy is not None
    assert after.resources[queue].policy is None
    (generated,) = [arn for arn in after.identities if "/terraform-" in arn]
    assert (1, 0) == (len(before.identities[generated].policies), len(after.identities[generated].policies))
    assert set() == gaps_of(before) | gaps_of(after)


def test_the_difference_of_a_plan(capfd: pytest.CaptureFixture[str]) -> None:
    """The plan opens the bucket to anyone, and closes what it removes."""
    code = main(["access", "diff", "--plan", str(UPDATE), "--fail-on", "public", "--json"])
    found = json.loads(capfd.readouterr().out)

    assert 6 == code
    assert {"s3:GetObject"} == {change["action"] for change in found["opened"]}
    assert "arn:aws:s3:::acme-files/any-object" in {change["resource"] for change in found["opened"]}
    closed = {(change["principal"].rpartition("/")[2], change["action"]) for change in found["closed"]}
    assert {(FOREIGN, "sqs:SendMessage"), ("Worker", "secretsmanager:GetSecretValue")} <= closed


def plan_of(resources: list[dict[str, Any]], configuration: dict[str, Any]) -> dict[str, Any]:
    """Return a plan that creates resources. The key `unknown` of a resource has its unknown attributes."""
    modules: dict[str, list[dict[str, Any]]] = {}
    changes = []
    for each in resources:
        kind = each["address"].split(".")[-2]
        item = {"address": each["address"], "mode": "managed", "type": kind, "values": each.get("values")}
        modules.setdefault(each["address"].rpartition(f"{kind}.")[0], []).append(item)
        changes.append(
            {"address": each["address"], "change": {"actions": ["create"], "after_unknown": each.get("unknown", {})}}
        )
    root = {
        "resources": modules.pop("", []),
        "child_modules": [{"address": name[:-1], "resources": items} for name, items in modules.items()],
    }
    return {
        "planned_values": {"root_module": root},
        "resource_changes": changes,
        "configuration": {"root_module": configuration},
    }


def refers(*names: str) -> dict[str, Any]:
    """Return an expression that refers to something."""
    return {"references": [*names]}


ROLE_LATER = {"role": True}
ROLE = {
    "address": "module.app[0].aws_iam_role.it",
    "values": {"name": "It", "assume_role_policy": json.dumps(trust("*"))},
}
READ = {"address": "aws_iam_policy.read", "values": {"name": "read", "policy": json.dumps(policy({"Action": "s3:*"}))}}


def test_references_through_modules() -> None:
    """A variable and an output of a module lead to the resource behind them."""
    attached = {
        "address": "module.app[0].aws_iam_role_policy_attachment.it",
        "unknown": {"role": True, "policy_arn": True},
    }
    other = {
        "address": "aws_iam_role_policy_attachment.other",
        "unknown": {"role": True},
        "values": {"policy_arn": "x"},
    }
    inside = {
        "resources": [
            {"address": "aws_iam_role.it", "expressions": {"name": {}, "assume_role_policy": {}}},
            {
                "address": "aws_iam_role_policy_attachment.it",
                "expressions": {
                    "role": refers("aws_iam_role.it.name", "aws_iam_role.it"),
                    "policy_arn": refers("var.arn"),
                },
            },
        ],
        "outputs": {"role": {"expression": refers("aws_iam_role.it.name", "aws_iam_role.it")}},
    }
    configuration = {
        "resources": [
            {"address": "aws_iam_policy.read", "expressions": {"policy": {}}},
            {
                "address": "aws_iam_role_policy_attachment.other",
                "expressions": {"role": refers("module.app[0].role", "module.app[0]", "module.app"), "policy_arn": {}},
            },
        ],
        "module_calls": {
            "app": {"module": inside, "expressions": {"arn": refers("aws_iam_policy.read.arn", "aws_iam_policy.read")}}
        },
    }
    facts = facts_of(plan_of([ROLE, READ, attached, other], configuration))

    assert ["read"] == policies_of(facts, f"arn:aws:iam::{NO_ACCOUNT}:role/It")
    assert ["x is not in plan.json"] == [gap.why for gap in facts.gaps if gap.account]


@pytest.mark.parametrize(
    "expression",
    [refers("local.name"), refers("aws_iam_role.other.name", "aws_iam_role.other"), refers("each.value"), {}],
    ids=["local", "not in the plan", "each", "no reference"],
)
def test_a_policy_whose_owner_is_unknown_is_told_for_each_role(expression: dict[str, Any]) -> None:
    """Any role could have the policy, so that no answer about a role is certain."""
    role = {**ROLE, "address": "aws_iam_role.it"}
    attached = {
        "address": "aws_iam_role_policy_attachment.it",
        "unknown": {"role": True},
        "values": {"policy_arn": "x"},
    }
    configuration = {"resources": [{"address": attached["address"], "expressions": {"role": expression}}]}
    facts = facts_of(plan_of([role, attached], configuration))

    assert {("identity", "role/It")} == gaps_of(facts)
    assert () == facts.identities[f"arn:aws:iam::{NO_ACCOUNT}:role/It"].policies


def test_an_unknown_trust_policy_and_boundary_are_told() -> None:
    """A role with them allows nothing for certain."""
    role = {
        "address": "aws_iam_role.it",
        "values": {"name": "It"},
        "unknown": {"assume_role_policy": True, "permissions_boundary": True},
    }
    expressions = {"assume_role_policy": refers("data.x.y.json"), "permissions_boundary": refers("local.boundary")}
    facts = facts_of(plan_of([role], {"resources": [{"address": role["address"], "expressions": expressions}]}))

    assert {("trust", "role/It"), ("boundary", "role/It")} == gaps_of(facts)
    assert facts.identities[f"arn:aws:iam::{NO_ACCOUNT}:role/It"].trust is None


def test_a_policy_of_aws_from_a_data_source() -> None:
    """The document of a policy that AWS manages is in the prior state, if the configuration reads it."""
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    values = {"arn": arn, "policy": json.dumps(policy({"Action": "s3:Get*"}))}
    data = {"address": "data.aws_iam_policy.x", "mode": "data", "type": "aws_iam_policy", "values": values}
    attached = {"address": "aws_iam_role_policy_attachment.it", "values": {"role": "It", "policy_arn": arn}}
    identity = {"address": "data.aws_caller_identity.x", "mode": "data", "type": "aws_caller_identity"}
    plan = plan_of([{**ROLE, "address": "aws_iam_role.it"}, attached], {})
    caller = {**identity, "values": {"account_id": ACCOUNT}}
    plan["prior_state"] = {"values": {"root_module": {"resources": [data, caller]}}}
    facts = facts_of(plan)

    assert ["ReadOnlyAccess"] == policies_of(facts, f"arn:aws:iam::{ACCOUNT}:role/It")
    assert set() == gaps_of(facts)


@pytest.mark.parametrize("text", ["{}", "[", '{"values": {"root_module": {}}}', "[" * 5000])
def test_what_is_no_plan(text: str) -> None:
    """A state, another file and broken JSON have no two sides."""
    with pytest.raises(PolicyInvalid, match="is not a plan of Terraform"):
        read_plan(text, "plan.json")


def test_unexpected_values_are_no_error() -> None:
    """A plan with other types than Terraform writes is read as far as possible."""
    odd = [
        {
            "address": f"{kind}.x",
            "values": {"name": ["x"], "policy": 7, "role": {}, "groups": "x", "tags": [1], "arn": 3},
        }
        for kind in ("aws_iam_role", "aws_iam_user_group_membership", "aws_s3_bucket", "aws_lambda_permission")
    ]
    facts = facts_of(plan_of(odd, {"resources": [7, {"address": 3}], "module_calls": 5}))

    assert [f"arn:aws:iam::{NO_ACCOUNT}:role/aws_iam_role.x"] == [*facts.identities]
