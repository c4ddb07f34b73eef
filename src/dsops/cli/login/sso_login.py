"""The two ways to log in to IAM Identity Center: in a browser on this machine, or with a code on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Thread

from dsops.aws.apis.sso_oidc import REDIRECT_URI, DeviceAuthorization
from dsops.aws.identity.sso_cache import Token
from dsops.aws.sso_login import LoginService, by_browser, by_device, log_in
from dsops.cli.framework.output import note, tell, tell_address
from dsops.cli.framework.process_runtime import DONE
from dsops.errors import LoginFailed
from dsops.pipeline.execution import carry_out
from dsops.runtime import Runtime
from dsops.stores.browser import open_page
from dsops.stores.loopback import LoopbackPort, has_state
from dsops.text import duration_text

LONGEST_SECONDS = 600
"""How long a login in the browser may take, in seconds: as long as a code of AWS's device flow is valid."""

_PATH = REDIRECT_URI.removeprefix("http://127.0.0.1")


def by_code(service: LoginService, runtime: Runtime) -> Token:
    """Log in with a code that the user approves on any device; returns the token."""

    def show(device: DeviceAuthorization) -> None:
        runtime.report(DONE)
        typed = f"dsops: open this address in any browser, and type the code {device.user_code}"
        tell_address(typed, device.verification_uri)
        if device.verification_uri_complete != device.verification_uri:
            tell_address("dsops: or open this one, and compare the code", device.verification_uri_complete)
        tell(f"dsops: waiting for {duration_text(device.seconds)}; Ctrl-C ends it")

    return carry_out(log_in(service, by_device(show), has_redirect=False), runtime)


def by_browser_or_device(
    service: LoginService,
    runtime: Runtime,
    *,
    opens: bool,
    seconds: float = LONGEST_SECONDS,
    open_port: Callable[[str], LoopbackPort] = LoopbackPort,
) -> Token:
    """Log in with this machine's browser; without a free loopback port, with a code. Returns the token."""
    try:
        loopback = open_port(_PATH)
    except OSError as error:
        note(f"no loopback port can be opened ({(error.strerror or '').lower()}): using a code instead")
        return by_code(service, runtime)

    def catch(page: str, state: str) -> Mapping[str, str]:
        runtime.report(DONE)
        if not opens:
            tell_address("dsops: open this address in a browser of this machine", page)
        else:
            tell_address("dsops: your browser opens for the login; if it does not, open this address there", page)
            _open(page, runtime)
        try:
            return loopback.wait(has_state(state), seconds).query
        except LoginFailed as error:
            error.retell(error.message, hint="where the browser is on another machine, log in with `--device`")
            raise

    with loopback:
        return carry_out(log_in(service, by_browser(loopback.address, catch), has_redirect=True), runtime)


def _open(page: str, runtime: Runtime) -> None:
    """Open the browser without waiting for it, since some programs in BROWSER run until the page is closed."""
    opening = open_page(page, runtime)

    def watch() -> None:
        if not opening.wait():
            note("the browser could not be opened: open the address above yourself")

    Thread(target=watch, daemon=True).start()
