"""`dsops access escalations`: text, JSON, filters and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsops import cli
from tests.unit.access.worlds import ACCOUNT, policy, trust

IAM = f"arn:aws:iam::{ACCOUNT}"
SEED = {
    "accounts": {
        ACCOUNT: {
            "users": {"carol": {"policies": [policy({"Action": "sts:AssumeRole"})]}, "bob": {}},
            "roles": {
                "Deploy": {
                    "trust": trust({"AWS": ACCOUNT}),
                    "policies": [
                        policy(
                            {"Action": "iam:PassRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
                            {"Action": "lambda:*"},
                        )
                    ],
                },
                "Admin": {"trust": trust({"Service": "lambda.amazonaws.com"}), "policies": [policy({"Action": "*"})]},
            },
        }
    }
}


@pytest.fixture
def facts(tmp_path: Path) -> str:
    """A file with facts."""
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(SEED), encoding="utf-8")
    return str(file)


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command; return its exit code, stdout and stderr."""
    code = cli.main(["access", "escalations", *words])
    out, err = capfd.readouterr()
    return code, out, err


def test_the_text_names_principal_target_rule_and_conditions(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A principal with its ways, the requests, the open conditions, and who can assume it."""
    code, out, _ = run(capfd, "--from", facts, "--rule", "lambda-001")

    assert 0 == code
    assert out.splitlines() == [
        "1 principal can gain more permissions",
        "",
        f"role Deploy of {ACCOUNT}",
        f"  becomes role Admin of {ACCOUNT}, which is an administrator: invokes a new function (lambda-001)",
        "      iam:PassRole on role/Admin; lambda:CreateFunction and lambda:InvokeFunction on function:dsops-new",
        "      if aws:MultiFactorAuthPresent Bool true",
        f"  can be assumed by user carol of {ACCOUNT}",
    ]


def test_the_json_has_each_request(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """For each way: the rule with its source, the target, and the context of each request."""
    _, out, _ = run(capfd, "--from", facts, "--rule", "lambda-001", "--json")
    (principal,) = json.loads(out)["principals"]
    (way,) = principal["escalations"]

    assert f"{IAM}:role/Deploy" == principal["principal"]
    assert 1 == principal["steps_to_administrator"]
    assert [{"principal": f"{IAM}:user/carol", "roles": [f"{IAM}:role/Deploy"]}] == principal["assumed_by"]
    assert ("lambda-001", f"{IAM}:role/Admin", "conditional") == (way["rule"], way["target"], way["verdict"])
    assert way["source"].endswith("/lambda-001")
    assert way["is_administrator"]
    assert {"aws:multifactorauthpresent": ["true"]} == way["requests"][0]["context"]
    assert ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"] == [
        request["action"] for request in way["requests"]
    ]


def test_a_principal_includes_the_roles_that_it_assumes(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Carol becomes an administrator through the role; bob becomes nothing."""
    assert f"role Deploy of {ACCOUNT}" in run(capfd, "--from", facts, "--principal", "carol")[1]
    assert run(capfd, "--from", facts, "--principal", f"{IAM}:user/bob")[1].startswith("no principal can gain more")


def test_fail_makes_findings_an_error(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With --fail, the exit code is 6 if there are escalations, and 0 if there are none."""
    assert 6 == run(capfd, "--from", facts, "--fail")[0]
    assert 0 == run(capfd, "--from", facts, "--fail", "--principal", "bob")[0]


def test_assumed_roles_are_listed_on_request(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With --include-assume, a role with more permissions that a principal can assume is listed, too."""
    assert "sts-001" not in run(capfd, "--from", facts, "--all")[1]
    assert "assumes the role (sts-001)" in run(capfd, "--from", facts, "--all", "--include-assume")[1]


def test_types_without_a_known_resource_are_named(facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Rules about existing resources can't be checked if the facts contain none."""
    out = run(capfd, "--from", facts)[1]

    assert "not checked, because the facts contain no resource with a role of these types" in out


@pytest.mark.parametrize(("flag", "name"), [("--principal", "missing"), ("--rule", "iam-999")])
def test_unknown_names_are_refused(flag: str, name: str, facts: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A principal or rule that does not exist is a usage error."""
    code, _, err = run(capfd, "--from", facts, flag, name)

    assert 2 == code
    assert f"`{name}`" in err
