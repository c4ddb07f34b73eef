"""Audit lines reach their receivers even after the run has ended, and no run waits for a receiver."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

import dsops as library
from tests.children import Child
from tests.receivers import PATIENCE_SECONDS, Datagrams, Stream, parse
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

PLAIN = ("--env", "plain")

CHILDREN = """
import os, sys
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no children")
sys.exit(3)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home."""
    return tmp_path


@pytest.fixture
def dsops(home: Path) -> Iterator[Dsops]:
    """The program with that home; senders are ended after the test."""
    program = Dsops(home)
    program.environ["HOME"] = str(home)
    yield program
    end_senders(home)


def trail(home: Path) -> Path:
    """The path of the audit trail."""
    return home / ".local" / "state" / "dsops" / "audit.jsonl"


def configure(home: Path, text: str) -> None:
    """Write the user configuration."""
    file = home / ".config" / "dsops" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)


def senders(home: Path) -> list[int]:
    """The detached sending processes of that home, recognized by their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(trail(home)).encode() in words and b"-I" in words:
                found.append(int(entry.name))
    return found


def wait_until_sending(home: Path) -> None:
    """Wait until a sender of that home runs."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not senders(home):
        assert time.monotonic() < until, "no sender runs"
        time.sleep(0.01)


def end_senders(home: Path) -> None:
    """End all senders of that home."""
    for pid in senders(home):
        os.kill(pid, signal.SIGKILL)


def state(home: Path) -> dict[str, Any]:
    """The saved state of the receivers."""
    receivers: dict[str, Any] = json.loads(trail(home).with_name("audit.jsonl.sent").read_text())["receivers"]
    return receivers


def wait_for(home: Path, key: str, *, value: object = None) -> Any:  # JSON
    """Wait for a value in the only receiver's state."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if trail(home).with_name("audit.jsonl.sent").exists():
            [cursor] = state(home).values()
            if cursor[key] == value or (value is None and cursor[key]):
                return cursor[key]
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {key}")


def names(seen: list[Seen]) -> list[str]:
    """The event names in all requests that an OTLP collector received."""
    return [
        log.event_name
        for each in seen
        for resource in json_format.Parse(each.body, ExportLogsServiceRequest()).resource_logs
        for log in resource.scope_logs[0].log_records
    ]


def test_a_local_socket_gets_what_a_run_writes(dsops: Dsops, home: Path) -> None:
    """A syslog socket receives a run's lines after the run has ended; the sender is not the run's child."""
    with Datagrams(home / "log") as receiver:
        configure(home, f"audit: {{syslog: {{to: {home}/log, format: rfc5424}}}}\n")
        done = dsops.run("exec", *PLAIN, "--", sys.executable, "-c", CHILDREN)
        assert (done.returncode, done.stdout, done.stderr) == (3, b"no children\n", b"")
        [message] = map(parse, receiver.take(1))
    assert (message.name, message.facility, message.severity) == ("Exec", 10, 5)
    assert message.text == trail(home).read_bytes().splitlines()[0]


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_syslog_over_the_network_gets_the_lines(dsops: Dsops, home: Path, kind: str) -> None:
    """Audit lines are sent over UDP or TCP syslog."""
    with Datagrams() if kind == "udp" else Stream() as receiver:
        configure(home, f"audit: {{syslog: {{to: '{receiver.target}', facility: local0}}}}\n")
        assert dsops.run("get", *PLAIN, "PLAIN").stdout == b"info"
        [data] = receiver.take(1) if isinstance(receiver, Datagrams) else receiver.messages()
    assert (parse(data).name, parse(data).facility) == ("Get", 16)


