"""Real AWS clients log in to the sandbox's Identity Center and use each other's cached tokens."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from dsops.sandbox.control.client import client_variables
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.clients.sdks import SDKS, aws_cli_2, version_of
from tests.clients.test_sdks import Client, plain_environment
from tests.identity_center import DEVICE_GRANT, SCOPE, START_URL, VERIFIER, Program, authorize_query
from tests.installed import OUTSIDE, ToolMissingError
from tests.stubs.amazon import amazon

# The first run installs and compiles a client before its first test.
pytestmark = pytest.mark.timeout(600)

BIN = Path(sys.executable).parent
ACCOUNT = "111111111111"
SEED = f"""
accounts:
  "{ACCOUNT}":
    secrets: {{db: invented}}
identity_center:
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets:
    Reader:
      policies:
      - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}}}
    Other: {{}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice]}}
  - {{account: "{ACCOUNT}", permission_set: Other, users: [bob]}}
"""
CONFIG = f"""
[profile reader]
sso_session = corp
sso_account_id = {ACCOUNT}
sso_role_name = Reader
region = us-east-1
[profile other]
sso_session = corp
sso_account_id = {ACCOUNT}
sso_role_name = Other
region = us-east-1
[profile older]
sso_start_url = {START_URL}
sso_region = us-east-1
sso_account_id = {ACCOUNT}
sso_role_name = Reader
region = us-east-1
[sso-session corp]
sso_start_url = {START_URL}
sso_region = us-east-1
sso_registration_scopes = {SCOPE}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A sandbox whose alice has a read-only permission set; bob has none."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path) -> Path:
    """A home folder with the profiles."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return tmp_path


def oidc(server: SandboxServer) -> Any:  # boto3 ships no types, here and below
    """boto3's client of the OIDC (sign-in) service."""
    config = Config(signature_version=UNSIGNED, region_name="us-east-1", retries={"total_max_attempts": 1})
    return boto3.client("sso-oidc", endpoint_url=server.url, config=config)


def portal(server: SandboxServer) -> Any:
    """boto3's client of the access portal."""
    config = Config(signature_version=UNSIGNED, region_name="us-east-1", retries={"total_max_attempts": 1})
    return boto3.client("sso", endpoint_url=server.url, config=config)


def ask(server: SandboxServer, method: str, target: str, form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Status, Location header and body of an HTTP request."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = (
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        if form is not None
        else {}
    )
    connection.request(method, target, None if form is None else urlencode(form), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Location", ""), text


def approve(server: SandboxServer, code: str, user: str = "alice") -> None:
    """Approve a device code as a user does on its page."""
    fields = {"user_code": code, "user": user, "answer": "approve"}
    assert ask(server, "POST", "/_sandbox/device", fields)[0] == 200


class FormReader(HTMLParser):
    """A parser for the one form of a login page."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.buttons: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form's action and its buttons."""
        if tag == "form":
            self.action = dict(attrs)["action"] or ""
        if tag == "button":
            self.buttons.append(dict(attrs))


def log_in(server: SandboxServer, home: Path, *, seconds: int = 3600, user: str = "alice") -> str:
    """Write the token cache of `aws sso login` for the session `corp`, expiring in `seconds`; returns the token."""
    client = oidc(server)
    made = client.register_client(clientName="botocore-client-corp", clientType="public", scopes=[SCOPE])
    registration = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
    started = client.start_device_authorization(**registration, startUrl=START_URL)
    approve(server, started["userCode"], user)
    token = client.create_token(**registration, grantType=DEVICE_GRANT, deviceCode=started["deviceCode"])
    now = datetime.now(UTC)
    moments = {"expiresAt": now + timedelta(seconds=seconds), "registrationExpiresAt": now + timedelta(days=90)}
    content = {
        "startUrl": START_URL,
        "region": "us-east-1",
        "accessToken": token["accessToken"],
        "refreshToken": token["refreshToken"],
        **registration,
        **{name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in moments.items()},
    }
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"{hashlib.sha1(b'corp', usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(content))
    return str(token["accessToken"])


# --- SDKs with a cached token --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SDKS)
def client(
    request: pytest.FixtureRequest, server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Each client in turn; skipped if its toolchain is not installed."""
    try:
        started = Client(request.param, server.url, tmp_path_factory.mktemp("home"))
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    yield started
    started.close()


def test_a_profile_with_a_session_is_its_users_role(client: Client, server: SandboxServer, tmp_path: Path) -> None:
    """A profile with an sso-session gets the user's role and permissions; a role that is not assigned is denied."""
    log_in(server, tmp_path)
    home = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / ".aws" / "config")}

    reader = client.finding(AWS_PROFILE="reader", **home)
    other = client.finding(AWS_PROFILE="other", **home)

    arn = reader.granted("identity")["arn"]
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Reader_")
    assert arn.endswith("/alice")
    assert reader.granted("secret", id="db") == {"value": "invented"}
    assert "No access" in other.refused("identity").message


