"""What a change opens and closes, with a way and with what refused it on the other side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.access.changes.compare import AccessChange, Comparison, compare
from dsops.cli import main
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, READ, SECRET, policy, trust, world_of

READER = policy({"Action": READ})
HOP = policy({"Action": "sts:AssumeRole"})
GITHUB = "token.actions.githubusercontent.com"


def seed(*, reader_trust: Any = None, bob: Any = None, **more: Any) -> dict[str, Any]:
    """Return the accounts of a seed: a role that reads, and two users."""
    return {
        ACCOUNT: {
            "secrets": {"prod/db": "x"},
            "users": {"alice": {"policies": [HOP]}, "bob": {"policies": [bob] if bob else []}},
            "roles": {
                "Reader": {
                    "trust": reader_trust or trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}),
                    "policies": [READER],
                }
            },
            **more,
        }
    }


def compared(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    """Return the comparison of two seeds."""
    return compare(world_of(before), world_of(after), NOW)


def named(changes: tuple[AccessChange, ...]) -> set[tuple[str, str]]:
    """Return the last parts of the principals' names, and the actions."""
    return {(change.caller.name.rpartition("/")[2], change.action) for change in changes}


def test_no_change_is_no_difference() -> None:
    """Two readings of the same file are equal, although their policies are compiled twice."""
    assert Comparison((), (), (), 0) == compared(seed(), seed())


def test_a_trust_that_opens_a_role_opens_what_the_role_reaches() -> None:
    """The user newly assumes the role and newly reads the secret through it; the other user doesn't."""
    changes = compared(seed(), seed(reader_trust=trust({"AWS": ACCOUNT})))

    assert {("alice", "sts:AssumeRole"), ("alice", READ)} == named(changes.opened)
    (read,) = [change for change in changes.opened if change.action == READ]
    assert [f"arn:aws:iam::{ACCOUNT}:role/Reader", SECRET] == [step.resource for step in read.way.steps]
    assert read.refusal is not None
    assert "role trust policy" == read.refusal.decision.decided_by
    assert () == changes.closed


def test_a_role_that_only_the_secrets_policy_names() -> None:
    """The user newly assumes a role without permissions of its own, which the secret's policy names."""
    role = f"arn:aws:iam::{ACCOUNT}:role/Reader"
    sides = [seed(), seed(reader_trust=trust({"AWS": ACCOUNT}))]
    for each in sides:
        node = each[ACCOUNT]
        del node["roles"]["Reader"]["policies"]
        node["secret_policies"] = {"prod/db": policy({"Principal": {"AWS": role}, "Action": READ})}
    changes = compared(*sides)

    assert {("alice", "sts:AssumeRole"), ("alice", READ)} == named(changes.opened)


def test_the_other_way_round_it_is_closed() -> None:
    """What one comparison calls opened, the reverse one calls closed."""
    changes = compared(seed(reader_trust=trust({"AWS": ACCOUNT})), seed())

    assert {("alice", "sts:AssumeRole"), ("alice", READ)} == named(changes.closed)
    assert () == changes.opened


def test_a_permission_on_a_resource_that_is_not_among_the_facts() -> None:
    """A policy names a bucket that no file describes: its data actions are compared."""
    grant = policy({"Action": "s3:Get*", "Resource": "arn:aws:s3:::payroll/*"})
    changes = compared(seed(), seed(bob=grant))

    assert {("bob", "s3:GetObject")} == named(changes.opened)


def test_an_administrator_is_told() -> None:
    """Full permissions open the administration of the account, beside the known resources."""
    changes = compared(seed(), seed(bob=policy({"Action": "*"})))

    assert {("bob", "iam:PutRolePolicy"), ("bob", READ)} <= named(changes.opened)


def test_a_condition_that_is_removed() -> None:
    """Reading under a condition was possible before; now it needs none."""
    conditional = policy({"Action": READ, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}})
    changes = compared(seed(bob=conditional), seed(bob=READER))
    (change,) = [change for change in changes.opened if change.action == READ]

    assert change.was_conditional
    assert "yes" == change.way.verdict


def test_a_role_for_every_customer_of_a_shared_provider_is_public() -> None:
    """The condition on the repository goes: the change is marked as public."""
    provider = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}
    action = "sts:AssumeRoleWithWebIdentity"
    narrow = trust(provider, action, StringLike={f"{GITHUB}:sub": "repo:acme/app:*"})
    changes = compared(seed(reader_trust=narrow), seed(reader_trust=trust(provider, action)))

    assert {True} == {change.is_public for change in changes.opened}
    assert changes.opened


