"""Calls to a sandbox are recorded with a mark and hidden by default; no other calls can be hidden."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dsops as library
from tests.metrics import read_metrics
from tests.unit.cli.stub_aws import CONFIG, Agent, StubAws

if sys.platform == "win32":
    pytest.skip("there is no agent on Windows", allow_module_level=True)

SANDBOX = "dsops-sandbox"
PLAIN = ("exec", "--env", "production", "--", "true")
NOTE = "dsops: note: {} of a sandbox not shown: `--sandbox` shows them\n"


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub on loopback that identifies itself as a sandbox."""
    with StubAws() as stub:
        stub.server_name = SANDBOX
        yield stub


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Iterator[Agent]:
    """A user with a separate home, without a running agent."""
    with Agent(tmp_path, aws) as program:
        program.environ["HOME"] = str(tmp_path / "home")
        yield program


def records(dsops: Agent, *words: str) -> list[dict[str, Any]]:
    """The records that `dsops audit --json` shows."""
    done = dsops.run("audit", "--json", "--last", "1000", *words)
    return [json.loads(line) for line in done.stdout.splitlines()]


def marks(dsops: Agent) -> dict[str, bool]:
    """For each event in the trail: whether it is marked as a sandbox call."""
    return {
        record["eventName"]: record["additionalEventData"].get("sandbox") is True
        for record in records(dsops, "--sandbox")
    }


@pytest.mark.parametrize("agent", ["on", "off"])
def test_a_run_in_a_sandbox_is_on_record_and_not_shown(dsops: Agent, agent: str) -> None:
    """A sandbox run is recorded but not listed; a note counts the hidden records, and `verify` checks all of them."""
    if agent == "off":
        dsops.environ["DSOPS_AGENT"] = "off"
    assert dsops.run(*PLAIN).returncode == 0
    listed = dsops.run("audit")
    assert listed.stdout == b"no matching event in the audit trail\n"
    assert listed.stderr.decode() == NOTE.format("3 lines")
    assert marks(dsops) == {"AssumeRole": True, "GetSecretValue": True, "Exec": True}
    assert dsops.run("audit", "verify").stdout.startswith(b"3 lines, number 1 to 3\n")
    with_them = dsops.run("audit", "--sandbox")
    assert (with_them.stdout.count(b"\n"), with_them.stderr) == (4, b"")


def test_the_clients_own_record_is_marked_too(dsops: Agent) -> None:
    """`render`, which reads values through the agent, marks its own record if the agent used a sandbox."""
    assert dsops.run("render", "--env", "production").returncode == 0
    assert marks(dsops) == {"AssumeRole": True, "GetSecretValue": True, "Render": True}


def test_what_an_agent_holds_from_a_sandbox_is_marked_when_it_is_used(dsops: Agent) -> None:
    """The use of a cached sandbox session is marked as a sandbox call, although no request is made."""
    keys = ("exec", "--env", "keys", "--", "true")
    assert [dsops.run(*keys).returncode for _ in range(2)] == [0, 0]
    held = [each for each in records(dsops, "--sandbox") if each["additionalEventData"].get("cached")]
    assert held
    assert records(dsops) == []


def test_a_loopback_server_without_the_sandbox_name_is_shown(dsops: Agent, aws: StubAws) -> None:
    """A loopback server counts as a sandbox only if its latest response has the sandbox's `Server` header."""
    aws.server_name = "Server"
    assert dsops.run(*PLAIN).returncode == 0
    assert [each["eventName"] for each in records(dsops)] == ["AssumeRole", "GetSecretValue", "Exec"]

    aws.server_name = SANDBOX
    dsops.run("agent", "clear")
    assert dsops.run(*PLAIN).returncode == 0
    assert len(records(dsops)) == 3

    aws.server_name = ""
    dsops.run("agent", "clear")
    assert dsops.run(*PLAIN).returncode == 0
    assert len(records(dsops)) == 6


