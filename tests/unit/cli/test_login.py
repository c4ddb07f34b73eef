"""`dsops login`: the choice between browser and device code. Whole logins are tested in tests/clients."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from dsops.aws.http.call import make_client
from dsops.aws.identity.sso_session import SsoSession
from dsops.aws.sso_login import LoginService
from dsops.cli.login.sso_login import by_browser_or_device
from dsops.endpoint import resolve_endpoint
from dsops.runtime import utc_now
from dsops.stores.browser import can_open_browser
from dsops.stores.loopback import LoopbackPort
from dsops.testing.local_aws import LocalAws
from tests.fakes import make_runtime
from tests.terminal import Terminal

START_URL = "https://d-1234567890.awsapps.com/start"
SEED = f"""
accounts: {{"111111111111": {{}}}}
identity_center: {{start_url: "{START_URL}", users: {{alice: {{}}}}, auto_approve: alice}}
"""


@pytest.mark.parametrize(
    ("environ", "platform", "can"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": "", "BROWSER": ""}, "linux", False),
        ({"BROWSER": "lynx"}, "linux", True),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", True),
        ({"SSH_CONNECTION": "x", "TERM": "xterm"}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_expected_where_there_are_windows(*, environ: dict[str, str], platform: str, can: bool) -> None:
    """A browser login is chosen on a desktop or if BROWSER is set, but not on a terminal without a desktop."""
    assert can is can_open_browser(environ, platform)


@pytest.mark.sandbox_seed(SEED)
def test_without_a_port_a_code_is_used(sandbox: LocalAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If no port can be opened, the login continues with a device code and says why."""

    def blocked(_: str) -> LoopbackPort:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    runtime = make_runtime({"HOME": str(tmp_path), "AWS_ENDPOINT_URL": sandbox.url}, now=utc_now)
    endpoint = resolve_endpoint("sso-oidc", "us-east-1", runtime.environ)
    place = LoginService(make_client(runtime), endpoint, SsoSession("", START_URL, "us-east-1"))
    token = by_browser_or_device(place, runtime, opens=False, open_port=blocked)
    said = capsys.readouterr().err
    assert "no loopback port can be opened (cannot assign requested address): using a code instead" in said
    assert "type the code" in said
    assert token.can_be_refreshed(utc_now())


def login(home: Path, *words: str) -> Terminal:
    """`dsops login` on a terminal, with an endpoint that refuses connections."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TERM": "dumb",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    command = [sys.executable, "-m", "dsops", "login", "--start-url", START_URL, *words]
    return Terminal(command, environ=variables, folder=home)


@pytest.mark.parametrize(
    ("region", "advice"),
    [
        ("eu-wst-1", "did you mean `eu-west-1`?"),
        ("us-esat-1", "did you mean `us-east-1`?"),
        ("frankfurt", "they are named like us-east-1"),
    ],
)
def test_a_misspelled_region_is_refused(tmp_path: Path, region: str, advice: str) -> None:
    """A region with a word that no region has is refused with the similar one; `--yes` uses it anyway."""
    with login(tmp_path, "--sso-region", region) as terminal:
        terminal.expect(f"`{region}` is not a region that dsops knows: {advice}")
        terminal.expect("add `--yes` if AWS has a new region of that name")
        assert terminal.code() == 2
    with login(tmp_path, "--sso-region", region, "--yes") as terminal:
        terminal.expect(f"sso_region = {region}")


@pytest.mark.parametrize("region", ["us-east-1", "eu-north-9", "us-gov-west-7"])
def test_a_region_that_may_be_new_is_used(tmp_path: Path, region: str) -> None:
    """A known region, and a new number of known words, need no confirmation."""
    with login(tmp_path, "--sso-region", region) as terminal:
        terminal.expect(f"sso_region = {region}")


def test_a_doubted_region_is_used_when_it_is_typed_again(tmp_path: Path) -> None:
    """On the terminal, a doubted region is asked for again; the same answer, or another region, is then used."""
    for answer in ("eu-wst-1", "eu-west-1"):
        with login(tmp_path) as terminal:
            terminal.expect("Region of the Identity Center instance: ")
            terminal.type("eu-wst-1\n")
            terminal.expect("did you mean `eu-west-1`? Enter it again to use it.")
            terminal.expect("Region of the Identity Center instance: ")
            terminal.type(f"{answer}\n")
            terminal.expect(f"sso_region = {answer}")
