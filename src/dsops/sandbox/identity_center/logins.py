"""Login state of IAM Identity Center: clients, device and authorization codes, sessions and tokens.

Secrets are stored only as digests with a key of this sandbox. Therefore the lookup time does not reveal which part of
a wrong secret is correct, and a memory dump contains no tokens. All tables have a maximum size: expired entries are
dropped first, then the oldest. Lifetimes are those observed on AWS.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from uuid import uuid4

from dsops.sandbox.identity_center.records import (
    AuthorizationCode,
    BoundedTable,
    ClientTokens,
    DeviceLogin,
    PortalLogin,
    RegisteredClient,
    TokenOwner,
)

ACCOUNT_ACCESS = "sso:account:access"
"""The scope required to list accounts and roles.

A client that registered without scopes may list them too. Older AWS CLI profiles register in this way.
"""

CLIENT_SECONDS = 90 * 86_400
CODE_SECONDS = 600
INTERVAL_SECONDS = 1
SESSION_SECONDS = 28_800
TOKEN_SECONDS = 3600
"""Lifetime of an access token that has a refresh token. Any other access token lasts as long as the session."""
# The letters of user codes, which form no words and are not confused with one another (RFC 8628, 6.1).
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class PortalLogins:
    """The login state of one Identity Center instance. Callers must hold `World.lock`."""

    def __init__(self, ticks: Callable[[], float] = monotonic) -> None:
        """`ticks` is the machine's monotonic clock, which measures the interval between polls.

        The sandbox's clock can be moved, so it is not suitable for this.
        """
        self._key = os.urandom(32)
        self._ticks = ticks
        self._clients: BoundedTable[RegisteredClient] = BoundedTable()
        self._devices: BoundedTable[DeviceLogin] = BoundedTable()
        self._codes: BoundedTable[AuthorizationCode] = BoundedTable()
        self._sessions: BoundedTable[PortalLogin] = BoundedTable()
        self._access: BoundedTable[TokenOwner] = BoundedTable()
        self._refresh: BoundedTable[TokenOwner] = BoundedTable()

    def __len__(self) -> int:
        """The number of stored entries."""
        tables = (self._clients, self._devices, self._codes, self._sessions, self._access, self._refresh)
        return sum(len(table) for table in tables)

    def register(
        self,
        name: str,
        scopes: tuple[str, ...],
        grant_types: tuple[str, ...],
        redirect_uris: tuple[str, ...],
        now: float,
    ) -> tuple[RegisteredClient, str]:
        """Register a client; return the client and its secret."""
        client_id, secret = _random(16), _random(48)
        client = RegisteredClient(
            client_id, self._digest(secret), name, scopes, grant_types, redirect_uris, int(now) + CLIENT_SECONDS
        )
        self._clients.put(client_id, client, now)
        return client, secret

    def client(self, client_id: str, now: float) -> RegisteredClient | None:
        """Return the client with that id; None if its registration has expired."""
        registered = self._clients.get(client_id)
        return registered if registered is not None and registered.expires_at > now else None

    def authenticate(self, client_id: str, secret: str, now: float) -> RegisteredClient | None:
        """Return the client if the secret is correct, else None."""
        registered = self.client(client_id, now)
        if registered is None or not hmac.compare_digest(registered.secret, self._digest(secret)):
            return None
        return registered

    def start_device(self, client: RegisteredClient, user: str, now: float) -> tuple[str, DeviceLogin]:
        """Start a device login; return its device code and state.

        A non-empty `user` approves the login at once; with "" the login waits for a user's decision.
        """
        code = _random(32)
        device = DeviceLogin(self._user_code(), client.client_id, int(now) + CODE_SECONDS, user)
        self._devices.put(self._digest(code), device, now)
        return code, device

    def device(self, code: str, client: RegisteredClient) -> DeviceLogin | None:
        """Return the device login with that device code, if this client started the login."""
        login = self._devices.get(self._digest(code))
        return login if login is not None and login.client_id == client.client_id else None

    def is_too_fast(self, code: str) -> bool:
        """Record a poll for the device code; return whether the client polled too soon.

        The AWS CLI polls twice before its first wait, so only the third poll within an interval is too soon.
        """
        key, moment = self._digest(code), self._ticks()
        login = self._devices.get(key)
        if login is None:
            return False
        self._devices.put(key, login._replace(polls=(*login.polls[-1:], moment)), 0)
        return len(login.polls) == 2 and moment - login.polls[0] < INTERVAL_SECONDS

    def spend_device(self, code: str) -> None:
        """Remove the device code."""
        self._devices.take(self._digest(code))

    def waiting(self, now: float) -> list[DeviceLogin]:
        """Return the device logins that await a decision, oldest first."""
        return [
            login
            for _, login in self._devices.items()
            if login.expires_at > now and not login.user and not login.is_denied
        ]

    def decide(self, user_code: str, user: str, now: float) -> DeviceLogin | None:
        """Approve the waiting login with that user code as `user`, or deny the login if `user` is "".

        Returns None if no login with that code waits.
        """
        sent_code = plain_code(user_code)
        for key, login in self._devices.items():
            is_waiting = login.expires_at > now and not login.user and not login.is_denied
            if is_waiting and hmac.compare_digest(plain_code(login.user_code).encode(), sent_code.encode()):
                decided = login._replace(user=user, is_denied=not user)
                self._devices.put(key, decided, now)
                return decided
        return None

    def give_code(self, code: AuthorizationCode, now: float) -> str:
        """Store an authorization code; return the text that the client sends."""
        text = _random(32)
        self._codes.put(self._digest(text), code, now)
        return text

    def code(self, text: str, client: RegisteredClient) -> AuthorizationCode | None:
        """Return the authorization code that is stored for that text, if it was issued to this client."""
        stored_code = self._codes.get(self._digest(text))
        return stored_code if stored_code is not None and stored_code.client_id == client.client_id else None

    def spend_code(self, text: str, session_id: str) -> None:
        """Mark the authorization code as used, but keep it stored so that a second use is detected."""
        key = self._digest(text)
        stored_code = self._codes.get(key)
        if stored_code is not None:
            self._codes.put(key, stored_code._replace(session_id=session_id or "-"), 0)

    def log_in(
        self, client: RegisteredClient, user: str, scopes: tuple[str, ...], now: float
    ) -> tuple[PortalLogin, ClientTokens]:
        """Start a session; return the session with its first tokens."""
        login = PortalLogin(str(uuid4()), user, client.client_id, scopes, int(now) + SESSION_SECONDS)
        self._sessions.put(login.session_id, login, now)
        refresh = ""
        if scopes and (not client.grant_types or "refresh_token" in client.grant_types):
            refresh = self._refresh_token(login, now)
        return login, self._issue(login, refresh, now)

    def refresh(
        self, token: str, client: RegisteredClient, now: float, *, rotates: bool = False
    ) -> tuple[PortalLogin, ClientTokens] | None:
        """Issue new tokens for the session of a refresh token; return the session and the tokens.

        The access token is new and the refresh token stays the same. With `rotates`, the refresh token is replaced,
        and the old one becomes invalid. Returns None for an invalid refresh token.
        """
        token_owner = self._refresh.get(self._digest(token))
        login = None if token_owner is None else self._sessions.get(token_owner.session_id)
        if login is None or login.client_id != client.client_id or login.expires_at <= now:
            return None
        if rotates:
            self._refresh.take(self._digest(token))
            token = self._refresh_token(login, now)
        return login, self._issue(login, token, now)

    def session(self, access_token: str, now: float) -> PortalLogin | None:
        """Return the session of an access token, or None if the token or the session has expired."""
        token_owner = self._access.get(self._digest(access_token))
        login = (
            None if token_owner is None or token_owner.expires_at <= now else self._sessions.get(token_owner.session_id)
        )
        return login if login is not None and login.expires_at > now else None

    def log_out(self, session_id: str) -> None:
        """End a session, which invalidates its tokens."""
        self._sessions.take(session_id)

    def _refresh_token(self, login: PortalLogin, now: float) -> str:
        token = f"aor{_random(48)}"
        self._refresh.put(self._digest(token), TokenOwner(login.session_id, login.expires_at), now)
        return token

    def _issue(self, login: PortalLogin, refresh: str, now: float) -> ClientTokens:
        ends_at = min(login.expires_at, int(now) + TOKEN_SECONDS) if refresh else login.expires_at
        access = f"aoa{_random(48)}"
        self._access.put(self._digest(access), TokenOwner(login.session_id, ends_at), now)
        return ClientTokens(access, int(ends_at - int(now)), refresh)

    def _user_code(self) -> str:
        letters = "".join(_CODE_LETTERS[byte % len(_CODE_LETTERS)] for byte in os.urandom(8))
        return f"{letters[:4]}-{letters[4:]}"

    def _digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "replace"), sha256).hex()


def plain_code(text: str) -> str:
    """Return a user code in upper case without separators."""
    return "".join(letter for letter in text.upper() if letter.isalnum())


def is_proof_of(verifier: str, challenge: str) -> bool:
    """Whether the challenge is the verifier's SHA-256 (RFC 7636, 4.6)."""
    digest = sha256(verifier.encode("utf-8", "replace")).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(expected, challenge.encode("utf-8", "replace"))


def _random(size: int) -> str:
    """Return `size` random bytes as URL-safe base64."""
    return base64.urlsafe_b64encode(os.urandom(size)).rstrip(b"=").decode()