def test_a_collector_gets_the_lines_with_the_runs_headers(dsops: Dsops, home: Path) -> None:
    """An OTLP collector gets each line once, with the run's headers but no other part of its environment."""
    with StubServer(lambda _seen: Answer()) as server:
        configure(home, f"audit: {{otlp: '{server.url}'}}\n")
        for _ in range(3):
            done = dsops.run("get", *PLAIN, "PLAIN", OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20hush")
            assert (done.returncode, done.stderr) == (0, b"")
        wait_for(home, "number", value=3)
        assert names(server.seen) == ["Get"] * 3
        assert {seen.header("Authorization") for seen in server.seen} == {"Bearer hush"}
        [pid] = senders(home)
        variables = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"hush-base-key" not in variables
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3


def test_an_unreachable_receiver_is_reported_by_the_next_run(dsops: Dsops, home: Path) -> None:
    """The next run reports an unreachable receiver; once the receiver is back it gets all lines."""
    with StubServer(lambda _seen: Answer()) as server:
        url = server.url
    configure(home, f"audit: {{otlp: '{url}'}}\n")
    first = dsops.run("get", *PLAIN, "PLAIN")
    assert (first.stdout, first.stderr) == (b"info", b"")
    assert "connection refused" in wait_for(home, "failure").lower()

    second = dsops.run("get", *PLAIN, "PLAIN")
    assert second.stdout == b"info"
    assert second.stderr.count(b"dsops: note:") == 1
    assert f"otlp {url} has taken no line of the audit trail since ".encode() in second.stderr
    assert b"1 line waits in the file, and `dsops audit send` sends what it can" in second.stderr

    end_senders(home)
    sent = dsops.run("audit", "send")
    assert sent.returncode == 5
    assert sent.stdout == f"otlp {url}: 0 lines sent; waiting after line 0\n".encode()
    assert b"error[audit.not-sent]" in sent.stderr

    host, _, port = url.removeprefix("http://").partition(":")
    with Again(host, int(port)) as server:
        sent = dsops.run("audit", "send", "--json")
        assert (sent.returncode, sent.stderr) == (0, b"")
        [told] = json.loads(sent.stdout)
        assert told == {"receiver": f"otlp {url}", "sent": 2, "last": 2, "failure": None, "lost": None}
        assert names(server.seen) == ["Get"] * 2
        assert dsops.run("get", *PLAIN, "PLAIN").stderr == b""


class Again(StubServer):
    """A server that listens on the port of a server that has ended."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(lambda _seen: Answer())
        self._listener.close()
        import socket

        self._listener = socket.create_server((host, port))
        self.port = port


@pytest.mark.parametrize("kind", ["silent", "deaf"])
def test_a_slow_receiver_is_not_waited_for(dsops: Dsops, home: Path, kind: str) -> None:
    """A run ends without waiting for the receiver's response."""
    with StubServer(lambda _seen: Answer(is_silent=True)) as silent, Stream(is_deaf=True) as deaf:
        where = f"otlp: '{silent.url}'" if kind == "silent" else f"syslog: '{deaf.target}'"
        configure(home, f"audit: {{{where}}}\n")
        for _ in range(3):
            assert dsops.run("get", *PLAIN, "PLAIN").stdout == b"info"
            wait_until_sending(home)  # one attempt to send takes two to ten seconds
        end_senders(home)


def test_the_sender_keeps_no_descriptor_of_the_run(dsops: Dsops, home: Path) -> None:
    """The sender closes the run's descriptors, so that a reader of the run's output gets end-of-file."""
    with StubServer(lambda _seen: Answer(is_silent=True)) as server:
        configure(home, f"audit: {{otlp: '{server.url}'}}\n")
        reader, writer = os.pipe()
        process = Child(
            dsops.command("exec", *PLAIN, "--", "true"),
            cwd=home,
            env=dsops.environ,
            pass_fds=[writer],
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
        os.close(writer)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
        assert os.read(reader, 100) == b""
        wait_until_sending(home)
        os.close(reader)
        end_senders(home)


def test_unsent_lines_that_were_removed_are_reported_once(dsops: Dsops, home: Path) -> None:
    """Lines that were removed by rotation before they were sent are reported once, with their numbers."""
    with StubServer(lambda _seen: Answer()) as server:
        configure(home, f"audit: {{otlp: '{server.url}', max_bytes: 4096, keep: 1}}\n")
        dsops.run("get", *PLAIN, "PLAIN")
        wait_for(home, "number", value=1)
        end_senders(home)
        configure(home, "audit: {max_bytes: 4096, keep: 1}\n")
        for _ in range(10):
            dsops.run("get", *PLAIN, "PLAIN", "--reason", "x" * 250)
        configure(home, f"audit: {{otlp: '{server.url}', max_bytes: 4096, keep: 1}}\n")
        sent = dsops.run("audit", "send")
        assert sent.returncode == 0
        assert b"lines 2 to " in sent.stdout
        told, later = dsops.run("get", *PLAIN, "PLAIN"), dsops.run("get", *PLAIN, "PLAIN")
        assert b"does not have all of the audit trail: lines 2 to " in told.stderr
        assert b"lines 2 to " not in later.stderr


def test_required_is_about_the_file(dsops: Dsops, home: Path) -> None:
    """`audit: required` concerns only the trail's file, so an unreachable receiver does not stop a run."""
    with Datagrams(home / "log"):
        configure(home, f"audit: {{mode: required, syslog: {home}/log}}\n")
        (home / "log").unlink()
        assert dsops.run("get", *PLAIN, "PLAIN").stdout == b"info"
        trail(home).unlink()
        trail(home).mkdir()
        assert dsops.run("get", *PLAIN, "PLAIN").returncode == 2


def test_the_agent_has_lines_sent_too(home: Path) -> None:
    """The agent's lines are sent to the client's receivers, with the client's headers."""
    with StubAws() as aws, Agent(home, aws) as agent, StubServer(lambda _seen: Answer()) as server:
        agent.environ["HOME"] = str(home)
        configure(home, f"audit: {{otlp: '{server.url}'}}\n")
        environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-who=ada"}
        assert agent.run("exec", "--env", "production", "--", "true", **environ).returncode == 0
        wait_for(home, "number", value=3)
        assert names(server.seen) == ["AssumeRole", "GetSecretValue", "Exec"]
        assert {seen.header("x-who") for seen in server.seen} == {"ada"}
        end_senders(home)


@pytest.mark.usefixtures("dsops")
def test_a_program_has_its_lines_sent(home: Path) -> None:
    """The Python library sends its audit lines from a thread, not from a forked process."""
    with StubServer(lambda _seen: Answer()) as server:
        configure(home, f"audit: {{otlp: '{server.url}'}}\n")
        library.open(home / "dsops.yaml", {"HOME": str(home)}).secrets("plain")
        wait_for(home, "number", value=1)
        assert names(server.seen) == ["Open"]


def test_without_receivers_there_is_nothing_to_send(dsops: Dsops, home: Path) -> None:
    """`dsops audit send` without receivers is an error that says how to configure one."""
    assert dsops.run("get", *PLAIN, "PLAIN").returncode == 0
    done = dsops.run("audit", "send")
    assert done.returncode == 2
    assert b"the audit trail has no receivers" in done.stderr
    names = sorted(file.name for file in trail(home).parent.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.head", "audit.jsonl.lost"]
    configure(home, "audit: {otlp: 'http://127.0.0.1:1'}\n")
    for file in trail(home).parent.iterdir():
        file.unlink()
    trail(home).parent.rmdir()
    assert b"the audit trail is empty" in dsops.run("audit", "send").stderr
