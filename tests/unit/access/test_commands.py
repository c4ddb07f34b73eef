"""The commands `dsops access ...`: their text, their JSON, and their errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.cli import main
from tests.unit.access.worlds import ACCOUNT, FOREIGN, READ, policy, trust

READER = policy({"Action": READ})
SEED = {
    "accounts": {
        ACCOUNT: {
            "secrets": {"prod/db": "x"},
            "users": {"alice": {"policies": [policy({"Action": "sts:AssumeRole"})]}, "bob": {}},
            "roles": {
                "Admin": {
                    "trust": trust({"AWS": ACCOUNT}, Bool={"aws:MultiFactorAuthPresent": "true"}),
                    "policies": [READER],
                },
                "Vendor": {
                    "trust": trust({"AWS": FOREIGN}, StringEquals={"sts:ExternalId": "hush-hush"}),
                    "policies": [READER],
                },
            },
        }
    }
}


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a seed in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("seed.json").write_text(json.dumps(SEED), encoding="utf-8")
    return "seed.json"


def run(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run `dsops access WORDS` and return its stdout and stderr."""
    assert main(["access", *words]) == code
    captured = capfd.readouterr()
    return captured.out, captured.err


def test_who_can_names_roles_conditions_and_no_external_id(seed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The text has a line for each principal and for each condition; the value of an external ID is in no output."""
    text, _ = run(capfd, "who-can", READ, "prod/db", "--from", seed)
    as_json, _ = run(capfd, "who-can", READ, "prod/db", "--from", seed, "--json")

    assert f"  user alice of {ACCOUNT}, through role Admin of {ACCOUNT}\n" in text
    assert "      if aws:MultiFactorAuthPresent Bool true\n" in text
    assert f"  account {FOREIGN}, which is not among the facts, through role Vendor" in text
    assert "bob" not in text
    assert "hush-hush" not in text + as_json
    ways: list[dict[str, Any]] = json.loads(as_json)["ways"]
    (alice,) = [way for way in ways if way["principal"].endswith("user/alice")]
    assert ("conditional", ["sts:AssumeRole", READ]) == (alice["verdict"], [step["action"] for step in alice["steps"]])
    assert {"aws:multifactorauthpresent": ["true"]} == alice["steps"][0]["context"]


def test_path_says_why_there_is_none(seed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With a way the exit code is 0, without one 6, and the text names what refuses."""
    found, _ = run(capfd, "path", "alice", "role/Admin", "--from", seed)
    refused, _ = run(capfd, "path", "bob", "Vendor", "--from", seed, code=6)

    assert f"user alice of {ACCOUNT} can become role Admin of {ACCOUNT}\n" in found
    assert f"user bob of {ACCOUNT} can't become role Vendor of {ACCOUNT}\n" in refused
    assert "no role trust policy allows it" in refused


def test_external_and_public(seed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The foreign account is listed with its condition; nothing is public."""
    external, _ = run(capfd, "external", "--from", seed)
    public, _ = run(capfd, "public", "--from", seed)

    assert f"    sts:AssumeRole on role Vendor of {ACCOUNT}\n      if sts:ExternalId StringEquals ***\n" in external
    assert "0 resources reachable by anyone\n" == public


def test_what_can_groups_actions_by_role(seed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The roles come first, then the resources with the actions and the role that does them."""
    text, _ = run(capfd, "what-can", "alice", "--from", seed)

    assert f"user alice of {ACCOUNT} can become 1 role\n  role Admin of {ACCOUNT}\n" in text
    assert f"    {READ}, as role Admin of {ACCOUNT}\n" in text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("who-can", READ, "prod/db"), "there are no accounts and policies to evaluate"),
        (
            ("who-can", "secretsmanager:Get*", "prod/db", "--from", "seed.json"),
            "`secretsmanager:Get*` is not an action",
        ),
        (("who-can", READ, "prod/dbb", "--from", "seed.json"), "did you mean `prod/db`?"),
        (("what-can", "alicia", "--from", "seed.json"), "did you mean `alice`?"),
        (("public", "--from", "missing.json"), "missing.json can't be read"),
    ],
)
@pytest.mark.usefixtures("seed")
def test_mistakes_are_named(capfd: pytest.CaptureFixture[str], words: tuple[str, ...], error: str) -> None:
    """Missing files, patterns and misspelled names are usage errors with a hint."""
    _, text = run(capfd, *words, code=2)

    assert error in text


def test_names_with_control_characters_are_shown_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The names in a dump are not trusted: they don't reach the terminal as control sequences."""
    monkeypatch.chdir(tmp_path)
    user = {
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/\x1b]0;owned\x07<script>",
        "UserId": "AIDA0000000000000000",
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": READER}],
    }
    Path("details.json").write_text(json.dumps({"UserDetailList": [user]}), encoding="utf-8")
    secret = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:a-000000"
    text, _ = run(capfd, "who-can", READ, secret, "--from", "details.json")

    assert "\x1b" not in text
    assert "\\x1b" in text


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("s3:GetObjekt", "did you mean `s3:GetObject`?"),
        ("secretmanager:GetSecretValue", "`secretsmanager:GetSecretValue`"),
    ],
)
def test_a_misspelled_action_is_noted(seed: str, capfd: pytest.CaptureFixture[str], action: str, text: str) -> None:
    """Nobody can do an action that does not exist, so the answer comes with a note; an existing action has none."""
    _, noted = run(capfd, "who-can", action, "*", "--from", seed)
    _, silent = run(capfd, "who-can", READ, "prod/db", "--from", seed)

    assert text in noted
    assert "AWS's reference" not in silent
