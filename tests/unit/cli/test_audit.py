"""Every command that hands out secrets is recorded; with `audit: required` an unwritable trail stops it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dsops as library
from dsops.errors import AuditFailed, UsageError
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

TOKEN = ("--env", "production")


class Home(NamedTuple):
    """A user's home folder with the audit trail and the user configuration."""

    folder: Path

    @property
    def trail(self) -> Path:
        """The path of the trail."""
        return self.folder / ".local" / "state" / "dsops" / "audit.jsonl"

    def records(self) -> list[dict[str, Any]]:
        """The records written since the last call."""
        if not self.trail.exists():
            return []
        lines = self.trail.read_text().splitlines()
        self.trail.unlink()
        self.trail.with_name("audit.jsonl.head").unlink()
        return [json.loads(line) for line in lines]

    def configure(self, text: str) -> None:
        """Write the user configuration."""
        file = self.folder / ".config" / "dsops" / "config.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def told(records: Sequence[dict[str, Any]]) -> list[str]:
    """One line for each record: event, service, command, result."""
    return [
        " ".join(
            str(part)
            for part in (
                record["eventName"],
                record["eventSource"].partition(".")[0],
                record["additionalEventData"]["command"],
                record.get("errorCode") or ("held" if record["additionalEventData"].get("cached") else "ok"),
            )
        )
        for record in records
    ]


@pytest.fixture(scope="module")
def aws() -> Iterator[StubAws]:
    """A stub of AWS that issues sessions for one role."""
    with StubAws() as stub:
        yield stub


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, aws: StubAws) -> Iterator[Agent]:
    """A user with an agent, shared by all tests of this file."""
    folder = tmp_path_factory.mktemp("work")
    with Agent(folder, aws) as program:
        program.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
        yield program


@pytest.fixture
def home(tmp_path: Path, agent: Agent) -> Home:
    """A separate home for this test."""
    agent.environ["HOME"] = str(tmp_path)
    return Home(tmp_path)


@pytest.fixture
def alone(agent: Agent) -> Iterator[Dsops]:
    """The user of the fixture `agent`, without the agent."""
    agent.environ["DSOPS_AGENT"] = "off"
    yield agent
    del agent.environ["DSOPS_AGENT"]


COLD = [
    (("exec", *TOKEN, "--", "true", "an-argument"), "exec", "Exec"),
    (("exec", *TOKEN, "--mask", "--", "true"), "exec", "Exec"),
    (("exec", *TOKEN, "--credentials", "target", "--", "true"), "exec", "Exec"),
    (("get", *TOKEN, "TOKEN"), "get", "Get"),
    (("render", *TOKEN), "render", "Render"),
]
IDS = [" ".join(words[:1] + words[3:4]) for words, *_ in COLD]


@pytest.mark.parametrize(("words", "command", "event"), COLD, ids=IDS)
def test_a_run_without_an_agent_is_on_record(
    alone: Dsops, home: Home, words: tuple[str, ...], command: str, event: str
) -> None:
    """A run without the agent records the session, the secret and the command's name, but not its arguments."""
    assert alone.run(*words).returncode == 0
    records = home.records()
    # Reading the secret put the session into the cache, from which the command then got it.
    assert [line for line in told(records) if not line.endswith("held")] == [
        f"AssumeRole sts {command} ok",
        f"GetSecretValue secretsmanager {command} ok",
        f"{event} dsops {command} ok",
    ]
    assert len({record["additionalEventData"]["run"] for record in records}) == 1
    facts = records[-1]["additionalEventData"]
    assert (facts["config"], facts["environment"], facts["folder"]) == (
        str(alone.folder / "dsops.yaml"),
        "production",
        str(alone.folder),
    )
    assert "an-argument" not in json.dumps(records)
    assert "hush" not in json.dumps(records)


@pytest.mark.parametrize(("words", "command", "event"), COLD, ids=IDS)
def test_a_run_by_the_agent_is_recorded_in_the_clients_home(
    agent: Agent, home: Home, words: tuple[str, ...], command: str, event: str
) -> None:
    """A run through the agent is recorded in the client's home, with the cached session and the client's process id."""
    assert agent.run("exec", *TOKEN, "--", "true").returncode == 0
    home.records()
    assert agent.run(*words).returncode == 0
    records = home.records()
    lines = told(records)
    assert set(lines) == {
        f"AssumeRole dsops {command} held",
        f"GetSecretValue secretsmanager {command} ok",
        f"{event} dsops {command} ok",
    }
    assert lines[-1] == f"{event} dsops {command} ok"
    facts = [record["additionalEventData"] for record in records]
    assert len({each["run"] for each in facts}) == 1
    assert agent.status()["pid"] not in {each["pid"] for each in facts}
    assert {each["config"] for each in facts} == {str(agent.folder / "dsops.yaml")}
    assert facts[-1]["variables"] == (["TOKEN"] if command == "get" else ["TOKEN", "PLAIN"])


