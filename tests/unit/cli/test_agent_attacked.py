"""The agent under attack and with exhausted resources, as real processes: every run still ends correctly."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dsops.agent import HELLO, REQUEST, pack, receive, send
from dsops.agent.client import stamp
from dsops.agent.messages import PipelineRequest, request_fields
from tests.children import SECONDS, Child
from tests.stubs.aws import parameters_of
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


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until the condition is true; fail after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Wait for the process to end; return its exit code and stderr."""
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, err


def with_device(dsops: Agent, *more: str) -> None:
    """Make the configured role require an MFA code."""
    file = dsops.folder / "dsops.yaml"
    lines = "\n    ".join(["serial_number: arn:aws:iam::111122223333:mfa/ada", *more])
    file.write_text(file.read_text().replace("external_id:", f"{lines}\n    external_id:"))


def address(dsops: Agent) -> Path:
    """The path of the agent's socket, whether or not the socket exists."""
    return Path(str(dsops.status()["socket"]))


def in_shell(dsops: Agent, before: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program from a shell that first executes `before`."""
    return subprocess.run(
        ["bash", "-c", f"{before}; exec {shlex.join(dsops.command(*words))}"],
        cwd=dsops.folder,
        env=dsops.environ,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


# --- starting the agent ---------------------------------------------------------------------------------------


def test_signals_that_the_first_client_ignores_are_not_ignored_by_the_agent(dsops: Agent) -> None:
    """An agent started with SIGCHLD ignored or under `nohup` notices a failing mfa_process and ends on SIGTERM."""
    with_device(dsops, "mfa_process: [sh, -c, 'echo 123456; exit 3']")
    words = ("exec", "--config", "dsops.yaml", *SHOW_KEY[1:])
    done = in_shell(dsops, "trap '' CHLD TERM HUP INT", *words)
    assert done.returncode == 125
    assert b"ended with exit code 3" in done.stderr
    pid = dsops.status()["pid"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not dsops.status()["is_running"])


def test_nothing_that_the_first_client_had_open_stays_open(dsops: Agent) -> None:
    """The agent inherits no descriptor of its first client, not even one above the current limit."""
    reader, writer = os.pipe()
    number = 900
    os.dup2(writer, number)
    os.set_inheritable(number, True)
    os.close(writer)
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n 256; exec {shlex.join(dsops.command('agent', 'start'))}"],
        cwd=dsops.folder,
        env=dsops.environ,
        pass_fds=(number,),
        check=False,
        capture_output=True,
        timeout=60,
    )
    os.close(number)
    assert done.returncode == 0
    assert dsops.status()["is_running"]
    with open(reader, "rb") as pipe:
        assert pipe.read() == b""  # would block if a descriptor were still open


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how a process was started")
def test_modules_of_one_clients_own_are_not_the_agents(dsops: Agent, tmp_path: Path) -> None:
    """The agent does not import modules from the first client's PYTHONPATH."""
    assert dsops.run(*SHOW_KEY, PYTHONPATH=f"{tmp_path}/modules:.").returncode == 0
    arguments = Path(f"/proc/{dsops.status()['pid']}/cmdline").read_bytes().split(b"\0")
    assert os.fsencode(tmp_path / "modules") not in arguments
    assert os.fsencode(tmp_path) not in arguments


def test_an_agent_may_be_idle_for_months(dsops: Agent) -> None:
    """The agent's idle timeout can exceed the longest wait that the system supports."""
    dsops.environ["DSOPS_AGENT_IDLE"] = str(90 * 24 * 3600)
    assert dsops.run(*SHOW_KEY).returncode == 0
    assert dsops.status()["is_running"]


@pytest.mark.parametrize("number", ["0", "77", "-1", "99999999999999999999"])
def test_a_listener_must_be_a_listening_socket(dsops: Agent, number: str) -> None:
    """`dsops agent run --listener` refuses a descriptor that is not a listening socket."""
    done = dsops.run("agent", "run", f"--listener={number}")
    assert done.returncode == 2
    assert b"error[usage]" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its groups")
def test_a_client_in_other_groups_has_an_agent_of_its_own(dsops: Agent) -> None:
    """Clients with different groups use different agents, because they may read different files."""
    words = dsops.command("agent", "status", "--json")
    places = {
        json.loads(
            subprocess.run(
                words, env=dsops.environ, extra_groups=groups, capture_output=True, check=True, timeout=60
            ).stdout
        )["socket"]
        for groups in ([], [12345], [12345, 23456], [23456, 12345])
    }
    assert len(places) == 3


# --- unusual clients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["on", "off"])
def test_an_irregular_environment_arrives(dsops: Agent, agent: str) -> None:
    """The agent receives odd variables unchanged: no `=`, empty or repeated names, invalid bytes."""
    odd = [b"=nameless", b"no-equals", b"TWICE=1", b"TWICE=2", b"\xff\xfe=\xfd", b"A B=c", b"NL=a\nb", b"EMPTY="]
    told = [*[os.fsencode(f"{name}={value}") for name, value in {**dsops.environ, "DSOPS_AGENT": agent}.items()], *odd]
    words = [os.fsencode(word) for word in dsops.command("exec", "--env", "plain", "--", "env", "-0")]
    program = "import ctypes, sys\n" + "".join(
        f"{name} = (ctypes.c_char_p * {len(texts) + 1})(*{texts!r}, None)\n"
        for name, texts in (("argv", words), ("environ", told))
    )
    program += "ctypes.CDLL(None).execve(argv[0], argv, environ)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=dsops.folder, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    got = done.stdout.split(b"\0")
    assert {b"TWICE=1", b"\xff\xfe=\xfd", b"A B=c", b"NL=a\nb", b"EMPTY=", b"PLAIN=info"} <= set(got)
    assert got.count(b"TWICE=1") == 1
    assert dsops.status()["is_running"] is (agent == "on")


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_a_client_without_standard_streams_works(dsops: Agent, closed: str) -> None:
    """A client with closed standard streams works and does not write notes into the agent's socket."""
    with_device(dsops, "mfa_process: [sh, -c, 'echo touch your key >&2; echo 123456']")
    redirections = " ".join(f"{number}>&-" for number in closed.split())
    words = ("exec", "--config", "dsops.yaml", "--env", "keys", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID > out")
    for _ in range(2):
        done = in_shell(dsops, f"exec {redirections}", *words)
        assert done.returncode == 0
        assert (dsops.folder / "out").read_bytes() == b"ASIAEXAMPLEEXAMPLE01\n"
    assert dsops.status()["is_running"]


def test_mfa_process_runs_in_the_clients_environment(dsops: Agent, tmp_path: Path) -> None:
    """`mfa_process` runs in the folder of dsops.yaml, with the waiting client's HOME and variables."""
    program = 'echo "$HOME $COLOUR $(pwd)" >> seen; echo 123456'
    with_device(dsops, f"mfa_process: [sh, -c, {json.dumps(program)}]")
    words = ("exec", "--config", str(dsops.folder / "dsops.yaml"), *SHOW_KEY[1:])
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        dsops.command(*words),
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        check=False,
        env={**dsops.environ, "HOME": str(tmp_path / "home"), "COLOUR": "green"},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "seen").read_text() == f"{tmp_path}/home green {tmp_path}\n"


def test_large_environments_and_many_arguments_arrive(dsops: Agent) -> None:
    """The agent receives a megabyte of variables and a hundred thousand arguments."""
    large = {f"LARGE{number}": f"{number}" * 60_000 for number in range(10)}
    done = dsops.run("exec", "--env", "plain", "--", "sh", "-c", 'echo "${#LARGE7} $PLAIN"', **large)
    assert done.stdout == b"60000 info\n"
    words = [f"{number}" for number in range(100_000)]
    done = dsops.run("exec", "--env", "plain", "--", "sh", "-c", 'echo "$# $PLAIN"', "sh", *words)
    assert done.stdout == b"100000 info\n"
    assert dsops.status()["is_running"]


def test_values_with_line_ends_and_nul_come_through_whole(dsops: Agent) -> None:
    """Values with newlines and NUL bytes arrive unchanged through the agent."""
    assert dsops.run("get", "NUL", "--env", "broken").stdout == b"hush\0nul"
    for name in ("QUOTED", "BINARY", "EMPTY"):
        with_agent, without = (dsops.run("get", name, "--env", "odd", DSOPS_AGENT=agent) for agent in ("on", "off"))
        assert (with_agent.returncode, with_agent.stdout) == (0, without.stdout)


# --- the agent's socket ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", ["file", "folder", "link to nothing", "stale socket", "link to itself"])
def test_something_else_in_the_sockets_place_stops_no_run(dsops: Agent, thing: str) -> None:
    """If a file that is no socket is at the socket's path, the client replaces it or works without an agent."""
    place = address(dsops)
    place.parent.mkdir(mode=0o700)
    if thing == "file":
        place.write_text("")
    elif thing == "folder":
        place.mkdir()
    elif thing == "stale socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen()
    else:
        place.symlink_to("nothing" if thing == "link to nothing" else place.name)
    done = dsops.run(*SHOW_KEY)
    assert (done.returncode, done.stderr) == (0, b"")
    assert dsops.status()["is_running"] is (thing != "folder")
    if thing == "folder":
        place.rmdir()


def test_a_lock_that_is_a_link_is_not_followed(dsops: Agent, tmp_path: Path) -> None:
    """A lock file that is a symlink is not followed, and the client does the work without an agent."""
    place = address(dsops)
    place.parent.mkdir(mode=0o700)
    Path(f"{place}.lock").symlink_to(tmp_path / "made")
    done = dsops.run(*SHOW_KEY)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "made").exists()


