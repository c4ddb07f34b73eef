"""`dsops explain --message` with the output of dsops itself and of the AWS CLI, checked by the sandbox."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.desk import Desk

SEED = """
accounts:
  "111122223333":
    users:
      ada:
        policies: &reads
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: ["sts:AssumeRole", "iam:Get*", "iam:List*"], Resource: "*"}
      ben: {}
    roles:
      Closed:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/ben"}, Action: sts:AssumeRole}
      Open:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/ada"}, Action: sts:AssumeRole}
        policies: *reads
    secrets: {token: secret}
"""
CONFIG = """
secretStores:
  closed: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Closed"}
  open: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Open"}
  secrets: {type: aws.secretsmanager, credentials_from: open}
envs:
  production: {TOKEN: {from: {store: secrets, key: token}}}
  other: {}
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell makes the pipe")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Desk]:
    """A machine with Ada's keys."""
    keys = sandbox.user("ada").environment()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with Desk(
        sandbox, tmp_path, CONFIG, AWS_DEFAULT_REGION="us-east-1", **{name: keys[name] for name in names}
    ) as made:
        yield made


def explained(desk: Desk, command: str, *words: str) -> dict[str, object]:
    """Pipe a command's output into `dsops explain --message -`; return the first finding."""
    explain = shlex.join(["dsops", "explain", *words, "--message", "-", "--json"])
    done = desk.run("sh", "-c", f"{command} 2>&1 | {explain}")
    assert done.returncode == 6, done
    finding: dict[str, object] = json.loads(done.stdout)["findings"][0]
    return finding


@pytest.mark.parametrize("words", [(), ("closed",)])
def test_a_denied_role_of_dsops_is_explained(desk: Desk, words: tuple[str, ...]) -> None:
    """A role that dsops may not assume is explained by its trust policy, also if its own store is named."""
    finding = explained(desk, "dsops exec closed -- true", *words)
    assert finding["cause"] == "trust-user"
    assert "role Closed" in str(finding["message"])


@pytest.mark.parametrize("words", [(), ("open",)])
def test_a_denied_secret_of_dsops_is_explained(desk: Desk, words: tuple[str, ...]) -> None:
    """A secret that dsops may not read is explained by the role's policies, as with the AWS CLI's error."""
    finding = explained(desk, "dsops exec --env production -- true", *words)
    theirs = explained(desk, "dsops exec open -- aws secretsmanager get-secret-value --secret-id token", *words)
    assert finding["cause"] == theirs["cause"] == "identity-policy"
    assert "secretsmanager:GetSecretValue" in str(finding["message"])


def test_dsops_s_error_about_a_key_is_explained(desk: Desk) -> None:
    """A key that AWS does not know is explained, although no policy can be read with it."""
    wrong = "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"
    assert explained(desk, f"{wrong} dsops whoami")["cause"] == "key-invalid"
    assert explained(desk, f"{wrong} aws sts get-caller-identity")["cause"] == "key-invalid"
    assert explained(desk, "AWS_SECRET_ACCESS_KEY=x aws sts get-caller-identity")["cause"] == "key-invalid"


def test_another_error_of_dsops_is_no_denial(desk: Desk) -> None:
    """For dsops's own error without a denial, the answer names the error and its hint."""
    done = desk.run("sh", "-c", "dsops exec nowhere -- true 2>&1 | dsops explain --message -")
    assert done.returncode == 2
    assert "dsops's own error" in done.stderr
