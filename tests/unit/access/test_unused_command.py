"""The command `dsops access unused`: its text, its JSON, its policies, and its errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.access.test_commands import run
from tests.unit.access.worlds import ACCOUNT, FOREIGN, policy, trust

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
SEED = {
    "accounts": {
        ACCOUNT: {
            "roles": {
                "Deploy": {
                    "trust": trust({"AWS": ACCOUNT}),
                    "policies": [
                        policy(
                            {"Sid": "Look", "Action": ["ec2:*", "iam:PassRole", "s3:GetObject"]},
                            {"Sid": "Tables", "Action": "glue:CreateTable"},
                        )
                    ],
                }
            }
        }
    }
}


def record(name: str, number: int, *, source: str = "ec2", is_read: bool = True, **more: Any) -> dict[str, Any]:
    """A record of a session of the role."""
    issuer = {"type": "Role", "arn": ROLE}
    return {
        "eventTime": f"2026-11-{number:02}T10:00:00Z",
        "eventName": name,
        "eventSource": f"{source}.amazonaws.com",
        "eventID": f"event-{number}",
        "readOnly": is_read,
        "managementEvent": True,
        "eventCategory": "Management",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/run",
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": issuer},
        },
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with facts and logs, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("seed.json").write_text(json.dumps(SEED), encoding="utf-8")
    foreign = {"type": "IAMUser", "arn": f"arn:aws:iam::{FOREIGN}:user/eve"}
    write(
        record("DescribeInstances", 1),
        record("DescribeInstances", 9),
        record("TerminateInstances", 10, is_read=False, errorCode="UnauthorizedOperation"),
        record("ListKeys", 11, source="kms"),
        record("ListUsers", 12, source="iam", userIdentity=foreign),
    )
    return tmp_path


def write(*records: dict[str, Any]) -> None:
    """Write the log file."""
    Path("logs.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))


WORDS = ("unused", "logs.json.gz", "--from", "seed.json", "--principal", "Deploy")


@pytest.mark.usefixtures("folder")
def test_the_text_has_uses_blind_spots_and_the_proof(capfd: pytest.CaptureFixture[str]) -> None:
    """It tells the period, what was used and what was not, and that all calls are still allowed."""
    text, notes = run(capfd, *WORDS)
    words = " ".join(text.split())

    assert "the logs cover 12 days, from 2026-11-01 to 2026-11-12" in words
    assert "used, until 2026-11-09: ec2:DescribeInstances" in words
    assert "services without a call: glue, iam, s3" in words
    assert "unused statement: Tables of" in words
    assert "iam:PassRole, s3:GetObject" in words
    assert "2 calls evaluated, all still allowed" in words
    assert "1 call that no policy of the caller allows" in words
    assert "1 call of principals that are not among the facts" in " ".join(notes.split())


@pytest.mark.usefixtures("folder")
def test_the_json_has_the_policy_and_its_reasons(capfd: pytest.CaptureFixture[str]) -> None:
    """A denied call is no use; each kept action has its reason."""
    text, _ = run(capfd, *WORDS, "--json")
    value: dict[str, Any] = json.loads(text)
    (entry,) = value["principals"]
    kept = entry["statements"][0]["kept"]

    assert ROLE == entry["principal"]
    assert "used" == kept["ec2:DescribeInstances"]
    assert "data event" == kept["s3:GetObject"]
    assert "never logged" == kept["iam:PassRole"]
    assert "ec2:TerminateInstances" in entry["unused_actions"]
    assert ["Look"] == [statement["Sid"] for statement in entry["policy"]["Statement"]]
    assert {
        "evaluated": 2,
        "compared_by_statement": 0,
        "not_allowed_by_facts": 1,
        "unknown_action": 0,
        "lost": [],
    } == value["proof"]


def test_the_policy_in_each_format(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """JSON is a policy document, Terraform and CloudFormation have a managed policy."""
    as_json, _ = run(capfd, *WORDS, "--format", "json", "--data-events-logged")
    terraform, _ = run(capfd, *WORDS, "--format", "terraform")
    template, _ = run(capfd, *WORDS, "--format", "cloudformation")

    (statement,) = json.loads(as_json)["Statement"]
    assert "ec2:DescribeInstances" in statement["Action"]
    assert "s3:GetObject" not in statement["Action"]
    assert 'resource "aws_iam_policy" "Deploy-used"' in terraform
    assert "AWS::IAM::ManagedPolicy" in template
    text, _ = run(capfd, "unused", "logs.json.gz", "--from", "seed.json", "--out", "policies")
    assert f"policies/{ACCOUNT}/role-Deploy.json\n" in text
    written = json.loads((folder / "policies" / ACCOUNT / "role-Deploy.json").read_text(encoding="utf-8"))
    assert "s3:GetObject" in written["Statement"][0]["Action"]


@pytest.mark.usefixtures("folder")
def test_logs_that_cannot_show_what_is_unused_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """A trail without read events, and a period without calls, would make everything look unused."""
    _, late = run(capfd, *WORDS, "--since", "2026-11-20T00:00:00Z", code=2)
    write(record("StartInstances", 1, is_read=False))
    _, no_reads = run(capfd, *WORDS, code=2)
    _, no_principal = run(capfd, *WORDS[:4], "--format", "json", code=2)

    assert "the logs contain no call after 2026-11-20T00:00:00Z" in late
    assert "the logs contain no event of an action that reads" in no_reads
    assert "`--format` needs `--principal` or `--out`: it prints the policy of one user or role" in no_principal
