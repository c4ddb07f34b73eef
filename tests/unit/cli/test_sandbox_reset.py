"""`dsops sandbox reset`: the running sandbox goes back to its seed, and clients' keys stay valid."""

from __future__ import annotations

import boto3
import pytest

from dsops.cli import main
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.seed.model import Seed


def test_a_running_sandbox_is_reset(capfd: pytest.CaptureFixture[str]) -> None:
    """A user that was created is gone, the client goes on with its keys, and stdout stays empty."""
    with open_server(Seed()) as server:
        variables = identity_variables(server, "admin")
        client = boto3.client(
            "iam",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_user(UserName="mallory")
        code = main(["sandbox", "reset", "--port", str(server.port)])
        assert (code, [user["UserName"] for user in client.list_users()["Users"]]) == (0, ["admin"])
        port = server.port

    assert capfd.readouterr().out == ""
    assert main(["sandbox", "reset", "--port", str(port)]) == 2
    assert "no sandbox answers" in capfd.readouterr().err
