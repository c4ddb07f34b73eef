"""AWS's link-local credential addresses, served in a network namespace that no packet leaves or enters."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).with_name("metadata_addresses.py"))


def _has_networks() -> bool:
    """Whether a process on this machine may have its own network namespace."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    done = subprocess.run(
        ["unshare", "-rn", "ip", "link", "set", "lo", "up"], capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


@pytest.mark.skipif(not _has_networks(), reason="no program may have a network of its own here (unshare -rn, ip)")
def test_ecs_eks_and_ec2_addresses() -> None:
    """Credentials come from AWS's own addresses for ECS (relative URI), EKS (Pod Identity) and EC2 (no variable)."""
    command = ["unshare", "-rn", sys.executable, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "ecs": [
            "ASIA:169.254.170.2/v2/credentials/1",
            "the container's role (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, as on ECS)",
        ],
        "eks": ["ASIA:169.254.170.23/v1/credentials", "the container's role (EKS Pod Identity)"],
        "ec2": ["ASIA:169.254.169.254/latest/meta-data/iam/security-credentials/WebServer", "the instance's role"],
    }
