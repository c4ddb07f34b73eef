"""The trail under contention: every event is recorded or counted as lost, and no run is refused with `required`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dsops.agent import ALIVE, DECLINED, FAILED, HELLO, NOTE, REQUEST, RESULT, pack, receive, send
from dsops.agent.client import stamp
from dsops.audit.reading import find_trail
from dsops.audit.verify import verify
from tests.children import SECONDS, Child
from tests.unit.cli.stub_aws import Agent

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

CLIENTS, ROUNDS = 200, 10
PROCESSES, WRITES = 100, 20

# The writers are forks of one interpreter: starting a hundred interpreters takes longer than writing.
WRITERS = """
import os, sys
from datetime import UTC, datetime
from dsops.audit.journal import TrailJournal
from dsops.audit.record import origin_here
from dsops.runtime import Act
processes, writes = int(sys.argv[1]), int(sys.argv[2])

def write():
    for number in range(writes):
        origin = origin_here(f"{os.getpid()}-{number}", os.getpid(), "/")
        journal = TrailJournal(
            os.environ, origin, lambda: datetime.now(UTC), lambda text: None, lambda text: None, {"command": "test"}
        )
        journal.add(Act("Written"))
        journal.write()

children = []
for _ in range(processes):
    child = os.fork()
    if not child:
        try:
            write()
        finally:
            os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""


