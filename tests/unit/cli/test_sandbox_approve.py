"""`dsops sandbox approve`: approve or deny a pending login of a running sandbox."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from dsops.cli import main
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import Seed
from tests.identity_center import DEVICE_GRANT, SCOPE, START_URL, VERIFIER, Program, authorize_query

SEED = """
accounts: {"111111111111": {}}
identity_center:
  users: {alice: {}, bob: {}}
  permission_sets: {Reader: {}}
  assignments:
  - {account: "111111111111", permission_set: Reader, users: [alice]}
"""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox with two users, only one of which has a role."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


def oidc(server: SandboxServer) -> Any:  # boto3 ships no types
    """boto3's client of the OIDC service."""
    config = Config(signature_version=UNSIGNED, region_name="us-east-1", retries={"total_max_attempts": 1})
    return boto3.client("sso-oidc", endpoint_url=server.url, config=config)


def start(server: SandboxServer) -> dict[str, Any]:
    """Start a device login; return the parameters for CreateToken and the user code."""
    client = oidc(server)
    made = client.register_client(clientName="x", clientType="public", scopes=[SCOPE])
    who = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
    started = client.start_device_authorization(**who, startUrl=START_URL)
    return {
        "wish": {**who, "grantType": DEVICE_GRANT, "deviceCode": started["deviceCode"]},
        "code": started["userCode"],
        "page": started["verificationUriComplete"],
    }


def approve(server: SandboxServer, *words: str) -> int:
    """Run `sandbox approve`; return its exit code."""
    return main(["sandbox", "approve", "--port", str(server.port), *words])


