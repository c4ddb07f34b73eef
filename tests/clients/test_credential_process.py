"""The unchanged AWS CLI and boto3 take their credentials from `dsops credentials --format process`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from dsops.keyring.items import Keyring
from dsops.keyring.seeds import add_seed
from dsops.secret import Secret
from tests.stubs.keyrings import StubKeyring
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Dsops, StubAws

PROFILE = """\
[profile target]
region = us-east-1
credential_process = {python} {program} --config {config} credentials target --format process
"""


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS on loopback."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """dsops in a folder, and an AWS profile whose `credential_process` runs it."""
    program = Dsops(tmp_path, aws)
    script = tmp_path / "run-dsops"
    script.write_text("import sys\nfrom dsops.cli import main\nsys.exit(main())\n")
    config = tmp_path / "aws-config"
    config.write_text(PROFILE.format(python=sys.executable, program=script, config=tmp_path / "dsops.yaml"))
    program.environ["AWS_CONFIG_FILE"] = str(config)
    return program


def signing_key(aws: StubAws) -> str:
    """The access key id that signed the last request."""
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
def test_clients_sign_with_the_stores_session(command: list[str], dsops: Dsops, aws: StubAws) -> None:
    """The AWS CLI and boto3 sign with the session of the role that dsops assumed with the base keys."""
    done = subprocess.run(
        command, cwd=os.environ["HOME"], env=dsops.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert aws.calls == ["AssumeRole", "GetCallerIdentity"]
    assert signing_key(aws) == "ASIAEXAMPLEEXAMPLE01"
    assert aws.server.seen[-1].header("X-Amz-Security-Token") == "token/of+the/session=="


MFA = """
version: 1
secretStores:
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
    serial_number: arn:aws:iam::111122223333:mfa/ada
"""
QUESTION = "MFA code of arn:aws:iam::111122223333:mfa/ada for target: "
AWS = f"{Path(sys.executable).parent / 'aws'} sts get-caller-identity --profile target"

PARENT = """
import subprocess, sys
# As a tool with plugins has it: all streams are pipes, and what the plugin says is shown by the tool.
plugin = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                        process_group=0 if sys.argv[1] == "own-group" else None)
print("plugin ended with", plugin.returncode, plugin.stdout.count("arn:aws:iam::111122223333:user/ada"), plugin.stderr)
"""


def on_terminal(dsops: Dsops, *command: str) -> Terminal:
    """A terminal that runs the command in a folder with a store whose role requires MFA."""
    (dsops.folder / "dsops.yaml").write_text(MFA)
    return Terminal(["env", "-i", *(f"{name}={value}" for name, value in dsops.environ.items()), *command])


@pytest.mark.parametrize(
    "line",
    [
        f"{AWS} > answer",
        f"{AWS} 2> /dev/null < /dev/null | tee answer > /dev/null",
        f"echo no | {AWS} --output json 2>&1 | cat > answer",
    ],
    ids=["to a file", "in the middle of a pipe", "behind a pipe"],
)
def test_the_prompt_uses_the_terminal_whatever_the_streams_are(dsops: Dsops, aws: StubAws, line: str) -> None:
    """The MFA prompt uses the terminal itself, however the AWS CLI redirects the streams of dsops."""
    with on_terminal(dsops, "sh", "-c", f"cd {dsops.folder}; {line}; echo done") as terminal:
        terminal.expect(QUESTION)
        terminal.type("012345\n")
        assert "012345" not in terminal.expect("done")
    assert aws.calls == ["AssumeRole", "GetCallerIdentity"]
    assert b"TokenCode=012345" in aws.server.seen[0].body
    answer = (dsops.folder / "answer").read_text()
    assert "arn:aws:iam::111122223333:user/ada" in answer
    assert "MFA" not in answer


def test_five_digits_and_a_wrong_code_are_asked_for_again(dsops: Dsops, aws: StubAws) -> None:
    """After five digits or a rejected code the prompt says what was wrong and how many attempts are left."""
    aws.wrong_codes = {"111111"}
    with on_terminal(dsops, "sh", "-c", f"cd {dsops.folder}; {AWS} > answer; echo done") as terminal:
        terminal.expect(QUESTION)
        terminal.type("12345\n")
        terminal.expect(f"a code has six digits (2 more tries)\r\n{QUESTION}")
        terminal.type("111111\n")
        terminal.expect(f"that code was not accepted (1 more try)\r\n{QUESTION}")
        terminal.type("123456\n")
        terminal.expect("done")
    assert aws.calls == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]


def test_the_third_rejected_code_is_an_error(dsops: Dsops, aws: StubAws) -> None:
    """After the third rejected code the client shows dsops' error, which contains none of the codes."""
    codes = ("111111", "222222", "333333")
    aws.wrong_codes = set(codes)
    with on_terminal(dsops, "sh", "-c", f"cd {dsops.folder}; {AWS} > answer 2> errors; echo done") as terminal:
        for code in codes:
            terminal.expect(QUESTION)
            terminal.type(f"{code}\n")
        assert QUESTION not in terminal.expect("done")
    assert aws.calls == ["AssumeRole"] * 3
    text = (dsops.folder / "errors").read_text()
    assert "error[mfa.refused]" in text
    assert not any(code in text for code in codes)


