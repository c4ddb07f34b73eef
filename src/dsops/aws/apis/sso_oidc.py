"""The OAuth 2.0 token endpoint of IAM Identity Center, with one function per request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_rest
from dsops.aws.identity.sso_cache import ClientRegistration as Registration
from dsops.aws.identity.sso_cache import Token
from dsops.aws.identity.sso_session import SsoSession
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, SsoRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple

REDIRECT_URI = "http://127.0.0.1/oauth/callback"
"""The redirect URI, registered without a port so that any port is accepted at login (RFC 8252, 7.3)."""

_CODE_GRANT, _DEVICE_GRANT = "authorization_code", "urn:ietf:params:oauth:grant-type:device_code"
_REFRESH_GRANT = "refresh_token"
_INTERVAL_SECONDS = 5
"""The pause between two polls for the approval, unless the response specifies another (RFC 8628, 3.2)."""

_LONGEST_SECONDS = 366 * 24 * 3600
_HINTS = {
    "InvalidRequestException": "check `start_url` and `sso_region`: the instance is in one region only",
    "InvalidScopeException": "check `sso_registration_scopes` of the session",
    "InvalidClientException": "log in again: this program's registration has ended",
    "InvalidRedirectUriException": "log in with `--device`",
}


class DeviceAuthorization(NamedTuple):
    """A pending login that a user approves in a browser on any device."""

    device_code: Secret
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    """The verification URI that includes the user code."""
    seconds: int
    """The lifetime of the code in seconds."""
    interval: int


async def register_client(
    client: Client, endpoint: Endpoint, session: SsoSession, name: str, *, has_redirect: bool
) -> Registration:
    """Register this program under `name` for logins of the session.

    `has_redirect` says whether the browser sends the code to this program. As in the AWS CLI, each login method has a
    registration of its own.
    """
    parameters: dict[str, object] = {"clientName": name, "clientType": "public", "scopes": list(session.scopes)}
    if has_redirect:
        parameters["grantTypes"] = [_CODE_GRANT, _REFRESH_GRANT]
        parameters["redirectUris"] = [REDIRECT_URI]
        parameters["issuerUrl"] = session.start_url
    call = _call(endpoint, "RegisterClient", "/client/register", f"register for {session.start_url}")
    content = await call_rest(client, call, parameters)
    client_id, secret = text_in(content, "clientId"), text_in(content, "clientSecret")
    seconds = content.get("clientSecretExpiresAt")
    if not client_id or not secret or not isinstance(seconds, int):
        raise lacks(endpoint, call.action, "clientId, clientSecret and clientSecretExpiresAt")
    try:
        return Registration(client_id, Secret(secret), datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        raise lacks(endpoint, call.action, "clientSecretExpiresAt that is a time") from None


async def start_device_authorization(
    client: Client, endpoint: Endpoint, session: SsoSession, registration: Registration
) -> DeviceAuthorization:
    """Start a device login and return the code that the user approves."""
    parameters = {**_proof(registration), "startUrl": session.start_url}
    doing = f"begin a login at {session.start_url}"
    call = _call(endpoint, "StartDeviceAuthorization", "/device_authorization", doing, registration.client_secret)
    content = await call_rest(client, call, parameters)
    code, user_code, page = (text_in(content, name) for name in ("deviceCode", "userCode", "verificationUri"))
    if not code or not user_code or not page:
        raise lacks(endpoint, call.action, "deviceCode, userCode and verificationUri")
    return DeviceAuthorization(
        Secret(code),
        user_code,
        page,
        text_in(content, "verificationUriComplete") or page,
        _seconds(content.get("expiresIn")) or 600,
        _seconds(content.get("interval")) or _INTERVAL_SECONDS,
    )


async def token_of_device(
    client: Client, endpoint: Endpoint, registration: Registration, device_code: Secret
) -> Token | str:
    """Return the token once the user has approved the code; until then, the error code of the pending login.

    The error code is `AuthorizationPendingException` or `SlowDownException`.
    """
    try:
        parameters = {"grantType": _DEVICE_GRANT, "deviceCode": device_code.reveal()}
        return await _token(client, endpoint, registration, parameters, "ask whether the code is approved", device_code)
    except SsoRefused as error:
        answer = error.aws.code if error.aws else ""
        if answer in ("AuthorizationPendingException", "SlowDownException"):
            return answer
        raise


async def token_of_code(
    client: Client, endpoint: Endpoint, registration: Registration, code: Secret, verifier: Secret, redirect_uri: str
) -> Token:
    """Exchange the browser's authorization code for a token; `verifier` is the PKCE code verifier (RFC 7636)."""
    parameters = {
        "grantType": _CODE_GRANT,
        "code": code.reveal(),
        "codeVerifier": verifier.reveal(),
        "redirectUri": redirect_uri,
    }
    return await _token(client, endpoint, registration, parameters, "get the login's token", code, verifier)


async def refreshed(client: Client, endpoint: Endpoint, token: Token) -> Token:
    """Refresh the login's access token. Requires `token.can_be_refreshed`."""
    registration, refresh_token = token.client, token.refresh_token
    if registration is None or refresh_token is None:
        raise ValueError("only what can be refreshed is")
    parameters = {"grantType": _REFRESH_GRANT, "refreshToken": refresh_token.reveal()}
    return await _token(client, endpoint, registration, parameters, "renew the login", refresh_token)


async def _token(
    client: Client,
    endpoint: Endpoint,
    registration: Registration,
    parameters: Mapping[str, object],
    doing: str,
    *hidden: Secret,
) -> Token:
    # An authorization code works once, so its request is not sent again. Requests with a device code (polled by
    # `by_device`) or a refresh token can be sent again.
    is_once = "refreshToken" not in parameters
    call = _call(endpoint, "CreateToken", "/token", doing, registration.client_secret, *hidden, is_once=is_once)
    content = await call_rest(client, call, {**_proof(registration), **parameters})
    access_token, refresh_token = text_in(content, "accessToken"), text_in(content, "refreshToken")
    seconds = _seconds(content.get("expiresIn"))
    for text in filter(None, (access_token, refresh_token)):
        if not text.isascii() or not text.isprintable() or " " in text:
            raise lacks(endpoint, call.action, "token that could be one")
    if not access_token or not seconds:
        raise lacks(endpoint, call.action, "accessToken and expiresIn")
    # This machine's clock is used, as in the AWS CLI, because the expiry is later compared with this clock.
    expires_at = client.runtime.now() + timedelta(seconds=seconds)
    return Token(Secret(access_token), expires_at, Secret(refresh_token) if refresh_token else None, registration)


def _call(endpoint: Endpoint, action: str, path: str, doing: str, *hidden: Secret, is_once: bool = False) -> Call:
    return Call(endpoint, None, action, doing, _refused, hidden, is_once=is_once, path=path)


def _proof(registration: Registration) -> dict[str, object]:
    return {"clientId": registration.client_id, "clientSecret": registration.client_secret.reveal()}


def _refused(answer: AwsAnswer, doing: str) -> DsopsError:
    return SsoRefused(
        f"{answer.endpoint} refused to {doing}", why=answer.message, hint=_HINTS.get(answer.code, ""), aws=answer
    )


def _seconds(value: object) -> int:
    """Return a positive number of seconds, at most a year; 0 for any other value."""
    return min(value, _LONGEST_SECONDS) if isinstance(value, int) and value > 0 else 0
