"""Real SPIRE, built from its Go module: its JWT-SVIDs assume a role, and identify callers of a node.

Building takes eleven minutes of CPU time once, so these tests run in `make nightly`. DSOPS_TESTS_SPIRE names a
folder with the programs, if they are built already.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dsops.aws.http.transport import CurlDriver
from dsops.errors import NoCredentials
from dsops.node.configuration import load_node_config
from dsops.node.peer import Peer
from dsops.node.workloads import Workloads
from dsops.tasks import run
from dsops.testing.local_aws import LocalAws
from dsops.workload.workload_api import WorkloadApi
from tests.children import SECONDS, Child
from tests.desk import Desk
from tests.installed import OUTSIDE, ToolMissingError, installed, tool

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform == "win32", reason="the Workload API's socket is a Unix socket"),
]

VERSION = "v1.13.3"
PROGRAMS = ("spire-server", "spire-agent")
ISSUER = "https://oidc.example.org"
SERVER = """\
server {
  bind_address = "127.0.0.1"
  bind_port = "PORT"
  socket_path = "FOLDER/server.sock"
  trust_domain = "example.org"
  data_dir = "FOLDER/server"
  log_level = "WARN"
  jwt_issuer = "ISSUER"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3", connection_string = "FOLDER/data.sqlite3" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
}
"""
AGENT = """\
agent {
  data_dir = "FOLDER/agent"
  log_level = "WARN"
  server_address = "127.0.0.1"
  server_port = "PORT"
  socket_path = "FOLDER/agent.sock"
  trust_domain = "example.org"
  insecure_bootstrap = true
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
"""
SEED = """
accounts:
  "123456789012":
    oidc_providers: [{url: "ISSUER", client_ids: [sts.amazonaws.com], jwks: 'JWKS'}]
    roles:
      App:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.example.org"}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {StringEquals: {"oidc.example.org:sub": "spiffe://example.org/app"}}
"""
CONFIG = """
version: 1
secretStores:
  app: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/App", web_identity: spiffe}
  other:
    type: aws.sts
    region: us-east-1
    role_arn: "arn:aws:iam::123456789012:role/App"
    web_identity: spiffe
    web_identity_audience: another
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder with SPIRE's programs."""
    given = OUTSIDE.get("DSOPS_TESTS_SPIRE", "")
    if given:
        return Path(given)
    try:
        go = tool("go", OUTSIDE)
        paths = [f"github.com/spiffe/spire/cmd/{name}" for name in PROGRAMS]
        commands = [
            [go, "mod", "init", "spire.example"],
            [go, "get", "-tool", *[f"{path}@{VERSION}" for path in paths]],
            [go, "build", "-ldflags=-s -w", "-o", ".", *paths],
        ]
        return installed("spire", [], commands, OUTSIDE, seconds=3000)
    except ToolMissingError as missing:
        pytest.skip(f"SPIRE can't be built here: {missing}")


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Spire:
    """A SPIRE server and agent for the trust domain example.org; this user is the workload `/app`."""

    def __init__(self, programs: Path, folder: Path, stack: ExitStack) -> None:
        self._programs = programs
        self._folder = folder
        self._stack = stack
        self._port = free_port()
        self._start("spire-server", SERVER, [])
        self._await_health("spire-server", "server.sock")
        token = self.server("token", "generate", "-spiffeID", "spiffe://example.org/node").split()[1]
        entry = ["-parentID", "spiffe://example.org/node", "-spiffeID", "spiffe://example.org/app"]
        self.server("entry", "create", *entry, "-selector", f"unix:uid:{os.getuid()}")
        self._start("spire-agent", AGENT, ["-joinToken", token])
        self._await_health("spire-agent", "agent.sock")
        self.environ = {"SPIFFE_ENDPOINT_SOCKET": f"unix://{folder}/agent.sock"}

    def server(self, *words: str) -> str:
        """The output of a command of the server."""
        command = [str(self._programs / "spire-server"), *words, "-socketPath", f"{self._folder}/server.sock"]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=SECONDS).stdout

    def oidc_keys(self) -> str:
        """The key set that the OIDC Discovery Provider publishes: the bundle's keys of JWT-SVIDs, without `use`."""
        bundle = json.loads(self.server("bundle", "show", "-format", "spiffe"))
        keys = [{**key, "use": "sig"} for key in bundle["keys"] if key["use"] == "jwt-svid"]
        return json.dumps({"keys": keys})

    def fetch_once(self, audience: str) -> str:
        """A JWT-SVID for the audience. Raises NoCredentials."""
        driver = CurlDriver()
        api = WorkloadApi(self.environ, total_timeout_ms=20_000, attempts=3)
        try:
            return run(api.fetch_jwt_svid(audience), driver).reveal()
        finally:
            driver.close()

    def fetch(self, audience: str) -> str:
        """A JWT-SVID; waits until the agent has received the entry from the server."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                return self.fetch_once(audience)
            except NoCredentials as error:
                if "issues no identity" not in error.message or time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def _start(self, program: str, config: str, words: list[str]) -> None:
        file = self._folder / f"{program}.conf"
        text = config.replace("PORT", str(self._port)).replace("FOLDER", str(self._folder)).replace("ISSUER", ISSUER)
        file.write_text(text)
        log = self._stack.enter_context((self._folder / f"{program}.log").open("wb"))
        child = Child([self._programs / program, "run", "-config", file, *words], stdout=log, stderr=log)
        self._stack.enter_context(child)
        self._stack.callback(child.terminate)

    def _await_health(self, program: str, name: str) -> None:
        end = time.monotonic() + SECONDS
        command = [str(self._programs / program), "healthcheck", "-socketPath", f"{self._folder}/{name}"]
        while subprocess.run(command, check=False, capture_output=True, timeout=SECONDS).returncode:
            assert time.monotonic() < end, (self._folder / f"{program}.log").read_text()
            time.sleep(0.1)


@pytest.fixture
def spire(programs: Path, tmp_path: Path) -> Iterator[Spire]:
    """SPIRE, whose agent issues an identity to this user."""
    with ExitStack() as stack:
        yield Spire(programs, tmp_path, stack)


@pytest.fixture
def sandbox_seed(spire: Spire) -> str:
    """A sandbox with SPIRE's issuer as a provider, and a role for one SPIFFE ID."""
    return SEED.replace("ISSUER", ISSUER).replace("JWKS", spire.oidc_keys())


