"""The agent as a real process against the sandbox: expired sessions, recreated roles and clocks that jump."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.children import Child
from tests.permission import allow_found

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 60
SEED = """
accounts:
  "123456789012":
    users: {ada: {}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}, Action: sts:AssumeRole}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    secrets: {prod/token: the-token}
"""
CONFIG = """
version: 1
secretStores:
  role: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/Reader"}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: role}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}}
"""


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Ada:
    """A user with her own home and her own agent."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        (folder / "dsops.yaml").write_text(CONFIG)
        self.environ = sandbox.user("ada").environment()
        # A Unix socket's path is limited to about 100 bytes; pytest's folders are longer.
        self.environ |= {"XDG_RUNTIME_DIR": tempfile.mkdtemp(prefix="dsops-"), "HOME": str(folder)}
        self.environ.pop("DSOPS_AGENT", None)

    def dsops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dsops and wait until it ends."""
        allow_found(self.folder, self.environ)
        return subprocess.run(
            [str(BIN / "dsops"), *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def token(self) -> str:
        """The secret that `dsops exec` passes to a command; its stderr if it fails."""
        done = self.dsops("exec", "--env", "production", "--", "printenv", "TOKEN")
        return done.stdout.strip() if not done.returncode else done.stderr

    def roles_assumed(self) -> int:
        """The number of AssumeRole calls in the sandbox."""
        return sum(event["eventName"] == "AssumeRole" for event in self.sandbox.events())


@pytest.fixture
def ada(sandbox: LocalAws, tmp_path: Path) -> Iterator[Ada]:
    """A user Ada; her agent is stopped when the test ends."""
    person = Ada(sandbox, tmp_path)
    yield person
    person.dsops("agent", "stop")
    shutil.rmtree(person.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def test_a_session_that_aws_calls_expired_is_replaced(ada: Ada) -> None:
    """If AWS rejects a cached session as expired, the agent assumes the role again, and the run succeeds."""
    assert [ada.token(), ada.token()] == ["the-token"] * 2
    assert ada.roles_assumed() == 1
    ada.sandbox.clock.advance(2 * 3600)
    assert ada.token() == "the-token"
    assert ada.roles_assumed() == 2


def test_a_recreated_role_is_assumed_again(ada: Ada) -> None:
    """When a role is deleted and created again, AWS rejects the agent's old session and the role is assumed again."""
    assert ada.token() == "the-token"
    iam = ada.sandbox.user("admin").boto3_session().client("iam")
    [policy] = iam.list_role_policies(RoleName="Reader")["PolicyNames"]
    document = iam.get_role_policy(RoleName="Reader", PolicyName=policy)["PolicyDocument"]
    trust = iam.get_role(RoleName="Reader")["Role"]["AssumeRolePolicyDocument"]
    iam.delete_role_policy(RoleName="Reader", PolicyName=policy)
    iam.delete_role(RoleName="Reader")
    iam.create_role(RoleName="Reader", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="Reader", PolicyName=policy, PolicyDocument=json.dumps(document))
    assert ada.token() == "the-token"
    assert ada.roles_assumed() == 2


@pytest.mark.parametrize("hours", [1, -1])
def test_a_machine_whose_clock_jumps(ada: Ada, hours: int) -> None:
    """After the agent's clock jumps by an hour, it refreshes or rejects its sessions and corrects its signatures."""
    moment = ada.folder / "moment"

    def jump(seconds: int) -> None:
        # The agent never reads a half-written file.
        (ada.folder / "next-moment").write_text(str(seconds))
        (ada.folder / "next-moment").replace(moment)

    jump(0)
    program = Path(__file__).with_name("agent_with_clock.py")
    agent = Child([sys.executable, str(program), str(moment)], cwd=ada.folder, env=ada.environ)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while '"is_running": true' not in ada.dsops("agent", "status", "--json").stdout:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert ada.token() == "the-token"
        jump(hours * 3600)
        stderr = ada.dsops("exec", "--env", "production", "--", "true").stderr
        assert f"note: this machine's clock is 60 minutes {'ahead of' if hours > 0 else 'behind'} that of " in stderr
        assert [ada.token(), ada.token()] == ["the-token"] * 2
        jump(0)
        assert ada.token() == "the-token"
        assert json.loads(ada.dsops("agent", "status", "--json").stdout)["pid"] == agent.pid
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(PATIENCE_SECONDS)
