"""A snapshot of AWS credentials, and how long they may be used.

Two limits apply (docs/explanation): *usable* credentials may sign the next call; *fresh* credentials may be passed to
a child process.
"""

from __future__ import annotations

from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from dsops.secret import Secret

USABLE_SECONDS = 60
"""The minimum remaining lifetime, in seconds, of credentials that sign a call."""

FRESH_SECONDS = 15 * 60
"""The minimum remaining lifetime, in seconds, of credentials for a child process.

If a quarter of the whole lifetime is less than this value, that quarter is the minimum.
"""

OF_ENVIRONMENT = "environment"
"""The value of `source` for keys from environment variables; messages print this text."""


class SandboxRun(NamedTuple):
    """One run of a sandbox on this machine, from its start to its end."""

    url: str
    server: str
    """The `Server` header of the sandbox's responses, which differs from run to run."""


class Credentials:
    """The three parts of one session or long-term key, never mixed with another key's parts.

    Secret parts are not printed.

    - `expiration` and `issued_at`: aware UTC datetimes; None for long-term keys, and for keys from environment
      variables whose expiry is unknown
    - `arn`: the caller's ARN (an assumed-role ARN); "" if unknown
    - `source`: a description of where the chain's base credentials came from
    - `sandbox`: the sandbox on this machine that issued the credentials, or None
    - `request_id`: the id of the call that issued the session; "" for other credentials
    - `source_identity`: the session's source identity; "" for other credentials
    """

    __slots__ = (
        "access_key_id",
        "arn",
        "expiration",
        "issued_at",
        "request_id",
        "sandbox",
        "secret_access_key",
        "session_token",
        "source",
        "source_identity",
    )

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: Secret,
        session_token: Secret | None = None,
        expiration: datetime | None = None,
        *,
        issued_at: datetime | None = None,
        arn: str = "",
        source: str = "",
        request_id: str = "",
        source_identity: str = "",
        sandbox: SandboxRun | None = None,
    ) -> None:
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token
        self.expiration = expiration
        self.issued_at = issued_at
        self.arn = arn
        self.source = source
        self.request_id = request_id
        self.source_identity = source_identity
        self.sandbox = sandbox

    def from_source(self, source: str, *, sandbox: SandboxRun | None = None) -> Credentials:
        """Return a copy with the given `source` and `sandbox`."""
        return Credentials(
            self.access_key_id,
            self.secret_access_key,
            self.session_token,
            self.expiration,
            issued_at=self.issued_at,
            arn=self.arn,
            source=source,
            request_id=self.request_id,
            source_identity=self.source_identity,
            sandbox=sandbox,
        )

    @property
    def is_of_sandbox(self) -> bool:
        """Whether a sandbox on this machine issued the credentials."""
        return self.sandbox is not None

    @property
    def is_temporary(self) -> bool:
        """Whether the credentials are temporary: a role assumed with them is chained, and limited to one hour."""
        return self.session_token is not None

    @property
    def masked_key_id(self) -> str:
        """The key id's prefix and last four characters, which are enough to distinguish two keys."""
        return f"{self.access_key_id[:4]}...{self.access_key_id[-4:]}"

    @property
    def expiration_text(self) -> str:
        """The expiry as text, such as `2026-11-24T15:07:18Z`; "" when no expiry is known."""
        return self.expiration.strftime("%Y-%m-%dT%H:%M:%SZ") if self.expiration else ""

    def seconds_left(self, now: datetime) -> float:
        """Return the seconds until expiry; infinite if no expiry is known."""
        return float("inf") if self.expiration is None else (self.expiration - now).total_seconds()

    def is_usable(self, now: datetime) -> bool:
        """Whether at least 60 seconds are left, so that the credentials may sign a call, such as the next hop's."""
        return self.seconds_left(now) >= USABLE_SECONDS

    def is_fresh(self, now: datetime) -> bool:
        """Whether enough time is left for a child process: 15 minutes, or a quarter of the lifetime if that is less."""
        if self.expiration is None:
            return True
        needed: float = FRESH_SECONDS
        if self.issued_at is not None:
            needed = min(needed, (self.expiration - self.issued_at).total_seconds() / 4)
        return self.seconds_left(now) >= needed

    def __repr__(self) -> str:
        return f"Credentials({self.masked_key_id}, ***, expiration={self.expiration})"