def test_a_run_that_also_called_another_endpoint_is_shown(dsops: Agent, aws: StubAws) -> None:
    """In a run that also called another endpoint, only the call to the sandbox is marked."""
    with StubAws() as other:
        kind = "type: aws.secretsmanager"
        config = CONFIG.replace(kind, f"{kind}\n    endpoint_url: {other.server.url}")
        (dsops.folder / "dsops.yaml").write_text(config)
        assert dsops.run(*PLAIN).returncode == 0
    assert marks(dsops) == {"AssumeRole": True, "GetSecretValue": False, "Exec": False}
    assert aws.calls == ["AssumeRole"]


def test_an_agent_keeps_a_sandbox_apart(dsops: Agent, aws: StubAws) -> None:
    """The agent's status and metrics include sandbox sessions only on request."""
    assert dsops.run(*PLAIN).returncode == 0
    status = dsops.run("agent", "status")
    assert status.stdout.decode().endswith(" holds 0 sessions\n")
    assert status.stderr.decode() == NOTE.format("1 session")
    assert json.loads(dsops.run("agent", "status", "--json").stdout)["sessions"] == []
    [session] = json.loads(dsops.run("agent", "status", "--json", "--sandbox").stdout)["sessions"]
    assert (session["store"], session["is_of_sandbox"]) == ("target", True)

    real, play = (read_metrics(dsops.run("agent", "metrics", *words).stdout.decode()) for words in ([], ["--sandbox"]))
    issued = "dsops_sessions_issued_total"
    assert (real.get(issued, []), [value for _, value in play[issued]]) == ([], [1])
    assert (real["dsops_sessions_held"], play["dsops_sessions_held"]) == ([({}, 0)], [({}, 1)])

    aws.server_name = ""
    dsops.run("agent", "clear")
    assert dsops.run(*PLAIN).returncode == 0
    assert [session["is_of_sandbox"] for session in dsops.status()["sessions"]] == [False]
    real = read_metrics(dsops.run("agent", "metrics").stdout.decode())
    assert [value for _, value in real[issued]] == [1]


def test_the_last_events_are_found_behind_those_of_a_sandbox(dsops: Agent, aws: StubAws) -> None:
    """`--last` finds events before any number of sandbox events, and the note counts the skipped events."""
    aws.server_name = ""
    assert dsops.run(*PLAIN).returncode == 0
    aws.server_name = SANDBOX
    dsops.run("agent", "clear")
    for _ in range(4):
        assert dsops.run(*PLAIN).returncode == 0
    shown = dsops.run("audit", "--last", "1", "--json")
    assert [json.loads(line)["eventName"] for line in shown.stdout.splitlines()] == ["Exec"]
    assert shown.stderr.decode() == NOTE.format("12 lines")


def test_the_report_leaves_a_sandbox_out(dsops: Agent, aws: StubAws) -> None:
    """The report excludes sandbox records, and a note counts them."""
    pytest.importorskip("duckdb")
    assert dsops.run(*PLAIN).returncode == 0
    aws.server_name = ""
    dsops.run("agent", "clear")
    assert dsops.run(*PLAIN).returncode == 0
    left, every = dsops.run("audit", "report", "--json"), dsops.run("audit", "report", "--json", "--sandbox")
    assert (json.loads(left.stdout)["records"], json.loads(every.stdout)["records"]) == (3, 6)
    assert left.stderr == b"dsops: note: 3 lines of a sandbox left out: `--sandbox` counts them\n"
    assert every.stderr == b""


def test_a_program_marks_its_runs_as_well(dsops: Agent, aws: StubAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python library marks its sandbox runs, too."""
    for name, value in dsops.environ.items():
        monkeypatch.setenv(name, value)
    library.open(str(dsops.folder / "dsops.yaml")).secrets("production")
    assert marks(dsops) == {"AssumeRole": True, "GetSecretValue": True, "Open": True}
    assert aws.calls
