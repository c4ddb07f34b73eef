"""What the generator knows about its calls before they are written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]  # records are JSON trees


class Role(NamedTuple):
    """A role of an account, and how its sessions are used."""

    account: str
    name: str
    arn: str
    unique_id: str
    habit: str
    """How long its sessions are used: `end`, `seconds`, `mixed` or `never`."""
    duration: int | None
    """The duration that callers request; None for AWS's default of an hour."""
    is_person: bool = False
    """Whether the role is a permission set of Identity Center, whose session names are people's."""


@dataclass(slots=True)
class Session:
    """Issued credentials, and how they are used."""

    key: str
    time: int
    name: str
    """The name of the call that issued the session."""
    role: str
    principal: str
    session_name: str
    source_identity: str
    address: str
    parent: Session | None
    asked: int
    slack: int = 0
    """The seconds by which the session ends later than requested: AWS's clocks differ."""
    signed_by: str = ""
    """The key that signed the call; may be a long-term key."""
    arn: str = ""
    """The ARN in the answer; a user's session has none."""
    last_use: int | None = None
    pair: tuple[str, str] = ("", "")

    @property
    def expires(self) -> int:
        """When the session expires, in seconds."""
        return self.time + self.asked + self.slack

    def use(self, time: int) -> None:
        """Record a call that the session signed."""
        self.last_use = time if self.last_use is None else max(self.last_use, time)

    def hops(self) -> list[Session]:
        """The chain of sessions from the first one in the logs to this one."""
        before = [] if self.parent is None else self.parent.hops()
        return [*before, self]


@dataclass(slots=True)
class Actor:
    """A caller: its identity as recorded, and its name in answers."""

    principal: str
    account: str
    """The caller's account; empty for web identities and SAML users."""
    identity: Json
    twin: Json | None = None
    """The caller's identity in the other account's copy of a record."""
    has_mfa: bool = False
    session: Session | None = None
    source_identity: str = ""
    is_user: bool = False
    address: str = "198.51.100.7"
    agent: str = "aws-cli/2.31.3 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 md/command#"
    text: str = ""
    """The identity as JSON, encoded at first use."""


@dataclass(slots=True, kw_only=True)
class Issue:
    """A call for credentials."""

    time: int
    name: str
    role: str
    principal: str
    from_account: str
    to_account: str
    code: str = ""
    has_mfa: bool = False
    is_user: bool = False
    is_outsider: bool = False
    """Whether the caller belongs to an account that has no trail of its own."""
    has_external_id: bool = False
    address: str = ""
    session: Session | None = field(default=None)
