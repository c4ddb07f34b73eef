"""The script of `make demo`: a command that gets secrets through two roles, and the calls that AWS recorded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_prints_each_hop_and_no_secret() -> None:
    """The demo prints caller, role and expiry of both hops, the names of secrets read, and no secret value."""
    done = subprocess.run(
        [sys.executable, "examples/demo/run.py"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    stdout = done.stdout
    assert "connecting to db.customer.example as app, with a password of 21 characters and an API key of 12" in stdout
    assert re.findall(r"hop \d: (\S+)\n\s+assumed (\S+?),?(?: with .*)?\n\s+until .* UTC", stdout) == [
        ("arn:aws:iam::111111111111:user/alice", "arn:aws:iam::111111111111:role/JumpRole"),
        ("arn:aws:sts::111111111111:assumed-role/JumpRole/demo-jump", "arn:aws:iam::222222222222:role/TargetRole"),
    ]
    assert re.findall(r"secret: \S+ read (\S+)", stdout) == ["prod/api-key", "prod/database"]
    for value in ("invented-for-the-demo", "invented-too", "unique-customer-id"):
        assert value not in stdout + done.stderr


def test_the_demo_runs_from_any_folder(tmp_path: Path) -> None:
    """The demo finds its files from any working folder."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples/demo/run.py"],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