@pytest.mark.parametrize("named_by", ["code", "page", ""])
def test_a_device_gets_its_token(server: SandboxServer, named_by: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A device login is approved by code, by URL, or as the only pending login, and stdout stays empty."""
    login = start(server)

    assert approve(server, *filter(None, [login.get(named_by, "")]), "--user", "alice") == 0

    assert oidc(server).create_token(**login["wish"])["accessToken"]
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "logged in as alice\n")


def test_it_waits_for_a_login_that_is_about_to_come(server: SandboxServer) -> None:
    """`--wait` waits for a login that has not started yet."""
    found: list[int] = []
    waiting = Thread(target=lambda: found.append(approve(server, "--user", "alice", "--wait", "30")), daemon=True)
    waiting.start()
    login = start(server)
    waiting.join(30)

    assert found == [0]
    assert oidc(server).create_token(**login["wish"])["accessToken"]


def test_a_login_can_be_denied(server: SandboxServer, capfd: pytest.CaptureFixture[str]) -> None:
    """With `--deny` the client gets access_denied."""
    client, login = oidc(server), start(server)
    assert approve(server, "--deny") == 0
    assert capfd.readouterr().err == "the login was denied\n"
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.create_token(**login["wish"])


def test_a_browser_login_can_be_approved(server: SandboxServer) -> None:
    """A browser login is approved by sending the authorization code to the client's redirect URI."""
    brought: list[str] = []

    class Waiting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            brought.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing to stderr."""

    client = oidc(server)
    made = client.register_client(
        clientName="x",
        clientType="public",
        scopes=[SCOPE],
        issuerUrl=START_URL,
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    program = Program(client_id=made["clientId"], secret=made["clientSecret"])
    with HTTPServer(("127.0.0.1", 0), Waiting) as listener:
        listener.timeout = 20
        redirect = f"http://127.0.0.1:{listener.server_address[1]}/oauth/callback"
        thread = Thread(target=listener.handle_request, daemon=True)
        thread.start()
        address = f"{server.url}/authorize?{authorize_query(program, redirect_uri=redirect)}"
        assert approve(server, address, "--user", "alice") == 0
        thread.join(20)
    found = dict(parse_qsl(urlsplit(brought[0]).query))
    given = client.create_token(
        **program.parameters,
        grantType="authorization_code",
        code=found["code"],
        redirectUri=redirect,
        codeVerifier=VERIFIER,
    )

    assert found["state"] == "st&te"
    assert given["accessToken"]


def test_a_program_may_wait_for_its_browser_before_it_listens(server: SandboxServer) -> None:
    """A client may begin to listen after the approval, as the AWS CLI does since 2.22; the page stays available."""
    brought: list[str] = []

    class Waiting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(20):  # the pipe would break here if the browser had closed the connection
                self.wfile.write(b"You can close this window." * 1000)
                self.wfile.flush()
            brought.append(self.path)

        def log_message(self, *_: object) -> None:
            """Log nothing to stderr."""

    client = oidc(server)
    made = client.register_client(
        clientName="x",
        clientType="public",
        scopes=[SCOPE],
        issuerUrl=START_URL,
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    program = Program(client_id=made["clientId"], secret=made["clientSecret"])
    with HTTPServer(("127.0.0.1", 0), Waiting) as listener:
        listener.timeout = 20
        redirect = f"http://127.0.0.1:{listener.server_address[1]}/oauth/callback"
        address = f"{server.url}/authorize?{authorize_query(program, redirect_uri=redirect)}"
        command = [sys.executable, "-m", "dsops", "sandbox", "approve", "--port", str(server.port), "--user", "alice"]
        done = subprocess.run([*command, address], capture_output=True, text=True, timeout=30, check=False)
        listener.handle_request()

    assert (done.returncode, done.stderr) == (0, "logged in as alice\n")
    assert len(brought) == 1


def test_a_program_that_is_gone_is_told(server: SandboxServer, capfd: pytest.CaptureFixture[str]) -> None:
    """`dsops sandbox approve` reports that no client listens at the redirect URI."""
    client = oidc(server)
    made = client.register_client(
        clientName="x",
        clientType="public",
        scopes=[SCOPE],
        issuerUrl=START_URL,
        grantTypes=["authorization_code"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    program = Program(client_id=made["clientId"], secret=made["clientSecret"])
    address = f"{server.url}/authorize?{authorize_query(program, redirect_uri='http://127.0.0.1:1/oauth/callback')}"

    assert approve(server, address, "--user", "alice") == 2
    said = capfd.readouterr().err
    assert "no program listens on 127.0.0.1:1" in said
    assert "start the login again" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--user", "alice", "--wait", "0.1"], "no login is pending"),
        (["--user", "alice", "BBBB-BBBB"], "no login is pending for that code"),
        (["--user", "alice", "--deny"], "--deny and --user can't be combined"),
    ],
    ids=str,
)
def test_what_can_not_be_done_is_told(
    server: SandboxServer, words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """An approval that is impossible fails with an error that names the next step."""
    assert approve(server, *words) != 0
    assert told in capfd.readouterr().err


def test_who_it_is_must_be_said_where_there_are_several(
    server: SandboxServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """If there are several users, the command must name one; a mistyped name gets a suggestion."""
    login = start(server)
    assert approve(server, login["code"]) == 2
    assert "name a user: there are alice, bob" in capfd.readouterr().err
    assert approve(server, login["code"], "--user", "alicia") == 2
    assert "did you mean alice?" in capfd.readouterr().err


def test_which_login_must_be_said_where_several_wait(server: SandboxServer, capfd: pytest.CaptureFixture[str]) -> None:
    """If several logins are pending, the command must name one; the error lists their codes."""
    first, second = start(server), start(server)
    assert approve(server, "--user", "alice") == 2
    assert f"{first['code']} or {second['code']}" in capfd.readouterr().err


def test_a_sandbox_without_identity_center_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """`approve` fails with an error if the sandbox's seed has no Identity Center."""
    with open_server(Seed()) as plain:
        assert approve(plain, "--user", "alice") == 2
    assert "its seed has no `identity_center`" in capfd.readouterr().err
