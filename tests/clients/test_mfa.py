"""TOTP codes from a seed in the keyring, checked by the sandbox: right clock, wrong clock, two runs at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsops.keyring.items import Keyring
from dsops.keyring.seeds import add_seed
from dsops.secret import Secret
from dsops.testing.local_aws import LocalAws
from tests.children import Child
from tests.permission import allow_found
from tests.stubs.keyrings import StubKeyring

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SANDBOX = f"""
accounts:
  "111122223333":
    users:
      ada: {{mfa: {{name: ada, seed: {SEED}}}}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "arn:aws:iam::111122223333:user/ada"}}
            Action: sts:AssumeRole
            Condition: {{Bool: {{"aws:MultiFactorAuthPresent": "true"}}}}
        policies:
          - Version: "2012-10-17"
            Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {{prod/token: the-secret}}
"""
CONFIG = f"""
version: 1
secretStores:
  reader:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Reader
    serial_number: {DEVICE}
  secrets: {{type: aws.secretsmanager, region: us-east-1, credentials_from: reader}}
envs:
  production: {{SECRET: {{from: {{store: secrets, key: prod/token}}}}}}
"""
PROGRAM = str(Path(__file__).with_name("dsops_with_clock.py"))
RUN = ("exec", "--config", "dsops.yaml", "--env", "production", "--verbose", "--", "printenv", "SECRET")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SANDBOX


class Desk:
    """Ada's machine: her key in the environment, the seed of her MFA device in the keyring."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.folder = folder
        (folder / "dsops.yaml").write_text(CONFIG)
        keyring = StubKeyring(folder)
        self.environ = {**sandbox.user("ada").environment(), **keyring.environ, "DSOPS_AGENT": "off"}
        # The sandbox's environment turns the keyring off; this test uses Ada's own keyring.
        del self.environ["DSOPS_KEYRING"]
        add_seed(Keyring(self.environ, str(folder)), DEVICE, Secret(SEED), "2026-11-24T12:00:00Z", replaces=False)

    def start(self, seconds: int = 0) -> subprocess.Popen[str]:
        """Start a dsops process whose clock is off by this many seconds."""
        allow_found(self.folder, self.environ)
        return Child(
            [sys.executable, PROGRAM, str(seconds), *RUN],
            cwd=self.folder,
            env=self.environ,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def read(self, seconds: int = 0) -> tuple[str, str]:
        """stdout and stderr of a run."""
        return self.start(seconds).communicate(timeout=100)


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Desk:
    """Ada's machine."""
    return Desk(sandbox, tmp_path)


@pytest.mark.parametrize("minutes", [0, -3, -20, 20])
def test_aws_takes_the_code_whatever_this_machines_clock_says(desk: Desk, sandbox: LocalAws, minutes: int) -> None:
    """AWS accepts the MFA code after one retry although the clock is off by 3 or 20 minutes.

    With a clock that is 3 minutes off, AWS accepts the signature, but not the MFA code.
    """
    secret, stderr = desk.read(minutes * 60)
    assert secret == "the-secret\n", stderr
    assert "waiting" not in stderr
    refused = [event for event in sandbox.events() if event["eventName"] == "AssumeRole" and event.get("errorCode")]
    assert len([each for each in refused if "MultiFactor" in each.get("errorMessage", "")]) == (minutes != 0)


def test_two_runs_at_once_take_a_code_each(desk: Desk) -> None:
    """Two concurrent runs both succeed.

    If AWS rejects a used code, that run says so and waits for the next code.
    """
    runs = [desk.start() for _ in range(2)]
    done = [run.communicate(timeout=100) for run in runs]
    assert [secret for secret, _ in done] == ["the-secret\n"] * 2, done
    assert sum("for the next MFA code" in stderr for _, stderr in done) <= 1
