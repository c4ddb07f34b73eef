"""`dsops login`: the choice between browser and device code. Whole logins are tested in tests/clients."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dsops.aws.http.client import make_client
from dsops.aws.identity.sso_session import SsoSession
from dsops.aws.sso_login import LoginService
from dsops.cli.login.sso_login import by_browser_or_device
from dsops.endpoint import resolve_endpoint
from dsops.runtime import utc_now
from dsops.stores.browser import can_open_browser
from dsops.stores.loopback import LoopbackPort
from dsops.testing.local_aws import LocalAws
from tests.fakes import make_runtime

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