@pytest.mark.parametrize("format_name", ["process", "env"])
def test_credentials_are_on_record(agent: Agent, home: Home, format_name: str) -> None:
    """`dsops credentials` records the session's expiry but none of its secret parts."""
    for way in ("on", "off"):
        done = agent.run("credentials", "target", "--format", format_name, DSOPS_AGENT=way)
        assert done.returncode == 0
        records = home.records()
        assert told(records)[-1] == "Credentials dsops credentials ok"
        assert records[-1]["additionalEventData"]["store"] == "target"
        assert "expiration" in json.dumps(records[0]["responseElements"])
        assert "session/secret" not in json.dumps(records)


@pytest.mark.parametrize("way", ["on", "off"])
def test_failures_are_on_record(agent: Agent, home: Home, way: str) -> None:
    """A failure before or during an AWS call is recorded; a usage error is not."""
    assert agent.run("get", "--env", "missing", "ABSENT", DSOPS_AGENT=way).returncode == 4
    records = home.records()
    assert told(records)[1:] == [
        "GetSecretValue secretsmanager get ResourceNotFoundException",
        "Get dsops get secret.not-found",
    ]
    assert records[1]["requestID"]

    assert agent.run("exec", "--env", "no-such", "--", "true", DSOPS_AGENT=way).returncode == 125
    assert told(home.records()) == ["Exec dsops exec config.environment-unknown"]
    assert agent.run("exec", "--env", "production", "--no-such-flag", "--", "true", DSOPS_AGENT=way).returncode == 125
    assert home.records() == []


REQUIRED = [*[words for words, *_ in COLD], ("credentials", "target"), ("whoami", "target")]


@pytest.mark.parametrize("way", ["on", "off"])
def test_required_stops_each_way_before_anything_is_handed_out(agent: Agent, home: Home, way: str) -> None:
    """If the trail can't be written, `audit: required` stops every command; `audit: on` only prints a note."""
    home.trail.mkdir(parents=True, mode=0o700)
    home.configure("audit: on\n")
    done = agent.run("get", *TOKEN, "TOKEN", DSOPS_AGENT=way)
    assert (done.returncode, done.stdout) == (0, b"hush-token")
    assert done.stderr.count(b"was not written: is a directory") == 1

    home.configure("audit: required\n")
    for words in REQUIRED:
        done = agent.run(*words, DSOPS_AGENT=way)
        assert done.returncode == (125 if words[0] == "exec" else 2), words
        assert done.stdout == b""
        assert b"error[audit.not-written]" in done.stderr


def test_audit_off_applies_to_the_agent(agent: Agent, home: Home) -> None:
    """The agent reads the client's user configuration for each request, so `audit: off` applies at once."""
    home.configure("audit: off\n")
    assert agent.run("get", *TOKEN, "TOKEN").returncode == 0
    assert home.records() == []
    home.configure("audit: on\n")
    assert agent.run("get", *TOKEN, "TOKEN").returncode == 0
    assert told(home.records())[-1] == "Get dsops get ok"


def test_a_repository_cannot_switch_the_audit_trail_off(alone: Dsops, home: Home) -> None:
    """No key, file or variable of a repository can switch the audit trail off."""
    config = (alone.folder / "dsops.yaml").read_text()
    try:
        (alone.folder / "dsops.yaml").write_text(f"{config}audit: off\n")
        assert alone.run("get", "--env", "plain", "PLAIN").returncode == 2
        (alone.folder / "dsops.yaml").write_text(config)
        (alone.folder / "config.yaml").write_text("audit: off\n")
        home.records()
        assert alone.run("get", "--env", "plain", "PLAIN", DSOPS_AUDIT="off").returncode == 0
    finally:
        (alone.folder / "dsops.yaml").write_text(config)
    assert told(home.records())[-1] == "Get dsops get ok"


