"""The AWS CLI and boto3, unchanged, take their credentials from `dsops credentials --format process`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.stub_aws import Dsops, StubAws

PROFILE = """\
[profile target]
region = us-east-1
credential_process = {python} {program} --config {config} credentials target --format process
"""


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """STS on loopback."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, and a profile that calls it."""
    program = Dsops(tmp_path, aws)
    script = tmp_path / "run-dsops"
    script.write_text("import sys\nfrom dsops.cli import main\nsys.exit(main())\n")
    config = tmp_path / "aws-config"
    config.write_text(PROFILE.format(python=sys.executable, program=script, config=tmp_path / "dsops.yaml"))
    program.environ["AWS_CONFIG_FILE"] = str(config)
    return program


def signing_key(aws: StubAws) -> str:
    """Whose key signed the last request."""
    return aws.server.seen[-1].header("Authorization").partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sys.executable).parent / "aws"), "sts", "get-caller-identity", "--profile", "target"],
        [
            sys.executable,
            "-c",
            "import boto3; boto3.Session(profile_name='target').client('sts').get_caller_identity()",
        ],
    ],
    ids=["aws", "boto3"],
)
def test_they_sign_with_the_session_of_the_store(command: list[str], dsops: Dsops, aws: StubAws) -> None:
    """dsops assumes the role with the base keys, and the client works as that role."""
    done = subprocess.run(
        command, cwd=os.environ["HOME"], env=dsops.environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert aws.calls == ["AssumeRole", "GetCallerIdentity"]
    assert signing_key(aws) == "ASIAEXAMPLEEXAMPLE01"
    assert aws.server.seen[-1].header("X-Amz-Security-Token") == "token/of+the/session=="
