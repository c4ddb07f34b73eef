"""Clients of a throttling sandbox: clients that retry succeed, others get the throttling error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import resolve_endpoint
from dsops.errors import Throttled
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.secret import Secret
from dsops.tasks import run
from tests.fakes import make_runtime
from tests.sandboxes import ACCOUNT


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server that allows two STS calls a second."""
    with open_server(read_seed("throttle: {sts: 2}\naccounts: {'111111111111': {}}", "seed.yaml")) as server:
        yield server


def keys(server: SandboxServer) -> tuple[str, str]:
    """Return the administrator's keys."""
    world = server.sandbox.world
    user = world.user_named(ACCOUNT, "admin")
    assert user is not None
    return world.keys_of(user)[0]


def throttled(server: SandboxServer) -> int:
    """Return the number of throttled calls."""
    return sum(record.get("errorCode") == "Throttling" for record in server.sandbox.events.records())


def five_times(call: Callable[[], object]) -> None:
    """Call the function five times without pauses."""
    for _ in range(5):
        call()


def test_boto3_gets_through(server: SandboxServer) -> None:
    """Against a throttled service boto3 succeeds with its standard retries; with a single attempt it is throttled."""
    key_id, secret = keys(server)

    def client(attempts: int) -> Any:  # boto3 ships no types
        return boto3.client(
            "sts",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )

    hasty, patient = client(1), client(10)
    with pytest.raises(ClientError) as caught:
        five_times(hasty.get_caller_identity)
    assert caught.value.response["Error"] == {"Type": "Sender", "Code": "Throttling", "Message": "Rate exceeded"}
    before = throttled(server)
    for _ in range(3):
        assert patient.get_caller_identity()["Account"] == ACCOUNT
    assert throttled(server) > before


def test_dsops_gets_through(server: SandboxServer) -> None:
    """Against a throttled service dsops' client succeeds by waiting; with a single attempt it raises Throttled."""
    key_id, secret = keys(server)
    credentials = Credentials(key_id, Secret(secret))
    endpoint = resolve_endpoint("sts", "us-east-1", {}, endpoint_url=server.url)
    # With the longest jitter the client waits half a second, one and two seconds.
    runtime = make_runtime(random=lambda: 1.0, now=lambda: datetime.now(UTC))
    patient, hasty = make_client(runtime), make_client(runtime, attempts=1)
    driver = open_driver({})
    for _ in range(4):
        assert run(get_caller_identity(patient, credentials, endpoint), driver).account == ACCOUNT
    assert throttled(server) > 0
    with pytest.raises(Throttled) as caught:
        five_times(lambda: run(get_caller_identity(hasty, credentials, endpoint), driver))
    assert caught.value.why == "Rate exceeded"
