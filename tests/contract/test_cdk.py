"""npm's AWS CDK, unchanged but for the endpoint: it bootstraps, deploys and destroys a stack, with its own roles."""

from __future__ import annotations

import os
import shutil
import subprocess
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
SOURCE = PROGRAMS / "cdk"
SECONDS = 900
ACCOUNT = "222222222222"
# The user may do nothing but assume the roles of the bootstrap stack, as the CDK's guide recommends for developers.
SEED = """
accounts:
  "222222222222":
    users:
      ada:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["sts:AssumeRole", "sts:TagSession"],
           Resource: "arn:aws:iam::222222222222:role/cdk-*"}}
"""


class Stage(NamedTuple):
    """A sandbox, and a folder with the CDK's app."""

    folder: Path
    server: SandboxServer
    program: str

    def run(self, user: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the CDK as a user of the sandbox."""
        environment = {
            **os.environ,
            **identity_variables(self.server, user),
            "PATH": OUTSIDE["PATH"],
            "AWS_REGION": "us-east-1",
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": "us-east-1",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "NO_COLOR": "1",
        }
        return subprocess.run(
            [self.program, *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def done(self, user: str, *words: str) -> str:
        """Run the CDK; return its output, and fail if it fails."""
        run = self.run(user, *words)
        assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-5000:]}"
        return run.stdout + run.stderr

    def callers(self, event: str) -> set[str]:
        """Return the ARNs that made a call, as CloudTrail recorded them, without the names of sessions."""
        sandbox = self.server.sandbox
        with sandbox.world.lock:
            records = list(sandbox.events.records())
        arns = [str(record["userIdentity"].get("arn", "")) for record in records if record["eventName"] == event]
        return {arn.split(":", 5)[5].rpartition("/")[0] or arn for arn in arns}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A sandbox, and the CDK's app in a folder of its own; skipped if the CDK can't be installed."""
    sources = [SOURCE / "package.json", SOURCE / "package-lock.json"]
    try:
        npm = tool("npm", OUTSIDE)
        tool("node", OUTSIDE)
        install = [[npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]]
        modules = installed("cdk", sources, install, OUTSIDE) / "node_modules"
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    for name in ("app.js", "cdk.json"):
        shutil.copy(SOURCE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "report.py").write_text("def run(event, context):\n    return event\n")
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        yield Stage(tmp_path, server, str(modules / ".bin" / "cdk"))


def test_a_stack_is_deployed_and_destroyed(stage: Stage) -> None:
    """The CDK's roles publish the asset and deploy the stack, whose resources the execution role creates."""
    admin, user = f"admin@{ACCOUNT}", f"ada@{ACCOUNT}"
    stage.done(admin, "bootstrap", f"aws://{ACCOUNT}/us-east-1")
    stage.done(user, "synth", "--quiet", "--output", "out")

    stage.done(user, "deploy", "--app", "out", "--require-approval", "never")
    again = stage.done(user, "deploy", "--app", "out", "--require-approval", "never")

    assert "(no changes)" in again
    execution = {f"assumed-role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-east-1"}
    for event in ("CreateSecret", "CreateQueue"):
        assert stage.callers(event) == execution
    deploy = f"assumed-role/cdk-hnb659fds-deploy-role-{ACCOUNT}-us-east-1"
    assert deploy in stage.callers("ExecuteChangeSet")
    stage.done(user, "destroy", "--app", "out", "--force")
    assert stage.callers("DeleteSecret") == execution


def test_an_execution_role_without_the_permission_fails_the_deployment(stage: Stage) -> None:
    """The execution role may not create secrets: the CDK reports its AccessDenied, and the stack is rolled back."""
    admin, user = f"admin@{ACCOUNT}", f"ada@{ACCOUNT}"
    policy = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    stage.done(admin, "bootstrap", f"aws://{ACCOUNT}/us-east-1", "--cloudformation-execution-policies", policy)
    stage.done(user, "synth", "--quiet", "--output", "out")

    failed = stage.run(user, "deploy", "--app", "out", "--require-approval", "never")

    assert failed.returncode == 1
    output = failed.stdout + failed.stderr
    role = f"cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-east-1/AWSCloudFormation"
    assert f"assumed-role/{role} is not authorized to perform: " in output
    assert "ROLLBACK_COMPLETE" in output
