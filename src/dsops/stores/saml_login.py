"""Open the identity provider's login page and receive the SAML response on a local port.

The provider sends the response to the local port. Therefore the provider's settings must allow this port as an
additional assertion consumer service. The recipient in the response is still AWS, because STS accepts no other
recipient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from dsops.errors import LoginFailed, NoCredentials
from dsops.runtime import Runtime
from dsops.stores.browser import open_page
from dsops.stores.loopback import BrowserRequest, LoopbackPort
from dsops.stores.saml_response import MOST_CHARACTERS, SamlResponse, read_response

DEFAULT_PORT: Final = 35001
"""The default port. AWS's VPN client uses this port, so many identity providers already allow it."""

PATH: Final = "/saml"
_SECONDS: Final = 300.0
_MOST_BYTES: Final = 3 * MOST_CHARACTERS + 65536
"""The maximum size of a request.

In the request, each `+` and `/` of the response's base64 is percent-encoded as three characters.
"""


def log_in(url: str, port: int, store: str, runtime: Runtime, *, seconds: float = _SECONDS) -> SamlResponse:
    """Let the user log in on the page; return the SAML response. Blocks for at most five minutes.

    Explains what will happen and waits for Enter before a browser opens. Raises NoCredentials if there is no
    terminal, the port is taken, no browser opens, or no response arrives.
    """
    here = f"http://127.0.0.1:{port}{PATH}"
    question = (
        f"store `{store}` needs a login. This page will open in your browser:\n  {url.partition('?')[0]}\n"
        f"After the login it has to post its response here, which the identity provider must allow:\n  {here}\n"
        "Enter opens it, Ctrl-C ends: "
    )
    with _open_port(port) as loopback:
        if runtime.ask(question) is None:
            raise NoCredentials(
                f"a login at {url.partition('?')[0]} is needed",
                why="there is no terminal to ask on",
                hint=f"run `dsops whoami {store}` in a terminal: the agent keeps the session; or set `saml_process`",
            )
        browser = open_page(url, runtime)

        def look() -> None:
            if runtime.has_left():
                # The client has disconnected. Now the port is freed for the next login, and no response is accepted,
                # because it could be another user's.
                raise NoCredentials(f"the login at {url.partition('?')[0]} was cancelled")
            if browser.has_failed:
                raise NoCredentials(
                    "no browser could be opened for the login",
                    hint="set BROWSER to a browser, or log in with a program: `saml_process`",
                )

        return await_response(loopback, seconds, look)


def await_response(loopback: LoopbackPort, seconds: float, look: Callable[[], None] = lambda: None) -> SamlResponse:
    """Return the first usable response. Other requests are answered and ignored."""
    responses: list[SamlResponse] = []

    def judge(request: BrowserRequest) -> bool:
        try:
            values = parse_qs(request.body.decode("latin-1"), max_num_fields=20).get("SAMLResponse", [])
            responses.append(read_response("".join(values[:1]).encode("latin-1", "replace"), "what was posted"))
        except (NoCredentials, ValueError):
            return False
        return True

    try:
        loopback.wait(judge, seconds, look)
    except LoginFailed as error:
        raise NoCredentials(
            "the identity provider sent no SAML response",
            why=f"no valid response was posted to {loopback.address} within {seconds:.0f} s",
            hint="check that the identity provider allows that address, and log in again",
        ) from error
    return responses[0]


def _open_port(port: int) -> LoopbackPort:
    try:
        return LoopbackPort(PATH, port, method="POST", most_bytes=_MOST_BYTES)
    except OSError as error:
        raise NoCredentials(
            f"port {port} of 127.0.0.1 can't be used to wait for the response",
            why=(error.strerror or "unknown reason").lower(),
            hint="end the login that uses the port, or change `saml_login_port` here and in the identity provider",
        ) from error
