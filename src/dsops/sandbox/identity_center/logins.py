"""Who has logged in: clients, device codes, authorization codes, sessions and their tokens.

Nothing that a client could use is kept, only digests of it under a key of this sandbox: looking one up takes as long
whatever part of it is right, and no dump of the sandbox has a token in it. Everything is bounded in number; what is
over goes first, then what is oldest. Life times are those that AWS was seen to answer with.
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
"""The scope that accounts and roles need. A client that asked for none at all has it too (the CLI's older profiles)."""

CLIENT_SECONDS = 90 * 86_400
CODE_SECONDS = 600
INTERVAL_SECONDS = 1
SESSION_SECONDS = 28_800
TOKEN_SECONDS = 3600
"""Of an access token that can be refreshed; one that can't lasts as long as the session."""
# RFC 8628, 6.1: letters that make no words and are not mistaken for one another.
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class PortalLogins:
    """Of one Identity Center. Whoever calls holds the world's lock."""

    def __init__(self, ticks: Callable[[], float] = monotonic) -> None:
        """`ticks` counts the machine's seconds: how often a client asks has nothing to do with the sandbox's clock."""
        self._key = os.urandom(32)
        self._ticks = ticks
        self._clients: BoundedTable[RegisteredClient] = BoundedTable()
        self._devices: BoundedTable[DeviceLogin] = BoundedTable()
        self._codes: BoundedTable[AuthorizationCode] = BoundedTable()
        self._sessions: BoundedTable[PortalLogin] = BoundedTable()
        self._access: BoundedTable[TokenOwner] = BoundedTable()
        self._refresh: BoundedTable[TokenOwner] = BoundedTable()

    def __len__(self) -> int:
        """How many things are remembered."""
        tables = (self._clients, self._devices, self._codes, self._sessions, self._access, self._refresh)
        return sum(len(table) for table in tables)

    # --- clients -------------------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        scopes: tuple[str, ...],
        grant_types: tuple[str, ...],
        redirect_uris: tuple[str, ...],
        now: float,
    ) -> tuple[RegisteredClient, str]:
        """The client and its secret."""
        client_id, secret = _random(16), _random(48)
        client = RegisteredClient(
            client_id, self._digest(secret), name, scopes, grant_types, redirect_uris, int(now) + CLIENT_SECONDS
        )
        self._clients.put(client_id, client, now)
        return client, secret

    def client(self, client_id: str, now: float) -> RegisteredClient | None:
        """The client of that id, unless its registration is over."""
        found = self._clients.get(client_id)
        return found if found is not None and found.expires_at > now else None

    def authenticate(self, client_id: str, secret: str, now: float) -> RegisteredClient | None:
        """The client, when that is its secret."""
        found = self.client(client_id, now)
        if found is None or not hmac.compare_digest(found.secret, self._digest(secret)):
            return None
        return found

    # --- the device's way ----------------------------------------------------------------------------------------

    def start_device(self, client: RegisteredClient, user: str, now: float) -> tuple[str, DeviceLogin]:
        """The device code and what there is to know of it; `user` approves at once, "" for nobody."""
        code = _random(32)
        device = DeviceLogin(self._user_code(), client.client_id, int(now) + CODE_SECONDS, user)
        self._devices.put(self._digest(code), device, now)
        return code, device

    def device(self, code: str, client: RegisteredClient) -> DeviceLogin | None:
        """What the client has started with that code; another client's code is none."""
        found = self._devices.get(self._digest(code))
        return found if found is not None and found.client_id == client.client_id else None

    def is_too_fast(self, code: str) -> bool:
        """Notes that the code was asked for; whether that was too soon.

        The AWS CLI asks twice before it waits for the first time, so it is the third time within an interval.
        """
        key, moment = self._digest(code), self._ticks()
        found = self._devices.get(key)
        if found is None:
            return False
        self._devices.put(key, found._replace(polls=(*found.polls[-1:], moment)), 0)
        return len(found.polls) == 2 and moment - found.polls[0] < INTERVAL_SECONDS

    def spend_device(self, code: str) -> None:
        """The code is good no more."""
        self._devices.take(self._digest(code))

    def waiting(self, now: float) -> list[DeviceLogin]:
        """Device logins that nobody has decided about, oldest first."""
        return [one for _, one in self._devices.items() if one.expires_at > now and not one.user and not one.is_denied]

    def decide(self, user_code: str, user: str, now: float) -> DeviceLogin | None:
        """Approves the waiting login of that code as a user, or denies it where `user` is ""; None when none waits."""
        wanted = plain_code(user_code)
        for key, one in self._devices.items():
            is_waiting = one.expires_at > now and not one.user and not one.is_denied
            if is_waiting and hmac.compare_digest(plain_code(one.user_code).encode(), wanted.encode()):
                decided = one._replace(user=user, is_denied=not user)
                self._devices.put(key, decided, now)
                return decided
        return None

    # --- the browser's way ---------------------------------------------------------------------------------------

    def give_code(self, code: AuthorizationCode, now: float) -> str:
        """The text that stands for it."""
        text = _random(32)
        self._codes.put(self._digest(text), code, now)
        return text

    def code(self, text: str, client: RegisteredClient) -> AuthorizationCode | None:
        """What the text stands for, when the client was given it."""
        found = self._codes.get(self._digest(text))
        return found if found is not None and found.client_id == client.client_id else None

    def spend_code(self, text: str, session_id: str) -> None:
        """The code is good no more; it is remembered, to recognise who uses it again."""
        key = self._digest(text)
        found = self._codes.get(key)
        if found is not None:
            self._codes.put(key, found._replace(session_id=session_id or "-"), 0)

    # --- sessions ------------------------------------------------------------------------------------------------

    def log_in(
        self, client: RegisteredClient, user: str, scopes: tuple[str, ...], now: float
    ) -> tuple[PortalLogin, ClientTokens]:
        """A new session and its first tokens."""
        login = PortalLogin(str(uuid4()), user, client.client_id, scopes, int(now) + SESSION_SECONDS)
        self._sessions.put(login.session_id, login, now)
        refresh = ""
        if scopes and (not client.grant_types or "refresh_token" in client.grant_types):
            refresh = f"aor{_random(48)}"
            self._refresh.put(self._digest(refresh), TokenOwner(login.session_id, login.expires_at), now)
        return login, self._issue(login, refresh, now)

    def refresh(self, token: str, client: RegisteredClient, now: float) -> tuple[PortalLogin, ClientTokens] | None:
        """The session, with a new access token and the same refresh token; None for a token that is no good."""
        held = self._refresh.get(self._digest(token))
        login = None if held is None else self._sessions.get(held.session_id)
        if login is None or login.client_id != client.client_id or login.expires_at <= now:
            return None
        return login, self._issue(login, token, now)

    def session(self, access_token: str, now: float) -> PortalLogin | None:
        """Whose token that is; None when it or its session is over."""
        held = self._access.get(self._digest(access_token))
        login = None if held is None or held.expires_at <= now else self._sessions.get(held.session_id)
        return login if login is not None and login.expires_at > now else None

    def log_out(self, session_id: str) -> None:
        """Ends a session: none of its tokens is good any more."""
        self._sessions.take(session_id)

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
    """A user code without what people write differently."""
    return "".join(letter for letter in text.upper() if letter.isalnum())


def is_proof_of(verifier: str, challenge: str) -> bool:
    """Whether the verifier is the one whose SHA-256 the challenge is (RFC 7636, 4.6)."""
    digest = sha256(verifier.encode("utf-8", "replace")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode("utf-8", "replace"))


def _random(size: int) -> str:
    """So many random bytes, as letters that need no quoting."""
    return base64.urlsafe_b64encode(os.urandom(size)).rstrip(b"=").decode()
