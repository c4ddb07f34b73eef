"""`dsops explain` for a session that a recording limits, against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_isolated import SEED

CONFIG = """
version: 1
secretStores:
  deploy:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111111111111:role/Developer
    role_session_name: run
    session_policy_recording: run.jsonl
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: deploy}
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
"""
RECORDING = """\
{"dsops_recording": 1, "is_complete": true}
{"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "outcome": "allowed", "count": 1}
"""
PROGRAM = """
import boto3
boto3.client("sqs").create_queue(QueueName="jobs")
"""


@pytest.mark.parametrize(
    ("command", "action", "line"),
    [
        ("dsops explain --env production", "secretsmanager:GetSecretValue", 9),
        (
            "dsops exec --credentials deploy -- python program.py 2>error; dsops explain deploy --message error",
            "sqs:CreateQueue",
            4,
        ),
    ],
)
def test_the_remedy_names_the_recording(tmp_path: Path, command: str, action: str, line: int) -> None:
    """A denial by the policy of a recording is mended by another recording, or without one."""
    seed = f"{SEED}    secrets: {{prod/token: invented}}\n"
    for name, text in (("dsops.yaml", CONFIG), ("run.jsonl", RECORDING), ("seed.yaml", seed), ("program.py", PROGRAM)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = subprocess.run(
        ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", "sh", "-c", command],
        cwd=tmp_path,
        env={
            "HOME": str(tmp_path / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DSOPS_CONFIG": "dsops.yaml",
            "DSOPS_AGENT": "off",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 6, result
    text = " ".join(result.stdout.split())
    assert f"run.jsonl lacks {action}: remove `session_policy_recording` from store `deploy`" in text
    assert f"(dsops.yaml:{line})" in text
