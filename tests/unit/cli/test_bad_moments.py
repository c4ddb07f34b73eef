"""`dsops` as a real process on a terminal: Ctrl-C at any moment, and wrong MFA codes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stubs.aws import assume_role_answer, sts_error
from tests.stubs.server import Answer, StubServer
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Dsops

MFA = """\
secretStores:
  role:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/R
    serial_number: arn:aws:iam::111122223333:mfa/ada
envs:
  production:
    KEY: {from: "role:access_key_id"}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[tuple[Dsops, StubServer]]:
    """The program with a role that requires MFA, and a stub of STS that accepts only 654321."""

    def answer(seen: object) -> Answer:
        if b"TokenCode=654321" in getattr(seen, "body", b""):
            return assume_role_answer(expiration="2099-01-01T00:00:00Z")
        return sts_error("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")

    dsops = Dsops(tmp_path)
    (tmp_path / "dsops.yaml").write_text(MFA)
    with StubServer(answer) as server:
        dsops.environ["AWS_ENDPOINT_URL"] = server.url
        yield dsops, server


def _in_a_shell(dsops: Dsops, *words: str) -> list[str]:
    """A shell on a terminal that runs the program, then prints its exit code and whether the terminal echoes."""
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    show = "case $(stty -a) in *-echo\\ *) echo blind;; *) echo sees;; esac"
    line = f'trap : INT; cd "$1"; shift; "$@"; echo "code $?"; {show}; sleep 9'
    return ["bash", "-c", line, "bash", str(dsops.folder), "env", "-i", *environ, *dsops.command(*words)]


def test_ctrl_c_at_the_prompt_is_130(asking: tuple[Dsops, StubServer]) -> None:
    """Ctrl-C at the prompt exits with 130, makes no call, runs no command, and restores the terminal's echo."""
    dsops, server = asking
    with Terminal(_in_a_shell(dsops, "exec", "--", "touch", "ran")) as terminal:
        terminal.expect("MFA code of arn:aws:iam::111122223333:mfa/ada for role: ")
        terminal.type("\x03")
        assert "Traceback" not in terminal.expect("code 130")
        terminal.expect("sees")
    assert server.seen == []
    assert not (dsops.folder / "ran").exists()


def test_ctrl_c_while_a_server_is_awaited_is_130(tmp_path: Path) -> None:
    """Ctrl-C while waiting for a server exits with 130 and erases the progress line."""
    dsops = Dsops(tmp_path)
    with StubServer(lambda _seen: Answer(is_silent=True)) as silent:
        dsops.environ["AWS_ENDPOINT_URL"] = silent.url
        with Terminal(_in_a_shell(dsops, "exec", "--env", "production", "--", "touch", "ran")) as terminal:
            end = time.monotonic() + 60
            while not silent.seen and time.monotonic() < end:
                time.sleep(0.01)
            terminal.type("\x03")
            assert "Traceback" not in terminal.expect("code 130")
            terminal.expect("sees")
    assert not (dsops.folder / "ran").exists()


def test_a_wrong_code_is_asked_for_again(asking: tuple[Dsops, StubServer]) -> None:
    """A malformed code is not sent, a rejected code can be corrected, and typed codes are not shown."""
    dsops, server = asking
    with Terminal(_in_a_shell(dsops, "get", "KEY")) as terminal:
        terminal.expect("for role: ")
        terminal.type("12345\n")
        terminal.expect("a code has six digits (2 more tries)\r\n")
        terminal.expect("for role: ")
        terminal.type("123456\n")
        terminal.expect("that code was not accepted (1 more try)\r\n")
        terminal.expect("for role: ")
        terminal.type("654321\n")
        assert "654321" not in terminal.expect("ASIAEXAMPLEEXAMPLE01")
        terminal.expect("code 0")
    assert len(server.seen) == 2


def test_a_wrong_code_without_a_terminal_is_an_error(asking: tuple[Dsops, StubServer]) -> None:
    """A rejected code from a variable is an error with the hint to use the next code."""
    dsops, server = asking
    (dsops.folder / "dsops.yaml").write_text(MFA.replace("    serial", "    token_code: ${MFA_TOKEN}\n    serial"))
    done = dsops.run("get", "KEY", MFA_TOKEN="123456")
    assert done.returncode == 3
    assert b"error[mfa.refused]" in done.stderr
    assert b"wait for the next one" in done.stderr
    assert b"123456" not in done.stderr
    assert len(server.seen) == 1
