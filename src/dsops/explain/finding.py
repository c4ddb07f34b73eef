"""The data types of an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.errors import AwsAnswer, Where

Certainty = Literal["proven", "likely", "missing"]
"""How certain a finding is.

- `proven`: AWS said so, or the finding follows from what was read, whatever the unread parts contain.
- `likely`: the finding follows from what was read, but an unread part could change it.
- `missing`: the finding depends on a fact that can't be read here.
"""


class FaultLocation(NamedTuple):
    """The hop, policy and statement that refused. Fields that do not apply are "" or 0."""

    store: str
    """The store whose hop or read was refused."""
    hop: int
    """The number of the hop. 1 is the hop whose request the base credentials sign; 0 means the base credentials."""
    policy_type: str
    """The policy type in the words of AWS's error messages; "" if no policy caused the refusal."""
    of: str
    """The user, role, secret or key to which the policy belongs."""
    policy: str
    """The policy's name, ARN or file."""
    statement: int
    """The number of the statement in its policy, from 1."""
    sid: str
    line: int


class Mismatch(NamedTuple):
    """A requirement of a statement, and the call's value that does not meet it."""

    element: str
    """`Principal`, `Action`, `Resource`, or a condition's operator and key."""
    wanted: tuple[str, ...]
    is_unwanted: bool
    """Whether `wanted` lists the values that are not accepted. Any other value then meets the requirement."""
    actual: tuple[str, ...] | None
    """The values of the call; None when the call has none."""
    hint: str
    is_known: bool = True
    """Whether the call's value is known to dsops."""


class Remedy(NamedTuple):
    """The edit or command that solves the problem of a finding."""

    text: str
    where: Where | None = None
    """The line of the configuration to edit."""
    statement: Mapping[str, object] | None = None
    """The policy statement to add; `add_to` is the policy that lacks the statement."""
    add_to: str = ""


class Fact(NamedTuple):
    """An unknown fact: why it is unknown, who can look it up, and the command that shows it."""

    what: str
    why: str
    who: str
    command: str


class RefusalFinding(NamedTuple):
    """One reason for a refusal."""

    cause: str
    """The cause as a stable word, such as `external-id-missing`."""
    certainty: Certainty
    message: str
    place: FaultLocation
    mismatches: tuple[Mismatch, ...] = ()
    remedy: Remedy = Remedy("")
    facts: tuple[Fact, ...] = ()
    aws: AwsAnswer | None = None
