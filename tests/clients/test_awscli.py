"""The unchanged AWS CLI in `dsops sandbox`: only environment variables point it there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.children import Child

BIN = Path(sys.executable).parent
SEED = """
accounts:
  "111111111111":
    users:
      alice:
        mfa: {name: alice}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}
  "222222222222":
    roles:
      Target:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "111111111111"}
            Action: sts:AssumeRole
            Condition: {StringEquals: {"sts:ExternalId": test-external-id}}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue",
           Resource: "arn:aws:secretsmanager:*:*:secret:prod/*"}}
      Task:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}
    secrets: {prod/db: invented}
"""


def environment(folder: Path) -> dict[str, str]:
    """The test's environment, with a runtime folder in which running sandboxes are found."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(folder)}


def dsops(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `dsops` with these arguments."""
    done = subprocess.run(
        [BIN / "dsops", *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def in_sandbox(folder: Path, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script inside `dsops sandbox run` with SEED."""
    (folder / "seed.yaml").write_text(SEED)
    return dsops(folder, "sandbox", "run", "--seed", "seed.yaml", *options, "--", "sh", "-c", script, check=False)


def test_get_caller_identity_as_admin_and_user(tmp_path: Path) -> None:
    """`aws sts get-caller-identity` returns the identity chosen by `--as`."""
    script = "aws sts get-caller-identity --output json"

    assert json.loads(in_sandbox(tmp_path, script).stdout)["Arn"] == "arn:aws:iam::111111111111:user/admin"
    alice = in_sandbox(tmp_path, script, "--as", "alice")
    assert json.loads(alice.stdout)["Arn"] == "arn:aws:iam::111111111111:user/alice"
    other = in_sandbox(tmp_path, script, "--as", "admin@222222222222")
    assert json.loads(other.stdout)["Account"] == "222222222222"


def test_it_assumes_a_role_and_reads_a_secret(tmp_path: Path) -> None:
    """The AWS CLI assumes a role only with the right external ID, then reads a secret with the role's session."""
    script = """
    assume() {
        aws sts assume-role --role-arn arn:aws:iam::222222222222:role/Target --role-session-name debug "$@" \
            --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text
    }
    assume 2>&1; assume --external-id wrong-id 2>&1
    set -- $(assume --external-id test-external-id)
    AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3 \
        aws secretsmanager get-secret-value --secret-id prod/db --query SecretString --output text
    """
    lines = in_sandbox(tmp_path, script, "--as", "alice").stdout.split("\n")

    denied = [line for line in lines if "(AccessDenied) when calling the AssumeRole operation" in line]
    assert len(denied) == 2
    assert lines[-2] == "invented"


def test_a_role_created_by_the_aws_cli_can_be_assumed(tmp_path: Path) -> None:
    """A role made by `aws iam create-role` can be assumed, and its inline policy allows reading a secret."""
    (tmp_path / "trust.json").write_text(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"},
            }
        )
    )
    script = """
    set -e
    aws iam create-role --role-name Made --assume-role-policy-document file://trust.json --query Role.Arn --output text
    aws secretsmanager create-secret --name made --secret-string value --query Name --output text
    aws sts assume-role --role-arn arn:aws:iam::111111111111:role/Made --role-session-name s1 \
        --query AssumedRoleUser.Arn --output text
    """
    done = in_sandbox(tmp_path, script)

    assert done.stdout.split() == [
        "arn:aws:iam::111111111111:role/Made",
        "made",
        "arn:aws:sts::111111111111:assumed-role/Made/s1",
    ], done.stderr