def test_an_expired_token_is_refreshed(client: Client, server: SandboxServer, tmp_path: Path) -> None:
    """The SDK itself refreshes an expired token with the cached refresh token."""
    log_in(server, tmp_path, seconds=-60)
    before = server.sandbox.events.added
    home = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / ".aws" / "config")}

    assert client.finding(AWS_PROFILE="reader", **home).granted("identity")["arn"].endswith("/alice")

    created = [record for record in server.sandbox.events.records(before) if record["eventName"] == "CreateToken"]
    assert [one["requestParameters"]["grantType"] for one in created] == ["refresh_token"]


# --- logins of the AWS CLI -----------------------------------------------------------------------------------------


class AwsCli(NamedTuple):
    """The machine's AWS CLI 2."""

    path: str
    is_older: bool
    """Whether it is older than 2.22, since when `aws sso login` uses the browser redirect by default."""


@pytest.fixture(scope="module")
def aws_cli() -> AwsCli:
    """The AWS CLI 2 that is first in PATH."""
    try:
        path = aws_cli_2(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    numbers = version_of(path).partition("/")[2].split(".")
    return AwsCli(path, is_older=(int(numbers[0]), int(numbers[1])) < (2, 22))


@pytest.fixture
def aws(
    aws_cli: AwsCli, server: SandboxServer, tmp_path: Path
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs the AWS CLI 2. Debian's ignores AWS_ENDPOINT_URL, so AWS's host names are routed to the sandbox."""
    with amazon(server.url, tmp_path) as ways:
        variables = {
            name: value
            for name, value in client_variables(server.url, "us-east-1", "", "").items()
            if value and not name.startswith(("AWS_ENDPOINT_URL", "AWS_CONFIG_FILE"))
        }
        environment = {
            **plain_environment(tmp_path),
            **variables,
            **ways,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DSOPS_AGENT": "off",
            "DSOPS_SANDBOX_PORT": str(server.port),
            "AWS_PAGER": "",
        }

        def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [aws_cli.path, *words],
                env={**environment, **more},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
            )

        yield run


@pytest.fixture
def device_option(aws_cli: AwsCli, way: str) -> list[str]:
    """The option that selects this login flow. It skips the test, if needed, before `aws` starts anything."""
    if aws_cli.is_older and way == "browser":
        pytest.skip("this AWS CLI is older than 2.22 and logs in by a device's code alone")
    return [] if aws_cli.is_older or way == "browser" else ["--use-device-code"]


@pytest.mark.parametrize("way", ["device", "browser"])
@pytest.mark.parametrize("profile", ["reader", "older"])
def test_the_aws_cli_logs_in_and_out(
    device_option: list[str], aws: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, profile: str
) -> None:
    """`aws sso login` works by browser and by device code; after `aws sso logout` the profile has no credentials."""
    browser = "dsops sandbox approve --user alice %s"
    logged_in = aws("sso", "login", "--profile", profile, *device_option, BROWSER=browser)
    caller = aws("sts", "get-caller-identity", "--profile", profile, "--query", "Arn", "--output", "text")
    secret = aws(
        "secretsmanager",
        "get-secret-value",
        "--secret-id",
        "db",
        "--profile",
        profile,
        "--query",
        "SecretString",
        "--output",
        "text",
    )
    tokens = [path.read_text() for path in (tmp_path / ".aws" / "sso" / "cache").iterdir()]
    logged_out = aws("sso", "logout")
    after = aws("sts", "get-caller-identity", "--profile", profile)

    assert logged_in.returncode == 0, logged_in.stderr
    assert f"Successfully logged into Start URL: {START_URL}" in logged_in.stdout
    assert caller.stdout.strip().endswith("/alice"), caller.stderr
    assert secret.stdout == "invented\n", secret.stderr
    assert any("accessToken" in text for text in tokens)
    assert logged_out.returncode == 0, logged_out.stderr
    assert after.returncode != 0


@pytest.mark.parametrize(
    ("way", "words"), [("device", "AccessDeniedException"), ("browser", "Failed to retrieve an authorization code")]
)
def test_a_denied_login_ends_the_aws_cli(
    device_option: list[str], aws: Callable[..., subprocess.CompletedProcess[str]], words: str
) -> None:
    """A denied login ends `aws sso login` at once with its own error."""
    refused = aws("sso", "login", "--profile", "reader", *device_option, BROWSER="dsops sandbox approve --deny %s")
    assert refused.returncode != 0
    assert words in refused.stderr


def test_the_aws_cli_lists_accounts_and_roles(
    aws: Callable[..., subprocess.CompletedProcess[str]], server: SandboxServer, tmp_path: Path
) -> None:
    """`aws sso` lists the token's accounts and roles and gets credentials for one of the roles."""
    token = log_in(server, tmp_path)
    region = ("--region", "us-east-1", "--access-token", token)
    accounts = aws("sso", "list-accounts", *region, "--query", "accountList[].accountId", "--output", "text")
    roles = aws(
        "sso",
        "list-account-roles",
        *region,
        "--account-id",
        ACCOUNT,
        "--query",
        "roleList[].roleName",
        "--output",
        "text",
    )
    credentials = aws("sso", "get-role-credentials", *region, "--account-id", ACCOUNT, "--role-name", "Reader")
    other = aws("sso", "get-role-credentials", *region, "--account-id", ACCOUNT, "--role-name", "Other")

    assert (accounts.stdout, roles.stdout) == (f"{ACCOUNT}\n", "Reader\n")
    assert json.loads(credentials.stdout)["roleCredentials"]["accessKeyId"].startswith("ASIA")
    assert "ForbiddenException" in other.stderr


# --- the authorization code flow -----------------------------------------------------------------------------------


def register(server: SandboxServer, redirect: str) -> Program:
    """Register an OIDC client as the AWS CLI does since 2.22."""
    made = oidc(server).register_client(
        clientName="botocore-client-corp",
        clientType="public",
        scopes=[SCOPE],
        issuerUrl=START_URL,
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=[redirect],
    )
    return Program(client_id=made["clientId"], secret=made["clientSecret"])


def press(server: SandboxServer, target: str, answer: str) -> dict[str, str]:
    """Open the authorize URL and press a button; returns the query that is sent back to the client."""
    status, _, page = ask(server, "GET", target)
    form = FormReader()
    form.feed(page)
    assert status == 200
    assert {button["value"] for button in form.buttons} == {"approve", "deny"}
    status, location, _ = ask(server, "POST", form.action, {"user": "alice", "answer": answer})
    assert status == 302
    assert location.startswith("http://127.0.0.1:50000/oauth/callback?")
    return dict(parse_qsl(urlsplit(location).query))


def test_an_authorization_code_is_exchanged_for_a_token(server: SandboxServer) -> None:
    """An authorization code and its PKCE verifier give a token with which boto3 lists accounts and logs out."""
    program = register(server, "http://127.0.0.1/oauth/callback")
    brought = press(server, f"/authorize?{authorize_query(program)}", "approve")
    wish = {
        **program.parameters,
        "grantType": "authorization_code",
        "code": brought["code"],
        "codeVerifier": VERIFIER,
        "redirectUri": "http://127.0.0.1:50000/oauth/callback",
    }
    client = oidc(server)
    other = {**wish, "code": press(server, f"/authorize?{authorize_query(program)}", "approve")["code"]}
    with pytest.raises(client.exceptions.InvalidGrantException) as wrong:
        client.create_token(**other | {"codeVerifier": VERIFIER[::-1]})
    token = client.create_token(**wish)["accessToken"]
    sso = portal(server)
    accounts = [
        entry["accountId"]
        for page in sso.get_paginator("list_accounts").paginate(accessToken=token)
        for entry in page["accountList"]
    ]
    credentials = sso.get_role_credentials(accessToken=token, accountId=ACCOUNT, roleName="Reader")["roleCredentials"]
    caller = boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=credentials["accessKeyId"],
        aws_secret_access_key=credentials["secretAccessKey"],
        aws_session_token=credentials["sessionToken"],
    ).get_caller_identity()
    sso.logout(accessToken=token)

    assert brought["state"] == "st&te"
    assert wrong.value.response["error"] == "invalid_grant"
    assert accounts == [ACCOUNT]
    assert caller["Arn"].endswith("/alice")
    with pytest.raises(sso.exceptions.UnauthorizedException, match="Session token not found or invalid"):
        sso.list_accounts(accessToken=token)
    with pytest.raises(client.exceptions.InvalidGrantException):
        client.create_token(**wish)


def test_a_denied_login_redirects_without_a_code(server: SandboxServer) -> None:
    """A denied login redirects the browser with OAuth's `access_denied` instead of a code."""
    program = register(server, "http://127.0.0.1/oauth/callback")
    brought = press(server, f"/authorize?{authorize_query(program)}", "deny")
    assert brought == {"error": "access_denied", "state": "st&te"}


def test_boto3_raises_each_modelled_error(server: SandboxServer) -> None:
    """boto3 raises each modelled exception with OAuth's code; `ForbiddenException` is in no model."""
    client, sso = oidc(server), portal(server)
    made = client.register_client(clientName="x", clientType="public", scopes=[SCOPE])
    registration = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
    started = client.start_device_authorization(**registration, startUrl=START_URL)
    poll = {**registration, "grantType": DEVICE_GRANT, "deviceCode": started["deviceCode"]}

    with pytest.raises(client.exceptions.AuthorizationPendingException) as pending:
        client.create_token(**poll)
    with pytest.raises(client.exceptions.InvalidClientException) as unknown:
        client.create_token(**{**poll, "clientSecret": "x"})
    with pytest.raises(client.exceptions.InvalidRequestException) as elsewhere:
        client.start_device_authorization(**registration, startUrl="https://d-0000000000.awsapps.com/start")
    approve(server, started["userCode"])
    token = client.create_token(**poll)["accessToken"]
    with pytest.raises(ClientError, match=r"\(ForbiddenException\).*No access"):
        sso.get_role_credentials(accessToken=token, accountId=ACCOUNT, roleName="Other")

    assert pending.value.response["error"] == "authorization_pending"
    assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    assert elsewhere.value.response["error_description"] == "Invalid start url provided"