def test_a_svid_of_spire_assumes_a_role_and_identifies_a_caller_of_a_node(
    spire: Spire, sandbox: LocalAws, tmp_path: Path
) -> None:
    """The agent's JWT-SVID is accepted by STS for its audience, and by a node with the bundle of the Workload API."""
    svid = spire.fetch("dsops-node")
    home = tmp_path / "home"
    home.mkdir()
    with Desk(sandbox, home, CONFIG, **spire.environ) as desk:
        assert "assumed-role/App" in desk.dsops("whoami", "app").stdout
        refused = desk.dsops("whoami", "other").stderr
    assert "Incorrect token audience" in refused
    assert "sub `spiffe://example.org/app`, aud `another`" in refused

    file = tmp_path / "node.yaml"
    file.write_text("workloads: {web: {spiffe: 'spiffe://example.org/app', stores: web}}\n")
    file.chmod(0o600)
    config = load_node_config(str(file), spire.environ)
    check = config.workloads[0].token_check
    assert check is not None
    check.refresh()
    workloads, now = Workloads(config.workloads, {}), datetime.now(UTC)
    caller = workloads.find(Peer(1000), svid.encode(), now)
    assert caller is not None
    assert caller.subject.text == "spiffe://example.org/app"
    assert workloads.find(Peer(1000), spire.fetch("another").encode(), now) is None


def test_a_workload_without_an_entry_gets_no_identity(spire: Spire) -> None:
    """After its entry is deleted, SPIRE refuses the workload, and the error says so."""
    spire.fetch("dsops-node")
    entry = json.loads(spire.server("entry", "show", "-output", "json"))["entries"]
    ids = [item["id"] for item in entry if item["spiffe_id"]["path"] == "/app"]
    spire.server("entry", "delete", "-entryID", ids[0])
    end = time.monotonic() + SECONDS
    refusal = None
    while refusal is None and time.monotonic() < end:
        try:
            spire.fetch_once("dsops-node")
        except NoCredentials as error:
            refusal = error
    assert refusal is not None
    assert "issues no identity to this process" in refusal.message
    assert "no identity issued" in refusal.why
