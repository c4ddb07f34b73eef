"""Bounded tables of login state, and their entries: clients, devices, codes, sessions, token owners."""

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
    """The grant types that the client registered.

    Without any, the client may use all grants except the authorization code, which needs a redirect URI.
    """
    redirect_uris: tuple[str, ...]
    expires_at: float


class DeviceLogin(NamedTuple):
    """A device login, for which the user types its code into the device page."""

    user_code: str
    client_id: str
    expires_at: float
    user: str = ""
    """The user who approved the login; "" before approval."""
    is_denied: bool = False
    polls: tuple[float, ...] = ()
    """The times of the last polls by the machine's monotonic clock."""


class AuthorizationCode(NamedTuple):
    """An authorization code, which a browser delivers to a client that listens on loopback."""

    client_id: str
    user: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    expires_at: float
    session_id: str = ""
    """The session that was issued for the code; "" before the code is used."""


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
    """The refresh token; "" if the client must not refresh the session."""


class BoundedTable(Generic[T]):
    """A table of limited size, keyed by digest or id. A full table drops expired entries first, then the oldest."""

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
        """Return the entry with that key, even if it has expired."""
        return self._held.get(key)

    def take(self, key: str) -> None:
        """Remove an entry."""
        self._held.pop(key, None)

    def items(self) -> list[tuple[str, T]]:
        """Return all entries, oldest first."""
        return list(self._held.items())