class Home:
    """A user with an agent; the user's runs make no AWS calls."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.home = agent.folder / "home"
        agent.environ["HOME"] = str(self.home)
        self.trail = self.home / ".local" / "state" / "dsops" / "audit.jsonl"
        self.set_mode("on")

    def set_mode(self, mode: str) -> None:
        """Write the user's configuration."""
        config = self.home / ".config" / "dsops" / "config.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f"audit: {mode}\n")

    def ask(self, words: list[str]) -> tuple[int, bytes]:
        """Send one request by the agent's protocol; return the last frame's kind and the notes."""
        environ = [f"{name}={value}".encode() for name, value in self.agent.environ.items()]
        request_asked = [word.encode() for word in words]
        request = pack(
            [stamp(), str(self.agent.folder).encode(), b"", b"%d" % len(request_asked), *request_asked, *environ]
        )
        notes = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.address))
            send(connection, REQUEST, request)
            while True:
                frame = receive(connection)
                if frame is None or frame[0] in (RESULT, FAILED, DECLINED):
                    return frame[0] if frame is not None else -1, notes
                assert frame[0] in (HELLO, ALIVE, NOTE)
                notes += frame[1] if frame[0] == NOTE else b""

    def start_agent(self) -> None:
        """Start an agent."""
        assert self.agent.run("agent", "start").returncode == 0
        self.address = self.agent.status()["socket"]

    def writers(self, processes: int, writes: int) -> subprocess.Popen[bytes]:
        """Processes that write to the same trail without the agent."""
        command = [sys.executable, "-c", WRITERS, str(processes), str(writes)]
        return Child(command, env=self.agent.environ, cwd=self.agent.folder)

    def records(self) -> list[dict[str, Any]]:
        """Every line of the trail."""
        files = find_trail(str(self.trail)).files
        return [json.loads(line) for file in files for line in Path(file).read_bytes().splitlines()]

    def counts(self) -> Counter[str]:
        """The number of lines per event."""
        return Counter(record["eventName"] for record in self.records())

    def verify(self) -> tuple[int, list[str]]:
        """The exit code and findings of `dsops audit verify`."""
        done = self.agent.run("audit", "verify", "--json")
        return done.returncode, [finding["message"] for finding in json.loads(done.stdout)["findings"]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home without a trail."""
    with Agent(tmp_path) as agent:
        yield Home(agent)


def test_with_required_none_of_many_clients_and_processes_is_refused(home: Home) -> None:
    """With `required`, 200 clients of the agent and 100 processes succeed and record each event once, in one chain."""
    home.set_mode("required")
    home.start_agent()
    writers = home.writers(PROCESSES, WRITES)
    words = ["exec", "--env", "plain", "--", "true"]
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: [home.ask(words)[0] for _ in range(ROUNDS)], range(CLIENTS)))

    assert writers.wait(timeout=60) == 0
    assert Counter(kind for answer in answers for kind in answer) == {RESULT: CLIENTS * ROUNDS}
    counts = home.counts()
    assert (counts["Exec"], counts["Written"]) == (CLIENTS * ROUNDS, PROCESSES * WRITES)
    assert verify(find_trail(str(home.trail))).findings == ()


def test_lines_that_a_stopped_process_keeps_from_the_trail_are_counted(home: Home) -> None:
    """While a suspended process holds the lock, runs continue with a note; the next record counts the lost lines."""
    home.start_agent()
    words = ["exec", "--env", "plain", "--", "true"]
    assert home.ask(words)[0] == RESULT
    with home.trail.with_name("audit.jsonl.head").open("rb") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: home.ask(words), range(20)))
        alone = home.agent.run("get", "--env", "plain", "PLAIN", DSOPS_AGENT="off")
        unsaid = home.verify()

    assert {kind for kind, _ in answers} == {RESULT}
    assert all(b"1 line is lost, as the next line and `dsops audit verify` will say" in notes for _, notes in answers)
    assert (alone.returncode, alone.stdout) == (0, b"info")
    assert unsaid[0] == 6
    assert unsaid[1][0].startswith("21 lines were lost after the last line, ")
    assert home.ask(words)[0] == RESULT
    code, [found] = home.verify()
    assert code == 6
    assert found.startswith("21 lines were lost before this line, ")
    assert f"exec (process {os.getpid()}: 20), get (process " in found
    assert found.endswith(": another process has held its lock for more than 3 s")
    assert home.counts() == {"Exec": 2, "TrailLost": 1}


def test_with_required_a_stopped_process_refuses_and_the_refused_is_counted(home: Home) -> None:
    """With `required`, runs fail while a suspended process holds the lock, and their lines are counted as lost."""
    home.set_mode("required")
    home.start_agent()
    words = ["exec", "--env", "plain", "--", "true"]
    assert home.ask(words)[0] == RESULT
    with home.trail.with_name("audit.jsonl.head").open("rb") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        assert home.ask(words)[0] == FAILED
    assert home.ask(words)[0] == RESULT
    assert home.counts() == {"Exec": 2, "TrailLost": 1}


def test_an_interrupt_while_a_line_waits_is_counted(home: Home) -> None:
    """Ctrl-C ends the wait for the lock at once, and the unwritten line is counted."""
    home.agent.environ["DSOPS_AGENT"] = "off"
    assert home.agent.run("get", "--env", "plain", "PLAIN").returncode == 0
    with home.trail.with_name("audit.jsonl.head").open("rb") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        running = home.agent.start("get", "--env", "plain", "PLAIN")
        _wait_until_open(running.pid, "audit.jsonl.head")
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, b"")
    code, [found] = home.verify()
    assert code == 6
    assert found.startswith("1 line was lost after the last line, at ")
    assert found.endswith(f"by get (process {running.pid}: 1): it was interrupted while it waited for the lock")


def test_an_agent_that_is_stopped_counts_what_waits(home: Home) -> None:
    """When `dsops agent stop` ends the agent while a line waits for the lock, the agent counts the line as lost."""
    home.start_agent()
    words = ["exec", "--env", "plain", "--", "true"]
    assert home.ask(words)[0] == RESULT
    pid = home.agent.status()["pid"]
    with home.trail.with_name("audit.jsonl.head").open("rb") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(home.ask, words)
            _wait_until_open(pid, "audit.jsonl.head")
            assert home.agent.run("agent", "stop").returncode == 0
            assert answer.result(timeout=SECONDS)[0] in {RESULT, -1}
        _wait_until_gone(pid)
    code, [found] = home.verify()
    assert code == 6
    assert found.startswith("1 line was lost after the last line, at ")


def test_a_full_disk_is_counted_and_told_by_the_next_process(home: Home) -> None:
    """Lines lost to a full disk (here RLIMIT_FSIZE) are counted in reserved space; the next process reports them."""
    home.agent.environ["DSOPS_AGENT"] = "off"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n" + WRITERS
    assert home.agent.run("get", "--env", "plain", "PLAIN").returncode == 0
    subprocess.run([sys.executable, "-c", limited, "3", "10"], env=home.agent.environ, timeout=60, check=True)
    written = home.counts()["Written"]
    assert 0 < written < 30
    assert home.agent.run("get", "--env", "plain", "PLAIN").returncode == 0
    [told_once] = [record for record in home.records() if record["eventName"] == "TrailLost"]
    facts = told_once["additionalEventData"]
    assert facts["lines"] == 30 - written
    assert facts["why"] == "no space left on device"
    assert sum(process["lines"] for process in facts["processes"]) == facts["lines"]
    listed = home.agent.run("audit", "--event", "TrailLost").stdout.decode().splitlines()
    assert f"  TrailLost  {30 - written} lines  " in listed[1]
    code, [found] = home.verify()
    assert (code, found.partition(",")[0]) == (6, f"{30 - written} lines were lost before this line")


def _wait_until_open(pid: int, name: str) -> None:
    """Wait until the process has opened this file."""
    for _ in range(6000):
        if any(os.path.basename(open_file) == name for open_file in _open_files(pid)):
            return
        time.sleep(0.005)
    raise AssertionError(f"process {pid} did not open {name}")


def _open_files(pid: int) -> list[str]:
    collected = []
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for number in os.listdir(folder):
            with contextlib.suppress(OSError):
                collected.append(os.readlink(f"{folder}/{number}"))
    return collected


def _wait_until_gone(pid: int) -> None:
    for _ in range(12_000):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.005)
    raise AssertionError(f"process {pid} did not end")