def test_files_that_are_removed_all_the_time_stop_no_run(dsops: Agent) -> None:
    """While the lock, socket and folder are deleted repeatedly, each of twenty runs still gets a session."""
    place = address(dsops)
    is_over = threading.Event()

    def remove() -> None:
        while not is_over.wait(0.02):
            shutil.rmtree(place.parent, ignore_errors=True)

    remover = threading.Thread(target=remove, daemon=True)
    remover.start()
    try:
        started = [dsops.start(*SHOW_KEY) for _ in range(20)]
        assert {finish(process) for process in started} == {(0, b"")}
    finally:
        is_over.set()
        remover.join(timeout=SECONDS)
    # Agents whose sockets were removed would otherwise run until their idle timeout of an hour.
    end_lost_agents(dsops)


def end_lost_agents(dsops: Agent) -> None:
    """End this test's agents that no client can reach any more because their socket was unlinked."""
    place = str(address(dsops))
    inodes = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if line.endswith(place)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "fd" / "3").removeprefix("socket:[").rstrip("]") in inodes:
                os.kill(int(process.name), signal.SIGTERM)
        except OSError:
            continue


def test_fifty_runs_while_it_is_stopped_cleared_and_started_all_end_well(dsops: Agent) -> None:
    """While the agent is stopped, cleared and restarted, each run gets a session and none waits for an ended agent."""
    dsops.environ["DSOPS_AGENT_IDLE"] = "0.2"
    is_over = threading.Event()

    def disturb(word: str) -> None:
        while not is_over.wait(0.05):
            dsops.run("agent", word)

    disturbers = [threading.Thread(target=disturb, args=(word,), daemon=True) for word in ("stop", "clear", "start")]
    for disturber in disturbers:
        disturber.start()
    try:
        for _ in range(5):
            started = [dsops.start(*SHOW_KEY) for _ in range(10)]
            assert {finish(process) for process in started} == {(0, b"")}
    finally:
        is_over.set()
        for disturber in disturbers:
            disturber.join(timeout=SECONDS)