def test_the_sandbox_is_gone_after_the_command(tmp_path: Path) -> None:
    """`sandbox run` stops its server and exits with the command's code, or with 128 + n after signal n."""
    done = in_sandbox(tmp_path, "echo $AWS_ENDPOINT_URL; exit 7")
    assert done.returncode == 7
    assert dsops(tmp_path, "sandbox", "clock", "--port", done.stdout.strip().rpartition(":")[2], check=False).returncode
    assert in_sandbox(tmp_path, "kill -TERM $$").returncode == 128 + 15


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--", "no-such-command"), 127, "was not found"),
        ((), 2, "there is no command to run"),
        (("--seed", "none.yaml", "--", "true"), 2, "none.yaml can't be read"),
        (("--seed", "a", "--from", "b", "--", "true"), 2, "can't be combined"),
        (("--as", "mallory", "--", "true"), 2, "no user `mallory`"),
    ],
)
def test_a_command_that_cannot_be_run(tmp_path: Path, words: Sequence[str], code: int, said: str) -> None:
    """A command that cannot be run is reported on stderr, and dsops exits with the code for that reason."""
    done = dsops(tmp_path, "sandbox", "run", *words, check=False)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_wrong_seed_is_reported_with_lines(tmp_path: Path) -> None:
    """All errors of a seed file are reported at once, with line numbers, and the command is not run."""
    (tmp_path / "seed.yaml").write_text('accounts:\n  "1": {}\n  "111111111111": {userz: {}}\n')

    done = dsops(tmp_path, "sandbox", "run", "--seed", "seed.yaml", "--", "echo", "ran", check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "seed.yaml:2" in done.stderr
    assert "seed.yaml:3" in done.stderr
    assert "did you mean `users`?" in done.stderr


# --- dsops sandbox serve ---------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Run `dsops sandbox serve` on a free port; yields its address."""
    (tmp_path / "seed.yaml").write_text(SEED)
    process = Child(
        [BIN / "dsops", "sandbox", "serve", "--seed", "seed.yaml", "--port", "0"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        # The address is printed only once the server accepts requests.
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert not list((tmp_path / "dsops").iterdir())


def shell(folder: Path, script: str) -> str:
    """Run a bash script; return its stdout."""
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_env_is_what_a_shell_evaluates(served: str, tmp_path: Path) -> None:
    """`dsops sandbox env` prints shell code that sets the identity and unsets any other profile and session token."""
    script = """
    export AWS_PROFILE=prod AWS_SESSION_TOKEN=old
    eval "$(dsops sandbox env --as alice)"
    aws sts get-caller-identity --query Arn --output text
    echo "$AWS_ENDPOINT_URL ${AWS_PROFILE-none}"
    """
    assert shell(tmp_path, script).split("\n") == ["arn:aws:iam::111111111111:user/alice", f"{served} none", ""]


def test_totp_is_the_devices_code(served: str, tmp_path: Path) -> None:
    """`aws sts get-session-token` accepts the code that `dsops sandbox totp` prints for the running sandbox."""
    assert served
    script = """
    eval "$(dsops sandbox env --as alice)"
    serial=arn:aws:iam::111111111111:mfa/alice
    aws sts get-session-token --serial-number $serial --token-code $(dsops sandbox totp $serial) \
        --query Credentials.AccessKeyId --output text
    """
    assert shell(tmp_path, script).startswith("ASIA")


def test_a_role_of_a_task_is_played(served: str, tmp_path: Path) -> None:
    """With `sandbox env --container-role` the AWS CLI fetches container credentials by itself."""
    assert served
    script = """
    eval "$(dsops sandbox env --container-role Task)"
    aws sts get-caller-identity --query Arn --output text
    """
    assert shell(tmp_path, script).startswith("arn:aws:sts::222222222222:assumed-role/Task/")


def test_decisions_explain_a_denial(served: str, tmp_path: Path) -> None:
    """`dsops sandbox decisions` names the condition that failed, but never the value of the external ID."""
    assert served
    script = """
    eval "$(dsops sandbox env --as alice)"
    aws sts assume-role --role-arn arn:aws:iam::222222222222:role/Target --role-session-name debug \
        --external-id a-wrong-one || true
    dsops sandbox decisions
    """
    output = shell(tmp_path, script)

    assert "may not sts:AssumeRole on arn:aws:iam::222222222222:role/Target" in output
    assert "Condition StringEquals sts:ExternalId" in output
    assert "test-external-id" not in output
    assert "a-wrong-one" not in output


def test_the_clock_can_be_moved(served: str, tmp_path: Path) -> None:
    """After the sandbox's clock is moved on by an hour, the AWS CLI's session is rejected as expired."""
    assert served
    script = """
    eval "$(dsops sandbox env --as alice)"
    set -- $(aws sts get-session-token --duration-seconds 900 \
        --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
    export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3
    aws sts get-caller-identity --query Account --output text
    dsops sandbox clock --advance 3600 >&2
    aws sts get-caller-identity 2>&1 || true
    """
    output = shell(tmp_path, script)

    assert output.startswith("111111111111\n")
    assert "(ExpiredToken)" in output