@pytest.mark.parametrize("way", ["on", "off"])
def test_that_a_trail_was_begun_is_said_once_on_a_terminal(agent: Agent, home: Home, way: str) -> None:
    """On a terminal dsops announces the new trail's path once, at the first record; elsewhere it prints nothing."""
    command = [*agent.command("exec", *TOKEN, "--", "true")]
    environ = {**agent.environ, "DSOPS_AGENT": way}
    words = ["env", "-i", "-C", str(agent.folder), *[f"{name}={value}" for name, value in environ.items()], *command]
    with Terminal(words, columns=250) as terminal:
        text = terminal.expect("stops the record")
        assert f" in ~{str(home.trail).removeprefix(str(home.folder))}; `audit: off` in ~/.config/dsops/" in text
        # A progress line, if the machine was slow enough for one, was erased before the note.
        assert text.partition("dsops: note: ")[0].rpartition("\r\x1b[K")[2] == ""
        assert terminal.code() == 0
    with Terminal(words) as terminal:
        assert terminal.code() == 0
        assert "stops the record" not in terminal.text


def test_the_library_is_on_record(agent: Agent, home: Home) -> None:
    """Secrets and sessions that the Python library returns are recorded; `audit: required` applies to them, too."""
    environ = {name: value for name, value in agent.environ.items() if name != "XDG_RUNTIME_DIR"}
    events: list[str] = []
    opened = library.open(agent.folder / "dsops.yaml", environ, report=lambda event: events.append(event.name))
    assert opened.secrets("production")["TOKEN"].reveal() == "hush-token"
    opened.credentials("target")
    assert told(home.records()) == [
        "AssumeRole sts library ok",
        "GetSecretValue secretsmanager library ok",
        "Open dsops library ok",
        "AssumeRole dsops library held",
        "Open dsops library ok",
    ]
    assert events.count("audit.begun") == 1

    home.configure("audit: required\n")
    home.trail.mkdir()
    with pytest.raises(AuditFailed):
        library.open(agent.folder / "dsops.yaml", environ).secrets("production")
    with pytest.raises(AuditFailed):
        library.open(agent.folder / "dsops.yaml", environ).credentials("target")


def test_a_session_read_by_an_environment_is_recorded_once(alone: Dsops, home: Home) -> None:
    """If an environment reads parts of a session, the session is recorded once, and each part as a ReadSecret."""
    assert alone.run("exec", "--env", "keys", "--", "true").returncode == 0
    records = home.records()
    assert told(records) == ["AssumeRole sts exec ok", *["ReadSecret dsops exec ok"] * 3, "Exec dsops exec ok"]
    assert os.path.basename(records[0]["additionalEventData"]["where"]) == "dsops.yaml:3"


def reasons(records: Sequence[dict[str, Any]]) -> set[str | None]:
    """The set of reasons in the records."""
    return {record["additionalEventData"].get("reason") for record in records}


WITH_REASON = [*[words for words, *_ in COLD], ("credentials", "target"), ("whoami", "target")]


@pytest.mark.parametrize("way", ["on", "off"])
@pytest.mark.parametrize("words", WITH_REASON, ids=[" ".join(words[:1] + words[3:4]) for words in WITH_REASON])
def test_a_reason_is_in_each_line_of_its_run(agent: Agent, home: Home, words: tuple[str, ...], way: str) -> None:
    """`--reason` or DSOPS_REASON is in every record of its run, with and without the agent."""
    flagged = (words[0], "--reason", "disk is full: INC-1", *words[1:])
    assert agent.run(*flagged, DSOPS_AGENT=way).returncode == 0
    assert reasons(home.records()) == {"disk is full: INC-1"}
    assert agent.run(*words, DSOPS_AGENT=way, DSOPS_REASON="INC-2").returncode == 0
    assert reasons(home.records()) == {"INC-2"}
    assert agent.run(*words, DSOPS_AGENT=way).returncode == 0
    assert reasons(home.records()) == {None}


