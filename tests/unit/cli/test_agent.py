"""The agent as a real process: it starts on demand, and a stub of AWS counts its calls."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.children import SECONDS
from tests.stubs.aws import assume_role_answer, parameters_of
from tests.stubs.server import Answer, Seen
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, StubAws

PATIENCE_SECONDS = 60
SHOW_KEY = ("exec", "--env", "keys", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of AWS that issues sessions for one role."""
    with StubAws() as stub:
        yield stub


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Iterator[Agent]:
    """The program for a user who has no running agent."""
    with Agent(tmp_path, aws) as program:
        yield program


class SlowAws(StubAws):
    """A stub of AWS that answers AssumeRole slowly."""

    seconds = 1.0

    def _answer(self, seen: Seen) -> Answer:
        answer = super()._answer(seen)
        is_role = parameters_of(seen).get("Action") == "AssumeRole"
        return answer._replace(delay_seconds=self.seconds) if is_role else answer


class PersonalAws(StubAws):
    """A stub of AWS that puts the caller's key id into the session's key id."""

    def _answer(self, seen: Seen) -> Answer:
        if parameters_of(seen).get("Action") != "AssumeRole":
            return super()._answer(seen)
        caller = seen.header("Authorization").partition("Credential=")[2].partition("/")[0]
        return assume_role_answer(access_key_id=f"ASIA{caller[4:]}", expiration="2099-01-01T00:00:00Z")


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until the condition is true; fail after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Wait for the process to end; return its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def pid_of(dsops: Agent) -> int:
    """The agent's process id."""
    pid = dsops.status()["pid"]
    assert isinstance(pid, int)
    return pid


def is_alive(pid: int) -> bool:
    """Whether the process runs and is not a zombie."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=60
    )
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


# --- one session for all ------------------------------------------------------------------------------------


def test_the_next_run_needs_no_new_session(dsops: Agent, aws: StubAws) -> None:
    """The first run starts the agent and assumes the role; the second run only reads its secret."""
    words = ("exec", "--env", "production", "--", "sh", "-c", "echo $TOKEN $PLAIN")

    runs = [dsops.run(*words) for _ in range(2)]

    assert [(run.returncode, run.stdout, run.stderr) for run in runs] == [(0, b"hush-token info\n", b"")] * 2
    assert aws.calls == ["AssumeRole", "GetSecretValue", "GetSecretValue"]


def test_connections_stay_open_from_one_run_to_the_next(dsops: Agent, aws: StubAws) -> None:
    """A later run reuses the agent's open connection, so that reading its secret takes one round trip."""
    words = ("exec", "--env", "production", "--", "true")
    dsops.run(*words)
    opened = aws.server.connections
    for _ in range(3):
        dsops.run(*words)
    assert aws.calls.count("GetSecretValue") == 4
    assert aws.server.connections == opened


def test_every_command_shares_the_session(dsops: Agent, aws: StubAws) -> None:
    """exec, exec with --timeout, get, render, credentials and whoami share one AssumeRole."""
    commands = [
        ("exec", "--env", "keys", "--", "true"),
        ("exec", "--env", "production", "--timeout", "20", "--", "true"),
        ("get", "TOKEN", "--env", "production"),
        ("render", "--env", "production"),
        ("credentials", "target", "--format", "process"),
        ("whoami", "target"),
        ("exec", "--credentials", "target", "--", "true"),
        ("exec", "--credentials", "target", "--serve", "--env", "production", "--", "true"),
        ("exec", "--env", "production", "--mask", "--", "true"),
    ]
    done = [dsops.run(*words) for words in commands]
    assert [run.returncode for run in done] == [0] * len(commands), [run.stderr for run in done]
    assert done[2].stdout == b"hush-token"
    assert aws.calls.count("AssumeRole") == 1


def test_twenty_cold_runs_at_once_assume_one_role(tmp_path: Path) -> None:
    """Twenty runs that start at once without a running agent share one session."""
    with SlowAws() as aws, Agent(tmp_path, aws) as dsops:
        started = [dsops.start(*SHOW_KEY) for _ in range(20)]
        ended = [finish(process) for process in started]
        assert {(code, err) for code, _, err in ended} == {(0, b"")}
        assert len({out for _, out, _ in ended}) == 1
        assert aws.calls == ["AssumeRole"]
        assert len(dsops.status()["sessions"]) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_agent_that_is_killed_or_hangs_blocks_no_client(tmp_path: Path, number: int) -> None:
    """If the first client is killed or stopped, the agent still finishes its AssumeRole and shares the session."""
    with SlowAws() as aws, Agent(tmp_path, aws) as dsops:
        first = dsops.start(*SHOW_KEY)
        wait_until(lambda: bool(aws.calls))
        first.send_signal(number)
        others = [dsops.start(*SHOW_KEY) for _ in range(5)]
        assert [finish(process)[0] for process in others] == [0] * 5
        assert aws.calls == ["AssumeRole"]
        first.kill()
        first.communicate(timeout=SECONDS)