def test_an_agent_that_is_killed_at_any_moment_of_its_start_stops_no_run(dsops: Agent) -> None:
    """A client succeeds whether the agent is killed before it listens, before its first response, or later."""
    for milliseconds in range(0, 300, 25):
        agent = Child(dsops.command("agent", "run"), cwd=dsops.folder, env=dsops.environ, stderr=subprocess.DEVNULL)
        client = dsops.start(*SHOW_KEY)
        time.sleep(milliseconds / 1000)
        agent.kill()
        agent.wait(timeout=SECONDS)
        assert finish(client) == (0, b"")
        dsops.run("agent", "stop")


# --- lacking resources ----------------------------------------------------------------------------------------


def test_a_client_with_few_descriptors_works(dsops: Agent) -> None:
    """A client with a low descriptor limit works, whether or not it starts an agent."""
    for number in (12, 20, 64, 200):
        done = in_shell(dsops, f"ulimit -n {number}", *SHOW_KEY)
        assert (done.returncode, done.stderr) == (0, b""), number
        dsops.run("agent", "stop")


def test_an_agent_without_descriptors_leaves_the_work_to_its_clients(dsops: Agent) -> None:
    """When idle connections use up the agent's descriptors, its clients do the work themselves."""
    agent = Child(
        ["bash", "-c", f"ulimit -Sn 128; ulimit -Hn 128; exec {shlex.join(dsops.command('agent', 'run'))}"],
        cwd=dsops.folder,
        env=dsops.environ,
    )
    try:
        place = address(dsops)
        wait_until(place.is_socket)
        silent = []
        for _ in range(150):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(place))
            silent.append(connection)
        started = [dsops.start(*SHOW_KEY) for _ in range(4)]
        assert {finish(process) for process in started} == {(0, b"")}
        for connection in silent:
            connection.close()
        assert dsops.run(*SHOW_KEY).returncode == 0
        assert agent.poll() is None
    finally:
        dsops.run("agent", "stop")
        agent.kill()
        agent.wait(timeout=SECONDS)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_stops_no_run(dsops: Agent) -> None:
    """If the disk is full, so that no lock file can be created, the client works without an agent."""
    folder = Path(dsops.sockets) / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "none", str(folder)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if mounted.returncode:
        pytest.skip("this container may not mount")
    try:
        done = dsops.run(*SHOW_KEY, XDG_RUNTIME_DIR=str(folder))
        assert (done.returncode, done.stderr) == (0, b"")
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how large a process is")
def test_ten_thousand_connections_of_garbage_leave_nothing_behind(dsops: Agent) -> None:
    """After ten thousand garbage connections the agent uses no more memory or descriptors, and still answers."""
    dsops.run(*SHOW_KEY)
    place, pid = address(dsops), dsops.status()["pid"]
    garbage = [b"", b"R", b"GET / HTTP/1.1\r\n\r\n", b"R\0\0\0\5abcde", b"R\xff\xff\xff\xff", b"R\0\x10\0\0xxx"]
    data = pack([stamp(), b"/", b"", b"1", b"nonsense"])
    garbage.append(bytes((REQUEST,)) + len(data).to_bytes(4, "big") + data)

    def throw(count: int) -> None:
        for number in range(count):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place))
                connection.sendall(garbage[number % len(garbage)])

    def size() -> tuple[int, int]:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(status["VmRSS"].split()[0]), int(status["Threads"])

    throw(1000)
    dsops.run(*SHOW_KEY)
    before = size()
    throw(10_000)
    assert dsops.run(*SHOW_KEY).returncode == 0
    # On a busy machine, the agent may still read the last connections. A few threads wait for the next burst.
    wait_until(lambda: size()[0] < before[0] + 3000 and size()[1] <= 32)