def test_ctrl_c_ends_the_client_and_the_question(dsops: Dsops, aws: StubAws) -> None:
    """Ctrl-C ends the prompt and the client, and the terminal's echo is restored."""
    line = f"trap : INT; cd {dsops.folder}; {AWS} > answer; stty -a < /dev/tty | grep -o -e '-\\?echo\\b'"
    with on_terminal(dsops, "bash", "-c", line) as terminal:
        terminal.expect(QUESTION)
        terminal.type("\x03")
        assert "-echo" not in terminal.expect("echo\r\n")
    assert aws.calls == []


def test_the_prompt_of_a_plugin_with_pipes(dsops: Dsops, aws: StubAws) -> None:
    """When a tool runs the client as a plugin with pipes as streams, the prompt appears on the tool's terminal."""
    (dsops.folder / "parent.py").write_text(PARENT)
    command = [sys.executable, str(dsops.folder / "parent.py"), "same-group", *AWS.split(" ")]
    with on_terminal(dsops, *command) as terminal:
        terminal.expect(QUESTION)
        terminal.type("012345\n")
        terminal.expect("plugin ended with 0 1")
    assert aws.calls == ["AssumeRole", "GetCallerIdentity"]


def test_a_plugin_in_a_background_process_group(dsops: Dsops, aws: StubAws) -> None:
    """A plugin in a background process group fails at once with a hint: reading the terminal would suspend it."""
    (dsops.folder / "parent.py").write_text(PARENT)
    command = [sys.executable, str(dsops.folder / "parent.py"), "own-group", *AWS.split(" ")]
    with on_terminal(dsops, *command) as terminal:
        screen = terminal.expect("mfa.required")
        assert QUESTION not in screen
        terminal.expect("dsops mfa add")
    assert aws.calls == []


def test_a_seed_in_the_keyring_answers_for_a_plugin(dsops: Dsops, aws: StubAws, home: Path) -> None:
    """For a plugin that cannot prompt, dsops computes the MFA code from the TOTP seed in the keyring."""
    keyring = StubKeyring(home)
    dsops.environ |= keyring.environ
    device, seed = "arn:aws:iam::111122223333:mfa/ada", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    add_seed(Keyring(dsops.environ, "/"), device, Secret(seed), "2026-11-24T12:00:00Z", replaces=False)
    (dsops.folder / "parent.py").write_text(PARENT)
    command = [sys.executable, str(dsops.folder / "parent.py"), "own-group", *AWS.split(" ")]
    with on_terminal(dsops, *command) as terminal:
        assert QUESTION not in terminal.expect("plugin ended with 0 1")
    sent = aws.server.seen[0].body.decode().partition("TokenCode=")[2][:6]
    assert pyotp.TOTP(seed).verify(sent, valid_window=1)