@pytest.mark.parametrize("way", ["on", "off"])
def test_a_failure_has_its_reason_too(agent: Agent, home: Home, way: str) -> None:
    """The record of a failed run contains the run's reason."""
    words = ("get", "--reason=INC-3", "--env", "missing", "ABSENT")
    assert agent.run(*words, DSOPS_AGENT=way).returncode == 4
    assert reasons(home.records()) == {"INC-3"}


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[2J", "x" * 257, "\udcff"])
def test_a_reason_is_one_line_of_text(alone: Dsops, home: Home, reason: str) -> None:
    """A reason from a flag, a variable or the library's argument must be one printable line of limited length."""
    for done in (
        alone.run("get", *TOKEN, "TOKEN", "--reason", reason),
        alone.run("get", *TOKEN, "TOKEN", DSOPS_REASON=reason),
    ):
        assert done.returncode == 2
        assert b"write one line of at most 256 characters" in done.stderr
    with pytest.raises(UsageError):
        library.open(alone.folder / "dsops.yaml", {}, reason=reason)
    assert home.records() == []


def test_a_program_has_a_reason_too(agent: Agent, home: Home) -> None:
    """The library takes the reason from its argument or from DSOPS_REASON."""
    environ = {name: value for name, value in agent.environ.items() if name != "XDG_RUNTIME_DIR"}
    library.open(agent.folder / "dsops.yaml", environ, reason="INC-4").credentials("target")
    assert reasons(home.records()) == {"INC-4"}
    library.open(agent.folder / "dsops.yaml", {**environ, "DSOPS_REASON": "INC-5"}).secrets("production")
    assert reasons(home.records()) == {"INC-5"}


REASONED = """
version: 1
secretStores:
  target: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Target", reason_to: tag:Reason}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
"""


def test_the_agent_holds_a_session_for_its_own_reason_only(agent: Agent, home: Home, aws: StubAws) -> None:
    """The agent reuses a session issued with a reason only for requests with the same reason."""
    named = agent.folder / "reasoned.yaml"
    named.write_text(REASONED)
    words = ("exec", "--config", str(named), *TOKEN)
    for reason, expected in (("INC-1", "ok"), ("INC-1", "held"), ("INC-2", "ok"), ("INC-1", "held")):
        assert agent.run(*words, "--reason", reason, "--", "true").returncode == 0
        assert told(home.records())[0].endswith(expected)
    calls = len(aws.calls)
    done = agent.run(*words, "--", "true")
    assert done.returncode == 125
    assert b"error[usage.reason-missing]: store `target` requires a reason" in done.stderr
    assert len(aws.calls) == calls


@pytest.mark.parametrize("way", ["on", "off"])
@pytest.mark.parametrize("mask", [("--mask",), ()])
def test_an_empty_reason_overrides_the_variable(agent: Agent, aws: StubAws, mask: tuple[str, ...], way: str) -> None:
    """`--reason ""` overrides DSOPS_REASON, with and without the agent."""
    named = agent.folder / "reasoned.yaml"
    named.write_text(REASONED)
    words = ("exec", "--config", str(named), *TOKEN, *mask, "--reason", "", "--", "true")
    calls = len(aws.calls)
    done = agent.run(*words, DSOPS_REASON="INC-6", DSOPS_AGENT=way)
    assert done.returncode == 125
    assert b"error[usage.reason-missing]" in done.stderr
    assert len(aws.calls) == calls


@pytest.mark.parametrize("way", ["on", "off"])
def test_what_fails_before_a_call_is_on_record_for_every_command(agent: Agent, home: Home, way: str) -> None:
    """Every command records a failure before the first call, except a hook whose file is not allowed."""
    named = agent.folder / "broken.yaml"
    named.write_text(REASONED.replace("reason_to: tag:Reason", "duration_seconds: 1"))
    assert agent.run("whoami", "target", "--config", str(named), DSOPS_AGENT=way).returncode == 2
    assert told(home.records()) == ["Whoami dsops whoami config.limit"]
    folder = agent.folder / "hooked"
    folder.mkdir(exist_ok=True)
    (folder / "dsops.yaml").write_text(named.read_text())
    load = ["env", "-C", str(folder), *agent.command("hook-load", "bash", "1", "--env", "production")]
    environ = {**agent.environ, "DSOPS_AGENT": way, "XDG_DATA_HOME": str(home.folder / "data")}
    done = subprocess.run(load, env=environ, capture_output=True, check=False, timeout=60)
    assert b"you have not allowed the file" in done.stderr
    assert home.records() == []
    allow = ["env", "-C", str(folder), *agent.command("hook", "allow")]
    assert subprocess.run(allow, env=environ, capture_output=True, check=False, timeout=60).returncode == 0
    home.records()
    assert subprocess.run(load, env=environ, capture_output=True, check=False, timeout=60).returncode == 2
    assert told(home.records()) == ["HookLoad dsops hook-load config.limit"]