PLAN: dict[str, Any] = {
    "format_version": "1.2",
    "prior_state": {"values": {"root_module": {"resources": []}}},
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "type": "aws_iam_role",
                    "values": {
                        "name": "Vendor",
                        "arn": f"arn:aws:iam::{ACCOUNT}:role/Vendor",
                        "assume_role_policy": json.dumps(trust({"AWS": FOREIGN})),
                        "inline_policy": [{"policy": json.dumps(policy({"Action": "s3:*"}))}],
                    },
                }
            ]
        }
    },
}


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `dsops access diff WORDS`."""
    code = main(["access", "diff", *words])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_a_plan_of_terraform(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The plan has both sides: the new role and its foreign account are told, and the exit code says so."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN), encoding="utf-8")
    code, text, _ = run(capfd, "--plan", str(file), "--fail-on", "new-access")

    assert 6 == code
    assert f"1 principal newly reaches role Vendor of {ACCOUNT}\n" in text
    assert f"  account {FOREIGN}, which is not among the facts: sts:AssumeRole\n" in text
    assert "not known: " in text  # the plan has no control policies


@pytest.mark.parametrize("layout", ["text", "markdown", "github", "sarif", "json"])
def test_names_from_policies_are_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str], layout: str) -> None:
    """A name with HTML, line breaks and control characters reaches no format unescaped."""
    name = "x\n::error::owned\x1b[31m<img src=x>](javascript:x)"
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps({"accounts": {ACCOUNT: {}}}), encoding="utf-8")
    users = [
        {
            "Arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
            "UserId": "AIDA0000000000000000",
            "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": policy({"Action": "*"})}],
        }
    ]
    after.write_text(json.dumps({"UserDetailList": users}), encoding="utf-8")
    code, text, _ = run(capfd, str(before), str(after), "--format", layout)

    assert 0 == code
    assert "owned" in text
    assert "\x1b" not in text
    assert "\n::error::owned" not in text
    assert "<img" not in text or layout != "markdown"
    if layout in ("sarif", "json"):
        json.loads(text)


def test_mistakes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One side only, a plan with a second file, and a file that is no plan are named."""
    file = tmp_path / "x.json"
    file.write_text("{}", encoding="utf-8")

    assert "the accounts and policies before or after the change are missing" in run(capfd, str(file))[2]
    assert "`--plan` can't be combined with BEFORE and AFTER" in run(capfd, str(file), "--plan", str(file))[2]
    assert "is not a plan of Terraform" in run(capfd, "--plan", str(file))[2]


def test_a_new_escalation_is_told_on_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A user who may write the policies of an administrator's role can gain its permissions; before, none could."""
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    admin = {"Root": {"trust": trust({"Service": "ec2.amazonaws.com"}), "policies": [policy({"Action": "*"})]}}
    grant = policy(
        {"Action": "iam:UpdateAssumeRolePolicy", "Resource": f"arn:aws:iam::{ACCOUNT}:role/Root"}, HOP["Statement"][0]
    )
    before.write_text(json.dumps({"accounts": {ACCOUNT: {"users": {"bob": {}}, "roles": admin}}}), encoding="utf-8")
    after.write_text(
        json.dumps({"accounts": {ACCOUNT: {"users": {"bob": {"policies": [grant]}}, "roles": admin}}}), encoding="utf-8"
    )
    code, text, _ = run(capfd, str(before), str(after), "--fail-on", "escalation")
    reverse, _, _ = run(capfd, str(after), str(before), "--fail-on", "escalation")

    assert (6, 0) == (code, reverse)
    assert "1 principal can newly gain more permissions\n" in text
    assert f"  user bob of {ACCOUNT} becomes role Root of {ACCOUNT}" in text


def test_only_pairs_that_aws_defines_are_asked() -> None:
    """An action is asked about the resources of its type, not about each one in the same statement."""
    role = f"arn:aws:iam::{ACCOUNT}:role/Worker"
    both = policy({"Action": [READ, "iam:PassRole", "ec2:DescribeInstances"], "Resource": [SECRET, role]})
    before, after = (world_of({ACCOUNT: {"users": {"ann": {"policies": policies}}}}) for policies in ([], [both]))
    opened = {(change.action, change.resource) for change in compare(before, after, NOW).opened}

    assert {(READ, SECRET), ("iam:PassRole", role)} <= opened
    assert not opened & {(READ, role), ("iam:PassRole", SECRET), ("ec2:DescribeInstances", role)}
