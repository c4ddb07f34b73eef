"""What the model knows of what it made, before anything is written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]  # records are trees of whatever JSON has


class Role(NamedTuple):
    """A role of an account, with the habits of those who assume it."""

    account: str
    name: str
    arn: str
    unique_id: str
    habit: str
    """How long its sessions are used: `end`, `seconds`, `mixed` or `never`."""
    duration: int | None
    """What its callers ask for; nothing: the hour that AWS gives."""
    is_person: bool = False
    """A permission set of Identity Center, whose session names are people."""


@dataclass(slots=True)
class Session:
    """Credentials that were issued, and what became of them."""

    key: str
    time: int
    name: str
    """The call's."""
    role: str
    principal: str
    session_name: str
    source_identity: str
    address: str
    parent: Session | None
    asked: int
    slack: int = 0
    """Seconds that it ends later than was asked for: AWS's clocks are not one."""
    signed_by: str = ""
    """The key that signed the call, also a long-term one."""
    arn: str = ""
    """As the answer had it; sessions of users have none."""
    last_use: int | None = None
    pair: tuple[str, str] = ("", "")

    @property
    def expires(self) -> int:
        """When it ends by itself."""
        return self.time + self.asked + self.slack

    def use(self, time: int) -> None:
        """It signed a call."""
        self.last_use = time if self.last_use is None else max(self.last_use, time)

    def hops(self) -> list[Session]:
        """From the first in the logs to this one."""
        before = [] if self.parent is None else self.parent.hops()
        return [*before, self]


@dataclass(slots=True)
class Actor:
    """Who signs a call: with what identity it is on record, and what answers call it."""

    principal: str
    account: str
    """Of the caller as records have it; web identities and SAML users have none."""
    identity: Json
    twin: Json | None = None
    """As the trail of another account has it."""
    has_mfa: bool = False
    session: Session | None = None
    source_identity: str = ""
    is_user: bool = False
    address: str = "198.51.100.7"
    agent: str = "aws-cli/2.31.3 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 md/command#"
    text: str = ""
    """The identity as JSON, made when it is first needed."""


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
    session: Session | None = field(default=None)
