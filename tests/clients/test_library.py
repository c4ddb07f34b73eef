"""`dsops.open()` in Python programs: secrets, and boto3 sessions that renew themselves, from any number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

import dsops
from dsops.errors import ConfigNotFound, EnvironmentUnknown, MfaRequired, StoreUnknown
from dsops.library import Library
from dsops.runtime import utc_now
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.secret import Secret
from tests.children import SECONDS
from tests.clients.test_long_commands import CONFIG, SEED, TARGET
from tests.fakes import Reports

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with alice and the roles used in test_long_commands."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


def opened(server: SandboxServer, folder: Path, *, uses_sandbox_time: bool = False, **more: Any) -> Library:
    """The library, opened with alice's keys."""
    (folder / "dsops.yaml").write_text(CONFIG)
    variables = identity_variables(server, "alice")
    now = (lambda: datetime.fromtimestamp(server.sandbox.clock.now(), UTC)) if uses_sandbox_time else utc_now
    return dsops.open(folder / "dsops.yaml", variables, folder=folder, now=now, **more)


def test_secrets_have_no_value_in_their_repr(server: SandboxServer, tmp_path: Path) -> None:
    """`secrets` returns a mapping in the configuration's order, and the mapping's repr shows no value."""
    secrets = opened(server, tmp_path).secrets("production")
    assert secrets["TOKEN"].reveal() == "invented-token"
    assert "invented" not in repr(secrets)


def test_boto3_works_as_the_store_and_goes_on_past_expiry(
    server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 uses and renews the store's session, whatever keys are in os.environ."""
    for name, value in identity_variables(server, "mallory").items():
        monkeypatch.setenv(name, value)
    library = opened(server, tmp_path, uses_sandbox_time=True)
    session = library.boto3_session("target")
    assert session.region_name == "eu-west-1"
    client = session.client("sts")
    assert client.get_caller_identity()["Arn"] == TARGET
    first = library.credentials("target").access_key_id
    assert library.credentials("target").access_key_id == first
    server.sandbox.move_clock(server.sandbox.clock.now() + 1000)
    # botocore compares with the machine's clock: with 900 seconds left, it requests a refresh at each call.
    assert client.get_caller_identity()["Arn"] == TARGET
    assert library.credentials("target").access_key_id != first
    assert library.boto3_session("target", region_name="us-west-2").region_name == "us-west-2"


def test_twenty_threads_assume_a_role_once(server: SandboxServer, tmp_path: Path) -> None:
    """Twenty threads share one AssumeRole call, and all of them get their session or secrets."""
    reports = Reports()
    library = opened(server, tmp_path, report=reports)
    keys: list[str] = []
    values: list[Mapping[str, Secret]] = []
    barrier = threading.Barrier(20)

    def work(number: int) -> None:
        barrier.wait(SECONDS)
        if number % 2:
            keys.append(library.credentials("target").access_key_id)
        else:
            values.append(library.secrets("production"))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(keys)) == 1
    assert [value["TOKEN"].reveal() for value in values] == ["invented-token"] * 10
    assert reports.names.count("credentials.issued") == 1
    assert len(keys) == 10


def test_errors_are_those_of_dsops(server: SandboxServer, tmp_path: Path) -> None:
    """The library raises dsops' errors with their hints, and never prompts for an MFA code."""
    library = opened(server, tmp_path)
    with pytest.raises(EnvironmentUnknown, match="no environment is selected"):
        library.secrets()
    with pytest.raises(StoreUnknown, match="no store `targets`"):
        library.boto3_session("targets")
    (tmp_path / "mfa.yaml").write_text(CONFIG.replace(', token_code: "${MFA_TOKEN}"', ""))
    with pytest.raises(MfaRequired):
        dsops.open(tmp_path / "mfa.yaml", identity_variables(server, "alice")).credentials("sensitive")
    with pytest.raises(ConfigNotFound):
        dsops.open(tmp_path / "none.yaml", {})


def test_importing_dsops_imports_no_other_module() -> None:
    """`import dsops` imports no other module; `open` is loaded on first use, and other names raise AttributeError."""
    program = "import sys; before = set(sys.modules); import dsops; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "['dsops']\n"
    with pytest.raises(AttributeError, match="has no attribute `opne`"):
        dsops.opne  # type: ignore[attr-defined]  # noqa: B018 - that is the test


LAMBDA_SEED = """
accounts:
  "111111111111":
    roles:
      Function:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: sts:AssumeRole}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
  "222222222222":
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111111111111:role/Function"}
            Action: sts:AssumeRole
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {prod/api-key: invented-key}
"""


def test_the_lambda_example_runs_as_lambda_runs_it(tmp_path: Path) -> None:
    """The Lambda example works with the role's session from its variables; two invocations assume the role once."""
    with open_server(read_seed(LAMBDA_SEED, "seed.yaml")) as server:
        admin = identity_variables(server, "admin@111111111111")
        role = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=admin["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=admin["AWS_SECRET_ACCESS_KEY"],
        ).assume_role(RoleArn="arn:aws:iam::111111111111:role/Function", RoleSessionName="function")["Credentials"]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
        }
        program = (
            "import json, handler\n"
            "print(json.dumps([handler.handler({'name': name}, None) for name in ('first', 'second')]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT / "examples" / "lambda",
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        caller = "arn:aws:sts::222222222222:assumed-role/Reader/lambda-orders"
        assert json.loads(done.stdout) == [
            {"caller": caller, "letters": 12, "asked": name} for name in ("first", "second")
        ]
        records = list(server.sandbox.events.records(account="222222222222"))
        assert [record["eventName"] for record in records].count("AssumeRole") == 1
