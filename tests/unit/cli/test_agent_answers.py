"""The commands whose whole output the agent produces: the output is the same, as fast as `exec`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.agent import DECLINED, FAILED, REQUEST, RESULT, client, pack, receive, send
from tests.groups import one_in
from tests.unit.cli.stub_aws import Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
FORMATS = ("json", "env", "powershell", "fish", "ini", "process", "gitlab")
RENDERED = ("dotenv", "shell", "powershell", "fish", "json", "yaml", "gitlab")
SHELLS = ("bash", "zsh", "fish")
SAME = [
    *[("credentials", "target", "--format", name) for name in FORMATS],
    ("credentials", "secrets"),
    ("--config", "dsops.yaml", "credentials", "target", "--format=process"),
    ("get", "TOKEN", "--env", "production"),
    ("get", "--env=odd", "QUOTED"),
    ("get", "--env", "odd", "BINARY"),
    ("get", "--env", "production", "--json", "TOKEN"),
    ("get", "--env", "plain", "PLAIN"),
    *[("render", "--env", "production", "--format", name) for name in RENDERED],
    *[("render", "--env", "odd", "--format", name) for name in ("dotenv", "json", "shell")],
    *[("render", "--env=keys", "--format", name) for name in ("ini", "process")],
    ("render", "--env", "production"),
    ("--config", "dsops.yaml", "render", "--env", "plain"),
    ("render", "--env", "plain", "--out", "-"),
    *[("hook-load", shell, "{pid}", "--env", name) for shell in SHELLS for name in ("production", "odd")],
    ("hook-load", "bash", "{pid}", "--env", "plain"),
    ("complete", "--", ""),
    ("complete", "--", "exec", "--env", "p"),
    ("complete", "--", "exec", ""),
    ("complete", "--", "credentials", ""),
    ("complete", "--", "get", "--env", "odd", ""),
    ("complete", "--", "get", "--help", "--no-agent", "--"),
    ("complete", "--", "render", "--out", ""),
    ("complete", "--", "exec", "--env", "plain", "--", "tr"),
    ("complete", "--", "--config", "dsops.yaml", "exec", "--env", ""),
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
    ("render", "--env", "broken", "--format", "shell"),
    ("render", "--env", "odd", "--format", "yml"),
    ("render", "--env", "plain", "--format", "github"),
    ("render",),
    ("hook-load", "bash", "{pid}"),
    ("hook-load", "bash", "{pid}", "--env", "missing"),
    ("hook-load", "bash", "{pid}", "--env", "plane"),
    ("hook-load", "bash", "{pid}", "--env", "broken"),
    ("hook-load", "bash", "not-a-pid"),
    ("hook-load", "bash", "{pid}", "--config", "dsops.yaml"),
    ("complete", "--json"),
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
        program.run("get", "--env", "plain", "PLAIN")
        assert program.run("hook", "allow", "--env", "production").returncode == 0
        yield program


def test_hook_allow_names_the_environments(dsops: Agent) -> None:
    """`dsops hook allow` reports an environment that is not named as the other commands do."""
    done = dsops.run("hook", "allow")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no environment is selected" in done.stderr


@pytest.mark.parametrize("words", one_in(3, SAME, " ".join))
def test_an_answer_is_the_same_with_and_without(dsops: Agent, words: tuple[str, ...]) -> None:
    """Stdout, errors and exit code of a command are equal with and without the agent."""
    words = tuple([word.format(pid=os.getpid()) for word in words])
    alone, together = dsops.run(*words, DSOPS_AGENT="off"), dsops.run(*words)

    assert (together.returncode, together.stdout, together.stderr) == (alone.returncode, alone.stdout, alone.stderr)
    assert together.stdout or together.returncode


@pytest.mark.parametrize(
    "words",
    [
        ("credentials", "target", "--format", "process"),
        ("get", "--env=odd", "QUOTED"),
        ("render", "--env=production"),
        ("hook-load", "bash", "1", "--env", "production"),
        ("complete", "--", "exec", "--env", ""),
    ],
    ids=" ".join,
)
def test_next_to_nothing_is_imported(dsops: Agent, words: tuple[str, ...]) -> None:
    """The client imports little more than a bare Python: a `credential_process` runs before each AWS CLI command."""
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

    modules = [line for line in done.stderr.splitlines() if not line.startswith("dsops: hook:")]
    assert set(modules) == {"dsops", "dsops.__main__", "dsops.agent", "dsops.agent.client", "dsops.version", "_socket"}


def test_help_and_no_agent_start_none(tmp_path: Path) -> None:
    """`dsops get` with `--help` or `--no-agent` does not start an agent."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        for flag in ("--help", "--no-agent", "-v"):
            assert dsops.run("get", "--env", "production", "TOKEN", flag, DSOPS_AGENT="on").returncode == 0
            if flag != "-v":
                assert dsops.run("agent", "status").stdout == b"no agent is running\n"


def test_completion_and_the_hook_start_no_agent(tmp_path: Path) -> None:
    """Tab, and a prompt in a folder that is not allowed, start no agent."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        assert b"production" in dsops.run("complete", "--", "exec", "--env", "").stdout
        assert dsops.run("hook-load", "bash", str(os.getpid())).returncode == 2
        assert dsops.run("agent", "status").stdout == b"no agent is running\n"


def test_completion_of_a_configuration_that_is_not_allowed(dsops: Agent, tmp_path: Path) -> None:
    """The agent leaves a file that the user has not allowed to the client, which completes its names."""
    (tmp_path / "dsops.yaml").write_text("version: 1\nenvs: {secretive: {}}\n")
    request = [b"answer", b"complete", b"--", b"exec", b"--env", b""]

    assert ask_agent(dsops, tmp_path, request) == DECLINED
    (tmp_path / "dsops.yaml").unlink()
    assert ask_agent(dsops, dsops.folder, request) == RESULT


def ask_agent(dsops: Agent, folder: Path, words: list[bytes]) -> int:
    """Send a request to the running agent; return the kind of its answer."""
    connection = client.connect(client.address_in(client.folder_of(dsops.environ)))
    assert connection is not None
    environ = [os.fsencode(f"{name}={value}") for name, value in dsops.environ.items()]
    head = [client.stamp(), os.fsencode(folder), b"", b"%d" % len(words)]
    try:
        send(connection, REQUEST, pack([*head, *words, *environ]))
        while True:
            frame = receive(connection, 30)
            assert frame is not None
            if frame[0] in (RESULT, FAILED, DECLINED):
                return frame[0]
    finally:
        connection.close()


def test_the_client_writes_the_output_file(dsops: Agent, tmp_path: Path) -> None:
    """The agent provides the session, and the client's process writes the output file with its own rights."""
    done = dsops.run("credentials", "target", "--format", "ini", DSOPS_CREDENTIALS_OUT=str(tmp_path / "keys"))

    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "keys").read_text().startswith("[target]\n")

    done = dsops.run("render", "--env", "plain", DSOPS_OUT=str(tmp_path / "plain.env"))

    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "plain.env").read_text() == "PLAIN=info\n"


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
    """If the reader closes the pipe (`dsops get ... | true`), dsops exits with 141 (SIGPIPE) and no error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            dsops.command("get", "--env", "production", "TOKEN"),
            cwd=dsops.folder,
            env=dsops.environ,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, b"")


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
