"""Twenty concurrent runs with TLS, a slow connection and three chained roles: each role is assumed once."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stubs.authority import Authority, make_authority
from tests.stubs.aws import assume_role_answer, parameters_of
from tests.stubs.server import Answer, Seen
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, StubAws

PATIENCE_SECONDS = 60
ROUND_TRIP_SECONDS = 0.03
SHOW_KEY = ("exec", "--env", "keys", "--", "sh", "-c", "echo got $AWS_ACCESS_KEY_ID")
CONFIG = """\
version: 1
secretStores:
  first:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/First
  second: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Second", credentials_from: first}
  third: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Third", credentials_from: second}
envs:
  keys:
    AWS_ACCESS_KEY_ID: {from: "third:access_key_id"}
    AWS_SECRET_ACCESS_KEY: {from: "third:secret_access_key"}
    AWS_SESSION_TOKEN: {from: "third:session_token"}
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


class FarAws(StubAws):
    """A stub of AWS behind TLS with 30 ms latency; each session's key id contains the role and the caller."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(tls=authority.server())
        self.authority = authority
        self.seconds = ROUND_TRIP_SECONDS

    def _answer(self, seen: Seen) -> Answer:
        role = parameters_of(seen)["RoleArn"].rpartition("/")[2].upper()
        caller = seen.header("Authorization").partition("Credential=")[2].partition("/")[0]
        number = self.roles()[role.title()]
        answer = assume_role_answer(
            access_key_id=f"ASIA{role}{number}OF{caller[4:]}", expiration="2099-01-01T00:00:00Z"
        )
        return answer._replace(delay_seconds=self.seconds)

    def roles(self) -> Counter[str]:
        """The number of AssumeRole calls for each role."""
        return Counter(parameters_of(seen)["RoleArn"].rpartition("/")[2] for seen in self.server.seen)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FarAws]:
    """The stub of AWS with TLS and latency."""
    with FarAws(make_authority(tmp_path)) as stub:
        yield stub


@pytest.fixture
def dsops(tmp_path: Path, aws: FarAws) -> Iterator[Agent]:
    """The program for a user who has no running agent."""
    with Agent(tmp_path, aws) as program:
        (tmp_path / "dsops.yaml").write_text(CONFIG)
        program.environ["SSL_CERT_FILE"] = str(aws.authority.bundle)
        yield program


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Wait for the process to end; return its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def test_twenty_cold_runs_assume_each_of_three_roles_once(dsops: Agent, aws: FarAws) -> None:
    """Twenty runs without a session all get the last role's session; each of three roles is assumed once."""
    started = [dsops.start(*SHOW_KEY) for _ in range(20)]
    ended = {finish(process) for process in started}
    assert ended == {(0, b"got ASIATHIRD1OFSECOND1OFFIRST1OFEXAMPLEEXAMPLE01\n", b"")}
    assert aws.roles() == {"First": 1, "Second": 1, "Third": 1}


def test_twenty_runs_go_on_when_the_agent_is_killed_in_the_middle(dsops: Agent, aws: FarAws) -> None:
    """If the agent is killed, one new agent serves all twenty runs, so each role is assumed at most twice."""
    aws.seconds = 0.6
    dsops.run("agent", "start")
    pid = dsops.status()["pid"]
    assert isinstance(pid, int)
    started = [dsops.start(*SHOW_KEY) for _ in range(20)]
    end = time.monotonic() + PATIENCE_SECONDS
    while not aws.roles()["Second"]:
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    ended = {finish(process) for process in started}
    assert len(ended) == 1
    assert ended.pop()[0] == 0
    assert all(count <= 2 for count in aws.roles().values())


def test_twenty_runs_at_one_terminal_ask_for_one_code(dsops: Agent, aws: FarAws, tmp_path: Path) -> None:
    """If the first role requires MFA, twenty runs at a terminal prompt for only one code."""
    device = "role/First\n    serial_number: arn:aws:iam::111122223333:mfa/ada"
    (tmp_path / "dsops.yaml").write_text(CONFIG.replace("role/First", device))
    line = f"{shlex.join(dsops.command(*SHOW_KEY))} &"
    script = tmp_path / "many"
    script.write_text(f"for i in $(seq 20); do {line} done\nwait\necho over\n")
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    with Terminal(["env", "-i", "-C", str(tmp_path), *environ, "sh", str(script)]) as terminal:
        terminal.expect("MFA")
        terminal.type("123456\n")
        shown = terminal.expect("over")
    assert shown.count("got ASIATHIRD1OFSECOND1OFFIRST1") == 20
    assert "MFA" not in shown
    calls = [parameters_of(seen) for seen in aws.server.seen]
    assert sum("TokenCode" in call for call in calls) == 1
