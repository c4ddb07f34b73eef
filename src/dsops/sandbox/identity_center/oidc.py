"""The sign-in service of IAM Identity Center (`sso-oidc`): clients, device logins, tokens.

IAM Identity Center OIDC API Reference; RFC 8628 (device), RFC 6749 with RFC 7636 (authorization code), RFC 8252
(loopback). These requests are unsigned: a client secret, a code or a token identifies the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from dsops.sandbox.identity_center.directory import Instance
from dsops.sandbox.identity_center.logins import (
    ACCOUNT_ACCESS,
    CODE_SECONDS,
    INTERVAL_SECONDS,
    PortalLogins,
    is_proof_of,
)
from dsops.sandbox.identity_center.records import ClientTokens, PortalLogin, RegisteredClient
from dsops.sandbox.identity_center.responses import oidc_refusal

DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"
_GRANTS: Final = frozenset({DEVICE, AUTHORIZATION_CODE, REFRESH})
DEVICE_PATH: Final = "/_sandbox/device"
_SCOPE: Final = re.compile(r"[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)*")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_REDIRECTS: Final = 10
_MAX_TEXT: Final = 2048

Parameters = Mapping[str, object]


class Visit(NamedTuple):
    """How a client reached the sandbox: the URL that it used, whether it runs on this machine, and the time."""

    address: str
    """The sandbox's URL as the client addressed it."""
    is_here: bool
    """Whether the client runs on this machine."""
    now: float


class Granted(NamedTuple):
    """The content of a response, with the session for which it was issued, if there is one."""

    content: Mapping[str, object]
    login: PortalLogin | None = None


class Oidc:
    """The sign-in operations of an Identity Center instance. If the instance is None, clients can't log in."""

    def __init__(self, instance: Callable[[], Instance | None], logins: PortalLogins) -> None:
        self._instance = instance
        self._logins = logins
        self._operations: Mapping[str, Callable[[Parameters, Visit], Granted]] = {
            "RegisterClient": self._register_client,
            "StartDeviceAuthorization": self._start_device_authorization,
            "CreateToken": self._create_token,
        }
        self._grants: Mapping[
            str, Callable[[RegisteredClient, Parameters, float], tuple[PortalLogin, ClientTokens]]
        ] = {DEVICE: self._by_device, AUTHORIZATION_CODE: self._by_code, REFRESH: self._by_refresh}

    def perform(self, operation: str, parameters: Parameters, visit: Visit) -> Granted:
        """Perform the operation. Raises SandboxRefusal if AWS would refuse the request."""
        return self._operations[operation](parameters, visit)

    def _register_client(self, parameters: Parameters, visit: Visit) -> Granted:
        name, kind = _text(parameters, "clientName"), _text(parameters, "clientType")
        if not name:
            raise oidc_refusal("InvalidRequestException")
        if kind != "public":
            raise oidc_refusal("InvalidClientMetadataException")
        scopes, grants = _texts(parameters, "scopes"), _texts(parameters, "grantTypes")
        if not all(map(_is_scope, scopes)):
            raise oidc_refusal("InvalidScopeException")
        if not _GRANTS.issuperset(grants):
            raise oidc_refusal("UnsupportedGrantTypeException")
        redirects = _texts(parameters, "redirectUris")
        if len(redirects) > _MAX_REDIRECTS or not all(map(is_loopback_uri, redirects)):
            raise oidc_refusal("InvalidRedirectUriException")
        if AUTHORIZATION_CODE in grants:
            if not redirects:
                raise oidc_refusal("InvalidRedirectUriException")
            self._check_start_url(_text(parameters, "issuerUrl"))
        client, secret = self._logins.register(name, scopes, grants, redirects, visit.now)
        # AWS returns null for the two endpoint members: clients append /authorize to the URL that they already know.
        return Granted(
            {
                "clientId": client.client_id,
                "clientSecret": secret,
                "clientIdIssuedAt": int(visit.now),
                "clientSecretExpiresAt": int(client.expires_at),
            }
        )

    def _start_device_authorization(self, parameters: Parameters, visit: Visit) -> Granted:
        client = self._authenticated(parameters, visit.now)
        _check_grant(client, DEVICE)
        instance = self._check_start_url(_text(parameters, "startUrl"))
        # A login that was started on another machine is never approved automatically: a user on this machine must
        # approve it.
        approver = instance.auto_approve if visit.is_here else ""
        code, device = self._logins.start_device(client, approver, visit.now)
        page = f"{visit.address}{DEVICE_PATH}"
        return Granted(
            {
                "deviceCode": code,
                "userCode": device.user_code,
                "verificationUri": page,
                "verificationUriComplete": f"{page}?user_code={device.user_code}",
                "expiresIn": CODE_SECONDS,
                "interval": INTERVAL_SECONDS,
            }
        )

    def _create_token(self, parameters: Parameters, visit: Visit) -> Granted:
        client = self._authenticated(parameters, visit.now)
        grant = _text(parameters, "grantType")
        if grant not in self._grants:
            raise oidc_refusal("UnsupportedGrantTypeException")
        _check_grant(client, grant)
        login, tokens = self._grants[grant](client, parameters, visit.now)
        content: dict[str, object] = {
            "accessToken": tokens.access,
            "tokenType": "Bearer",
            "expiresIn": tokens.expires_in,
        }
        if tokens.refresh:
            content["refreshToken"] = tokens.refresh
        return Granted(content, login)

    def _by_device(
        self, client: RegisteredClient, parameters: Parameters, now: float
    ) -> tuple[PortalLogin, ClientTokens]:
        code = _text(parameters, "deviceCode")
        device = self._logins.device(code, client)
        if device is None:
            raise oidc_refusal("InvalidGrantException", "Invalid device code provided")
        if device.expires_at <= now:
            raise oidc_refusal("ExpiredTokenException")
        if device.is_denied:
            raise oidc_refusal("AccessDeniedException")
        if not device.user:
            # `slow_down` is a kind of `authorization_pending` (RFC 8628, 3.5): it is returned while the login waits.
            is_too_fast = self._logins.is_too_fast(code)
            raise oidc_refusal("SlowDownException" if is_too_fast else "AuthorizationPendingException")
        self._logins.spend_device(code)
        return self._logins.log_in(client, device.user, client.scopes, now)

    def _by_code(
        self, client: RegisteredClient, parameters: Parameters, now: float
    ) -> tuple[PortalLogin, ClientTokens]:
        text = _text(parameters, "code")
        code = self._logins.code(text, client)
        if code is None:
            raise oidc_refusal("InvalidGrantException")
        if code.session_id:
            # A code that is used twice was stolen (RFC 6749, 4.1.2), so the session that was issued for this code ends.
            self._logins.log_out(code.session_id)
            raise oidc_refusal("InvalidGrantException")
        is_proved = is_proof_of(_text(parameters, "codeVerifier"), code.challenge)
        is_same = _text(parameters, "redirectUri") == code.redirect_uri
        if code.expires_at <= now or not is_same or not is_proved:
            self._logins.spend_code(text, "")
            raise oidc_refusal("InvalidGrantException")
        login, tokens = self._logins.log_in(client, code.user, code.scopes, now)
        self._logins.spend_code(text, login.session_id)
        return login, tokens

    def _by_refresh(
        self, client: RegisteredClient, parameters: Parameters, now: float
    ) -> tuple[PortalLogin, ClientTokens]:
        instance = self._instance()
        rotates = instance is not None and instance.rotates_refresh_tokens
        session_and_tokens = self._logins.refresh(_text(parameters, "refreshToken"), client, now, rotates=rotates)
        if session_and_tokens is None:
            raise oidc_refusal("InvalidGrantException", "Invalid refresh token provided")
        return session_and_tokens

    def _authenticated(self, parameters: Parameters, now: float) -> RegisteredClient:
        names = _text(parameters, "clientId"), _text(parameters, "clientSecret")
        if not all(names):
            raise oidc_refusal("InvalidRequestException")
        client = self._logins.authenticate(*names, now)
        if client is None:
            raise oidc_refusal("InvalidClientException")
        return client

    def _check_start_url(self, url: str) -> Instance:
        instance = self._instance()
        if instance is None or not instance.is_named_by(url):
            raise oidc_refusal("InvalidRequestException", "Invalid start url provided")
        return instance


