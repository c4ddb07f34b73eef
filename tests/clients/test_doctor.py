"""`dsops doctor` on machines with one fault each: the failed check names what is broken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dsops.testing.local_aws import LocalAws
from tests.permission import allow_found
from tests.stubs.authority import make_authority
from tests.stubs.server import Answer, StubServer

DSOPS = str(Path(sys.executable).parent / "dsops")
SEED = """
accounts:
  "123456789012":
    users:
      ada: {}
      bob: {}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}, Action: sts:AssumeRole}
        policies:
          - Version: "2012-10-17"
            Statement:
              Effect: Allow
              Action: secretsmanager:GetSecretValue
              Resource: arn:aws:secretsmanager:*:*:secret:prod/*
    secrets:
      prod/token: the-token
      other/token: another
""" + "".join(f"      prod/s{n}: v{n}\n" for n in range(12))
CONFIG = """
version: 1
secretStores:
  role: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/Reader"}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: role}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}}
  denied: {TOKEN: {from: {store: secrets, key: other/token}}}
  many:
""" + "".join(f"    S{n}: {{from: {{store: secrets, key: prod/s{n}}}}}\n" for n in range(12))


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Machine:
    """A home folder and a project in which dsops runs."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.config = folder / "dsops.yaml"
        self.config.write_text(CONFIG)
        self.environ = sandbox.user("ada").environment() | {"HOME": str(folder), "DSOPS_AGENT": "off"}

    def go_to(self, url: str) -> None:
        """Make all further calls go to this address."""
        self.away()
        self.environ["AWS_ENDPOINT_URL"] = url

    def away(self) -> None:
        """Make all further calls go to AWS itself; the test ensures that none leaves the machine."""
        self.environ = {name: value for name, value in self.environ.items() if "ENDPOINT" not in name}

    def dsops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dsops and wait until it ends."""
        allow_found(self.folder, self.environ)
        return subprocess.run(
            [DSOPS, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=60
        )

    def doctor(self, *words: str, environment: str = "production") -> Findings:
        """The result of `dsops doctor --json`."""
        done = self.dsops("doctor", "--env", environment, "--json", *words)
        answer = json.loads(done.stdout)
        assert answer["is_healthy"] is (done.returncode == 0), done.stderr
        checks = {check["name"]: check for check in answer["checks"]}
        return Findings(done.returncode, checks, answer["fixes"], done.stderr)


class Findings(NamedTuple):
    """The result of one run of doctor."""

    code: int
    checks: dict[str, dict[str, Any]]  # Any: JSON
    fixes: list[dict[str, Any]]
    stderr: str

    def of(self, status: str) -> list[str]:
        """Names of the checks with this status, in order."""
        return [name for name, check in self.checks.items() if check["status"] == status]


@pytest.fixture
def machine(sandbox: LocalAws, tmp_path: Path) -> Machine:
    """A machine without faults, which a test then breaks."""
    return Machine(sandbox, tmp_path)


def closed_port() -> int:
    """A TCP port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_machine_without_a_fault(machine: Machine) -> None:
    """On a machine without faults, doctor reports no failure, no warning and nothing to repair."""
    findings = machine.doctor("--fix")
    assert (findings.code, findings.of("failed"), findings.of("warning"), findings.fixes, findings.stderr) == (
        0,
        [],
        [],
        [],
        "",
    )


# --- faults that make a run fail -------------------------------------------------------------------------------


def _bob(machine: Machine) -> str:
    machine.environ |= machine.sandbox.user("bob").environment()
    return "production"


def _no_permission(_machine: Machine) -> str:
    return "denied"


def _no_such_key(machine: Machine) -> str:
    machine.environ["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE"
    return "production"


def _expired(machine: Machine) -> str:
    """Put an expired session into the environment."""
    done = machine.dsops("credentials", "role", "--format", "json")
    issued = json.loads(done.stdout)
    for name in ("access_key_id", "secret_access_key", "session_token"):
        machine.environ[f"AWS_{name.upper()}"] = issued[name]
    machine.sandbox.clock.advance(2 * 3600)
    return "production"


def _no_credentials(machine: Machine) -> str:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del machine.environ[name]
    machine.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return "production"


def _no_sandbox(machine: Machine) -> str:
    machine.go_to(f"http://127.0.0.1:{closed_port()}")
    return "production"


def _deaf_proxy(machine: Machine) -> str:
    machine.away()
    machine.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{closed_port()}"
    return "production"


def _no_proxy_at_all(machine: Machine) -> str:
    machine.away()
    machine.environ["HTTPS_PROXY"] = "socks5://ada:hush@127.0.0.1:1080"
    return "production"


def _missing_bundle(machine: Machine) -> str:
    machine.away()
    machine.environ["AWS_CA_BUNDLE"] = str(machine.folder / "no-such.pem")
    return "production"


def _garbled_aws_config(machine: Machine) -> str:
    (machine.folder / ".aws").mkdir()
    (machine.folder / ".aws" / "config").write_text("region = us-east-1\n[default\n")
    machine.environ["AWS_CONFIG_FILE"] = str(machine.folder / ".aws" / "config")
    return _no_credentials(machine)


def _garbled_configuration(machine: Machine) -> str:
    machine.config.write_text(CONFIG.replace("region: us-east-1,", "regoin: us-east-1,"))
    return "production"


def _no_such_environment(_machine: Machine) -> str:
    return "prodution"


FAULTS: list[tuple[Callable[[Machine], str], list[str], str]] = [
    (_bob, ["store role"], "sts.access-denied"),
    (_no_permission, ["store secrets (denied)"], "secret.access-denied"),
    (_no_such_key, ["base credentials"], "credentials.invalid"),
    (_expired, ["base credentials"], "credentials.expired"),
    (_no_credentials, ["base credentials"], "credentials.none"),
    (_no_sandbox, ["endpoint sts.us-east-1"], "service.unreachable"),
    (_deaf_proxy, ["endpoint sts.us-east-1", "endpoint secretsmanager.us-east-1"], "service.unreachable"),
    (_no_proxy_at_all, ["proxies"], "config.variable-invalid"),
    (_missing_bundle, ["certificates"], "config.variable-invalid"),
    (_garbled_configuration, ["configuration"], "config.invalid"),
    (_no_such_environment, ["environment prodution"], "config.environment-unknown"),
]


@pytest.mark.parametrize(("breaks", "failed", "code"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_the_broken_thing_is_the_check_that_fails(
    machine: Machine, breaks: Callable[[Machine], str], failed: list[str], code: str
) -> None:
    """A fault makes only its own check fail; checks that depend on the failed check are skipped and name it."""
    findings = machine.doctor(environment=breaks(machine))

    assert findings.of("failed") == failed, json.dumps(findings.checks, indent=1)
    assert findings.code == 6
    assert findings.checks[failed[0]]["errors"][0]["code"] == code
    assert findings.checks[failed[0]]["hint"] or findings.checks[failed[0]]["errors"][0]["problems"]
    for name in findings.of("skipped"):
        detail = findings.checks[name]["detail"]
        if detail.startswith("needs "):
            needed = detail.removeprefix("needs ")
            assert list(findings.checks).index(needed) < list(findings.checks).index(name)
    assert "hush" not in json.dumps(findings.checks) + findings.stderr


def test_a_garbled_aws_config_file_is_named(machine: Machine) -> None:
    """A syntax error in ~/.aws/config is reported with its line, and all other checks still run."""
    findings = machine.doctor(environment=_garbled_aws_config(machine))
    assert findings.code == 6
    assert str(machine.folder / ".aws" / "config") in findings.checks["environment production"]["detail"]
    assert {"file modes", "certificates", "proxies", "clock", "agent"} <= set(findings.checks)


def test_one_broken_environment_does_not_hide_the_others(machine: Machine) -> None:
    """If no environment is named, all are checked, and a broken one does not hide the results of the others."""
    machine.config.write_text(CONFIG + "  broken: {TOKEN: {from: {store: secrets, key: '${NOT_SET}'}}}\n")
    done = machine.dsops("doctor", "--json")
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 6
    assert (checks["environment broken"], checks["store secrets (denied)"]) == ("failed", "failed")
    assert (checks["store secrets (production)"], checks["store secrets (many)"]) == ("ok", "ok")


# --- faults that a run survives --------------------------------------------------------------------------------


def test_denied_batches_are_a_warning(machine: Machine) -> None:
    """A denied BatchGetSecretValue is a warning, and its hint has the policy statement that is missing."""
    findings = machine.doctor(environment="many")
    assert (findings.code, findings.of("warning")) == (0, ["batches of secrets"])
    assert '"Action": "secretsmanager:BatchGetSecretValue"' in findings.checks["batches of secrets"]["hint"]


def test_a_server_that_cuts_off_the_probe_is_a_warning(machine: Machine) -> None:
    """An endpoint that cuts off the doctor's probe, but answers all API calls, is a warning and no failure."""
    forwarded = _forwarded(int(machine.sandbox.url.rpartition(":")[2]))
    with StubServer(lambda seen: Answer(raw=b"HTTP/1.1 20") if seen.method == "GET" else forwarded(seen)) as server:
        machine.go_to(server.url)
        findings = machine.doctor()
    assert (findings.code, findings.of("failed"), findings.of("warning")) == (0, [], ["endpoint sts.us-east-1"])


@pytest.mark.parametrize(
    ("fault", "failed", "warned"),
    [
        ("", [], ["endpoint sts.us-east-1"]),
        ("untrusted", ["endpoint sts.us-east-1"], []),
        ("expired", ["endpoint sts.us-east-1"], []),
        ("cut off", ["certificates"], []),
    ],
)
def test_certificates_are_looked_at(
    machine: Machine, tmp_path: Path, fault: str, failed: list[str], warned: list[str]
) -> None:
    """A trusted certificate that expires tomorrow is a warning; an untrusted one fails the check with the reason."""
    authority = make_authority(tmp_path)
    sandbox_port = int(machine.sandbox.url.rpartition(":")[2])
    with StubServer(_forwarded(sandbox_port), tls=authority.server(expired=fault == "expired")) as server:
        machine.go_to(server.url)
        if fault != "untrusted":
            machine.environ["AWS_CA_BUNDLE"] = str(authority.bundle)
        if fault == "cut off":
            authority.bundle.write_text(authority.bundle.read_text()[:200])
        findings = machine.doctor()
    assert (findings.of("failed"), findings.of("warning")) == (failed, warned), json.dumps(findings.checks, indent=1)
    assert findings.code == (6 if failed else 0)


def _forwarded(port: int) -> Callable[[Any], Answer]:
    """Return a stub's handler that forwards to the sandbox, with the Host header that was signed."""
    from http.client import HTTPConnection

    def answer(seen: Any) -> Answer:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.putrequest(seen.method, seen.target, skip_host=True, skip_accept_encoding=True)
            for name, value in seen.headers:
                connection.putheader(name, value)
            connection.endheaders(seen.body)
            response = connection.getresponse()
            body = response.read()
            kept = [(name, value) for name, value in response.getheaders() if name in ("Date", "Content-Type")]
            return Answer(response.status, body, tuple(kept))
        finally:
            connection.close()

    return answer


# --- --fix -----------------------------------------------------------------------------------------------------


def test_fix_repairs_file_modes(machine: Machine) -> None:
    """Loose file modes are reported by the first run and changed only with --fix; the next run reports nothing."""
    (machine.folder / ".aws").mkdir()
    credentials = machine.folder / ".aws" / "credentials"
    machine.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)
    credentials.write_text("[other]\n")
    credentials.chmod(0o644)
    machine.config.chmod(0o666)

    before = machine.doctor()
    assert (before.code, before.of("warning")) == (6, ["file dsops.yaml", "file .aws/credentials"])
    assert oct(os.stat(credentials).st_mode & 0o777) == "0o644"

    mended = machine.doctor("--fix")
    assert [(fix["path"], fix["before"], fix["after"], fix["problem"]) for fix in mended.fixes] == [
        (str(machine.config), "mode 666", "mode 644", None),
        (str(credentials), "mode 644", "mode 600", None),
    ]
    assert mended.stderr.splitlines() == [
        "dsops: note: ~/dsops.yaml: mode 666; repairing it",
        "dsops: note: ~/dsops.yaml: mode 644",
        f"dsops: note: ~/{credentials.relative_to(machine.config.parent)}: mode 644; repairing it",
        f"dsops: note: ~/{credentials.relative_to(machine.config.parent)}: mode 600",
    ]
    assert (mended.of("warning"), machine.doctor("--fix").fixes) == ([], [])


@pytest.fixture
def with_agent(machine: Machine) -> Iterator[Machine]:
    """A machine with its own agent, which is stopped when the test ends."""
    # The path of a Unix socket is limited to about 100 bytes; pytest's folders are longer.
    machine.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="dsops-")
    del machine.environ["DSOPS_AGENT"]
    yield machine
    machine.dsops("agent", "stop")
    shutil.rmtree(machine.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def test_a_working_agent_is_reported_and_left_alone(with_agent: Machine) -> None:
    """doctor reports a working agent and, even with --fix, neither uses nor ends its sessions."""
    assert with_agent.dsops("exec", "--env", "production", "--", "true").returncode == 0
    status = json.loads(with_agent.dsops("agent", "status", "--json", "--sandbox").stdout)

    findings = with_agent.doctor("--fix")

    assert (findings.code, findings.of("warning"), findings.fixes) == (0, [], [])
    assert f"process {status['pid']}, since {status['started']}" in findings.checks["agent"]["detail"]
    assert findings.checks["agent's sessions"]["detail"] == "0 held; and 1 of a sandbox"
    after = json.loads(with_agent.dsops("agent", "status", "--json", "--sandbox").stdout)
    assert [(session["key_id"], session["uses"]) for session in after["sessions"]] == [
        (session["key_id"], session["uses"]) for session in status["sessions"]
    ]


def test_fix_removes_the_socket_of_a_killed_agent(with_agent: Machine) -> None:
    """--fix removes the socket that a killed agent left; the next run starts a new agent even without --fix."""
    assert with_agent.dsops("agent", "start").returncode == 0
    status = json.loads(with_agent.dsops("agent", "status", "--json").stdout)
    os.kill(status["pid"], signal.SIGKILL)
    name = f"socket {status['socket']}"

    assert with_agent.doctor().of("warning") == [name]
    fixed = with_agent.doctor("--fix")
    assert [(fix["code"], fix["path"]) for fix in fixed.fixes] == [("doctor.agent-socket", status["socket"])]
    assert not os.path.lexists(status["socket"])
    assert fixed.of("warning") == []
    assert with_agent.dsops("exec", "--env", "production", "--", "true").returncode == 0
