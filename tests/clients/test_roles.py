"""dsops in the sandbox: statements about roles that the AWS STS page makes in prose, without a code block."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.permission import allow_found

BIN = Path(sys.executable).parent

TASK_SEED = """
accounts:
  "123456789012":
    roles:
      EcsTaskRole:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    secrets: {prod/token: the-tasks-token}
"""
TASK_CONFIG = """
version: 1
secretStores:
  secrets: {type: aws.secretsmanager, region: us-east-1}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}}
"""
AS_A_TASK = """
eval "$(dsops sandbox env --container-role EcsTaskRole)"
dsops whoami | grep caller
dsops exec --env production -- printenv TOKEN
"""

TAGS_SEED = """
accounts:
  "123456789012":
    users: {ada: {}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}
            Action: [sts:AssumeRole, sts:TagSession]
        policies:
          - Version: "2012-10-17"
            Statement:
              Effect: Allow
              Action: secretsmanager:GetSecretValue
              Resource: "*"
              Condition: {StringEquals: {"aws:PrincipalTag/team": payments}}
    secrets: {prod/token: for-payments}
"""
TAGS_CONFIG = """
version: 1
secretStores:
  reader:
    type: aws.sts
    role_arn: arn:aws:iam::123456789012:role/Reader
    tags: {team: "${TEAM}"}
  secrets: {type: aws.secretsmanager, credentials_from: reader}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}}
"""


def in_sandbox(
    folder: Path, config: str, seed: str, script: str, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a folder with this configuration, inside a sandbox with this seed."""
    (folder / "dsops.yaml").write_text(config)
    (folder / "seed.yaml").write_text(seed)
    allow_found(folder)
    return subprocess.run(
        [BIN / "dsops", "sandbox", "run", "--seed", "seed.yaml", *options, "--", "sh", "-e", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_containers_role_is_the_base_identity(tmp_path: Path) -> None:
    """On ECS, without keys in the environment, the container's role is the base identity and reads the secrets."""
    done = in_sandbox(tmp_path, TASK_CONFIG, TASK_SEED, AS_A_TASK)

    assert 0 == done.returncode, done.stderr
    caller, token = done.stdout.splitlines()
    assert "arn:aws:sts::123456789012:assumed-role/EcsTaskRole/" in caller
    assert "the-tasks-token" == token


@pytest.mark.parametrize(("team", "code"), [("payments", 0), ("billing", 3)])
def test_session_tags_reach_the_conditions_of_policies(tmp_path: Path, team: str, code: int) -> None:
    """A policy with a condition on aws:PrincipalTag admits a session with the right tag and denies any other."""
    done = in_sandbox(tmp_path, TAGS_CONFIG, TAGS_SEED, "dsops get --env production TOKEN", "--as", "ada", TEAM=team)

    assert (code, "" if code else "for-payments") == (done.returncode, done.stdout.strip()), done.stderr