def is_loopback_uri(uri: str) -> bool:
    """Whether the redirect URI leads back to the client's own machine (RFC 8252, 7.3)."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    is_plain = not parts.query and not parts.fragment and "@" not in parts.netloc and (port is None or port > 0)
    is_text = uri.isascii() and uri.isprintable() and " " not in uri and len(uri) <= _MAX_TEXT
    return is_text and is_plain and parts.scheme == "http" and parts.hostname in _LOOPBACK


def is_same_redirect(registered: str, requested: str) -> bool:
    """Whether two loopback URIs are equal, ignoring the port.

    The port is ignored because the operating system assigns it to a native client just before the request.
    """
    if not is_loopback_uri(requested):
        return False
    registered_parts, asked_parts = urlsplit(registered), urlsplit(requested)
    return (registered_parts.hostname, registered_parts.path) == (asked_parts.hostname, asked_parts.path)


def _is_scope(scope: str) -> bool:
    """Whether the scope is acceptable.

    Identity Center itself defines one scope. AWS's applications define others, for which no complete list exists.
    """
    return bool(_SCOPE.fullmatch(scope)) and (scope == ACCOUNT_ACCESS or not scope.startswith("sso:"))


def _check_grant(client: RegisteredClient, grant: str) -> None:
    """Raise UnauthorizedClientException for a grant that the client did not register."""
    allowed = client.grant_types or (DEVICE, REFRESH)
    if grant not in allowed:
        raise oidc_refusal("UnauthorizedClientException")


def _text(parameters: Parameters, name: str) -> str:
    text = parameters.get(name)
    return text if isinstance(text, str) else ""


def _texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return a parameter that is a list. Raises InvalidRequestException for too many or too long values."""
    texts = cast("Sequence[str]", parameters.get(name, ()))
    if len(texts) > _MAX_REDIRECTS or any(len(text) > _MAX_TEXT for text in texts):
        raise oidc_refusal("InvalidRequestException")
    return tuple(texts)
