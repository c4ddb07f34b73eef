"""No process of dsops that holds a secret can dump core; the user's command keeps the user's own limit."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Dsops, StubAws

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(
        resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="core dumps are off for this user, and can't be on"
    ),
]

SOFT = 4096
"""The user's core limit, different from a machine's default."""
TELL = "awk '/core file/ {print \"limit\", $5}' /proc/$PPID/limits"
"""Shell code that prints the core limit of the shell's parent; `ulimit` would print the shell's own."""
BESIDE = (
    'n=0; until [ "$limit" = 0 ] || [ $n = 1000 ]; do n=$((n + 1)); '
    "limit=$(awk '/core file/ {print $5}' /proc/$PPID/limits); done; echo limit $limit"
)
"""The same shell code for a command that may start before its parent's limit is lowered: it waits for that."""
OWN = "awk '/core file/ {print \"own\", $5}' /proc/$$/limits"

MFA = """\
secretStores:
  role:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/R
    role_session_name: test
    serial_number: arn:aws:iam::111122223333:mfa/ada
    mfa_process: ["./code"]
envs:
  production:
    KEY: {from: "role:access_key_id"}
"""


@pytest.fixture
def dsops(tmp_path: Path) -> Iterator[Dsops]:
    """dsops for a user with core dumps enabled."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (SOFT, before[1]))
    with StubAws() as aws:
        yield Dsops(tmp_path, aws)
    resource.setrlimit(resource.RLIMIT_CORE, before)


def told(dsops: Dsops, *words: str) -> list[str]:
    """The output lines of a run."""
    done = dsops.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


PRODUCTION = ("exec", "--no-agent", "--env", "production")


@pytest.mark.parametrize("flags", [("--timeout", "60"), ("--mask",)], ids=["timeout", "mask"])
def test_a_process_that_stays_beside_the_command(dsops: Dsops, flags: tuple[str, ...]) -> None:
    """The dsops process that runs beside the command (--timeout, --mask) has core limit 0."""
    assert told(dsops, *PRODUCTION, *flags, "--", "sh", "-c", f"{BESIDE}; {OWN}") == ["limit 0", f"own {SOFT}"]


def test_a_process_that_serves_a_session(dsops: Dsops) -> None:
    """The dsops process of `exec --serve`, which holds the session, has core limit 0."""
    words = ("exec", "--no-agent", "--credentials", "target", "--serve", "--", "sh", "-c", f"{BESIDE}; {OWN}")
    assert told(dsops, *words) == ["limit 0", f"own {SOFT}"]


def test_the_leader_of_a_masked_commands_terminal(dsops: Dsops) -> None:
    """The session leader between dsops and a masked command's terminal has core limit 0."""
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    line = f"{BESIDE}; {OWN}; exec 3</proc/$PPID/stat; read -r _ _ _ above _ <&3; "
    line += "awk '/core file/ {print \"above\", $5}' /proc/$above/limits"
    command = dsops.command(*PRODUCTION, "--mask", "--", "sh", "-c", line)
    start = ["sh", "-c", 'cd "$0"; exec "$@"', str(dsops.folder), "env", "-i", *environ, *command]
    with Terminal(start) as terminal:
        for told_next in ("limit 0", f"own {SOFT}", "above 0"):
            terminal.expect(told_next)


def test_the_command_that_takes_over(dsops: Dsops) -> None:
    """A command that replaces the dsops process (execve) has the user's core limit."""
    assert told(dsops, *PRODUCTION, "--", "sh", "-c", OWN) == [f"own {SOFT}"]


@pytest.mark.parametrize(
    "words",
    [("exec", "--no-agent", "--", "true"), ("credentials", "role", "--format", "process")],
    ids=["exec", "credential_process"],
)
def test_a_process_that_does_the_work_itself(dsops: Dsops, words: tuple[str, ...]) -> None:
    """dsops has core limit 0 while it works, and so has the program that it runs to get an MFA code."""
    (dsops.folder / "dsops.yaml").write_text(MFA)
    program = dsops.folder / "code"
    program.write_text(f"#!/bin/sh\n{TELL} > told\necho 123456\n")
    program.chmod(0o755)
    told(dsops, "--config", "dsops.yaml", *words)
    assert (dsops.folder / "told").read_text() == "limit 0\n"


def test_the_process_that_looks_for_base_credentials(dsops: Dsops) -> None:
    """The child process that looks for base credentials has core limit 0, and so has its `credential_process`."""
    answer = '{"Version": 1, "AccessKeyId": "AKIAEXAMPLEEXAMPLE02", "SecretAccessKey": "hush"}'
    script = f"{TELL} > {dsops.folder}/told; echo {shlex.quote(answer)}"
    program = dsops.folder / "keys"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (dsops.folder / "config").write_text(f"[profile ada]\ncredential_process = {program}\n")
    del dsops.environ["AWS_ACCESS_KEY_ID"], dsops.environ["AWS_SECRET_ACCESS_KEY"]
    dsops.environ |= {"AWS_PROFILE": "ada", "AWS_CONFIG_FILE": str(dsops.folder / "config")}
    told(dsops, *PRODUCTION, "--", "true")
    assert (dsops.folder / "told").read_text() == "limit 0\n"


def test_a_limit_that_was_given_up_is_not_asked_for() -> None:
    """If the hard limit is 0 (as under the agent), restoring the user's core limit does nothing and raises no error."""
    program = (
        "import resource; from dsops import dumps; dumps.leave_no_core_dump(); core = resource.RLIMIT_CORE\n"
        "with dumps.UsersLimit(): print(resource.getrlimit(core)[0])\n"
        "resource.setrlimit(core, (0, 0))\n"
        "with dumps.UsersLimit(): print(resource.getrlimit(core))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (SOFT, SOFT * 2)),
    )
    assert done.stdout.splitlines() == [str(SOFT), "(0, 0)"]
