"""A login to IAM Identity Center, by a browser on this machine or by a code that is approved on any device.

What a person sees and what opens a browser is passed in.
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
from dsops.aws.http.client import Client, quote
from dsops.aws.identity.sso_cache import ClientRegistration as Registration
from dsops.aws.identity.sso_cache import Token, cache_folder, hashed, read_client, write_client
from dsops.aws.identity.sso_session import SsoSession
from dsops.endpoint import Endpoint, is_loopback, parse_address
from dsops.errors import LoginFailed, ServiceError, SsoRefused
from dsops.secret import Secret
from dsops.tasks import Work, blocking, pause

_NAME = "dsops"
"""What the page shows people: who it is that wants to be let in."""

_SLOWER_SECONDS = 5
"""Between questions from then on, each time that the endpoint asks for it (RFC 8628, 3.5)."""

_EARLY = timedelta(minutes=15)
_ENDED = "InvalidClientException"


class LoginService(NamedTuple):
    """Where somebody logs in, and through whom that is asked."""

    client: Client
    endpoint: Endpoint
    session: SsoSession


Way = Callable[[LoginService, Registration], "Work[Token]"]
"""What gets a token, once this program is registered."""

Catch = Callable[[str, str], Mapping[str, str]]
"""(the page to go to, the state to wait for) -> what the browser brought back; raises LoginFailed."""


async def log_in(place: LoginService, way: Way, *, has_redirect: bool) -> Token:
    """The token of a new login.

    This program's registration is kept as the AWS CLI keeps its own, and made anew once where AWS has ended it.
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
    """By a code that `show` tells a person, who approves it in whatever browser."""

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
                found = await token_of_device(client, endpoint, registration, device.device_code)
            except ServiceError:
                continue  # who is down now may be there at the next question
            except SsoRefused as error:
                failure = _as_failure(error)
                if failure is None:
                    raise
                raise failure from error
            if isinstance(found, Token):
                return found
            if found == "SlowDownException":
                interval += _SLOWER_SECONDS
        raise LoginFailed("nobody approved the code in time", hint="log in once more")

    return way


def by_browser(redirect_uri: str, catch: Catch) -> Way:
    """By the browser of this machine, which brings a code to `redirect_uri` (RFC 8252, with PKCE: RFC 7636)."""

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
    """The AWS CLI's rule for its own, with our name: another place, region or scope is another registration."""
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
    """Refuses to send a person to a page that anybody on the way could have written."""
    address = parse_address(page.partition("?")[0].partition("#")[0])
    if address is None or (address.scheme != "https" and not is_loopback(address.host)):
        raise LoginFailed(
            f"{endpoint.short} names a page to log in that is not an https address",
            hint=f"is {endpoint.url} really AWS?",
        )


_ALLOW = "log in once more, and allow it there"


def _as_failure(error: SsoRefused) -> LoginFailed | None:
    """The token endpoint's no, as what it means to a person; None where its own words say it."""
    said = error.aws.code if error.aws is not None else ""
    if said == "AccessDeniedException":
        return LoginFailed("the login was denied on the page", why=error.why, hint=_ALLOW, aws=error.aws)
    if said == "ExpiredTokenException":
        return LoginFailed("nobody approved the code in time", hint="log in once more", aws=error.aws)
    return None


def _said_no(brought: Mapping[str, str]) -> LoginFailed:
    """What the browser brought back instead of a code; it is somebody else's text, and short."""
    error = brought.get("error", "") or "no code"
    why = "".join(each if each.isprintable() else "?" for each in brought.get("error_description", "")[:200])
    if error == "access_denied":
        return LoginFailed("the login was denied on the page", why=why, hint=_ALLOW)
    shown = "".join(each if each.isprintable() else "?" for each in error[:60])
    return LoginFailed(f"the browser came back without a login: {shown}", why=why, hint="log in once more")


def _random() -> str:
    """43 characters of 256 bits: what RFC 7636 asks for."""
    return _base64(os.urandom(32))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
