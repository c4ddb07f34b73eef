"""Log in to IAM Identity Center with a browser on this machine, or with a code approved on any device.

The caller passes in the functions that show the code and open the browser.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from dsops.aws.apis.sso_oidc import (
    DeviceAuthorization,
    register_client,
    start_device_authorization,
    token_of_code,
    token_of_device,
)
from dsops.aws.http.call import Client
from dsops.aws.http.client import quote
from dsops.aws.identity.sso_cache import ClientRegistration as Registration
from dsops.aws.identity.sso_cache import Token, cache_folder, hashed, read_client, write_client
from dsops.aws.identity.sso_session import SsoSession
from dsops.endpoint import Endpoint, is_loopback, parse_address
from dsops.errors import LoginFailed, ServiceError, SsoRefused
from dsops.secret import Secret
from dsops.tasks import Work, blocking, pause

_NAME = "dsops"
"""The client name that the approval page shows."""

_SLOWER_SECONDS = 5
"""The seconds added to the polling interval for each `slow_down` response (RFC 8628, 3.5)."""

_EARLY = timedelta(minutes=15)
_ENDED = "InvalidClientException"


class LoginService(NamedTuple):
    """An Identity Center session to log in to, with the client and the endpoint for the requests."""

    client: Client
    endpoint: Endpoint
    session: SsoSession


Way = Callable[[LoginService, Registration], "Work[Token]"]
"""A login method: a function that gets a token for a registered client."""

Catch = Callable[[str, str], Mapping[str, str]]
"""A function that waits for the browser's redirect and returns its query parameters.

Its arguments are the login page and the expected state. It raises LoginFailed.
"""


async def log_in(place: LoginService, way: Way, *, has_redirect: bool) -> Token:
    """Log in and return the token.

    The client registration is cached as in the AWS CLI, and renewed once if AWS no longer accepts it.
    """
    path = _registration_path(place, has_redirect=has_redirect)
    registration = read_client(path)
    if registration is not None and registration.expires_at - place.client.runtime.now() > _EARLY:
        try:
            return await way(place, registration)
        except SsoRefused as error:
            if error.aws is None or error.aws.code != _ENDED:
                raise
    registration = await register_client(place.client, place.endpoint, place.session, _NAME, has_redirect=has_redirect)
    write_client(path, registration, place.session.scopes)
    return await way(place, registration)


def by_device(show: Callable[[DeviceAuthorization], None]) -> Way:
    """Return the login method with a code, which `show` displays and the user approves in any browser."""

    async def way(place: LoginService, registration: Registration) -> Token:
        client, endpoint = place.client, place.endpoint
        device = await start_device_authorization(client, endpoint, place.session, registration)
        for page in (device.verification_uri, device.verification_uri_complete):
            _check_page(page, endpoint)
        show(device)
        until = client.runtime.now() + timedelta(seconds=device.seconds)
        interval = device.interval
        while client.runtime.now() < until:
            await pause(interval)
            try:
                login_outcome = await token_of_device(client, endpoint, registration, device.device_code)
            except ServiceError:
                continue  # The failure is temporary, so the next poll may succeed.
            except SsoRefused as error:
                failure = _as_failure(error)
                if failure is None:
                    raise
                raise failure from error
            if isinstance(login_outcome, Token):
                return login_outcome
            if login_outcome == "SlowDownException":
                interval += _SLOWER_SECONDS
        raise LoginFailed("the login code was not approved in time", hint="log in again")

    return way


def by_browser(redirect_uri: str, catch: Catch) -> Way:
    """Return the login method with a local browser, which sends a code to `redirect_uri`.

    It follows RFC 8252, with PKCE (RFC 7636).
    """

    async def way(place: LoginService, registration: Registration) -> Token:
        verifier, state = _random(), _random()
        challenge = _base64(sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge_method": "S256",
            "scopes": " ".join(place.session.scopes),
            "code_challenge": challenge,
        }
        words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        page = f"{place.endpoint.url}/authorize?{words}"
        brought = await blocking(lambda: catch(page, state))
        if "code" not in brought:
            raise _said_no(brought)
        return await token_of_code(
            place.client, place.endpoint, registration, Secret(brought["code"]), Secret(verifier), redirect_uri
        )

    return way


def _registration_path(place: LoginService, *, has_redirect: bool) -> str:
    """Return the path of the registration's file, named by the AWS CLI's rule with dsops' name.

    The name depends on start URL, region and scopes.
    """
    session, runtime = place.session, place.client.runtime
    about = {
        "tool": _NAME,
        "startUrl": session.start_url,
        "region": session.region,
        "scopes": list(session.scopes),
        "session_name": session.name,
        "endpoint": place.endpoint.url,
        "has_redirect": has_redirect,
    }
    name = f"{hashed(json.dumps(about, sort_keys=True))}.json"
    return os.path.join(cache_folder(runtime.environ, runtime.folder), name)


def _check_page(page: str, endpoint: Endpoint) -> None:
    """Raise LoginFailed unless the page is https or loopback, since an attacker could rewrite a page sent over http."""
    address = parse_address(page.partition("?")[0].partition("#")[0])
    if address is None or (address.scheme != "https" and not is_loopback(address.host)):
        raise LoginFailed(
            f"{endpoint.short} returned a login page whose address is not https",
            hint=f"check that {endpoint.url} is AWS",
        )


_ALLOW = "log in again, and allow the login in the browser"


def _as_failure(error: SsoRefused) -> LoginFailed | None:
    """Return LoginFailed if the user can act on the token endpoint's refusal; None for any other refusal."""
    code = error.aws.code if error.aws is not None else ""
    if code == "AccessDeniedException":
        return LoginFailed("the login was denied in the browser", why=error.why, hint=_ALLOW, aws=error.aws)
    if code == "ExpiredTokenException":
        return LoginFailed("the login code was not approved in time", hint="log in again", aws=error.aws)
    return None


def _said_no(brought: Mapping[str, str]) -> LoginFailed:
    """Return the error for a redirect without a code. Its text is untrusted, so it is shortened and cleaned."""
    error = brought.get("error", "") or "no code"
    why = "".join(
        character if character.isprintable() else "?" for character in brought.get("error_description", "")[:200]
    )
    if error == "access_denied":
        return LoginFailed("the login was denied in the browser", why=why, hint=_ALLOW)
    printable_error = "".join(character if character.isprintable() else "?" for character in error[:60])
    return LoginFailed(f"the login in the browser failed: {printable_error}", why=why, hint="log in again")


def _random() -> str:
    """Return a random string of 43 characters (256 bits), as RFC 7636 requires."""
    return _base64(os.urandom(32))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