def test_an_agent_that_is_killed_in_the_middle_is_started_again(tmp_path: Path) -> None:
    """If the agent is killed during a request, one of the waiting clients starts a new agent."""
    with SlowAws() as aws, Agent(tmp_path, aws) as dsops:
        dsops.run("agent", "start")
        before = pid_of(dsops)
        clients = [dsops.start(*SHOW_KEY) for _ in range(3)]
        wait_until(lambda: bool(aws.calls))
        os.kill(before, signal.SIGKILL)
        assert [finish(process)[0] for process in clients] == [0] * 3
        assert pid_of(dsops) != before
        assert aws.calls == ["AssumeRole"] * 2


def test_a_client_works_without_a_stopped_agent(dsops: Agent, aws: StubAws) -> None:
    """If the agent is suspended (SIGSTOP), a client does the work itself after a few seconds."""
    dsops.run("agent", "start")
    pid = pid_of(dsops)
    os.kill(pid, signal.SIGSTOP)
    try:
        done = dsops.run(*SHOW_KEY)
        assert (done.returncode, done.stderr) == (0, b"")
        assert aws.calls == ["AssumeRole"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_values_are_kept_where_a_store_asks_for_it(dsops: Agent, aws: StubAws) -> None:
    """With `cache_seconds` the agent caches secrets, separately for each identity, until `agent clear`."""
    file = dsops.folder / "dsops.yaml"
    source = "credentials_from: target"
    file.write_text(file.read_text().replace(source, f"{source}\n    cache_seconds: 60"))
    words = ("exec", "--env", "production", "--", "sh", "-c", "echo $TOKEN")
    assert [dsops.run(*words).stdout for _ in range(2)] == [b"hush-token\n"] * 2
    assert aws.calls == ["AssumeRole", "GetSecretValue"]
    assert dsops.status()["values"] == 1
    assert b"hush" not in dsops.run("agent", "status").stdout
    assert dsops.run(*words, AWS_ACCESS_KEY_ID="AKIAEXAMPLEEXAMPLE02").stdout == b"hush-token\n"
    assert aws.calls.count("GetSecretValue") == 2
    dsops.run("agent", "clear")
    dsops.run(*words)
    assert aws.calls.count("GetSecretValue") == 3


# --- no client gets another's identity ----------------------------------------------------------------------


def test_other_keys_are_another_session(tmp_path: Path) -> None:
    """The agent uses each client's own keys, so two identities get separate sessions."""
    with PersonalAws() as aws, Agent(tmp_path, aws) as dsops:
        for _ in range(2):
            for name in ("EXAMPLEEXAMPLE01", "EXAMPLEEXAMPLE02"):
                done = dsops.run(*SHOW_KEY, AWS_ACCESS_KEY_ID=f"AKIA{name}")
                assert done.stdout.decode().strip() == f"ASIA{name}"
        assert aws.calls == ["AssumeRole"] * 2


def test_many_identities_at_once_stay_apart(tmp_path: Path) -> None:
    """Twenty concurrent clients with different keys each get their own session from one agent."""
    with PersonalAws() as aws, Agent(tmp_path, aws) as dsops:
        names = [f"EXAMPLEEXAMPLE{number:02}" for number in range(20)]
        started = [dsops.start(*SHOW_KEY, AWS_ACCESS_KEY_ID=f"AKIA{name}") for name in names]
        ended = [finish(process) for process in started]
        assert ended == [(0, f"ASIA{name}\n".encode(), b"") for name in names]


def test_another_profile_is_another_session(tmp_path: Path) -> None:
    """Two profiles in one file get separate sessions, and a profile whose keys are edited gets a new session."""
    with PersonalAws() as aws, Agent(tmp_path, aws) as dsops:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del dsops.environ[name]
        file = tmp_path / "credentials"
        dsops.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(file)
        text = "[one]\naws_access_key_id = AKIAONE\naws_secret_access_key = x\n"
        file.write_text(text + text.replace("one", "two").replace("ONE", "TWO"))
        assert dsops.run(*SHOW_KEY, AWS_PROFILE="one").stdout == b"ASIAONE\n"
        assert dsops.run(*SHOW_KEY, AWS_PROFILE="two").stdout == b"ASIATWO\n"
        file.write_text(text.replace("ONE", "THREE"))
        assert dsops.run(*SHOW_KEY, AWS_PROFILE="one").stdout == b"ASIATHREE\n"


def test_an_edited_configuration_counts_at_once(dsops: Agent, aws: StubAws) -> None:
    """An edited configuration takes effect at the next run, and a new role gets a new session."""
    assert dsops.run("exec", "--env", "keys", "--", "true").returncode == 0
    file = dsops.folder / "dsops.yaml"
    file.write_text(file.read_text().replace("role/Target", "role/Other").replace("literal: info", "literal: debug"))
    assert dsops.run("exec", "--env", "keys", "--", "true").returncode == 0
    assert dsops.run("exec", "--env", "plain", "--", "sh", "-c", "echo $PLAIN").stdout == b"debug\n"
    roles = [parameters_of(seen)["RoleArn"] for seen in aws.server.seen]
    assert roles == ["arn:aws:iam::111122223333:role/Target", "arn:aws:iam::111122223333:role/Other"]


def test_the_agent_requires_permission_too(dsops: Agent, aws: StubAws) -> None:
    """The agent refuses a configuration that contains a command until `dsops allow`, and then runs the command."""
    file = dsops.folder / "dsops.yaml"
    file.write_text(
        file.read_text().replace(
            "external_id: the-external-id",
            "external_id: the-external-id\n    serial_number: arn:aws:iam::111122223333:mfa/ada\n"
            "    mfa_process: echo 123456",
        )
    )
    dsops.allows = False
    refused = dsops.run(*SHOW_KEY)
    assert refused.returncode == 125
    assert b"dsops allow" in refused.stderr
    assert aws.calls == []
    assert dsops.run("allow").returncode == 0
    assert dsops.run(*SHOW_KEY).returncode == 0
    assert parameters_of(aws.server.seen[0])["TokenCode"] == "123456"


def test_the_command_gets_the_clients_environment(dsops: Agent) -> None:
    """The command of `exec` gets the client's working folder and variables (bytes unchanged), not the agent's."""
    dsops.run("agent", "start")
    elsewhere = dsops.folder / "deep"
    elsewhere.mkdir()
    done = subprocess.run(
        dsops.command("exec", "--env", "production", "--", "sh", "-c", 'pwd; printf %s "$ODD"; echo "$LATE"'),
        cwd=elsewhere,
        env={**dsops.environ, "ODD": "\udcff\udcfe=x", "LATE": "1"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == os.fsencode(f"{elsewhere}\n") + b"\xff\xfe=x1\n"


# --- errors, notes and questions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("--env", "missing"),
        ("--env", "nowhere"),
        ("--env", "broken"),
        ("--wrong",),
        ("--env", "production", "--json"),
        ("--config", "absent.yaml"),
    ],
    ids=" ".join,
)
def test_errors_are_the_same_as_without_an_agent(dsops: Agent, words: tuple[str, ...]) -> None:
    """An error has the same text, exit code and JSON with and without the agent."""
    command = ("exec", *words, "--", "true")
    with_agent = dsops.run(*command)
    without = dsops.run(*command, DSOPS_AGENT="off")
    assert (with_agent.returncode, with_agent.stdout) == (without.returncode, without.stdout)
    assert with_agent.stderr == without.stderr


@pytest.mark.parametrize(
    "words", [("exec", "--env", "keys", "--", "true"), ("render", "--env", "keys"), ("credentials", "target")], ids=str
)
def test_notes_are_shown_once(dsops: Agent, words: tuple[str, ...]) -> None:
    """A note about the configuration is shown once per run, both with and without the agent."""
    file = dsops.folder / "dsops.yaml"
    file.write_text(file.read_text().replace("role_arn:", "assume_role:"))
    with_agent, without = dsops.run(*words), dsops.run(*words, DSOPS_AGENT="off")
    assert b"note" in without.stderr
    assert with_agent.stderr == without.stderr


def test_a_denied_role_gives_the_same_error_as_without_an_agent(tmp_path: Path) -> None:
    """A denial shows AWS's own message and is not cached, so the next run calls AWS again."""
    with StubAws(denies=True) as aws, Agent(tmp_path, aws) as dsops:
        settings = [(agent, is_json) for agent in ("on", "off") for is_json in ("", "1")]
        runs = [dsops.run(*SHOW_KEY, DSOPS_AGENT=agent, DSOPS_JSON=is_json) for agent, is_json in settings]
        assert {run.returncode for run in runs} == {125}
        assert runs[0].stderr == runs[2].stderr
        assert runs[1].stderr == runs[3].stderr
        assert json.loads(runs[1].stderr)["error"]["code"] == "sts.access-denied"
        assert aws.calls == ["AssumeRole"] * 4


def test_a_missing_command_makes_no_call(dsops: Agent, aws: StubAws) -> None:
    """A missing command is reported before any call to AWS and without starting an agent."""
    done = dsops.run("exec", "--env", "production", "--", "no-such-command")
    assert done.returncode == 127
    assert aws.calls == []
    assert not dsops.status()["is_running"]


def test_a_script_without_its_first_line_is_run_by_the_shell(dsops: Agent) -> None:
    """A script without `#!` line is run by the shell."""
    script = dsops.folder / "script"
    script.write_text("echo $PLAIN\n")
    script.chmod(0o755)
    assert dsops.run("exec", "--env", "plain", "--", "./script").stdout == b"info\n"


def test_twenty_runs_ask_one_person_for_one_code(tmp_path: Path) -> None:
    """One of twenty runs prompts for the MFA code at its terminal, and the other runs use the session that it gets."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        file = tmp_path / "dsops.yaml"
        device = "serial_number: arn:aws:iam::111122223333:mfa/ada"
        file.write_text(file.read_text().replace("external_id:", f"{device}\n    external_id:"))
        script = tmp_path / "many"
        line = f"{shlex.join(dsops.command(*SHOW_KEY[:4]))} sh -c 'echo got $AWS_ACCESS_KEY_ID' &"
        script.write_text(f"for i in $(seq 20); do {line} done\nwait\necho over\n")
        environ = [f"{name}={value}" for name, value in dsops.environ.items()]
        with Terminal(["env", "-i", "-C", str(tmp_path), *environ, "sh", str(script)]) as terminal:
            terminal.expect("MFA")
            terminal.type("123456\n")
            shown = terminal.expect("over")
        assert shown.count("got ASIA") == 20
        assert "MFA" not in shown
        assert aws.calls == ["AssumeRole"]


# --- the agent itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"DSOPS_AGENT": "off"}, {"DSOPS_NO_AGENT": "1"}], ids=str)
def test_no_agent_is_started_in_ci_or_when_switched_off(dsops: Agent, environ: dict[str, str]) -> None:
    """In CI and with DSOPS_AGENT=off, the client does the work in its own process."""
    done = dsops.run("exec", "--env", "production", "--", "sh", "-c", "echo $TOKEN", **environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hush-token\n", b"")
    assert not dsops.status()["is_running"]
    assert os.listdir(dsops.sockets) == []


def test_the_no_agent_flag(dsops: Agent) -> None:
    """`--no-agent` disables the agent for one run."""
    assert dsops.run("exec", "--no-agent", "--env", "production", "--", "true").returncode == 0
    assert not dsops.status()["is_running"]


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_an_unsafe_socket_folder_is_not_used(dsops: Agent, kind: str) -> None:
    """With an unsafe socket folder the client works without an agent; `agent start` reports the problem."""
    folder = Path(dsops.sockets) / "dsops"
    if kind == "link":
        (Path(dsops.sockets) / "other").mkdir(mode=0o700)
        folder.symlink_to("other")
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o755)
    done = dsops.run("exec", "--env", "production", "--", "true")
    assert (done.returncode, done.stderr) == (0, b"")
    started = dsops.run("agent", "start")
    assert started.returncode == 2
    assert b"error[agent.unavailable]" in started.stderr
    assert b"is not safe" in started.stderr


def test_without_a_socket_the_client_does_the_work(dsops: Agent) -> None:
    """If no socket can be created, the client does the work in its own process."""
    done = dsops.run("exec", "--env", "production", "--", "true", XDG_RUNTIME_DIR="/proc/self/no-such-folder")
    assert (done.returncode, done.stderr) == (0, b"")


def test_start_status_clear_and_stop(dsops: Agent, aws: StubAws) -> None:
    """`agent status` lists the sessions without secrets, `clear` drops them, and `stop` ends the agent."""
    assert dsops.run("agent", "status").stdout == b"no agent is running\n"
    assert dsops.run("agent", "start").returncode == 0
    assert dsops.run("agent", "start").returncode == 0
    dsops.run("exec", "--env", "production", "--", "true")
    status = dsops.status()
    [session] = status["sessions"]
    assert datetime.now(UTC) - datetime.fromisoformat(status["started"]) < timedelta(minutes=5)
    assert session["store"] == "target"
    assert (session["hop"], session["uses"]) == (1, 1)
    assert "..." in session["key_id"]
    shown = dsops.run("agent", "status").stdout.decode()
    assert "target" in shown
    for text in (shown, json.dumps(status)):
        assert "hush" not in text
    assert dsops.run("agent", "clear").returncode == 0
    assert dsops.status()["sessions"] == []
    dsops.run("exec", "--env", "production", "--", "true")
    assert aws.calls.count("AssumeRole") == 2
    pid = pid_of(dsops)
    assert dsops.run("agent", "stop").returncode == 0
    wait_until(lambda: not is_alive(pid))
    assert dsops.status() == {
        "is_running": False,
        "pid": None,
        "socket": status["socket"],
        "started": None,
        "values": 0,
        "sessions": [],
    }
    assert dsops.run("agent", "stop").returncode == 0


def test_an_idle_agent_ends(dsops: Agent) -> None:
    """The agent ends after being idle for the configured time."""
    dsops.environ["DSOPS_AGENT_IDLE"] = "0.3"
    assert dsops.run("exec", "--env", "production", "--", "true").returncode == 0
    wait_until(lambda: not any(name for name in os.listdir(f"{dsops.sockets}/dsops") if not name.endswith(".lock")))


def test_a_second_foreground_agent_is_refused(dsops: Agent) -> None:
    """`dsops agent run` does not replace a running agent."""
    dsops.run("agent", "start")
    done = dsops.run("agent", "run")
    assert done.returncode == 2
    assert b"is running already" in done.stderr


def test_an_agent_in_the_foreground_serves(dsops: Agent, aws: StubAws) -> None:
    """`dsops agent run` serves in the foreground, as service managers start it."""
    process = dsops.start("agent", "run")
    wait_until(lambda: dsops.status()["is_running"])
    assert dsops.run("exec", "--env", "production", "--", "true").returncode == 0
    assert pid_of(dsops) == process.pid
    dsops.run("agent", "stop")
    assert finish(process) == (0, b"", b"")
    assert aws.calls == ["AssumeRole", "GetSecretValue"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what a process is")
def test_the_agents_process_exposes_no_secret(dsops: Agent) -> None:
    """The agent exposes no secret in arguments or environment, dumps no core, and holds no folder or terminal."""
    dsops.run("exec", "--env", "production", "--", "true")
    proc = Path(f"/proc/{pid_of(dsops)}")
    assert (proc / "environ").read_bytes() == b""
    arguments = (proc / "cmdline").read_bytes()
    assert b"hush" not in arguments
    assert b"AKIA" not in arguments
    limits = (proc / "limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    assert os.readlink(proc / "cwd") == "/"
    assert {os.readlink(proc / "fd" / number) for number in ("0", "1", "2")} == {"/dev/null"}
    # The process is not dumpable: root owns its /proc files, and no process of the same user may attach.
    assert proc.stat().st_uid == 0


def test_the_sockets_folder_and_its_files_are_closed_to_others(dsops: Agent) -> None:
    """The socket folder has mode 0700, and its files have mode 0600."""
    dsops.run("agent", "start")
    folder = Path(dsops.sockets) / "dsops"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_not_served(dsops: Agent) -> None:
    """An agent serves no other user, not even root: only the agent's user may own the socket folder."""
    dsops.run("agent", "start")
    folder = Path(dsops.sockets) / "dsops"
    os.chown(folder, 12345, 12345)
    assert not dsops.status()["is_running"]
    os.chown(folder, 0, 0)
    assert dsops.status()["is_running"]


def test_without_terminal_a_code_is_not_waited_for(tmp_path: Path) -> None:
    """If no terminal is available, a missing MFA code is an immediate error, with and without an agent."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        file = tmp_path / "dsops.yaml"
        device = "serial_number: arn:aws:iam::111122223333:mfa/ada"
        file.write_text(file.read_text().replace("external_id:", f"{device}\n    external_id:"))
        with_agent, without = dsops.run(*SHOW_KEY), dsops.run(*SHOW_KEY, DSOPS_AGENT="off")
        assert with_agent.returncode == 125
        assert with_agent.stderr == without.stderr
        assert aws.calls == []