# --- at the terminal ----------------------------------------------------------------------------------------


class SilentAws(StubAws):
    """A stub of AWS that answers AssumeRole slowly."""

    def _answer(self, seen: Seen) -> Answer:
        answer = super()._answer(seen)
        is_role = parameters_of(seen).get("Action") == "AssumeRole"
        return answer._replace(delay_seconds=5.0) if is_role else answer


def terminal_of(dsops: Agent, words: Sequence[str]) -> Terminal:
    """A shell at a terminal that runs the command, then prints the exit code and whether the terminal echoes."""
    script = f"{shlex.join(dsops.command(*words))}; echo ended=$?; stty -a | grep -o -w -e -echo -e echo"
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    return Terminal(["env", "-i", "-C", str(dsops.folder), *environ, "bash", "-c", f"trap : INT; {script}"])


def test_ctrl_c_while_the_agent_works_ends_the_client_alone(tmp_path: Path) -> None:
    """Ctrl-C ends only the client, with exit code 130; the agent caches the requested session for the next run."""
    with SilentAws() as aws, Agent(tmp_path, aws) as dsops:
        dsops.run("agent", "start")
        with terminal_of(dsops, SHOW_KEY) as terminal:
            wait_until(lambda: bool(aws.calls))
            terminal.type("\x03")
            shown = terminal.expect("echo")
        assert "ended=130" in shown
        assert "Traceback" not in shown
        assert dsops.run(*SHOW_KEY).returncode == 0
        assert aws.calls == ["AssumeRole"]


