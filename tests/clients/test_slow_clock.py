"""A machine with a wrong clock: dsops corrects signatures and token times, and reports the clock once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.permission import allow_found

SEED = """
accounts:
  "123456789012":
    oidc_providers:
    - {url: "https://oidc.example.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}
    saml_providers: [{name: Company, issued_by_sandbox: true}]
    users:
      ada:
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement:
            - {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}, Action: sts:AssumeRole}
            - Effect: Allow
              Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.example.com"}
              Action: sts:AssumeRoleWithWebIdentity
              Condition: {StringEquals: {"oidc.example.com:aud": sts.amazonaws.com}}
            - Effect: Allow
              Principal: {Federated: "arn:aws:iam::123456789012:saml-provider/Company"}
              Action: sts:AssumeRoleWithSAML
              Condition: {StringEquals: {"SAML:aud": "https://signin.aws.amazon.com/saml"}}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    secrets: {prod/token: the-token}
"""
CONFIG = """
version: 1
secretStores:
  signed: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/Reader"}
  token:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Reader
    web_identity_token: ${TOKEN}
  assertion: {type: aws.sts, region: us-east-1, saml_assertion_file: response.b64}
  by-key: {type: aws.secretsmanager, region: us-east-1, credentials_from: signed}
  by-token: {type: aws.secretsmanager, region: us-east-1, credentials_from: token}
  by-assertion: {type: aws.secretsmanager, region: us-east-1, credentials_from: assertion}
envs:
  key: {SECRET: {from: {store: by-key, key: prod/token}}}
  token: {SECRET: {from: {store: by-token, key: prod/token}}}
  assertion: {SECRET: {from: {store: by-assertion, key: prod/token}}}
"""
PROGRAM = str(Path(__file__).with_name("dsops_with_clock.py"))
MINUTE = 60


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


def run(sandbox: LocalAws, folder: Path, seconds: int, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run dsops with a clock that is off by this many seconds."""
    (folder / "dsops.yaml").write_text(CONFIG)
    variables = {**sandbox.user("ada").environment(), "HOME": str(folder), "DSOPS_AGENT": "off", **environ}
    command = [sys.executable, PROGRAM, str(seconds), *words]
    allow_found(folder, variables)
    return subprocess.run(
        command,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def read(sandbox: LocalAws, folder: Path, seconds: int, name: str, **environ: str) -> tuple[str, str]:
    """The stdout and stderr of a command in this environment."""
    done = run(sandbox, folder, seconds, "exec", "--env", name, "--", "printenv", "SECRET", **environ)
    return done.stdout, done.stderr


@pytest.mark.parametrize(("minutes", "side"), [(-20, "behind"), (20, "ahead of")])
def test_signatures_are_corrected_with_one_note(sandbox: LocalAws, tmp_path: Path, minutes: int, side: str) -> None:
    """Signatures are corrected after two services rejected the clock's time, and one note explains the wrong clock."""
    secret, stderr = read(sandbox, tmp_path, minutes * MINUTE, "key")
    assert secret == "the-token\n"
    assert stderr.startswith(f"dsops: note: this machine's clock is 20 minutes {side} that of sts at ")
    assert stderr.count("\n") == 1


def test_a_slightly_wrong_clock_causes_no_note(sandbox: LocalAws, tmp_path: Path) -> None:
    """A clock that is 2 minutes off causes no message, because AWS accepts such signatures."""
    assert read(sandbox, tmp_path, -2 * MINUTE, "key") == ("the-token\n", "")


def minted(sandbox: LocalAws, folder: Path, *words: str) -> str:
    """A token or SAML response of the sandbox, issued by the correct clock."""
    command = [str(Path(sys.executable).parent / "dsops"), "sandbox", *words]
    command += ["--port", sandbox.url.rpartition(":")[2]]
    environ = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, timeout=60)
    return done.stdout.strip()


def outcomes(sandbox: LocalAws, action: str) -> list[object]:
    """The error code of each call of this operation; None for success."""
    return [event.get("errorCode") for event in sandbox.events() if event["eventName"] == action]


def test_a_token_is_sent_whatever_the_clock_shows(sandbox: LocalAws, tmp_path: Path) -> None:
    """A web identity token that looks expired by the wrong clock is sent, because AWS decides by its own clock."""
    words = ("token", "--iss", "https://oidc.example.com", "--sub", "me", "--expires", "300")
    token = minted(sandbox, tmp_path, *words)
    secret, stderr = read(sandbox, tmp_path, -20 * MINUTE, "token", TOKEN=token)
    assert secret == "the-token\n"
    assert stderr.startswith("dsops: note: this machine's clock is 20 minutes behind that of secretsmanager at ")
    assert outcomes(sandbox, "AssumeRoleWithWebIdentity") == [None]


def test_an_assertion_is_sent_whatever_the_clock_shows(sandbox: LocalAws, tmp_path: Path) -> None:
    """A SAML response, valid for five minutes, is sent even if it looks expired by the wrong clock."""
    role = "arn:aws:iam::123456789012:role/Reader"
    (tmp_path / "response.b64").write_text(minted(sandbox, tmp_path, "saml", "--role", role, "--session-name", "ada"))
    secret, stderr = read(sandbox, tmp_path, 20 * MINUTE, "assertion")
    assert secret == "the-token\n", stderr
    assert "this machine's clock is 20 minutes ahead of that of secretsmanager at " in stderr
    assert outcomes(sandbox, "AssumeRoleWithSAML") == [None]


def test_whoami_notes_the_wrong_clock(sandbox: LocalAws, tmp_path: Path) -> None:
    """`whoami` notes the wrong clock on stderr and prints its usual output."""
    done = run(sandbox, tmp_path, -20 * MINUTE, "whoami")
    assert done.returncode == 0, done.stdout
    assert done.stderr.count("this machine's clock is 20 minutes behind") == 1


@pytest.mark.parametrize(
    ("seconds", "status", "code"),
    [(0, "ok", 0), (-30, "ok", 0), (-120, "warning", 0), (200, "warning", 0), (-20 * MINUTE, "failed", 6)],
)
def test_doctor_finds_a_wrong_clock(sandbox: LocalAws, tmp_path: Path, seconds: int, status: str, code: int) -> None:
    """doctor warns if the clock is over one minute off, and fails if it is over five minutes off.

    Other programs do not correct the clock.
    """
    done = run(sandbox, tmp_path, seconds, "doctor", "--env", "key", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["clock"]["status"], done.returncode) == (status, code), done.stdout
    assert checks["store by-key (key)"]["status"] == "ok"
    if status != "ok":
        difference, side = checks["clock"]["detail"].split(" s ", 1)
        assert abs(int(difference) - abs(seconds)) <= 2
        assert side.startswith("behind sts at " if seconds < 0 else "ahead of sts at ")
        assert "set the clock" in checks["clock"]["hint"]
