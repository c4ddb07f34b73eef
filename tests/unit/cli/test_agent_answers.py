"""`dsops credentials` and `dsops get` when the agent produces the whole answer: same output, as fast as `exec`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.stub_aws import Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
FORMATS = ("json", "env", "powershell", "fish", "ini", "process", "gitlab")
SAME = [
    *[("credentials", "target", "--format", name) for name in FORMATS],
    ("credentials", "secrets"),
    ("--config", "dsops.yaml", "credentials", "target", "--format=process"),
    ("get", "TOKEN", "--env", "production"),
    ("get", "--env=odd", "QUOTED"),
    ("get", "--env", "odd", "BINARY"),
    ("get", "--env", "production", "--json", "TOKEN"),
    ("get", "--env", "plain", "PLAIN"),
    # The following command lines fail, some in the agent and some in the client.
    ("credentials", "tarket"),
    ("credentials", "target", "--formt", "env"),
    ("credentials",),
    ("credentials", "target", "--format", "github"),
    ("credentials", "target", "--config", "gone.yaml"),
    ("credentials", "target", "--min-ttl", "soon"),
    ("get", "TOKEN"),
    ("get", "TOKEM", "--env", "production"),
    ("get", "ABSENT", "--env", "missing"),
    ("get", "OPTIONAL", "--env", "optional", "--json"),
    ("get", "--help"),
]

MODULES = """
import os, sys
before = set(sys.modules)
from dsops.__main__ import main
code = main()
os.write(2, "\\n".join(sorted(set(sys.modules) - before)).encode())
sys.exit(code)
"""


@pytest.fixture(scope="module")
def dsops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A user with an agent, and a stub of AWS with a role and some secrets."""
    with StubAws() as aws, Agent(tmp_path_factory.mktemp("answers"), aws) as program:
        yield program


@pytest.mark.parametrize("words", SAME, ids=" ".join)
def test_an_answer_is_the_same_with_and_without(dsops: Agent, words: tuple[str, ...]) -> None:
    """Stdout, errors and exit code of a command are equal with and without the agent."""
    alone, together = dsops.run(*words, DSOPS_AGENT="off"), dsops.run(*words)

    assert (together.returncode, together.stdout, together.stderr) == (alone.returncode, alone.stdout, alone.stderr)
    assert together.stdout or together.returncode


@pytest.mark.parametrize("words", [("credentials", "target", "--format", "process"), ("get", "--env=odd", "QUOTED")])
def test_next_to_nothing_is_imported(dsops: Agent, words: tuple[str, ...]) -> None:
    """A `credential_process` imports little more than a bare Python, because it runs before each AWS CLI command."""
    dsops.run(*words)

    done = subprocess.run(
        [sys.executable, "-I", "-c", MODULES, *words],
        cwd=dsops.folder,
        env=dsops.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert set(done.stderr.split()) == {
        "dsops",
        "dsops.__main__",
        "dsops.agent",
        "dsops.agent.client",
        "dsops.version",
        "_socket",
    }


def test_help_and_no_agent_start_none(tmp_path: Path) -> None:
    """`dsops get` with `--help` or `--no-agent` does not start an agent."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        for flag in ("--help", "--no-agent", "-v"):
            assert dsops.run("get", "--env", "production", "TOKEN", flag, DSOPS_AGENT="on").returncode == 0
            if flag != "-v":
                assert dsops.run("agent", "status").stdout == b"no agent is running\n"


def test_the_client_writes_the_output_file(dsops: Agent, tmp_path: Path) -> None:
    """The agent provides the session, and the client's process writes the output file with its own rights."""
    done = dsops.run("credentials", "target", "--format", "ini", DSOPS_CREDENTIALS_OUT=str(tmp_path / "keys"))

    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "keys").read_text().startswith("[target]\n")


def test_for_profile_ignores_that_profile(dsops: Agent) -> None:
    """With `AWS_PROFILE=target`, `credentials target --for-profile target` ignores the profile `target`."""
    words = ("credentials", "target", "--format", "process", "--for-profile", "target", "--config")
    file = str(dsops.folder / "dsops.yaml")

    own = dsops.run(*words, file, AWS_PROFILE="target")
    foreign = dsops.run(*words, file, AWS_PROFILE="other")

    assert (own.returncode, own.stderr) == (0, b"")
    assert foreign.returncode == 0, "keys in the environment win over a profile"


def test_for_profile_does_not_allow_commands(dsops: Agent) -> None:
    """`--for-profile` runs no command of dsops.yaml, which may have changed since ~/.aws/config was written."""
    file = dsops.folder / "runs.yaml"
    text = (dsops.folder / "dsops.yaml").read_text()
    asks = f"    serial_number: {DEVICE}\n    mfa_process: touch owned\n"
    file.write_text(text.replace("    external_id:", f"{asks}    external_id:"))
    words = ("credentials", "target", "--format", "process", "--config", str(file))

    written_down = dsops.run(*words, "--for-profile=target")

    assert written_down.returncode == 2
    assert b"dsops: error[config.not-allowed]" in written_down.stderr
    assert b"profile `target` names this file" in written_down.stderr
    assert not (dsops.folder / "owned").exists()


def test_a_reader_that_has_left_is_no_error(dsops: Agent) -> None:
    """If the reader closes the pipe, as in `dsops get ... | true`, dsops ends like other programs do."""
    process = dsops.start("get", "--env", "production", "TOKEN")
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait(30) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_closed_stdout_is_an_error(dsops: Agent) -> None:
    """A closed stdout is an error, because its descriptor could become the agent's connection and get the output."""
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *dsops.command("get", "--env", "production", "TOKEN")],
        cwd=dsops.folder,
        env=dsops.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode != 0
    assert "can't write to stdout" in done.stderr
    assert "hush" not in done.stderr
