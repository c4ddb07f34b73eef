"""`dsops node serve` with the sandbox: unchanged boto3 gets its sessions and secrets from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import boto3
import pytest

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests import throttled_node
from tests.children import SECONDS, Child
from tests.unit.sandbox.conftest import SEED

STORES = """\
secretStores:
  jump:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/team/Jump
    region: us-east-1
  target:
    type: aws.sts
    role_arn: arn:aws:iam::222222222222:role/Target
    external_id: unique-customer-id-12345
    credentials_from: jump
    region: us-east-1
  app:
    type: aws.secretsmanager
    credentials_from: target
    region: us-east-1
"""
NODE = """\
tokens: run/tokens
listen: [127.0.0.1:0]
workloads:
  web:
    uid: {uid}
    stores: target
    secrets: {{store: app, names: "*"}}
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with two accounts, a jump role, and a target role that asks for an external ID."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@contextmanager
def served(folder: Path, server: SandboxServer) -> Iterator[tuple[str, Path]]:
    """Run the node with the keys of a user of the sandbox; yields its address and the token file."""
    (folder / "dsops.yaml").write_text(STORES)
    (folder / "node.yaml").write_text(NODE.format(uid=os.geteuid()))
    variables = identity_variables(server, "alice")
    environ = {**os.environ, **variables, "AWS_ENDPOINT_URL": server.url}
    command = [sys.executable, "-m", "dsops", "node", "serve", "--node", "node.yaml"]
    with Child(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as node:
        assert node.stderr is not None
        line = node.stderr.readline()
        assert line.startswith("dsops: the node serves at http://127.0.0.1:"), line
        yield line.split()[-1], folder / "run" / "tokens" / "web"
        node.send_signal(signal.SIGTERM)
        assert node.wait(SECONDS) == 0


def test_boto3_gets_a_session_of_a_chained_role(
    tmp_path: Path, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 needs two variables; its session is that of the second role, and the trail says which workload got it."""
    with served(tmp_path, server) as (url, token):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        caller = boto3.Session(region_name="us-east-1").client("sts", endpoint_url=server.url).get_caller_identity()
    assert caller["Arn"].startswith("arn:aws:sts::222222222222:assumed-role/Target/")
    trail = Path(os.environ["HOME"]) / ".local/state/dsops/audit.jsonl"
    events = [json.loads(line) for line in trail.read_text().splitlines()]
    assert [event["eventName"] for event in events if event["eventName"] != "TrailStarted"][-3:] == [
        "AssumeRole",
        "AssumeRole",
        "GetCredentials",
    ]
    given = events[-1]["additionalEventData"]
    assert (given["workload"], given["peer_uid"], given["store"]) == ("web", os.geteuid(), "target")


def test_a_secret_is_served_as_the_secrets_manager_agent_does(tmp_path: Path, server: SandboxServer) -> None:
    """The answer has the fields of AWS's agent; a missing secret has AWS's status and code."""
    with served(tmp_path, server) as (url, token):
        headers = {"X-Aws-Parameters-Secrets-Token": token.read_text()}
        answers = []
        for path in ("/secretsmanager/get?secretId=prod/db", "/v1/none"):
            connection = HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            answers.append((response.status, json.loads(response.read())))
            connection.close()
    (status, secret), (missing_status, missing) = answers
    assert (status, secret["SecretString"], secret["VersionStages"]) == (200, '{"password":"invented"}', ["AWSCURRENT"])
    assert float(secret["CreatedDate"]) > 0
    assert (missing_status, missing["__type"].rpartition("#")[2]) in {
        (400, "ResourceNotFoundException"),
        (400, "AccessDeniedException"),
    }


def test_fifty_cold_roles_all_get_a_session_from_an_sts_that_throttles(tmp_path: Path) -> None:
    """All calls share one pace, so that a throttled call is the exception: fewer than one for each role."""
    outcome = throttled_node.run(tmp_path, 25.0)
    assert (outcome.succeeded, outcome.accepted) == (throttled_node.ROLES, throttled_node.ROLES)
    assert outcome.throttled < throttled_node.ROLES
