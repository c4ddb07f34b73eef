"""s5cmd, chamber and aws-vault with sessions from dsops, under a role with exactly the permissions that they need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.clients.sdks import PROGRAMS
from tests.installed import OUTSIDE, ToolMissingError, installed, tool

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]
SOURCE = PROGRAMS / "go_programs"
SECONDS = 600
MODULES = ("github.com/peak/s5cmd/v2", "github.com/segmentio/chamber/v2", "github.com/99designs/aws-vault/v7")
CONFIG = """
version: 1
secretStores:
  files: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::222222222222:role/Files", role_session_name: test}
"""
SEED = """
accounts:
  "222222222222":
    users:
      ada:
        policies:
        - Version: "2012-10-17"
          Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "arn:aws:iam::222222222222:role/Files"}
    roles:
      Files:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "222222222222"}, Action: "sts:AssumeRole"}
        policies:
        - Version: "2012-10-17"
          Statement:
          - {Effect: Allow, Action: ["s3:CreateBucket", "s3:ListBucket"], Resource: "arn:aws:s3:::files"}
          - {Effect: Allow, Action: ["s3:GetObject", "s3:PutObject"], Resource: "arn:aws:s3:::files/prod/*"}
          - {Effect: Allow, Action: "ssm:DescribeParameters", Resource: "*"}
          - Effect: Allow
            Action: ["ssm:PutParameter", "ssm:GetParametersByPath", "ssm:GetParameters", "ssm:GetParameterHistory"]
            Resource: "arn:aws:ssm:us-east-1:222222222222:parameter/shop*"
"""
S5CMD = """
mkdir -p up down
head -c 20000000 /dev/urandom >up/big
dsops exec --config dsops.yaml --credentials files --serve -- sh -euc '
    s3() { s5cmd --endpoint-url "$URL" "$@"; }
    s3 mb s3://files
    s3 cp up/ s3://files/prod/
    s3 cp "s3://files/prod/*" down/
    cmp up/big down/big
    ! s3 cp up/big s3://files/dev/big 2>error
    grep -q "not authorized to perform: s3:PutObject" error'
"""
CHAMBER = """
export CHAMBER_AWS_SSM_ENDPOINT=$URL CHAMBER_KMS_KEY_ALIAS=aws/ssm AWS_REGION=us-east-1
dsops exec --config dsops.yaml --credentials files --serve -- sh -euc '
    chamber write shop level "a b"
    chamber list shop
    chamber exec shop -- sh -c "echo level=\\$LEVEL"
    ! chamber write other level x 2>error
    grep -q "not authorized to perform: ssm:GetParameters" error'
"""
AWS_VAULT = """
export AWS_VAULT_BACKEND=file AWS_VAULT_FILE_PASSPHRASE=x AWS_VAULT_FILE_DIR=$PWD/keys AWS_CONFIG_FILE=$PWD/aws.config
keys="AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL=$URL"
process="$(command -v dsops) --config $PWD/dsops.yaml credentials files --format process"
printf '[profile files]\\nregion = us-east-1\\ncredential_process = env %s %s\\n' "$keys" "$process" >aws.config
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE
aws-vault exec files -- aws --endpoint-url "$URL" sts get-caller-identity
"""


class Stage(NamedTuple):
    """A sandbox, an empty folder with dsops.yaml, and the folder of the programs."""

    folder: Path
    server: SandboxServer
    programs: Path

    def run(self, script: str) -> str:
        """Run the shell's script as a user; return its output, and fail if it fails."""
        path = os.pathsep.join([str(Path(sys.executable).parent), str(self.programs), OUTSIDE["PATH"]])
        own = {"DSOPS_NO_AGENT": "1", "URL": self.server.url, "PATH": path}
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=self.folder,
            env={**os.environ, **identity_variables(self.server, "ada"), **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A sandbox and the compiled programs; skipped if they can't be compiled."""
    sources = [SOURCE / name for name in ("main.go", "go.mod", "go.sum")]
    environ = {**OUTSIDE, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    try:
        go = tool("go", OUTSIDE)
        builds = [[go, "build", "-mod=readonly", "-o", "bin/", module] for module in MODULES]
        programs = installed("go-programs", sources, builds, environ, seconds=900) / "bin"
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        yield Stage(tmp_path, server, programs)


def test_s5cmd_copies_files(stage: Stage) -> None:
    """s5cmd stores and reads 20 MB with a renewed session, and is denied another folder."""
    assert "cp s3://files/prod/big down/big" in stage.run(S5CMD)


def test_chamber_stores_parameters(stage: Stage) -> None:
    """chamber stores a parameter and passes it to a command, and is denied another service's parameters."""
    assert "level=a b\n" in stage.run(CHAMBER)


def test_aws_vault_uses_a_credential_process(stage: Stage) -> None:
    """aws-vault passes the session that its profile gets from dsops to the AWS CLI."""
    assert "arn:aws:sts::222222222222:assumed-role/Files/test" in stage.run(AWS_VAULT)