def test_ctrl_c_at_the_prompt_restores_the_terminal(dsops: Agent, aws: StubAws) -> None:
    """After Ctrl-C at the prompt the terminal echoes again, the exit code is 130, and the next client can prompt."""
    with_device(dsops)
    with terminal_of(dsops, SHOW_KEY) as terminal:
        terminal.expect("MFA")
        terminal.type("\x03")
        shown = terminal.expect("echo")
    assert "ended=130" in shown
    assert "-echo" not in shown
    assert aws.calls == []
    with terminal_of(dsops, SHOW_KEY) as terminal:
        terminal.expect("MFA")
        terminal.type("123456\n")
        assert "ended=0" in terminal.expect("echo")
    assert aws.calls == ["AssumeRole"]


@pytest.mark.parametrize(
    "command",
    [
        "echo 'touch your key' >&2; echo 123456",
        "echo 'no key here' >&2; exit 1",
        "echo 123456; exec >&-; echo late >&2",
    ],
)
def test_the_waiting_client_shows_mfa_process_stderr(dsops: Agent, command: str) -> None:
    """The waiting client shows the stderr of an `mfa_process`, as a run without the agent does."""
    with_device(dsops, f"mfa_process: [sh, -c, {json.dumps(command)}]")
    words = ("exec", "--config", "dsops.yaml", *SHOW_KEY[1:])
    with_agent, without = dsops.run(*words), dsops.run(*words, DSOPS_AGENT="off")
    assert b"key" in with_agent.stderr or b"late" in with_agent.stderr
    assert (with_agent.returncode, with_agent.stderr) == (without.returncode, without.stderr)


def test_long_mfa_process_stderr_is_cut(dsops: Agent) -> None:
    """An `mfa_process` that writes much to stderr still provides its code, and the client shows only a part."""
    with_device(dsops, "mfa_process: [sh, -c, 'yes x | head -c 1000000 >&2; echo 123456']")
    done = dsops.run("exec", "--config", "dsops.yaml", *SHOW_KEY[1:])
    assert done.returncode == 0
    assert 60_000 < len(done.stderr) < 80_000


def test_after_a_killed_client_the_next_one_prompts(dsops: Agent, aws: StubAws) -> None:
    """If a prompting client is killed, a client at another terminal prompts; others get the session or an error."""
    with_device(dsops)
    environ = [f"{name}={value}" for name, value in dsops.environ.items()]
    with Terminal(["env", "-i", "-C", str(dsops.folder), *environ, *dsops.command(*SHOW_KEY)]) as first:
        first.expect("MFA")
        with terminal_of(dsops, SHOW_KEY) as second:
            without_terminal = dsops.start(*SHOW_KEY)
            os.kill(first.pid, signal.SIGKILL)
            second.expect("MFA")
            second.type("123456\n")
            assert "ended=0" in second.expect("echo")
            assert finish(without_terminal)[0] in {0, 125}
    assert aws.calls == ["AssumeRole"]


def test_a_stopped_agent_serves_again_after_sigcont(dsops: Agent, aws: StubAws) -> None:
    """While the agent is suspended, clients do the work themselves; after SIGCONT the agent serves clients again."""
    assert dsops.run(*SHOW_KEY).returncode == 0
    pid = dsops.status()["pid"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    started = [dsops.start(*SHOW_KEY) for _ in range(3)]
    assert {finish(process) for process in started} == {(0, b"")}
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: dsops.status()["pid"] == pid)
    assert dsops.run(*SHOW_KEY).returncode == 0
    assert aws.calls.count("AssumeRole") == 4


def test_a_client_that_never_reads_uses_no_memory_or_thread(dsops: Agent) -> None:
    """A client that requests many large results and reads none does not slow down other clients."""
    file = dsops.folder / "dsops.yaml"
    file.write_text(file.read_text().replace("literal: info", f"literal: {'x' * 100_000}"))
    dsops.run("agent", "start")
    place = address(dsops)
    environment = [os.fsencode(f"{name}={value}") for name, value in dsops.environ.items()]
    words = [b"secrets", *request_fields(PipelineRequest("get", environment="plain"))]
    data = pack([stamp(), os.fsencode(dsops.folder), b"", b"%d" % len(words), *words, *environment])
    connections = []
    for _ in range(100):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(str(place))
        send(connection, REQUEST, data)
        connections.append(connection)
    assert receive(connections[-1]) == (HELLO, b"")
    assert dsops.run(*SHOW_KEY).returncode == 0
    for connection in connections:
        connection.close()
    assert dsops.status()["is_running"]
