"""`dsops agent metrics` and `--metrics-port`: the metrics of a real agent after real runs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from dsops.openmetrics import CONTENT_TYPE
from tests.metrics import read_metrics
from tests.ports import unused_port
from tests.unit.cli.stub_aws import Agent, StubAws

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

ROLE = "arn:aws:iam::111122223333:role/Target"


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


def test_runs_are_counted_in_the_metrics(dsops: Agent, aws: StubAws) -> None:
    """Cold, warm and failing runs are counted, and the metrics contain no secret."""
    show = ("exec", "--env", "production", "--", "sh", "-c", "echo $TOKEN")
    assert [dsops.run(*show).stdout, dsops.run(*show).stdout] == [b"hush-token\n"] * 2
    dsops.run("get", "--env", "missing", "ABSENT")
    dsops.run("agent", "clear")
    aws.denies = True
    dsops.run(*show)

    printed = dsops.run("agent", "metrics")
    served = dsops.run("agent", "start", "--metrics-port", "0").stdout.decode().strip()
    with urlopen(served, timeout=20) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()

    found = read_metrics(printed.stdout.decode())
    assert (kind, set(read_metrics(text))) == (CONTENT_TYPE, set(found))
    assert found["dsops_sessions_issued_total"] == [({"operation": "AssumeRole", "role": ROLE}, 1)]
    assert found["dsops_issue_failures_total"] == [({"code": "sts.access-denied", "role": ROLE}, 1)]
    assert found["dsops_session_duration_seconds_count"] == [({}, 1)]
    assert found["dsops_principals"] == [({}, 1)]
    lookups = {(labels["kind"], labels["result"]): value for labels, value in found["dsops_cache_lookups_total"]}
    assert (lookups["session", "hit"], lookups["session", "miss"]) == (2, 1)
    calls = {(labels["operation"], labels["result"]): value for labels, value in found["dsops_aws_requests_total"]}
    assert calls == {
        ("AssumeRole", "ok"): 1,
        ("AssumeRole", "refused"): 1,
        ("GetSecretValue", "ok"): 2,
        ("GetSecretValue", "refused"): 1,
    }
    commands = {(labels["command"], labels["result"]): value for labels, value in found["dsops_requests_total"]}
    assert (commands["exec", "ok"], commands["exec", "failed"], commands["get", "failed"]) == (2, 1, 1)
    codes = {labels["code"]: value for labels, value in found["dsops_errors_total"]}
    assert codes == {"secret.not-found": 1, "sts.access-denied": 1}
    for hidden in ("hush", "prod/", "AKIA", "ASIA", "the-external-id", str(dsops.folder)):
        assert hidden not in printed.stdout.decode() + text


def test_an_agent_that_runs_opens_and_moves_its_port(dsops: Agent) -> None:
    """`agent start --metrics-port` opens or changes a running agent's port; a port in use is an error."""
    port = unused_port()
    with socket.create_server(("127.0.0.1", port)):
        refused = dsops.run("agent", "start", "--metrics-port", str(port))
    opened = dsops.run("agent", "start", "--metrics-port", str(port))

    assert refused.returncode == 2
    assert f"can't listen on 127.0.0.1 port {port}".encode() in refused.stderr
    assert opened.stdout.decode() == f"http://127.0.0.1:{port}/metrics\n"
    with urlopen(opened.stdout.decode().strip(), timeout=20) as answer:
        assert answer.status == 200


def test_without_an_agent_nothing_was_counted(dsops: Agent) -> None:
    """Without an agent, `dsops agent metrics` is an error and starts no agent."""
    none = dsops.run("agent", "metrics")

    assert (none.returncode, none.stdout) == (2, b"")
    assert b"no agent is running, so there are no metrics" in none.stderr
    assert dsops.status()["is_running"] is False


def test_an_agent_in_the_foreground_serves_from_the_start(dsops: Agent) -> None:
    """`dsops agent run --metrics-port 0` prints the address of the metrics."""
    with dsops.start("agent", "run", "--metrics-port", "0") as running:
        assert running.stderr is not None
        line = running.stderr.readline().decode()
        with urlopen(line.removeprefix("metrics: ").strip(), timeout=20) as answer:
            found = read_metrics(answer.read().decode())
        dsops.run("agent", "stop")
        assert running.wait(timeout=20) == 0

    assert found["dsops_sessions_held"] == [({}, 0)]
    assert 3 < found["process_open_fds"][0][1] < 100
