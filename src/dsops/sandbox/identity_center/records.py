"""Bounded tables of login state: clients, devices, codes, sessions, token owners."""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

_MOST = 10_000


class _Ending(Protocol):
    @property
    def expires_at(self) -> float: ...


T = TypeVar("T", bound=_Ending)


class RegisteredClient(NamedTuple):
    """A registered client program."""

    client_id: str
    secret: str
    """The digest of the client secret."""
    name: str
    scopes: tuple[str, ...]
    grant_types: tuple[str, ...]
    """Empty if it named none: then all grants but the authorization code, which needs a redirect URI."""
    redirect_uris: tuple[str, ...]
    expires_at: float


class DeviceLogin(NamedTuple):
    """A login by a code that the user types into the device page."""

    user_code: str
    client_id: str
    expires_at: float
    user: str = ""
    """The user who approved it; "" before."""
    is_denied: bool = False
    polls: tuple[float, ...] = ()
    """The times of the last polls, by the machine's clock."""


class AuthorizationCode(NamedTuple):
    """An authorization code that a browser brings back to a client listening on loopback."""

    client_id: str
    user: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    expires_at: float
    session_id: str = ""
    """The session for which the code was used; "" before."""


class PortalLogin(NamedTuple):
    """A user's session, which ends by expiry or Logout."""

    session_id: str
    user: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: float


class TokenOwner(NamedTuple):
    """The session to which a token belongs."""

    session_id: str
    expires_at: float


class ClientTokens(NamedTuple):
    """The tokens that a client receives."""

    access: str
    expires_in: int
    refresh: str
    """Empty if the client may not refresh."""


class BoundedTable(Generic[T]):
    """A bounded table by digest or id; drops expired entries first, then the oldest."""

    def __init__(self) -> None:
        self._held: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._held)

    def put(self, key: str, value: T, now: float) -> None:
        """Add or replace an entry."""
        if key not in self._held and len(self._held) >= _MOST:
            unexpired = {entry_key: entry for entry_key, entry in self._held.items() if entry.expires_at > now}
            if len(unexpired) >= _MOST:
                del unexpired[next(iter(unexpired))]
            self._held = unexpired
        self._held[key] = value

    def get(self, key: str) -> T | None:
        """Return the entry with that key, expired or not."""
        return self._held.get(key)

    def take(self, key: str) -> None:
        """Remove an entry."""
        self._held.pop(key, None)

    def items(self) -> list[tuple[str, T]]:
        """Return all entries, oldest first."""
        return list(self._held.items())
