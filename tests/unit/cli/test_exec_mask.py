"""`dsops exec --mask` as a real process: which values are masked, and the mask commands for GitHub Actions."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.stub_aws import QUOTED, Dsops, StubAws


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, which uses the stub as its AWS."""
    return Dsops(tmp_path, aws)


def test_what_was_read_from_a_store_is_hidden(dsops: Dsops) -> None:
    """A secret is masked on stdout and stderr, also if base64-encoded; literals are not masked."""
    script = 'echo "$TOKEN $PLAIN"; printf %s "user:$TOKEN" | base64; echo "$TOKEN" >&2; exit 7'
    done = dsops.run("exec", "--env", "production", "--mask", "--", "sh", "-c", script)
    assert done.returncode == 7
    lines = done.stdout.splitlines()
    assert lines[0] == b"*** info"
    assert b"***" in lines[1]
    assert base64.b64encode(b"user:hush-token")[8:18] not in lines[1]
    assert done.stderr == b"***\n"


def test_without_the_flag_nothing_is_masked(dsops: Dsops) -> None:
    """Without `--mask` the command's output is unchanged."""
    done = dsops.run("exec", "--env", "production", "--", "sh", "-c", 'echo "$TOKEN"')
    assert done.stdout == b"hush-token\n"


def test_a_session_is_hidden_but_for_the_id_of_its_key(dsops: Dsops) -> None:
    """All parts of a session except the key id, which is not secret, are masked."""
    script = 'echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN $AWS_REGION"'
    done = dsops.run("exec", "--credentials", "target", "--mask", "--", "sh", "-c", script)
    assert done.stdout == b"ASIAEXAMPLEEXAMPLE01 *** *** us-east-1\n"
    script = 'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN"'
    done = dsops.run("exec", "--credentials", "target", "--serve", "--mask", "--", "sh", "-c", script)
    assert done.stdout == b"***\n"


def test_a_short_value_is_not_masked(dsops: Dsops) -> None:
    """A value shorter than four bytes is not masked, and a note says this unless the value is empty."""
    done = dsops.run("exec", "--env", "odd", "--mask", "--", "sh", "-c", 'echo "$QUOTED"')
    assert done.stderr == b"dsops: note: BINARY: a value of less than 4 bytes is not masked\n"
    assert QUOTED.encode() not in done.stdout
    assert [line.strip() for line in done.stdout.splitlines()] in ([b"***"], [b"***", b"***"])


def test_github_is_told_first(dsops: Dsops) -> None:
    """In GitHub Actions a mask command for each line of a secret is printed first; elsewhere none is printed."""
    words = ("exec", "--env", "odd", "--mask", "--", "echo", "ran")
    assert dsops.run(*words).stdout == b"ran\n"
    assert dsops.run(*words, GITHUB_ACTIONS="false").stdout == b"ran\n"
    lines = dsops.run(*words, GITHUB_ACTIONS="true").stdout.splitlines()
    assert lines[-1] == b"ran"
    assert lines[:-1] == [b"::add-mask::" + line.encode() for line in QUOTED.splitlines()]


def test_no_mask_commands_are_written_to_a_file(dsops: Dsops, tmp_path: Path) -> None:
    """If stdout is a file, no mask commands are printed, because they would show the values in the file."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        done = subprocess.run(
            dsops.command("exec", "--env", "production", "--mask", "--", "sh", "-c", 'echo "$TOKEN"'),
            cwd=dsops.folder,
            env={**dsops.environ, "GITHUB_ACTIONS": "true"},
            stdout=file,
            stderr=subprocess.PIPE,
            check=True,
            timeout=60,
        )
    assert log.read_bytes() == b"***\n"
    assert b"stdout is a file" in done.stderr


def test_a_command_that_can_not_run_is_told_as_without(dsops: Dsops) -> None:
    """Exit codes 127, 126 and 124 are the same with `--mask`."""
    assert dsops.run("exec", "--env", "plain", "--mask", "--", "no-such-command").returncode == 127
    assert dsops.run("exec", "--env", "plain", "--mask", "--", "./dsops.yaml").returncode == 126
    assert dsops.run("exec", "--env", "plain", "--mask", "--timeout", "0.3", "--", "sleep", "60").returncode == 124
