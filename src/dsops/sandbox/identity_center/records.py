"""What is remembered of logins, at most so many of each: clients, devices, codes, sessions, and whose a token is."""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

_MOST = 10_000


class _Ending(Protocol):
    @property
    def expires_at(self) -> float: ...


T = TypeVar("T", bound=_Ending)


class RegisteredClient(NamedTuple):
    """A program that has registered itself."""

    client_id: str
    secret: str
    """The digest of it."""
    name: str
    scopes: tuple[str, ...]
    grant_types: tuple[str, ...]
    """Empty where it named none: then every grant but the authorization code, which needs a redirect URI."""
    redirect_uris: tuple[str, ...]
    expires_at: float


class DeviceLogin(NamedTuple):
    """A login by a code that a person types elsewhere."""

    user_code: str
    client_id: str
    expires_at: float
    user: str = ""
    """Who approved; "" for nobody so far."""
    is_denied: bool = False
    polls: tuple[float, ...] = ()
    """When it was asked for last, by the machine's clock."""


class AuthorizationCode(NamedTuple):
    """What a browser brought back to a client that waits on loopback."""

    client_id: str
    user: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    expires_at: float
    session_id: str = ""
    """The session for which it was spent; "" before."""


class PortalLogin(NamedTuple):
    """A person's session: ends with its time, or by Logout."""

    session_id: str
    user: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: float


class TokenOwner(NamedTuple):
    """To whose session a token belongs."""

    session_id: str
    expires_at: float


class ClientTokens(NamedTuple):
    """What a client gets."""

    access: str
    expires_in: int
    refresh: str
    """Empty where the client may not refresh."""


class BoundedTable(Generic[T]):
    """At most so many, by digest or id; what is over goes first, then what is oldest."""

    def __init__(self) -> None:
        self._held: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._held)

    def put(self, key: str, value: T, now: float) -> None:
        """Adds or changes one."""
        if key not in self._held and len(self._held) >= _MOST:
            kept = {held: one for held, one in self._held.items() if one.expires_at > now}
            if len(kept) >= _MOST:
                del kept[next(iter(kept))]
            self._held = kept
        self._held[key] = value

    def get(self, key: str) -> T | None:
        """The one of that key, over or not."""
        return self._held.get(key)

    def take(self, key: str) -> None:
        """Forgets one."""
        self._held.pop(key, None)

    def items(self) -> list[tuple[str, T]]:
        """All of them, oldest first."""
        return list(self._held.items())
