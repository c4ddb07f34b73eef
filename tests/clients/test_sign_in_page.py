"""The sandbox's sign-in page in Chromium, by keyboard only and without scripts: a code, then Deny or Allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.testing.local_aws import LocalAws
from tests.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

ACCOUNT = "111111111111"
START_URL = "https://d-1234567890.awsapps.com/start"
SEED = f"""
accounts: {{"{ACCOUNT}": {{}}}}
identity_center:
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets: {{Reader: {{}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice, bob]}}
"""
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Login:
    """A device login of one program."""

    def __init__(self, url: str) -> None:
        self._client = boto3.client(
            "sso-oidc", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )
        registered = self._client.register_client(
            clientName="my-tool", clientType="public", scopes=["sso:account:access"]
        )
        self._own = {"clientId": registered["clientId"], "clientSecret": registered["clientSecret"]}
        self.started: dict[str, Any] = self._client.start_device_authorization(**self._own, startUrl=START_URL)

    def token(self) -> str:
        """The access token, or the error."""
        try:
            answer = self._client.create_token(
                **self._own, grantType=DEVICE_GRANT, deviceCode=self.started["deviceCode"]
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return str(answer["accessToken"])


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    """A browser without scripts."""
    with browser(tmp_path) as opened:
        yield opened


def waiting(sandbox: LocalAws) -> int:
    """The number of logins that await a decision."""
    with urlopen(f"{sandbox.url}/_sandbox/logins", timeout=20) as answer:
        return len(json.load(answer)["waiting"])


def test_a_wrong_code_then_the_right_one_then_allow(sandbox: LocalAws, page: Browser) -> None:
    """After a wrong code the page shows the problem; after the right code, Tab reaches user, Deny and Allow."""
    login = Login(sandbox.url)
    page.open(login.started["verificationUri"])
    page.type("BBBB-BBBB")
    page.press("Enter", loads=True)
    assert "No login is pending for that code." in page.text(".problem")
    page.open(login.started["verificationUri"])
    page.type(login.started["userCode"].lower())
    page.press("Enter", loads=True)
    assert page.text(".code") == login.started["userCode"]
    assert "the program my-tool can, for 8 hours:" in page.text()
    focused = []
    for _ in range(3):
        page.press("Tab")
        focused.append(page.focused())
    assert focused == ["user=alice", "answer=deny", "answer=approve"]
    assert login.token() == "AuthorizationPendingException"
    page.press("Enter", loads=True)
    assert page.text("main").startswith("Allowed\n\nThe program my-tool is signed in as alice.")
    assert login.token().startswith("aoa")


def test_enter_on_deny_denies(sandbox: LocalAws, page: Browser) -> None:
    """Enter on the first button denies the login; the program gets no token."""
    login = Login(sandbox.url)
    page.open(login.started["verificationUriComplete"])
    assert waiting(sandbox) == 1
    for _ in range(2):
        page.press("Tab")
    page.press("Enter", loads=True)
    assert page.text("main").startswith("Denied\n\nThe sign-in was denied. The program my-tool gets no access.")
    assert waiting(sandbox) == 0
    assert login.token() == "AccessDeniedException"
