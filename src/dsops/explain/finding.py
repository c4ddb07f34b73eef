"""The parts of an explanation; values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.errors import AwsAnswer, Where

Certainty = Literal["proven", "likely", "missing"]
"""How sure a finding is.

- `proven`: AWS said it, or it follows from what was read whatever the unread parts say.
- `likely`: it follows from what was read, and an unread part could change it.
- `missing`: it depends on a fact that can't be read here.
"""


class FaultLocation(NamedTuple):
    """The place that refused; "" and 0 for fields that do not apply."""

    store: str
    """The store of the hop, or the store that reads."""
    hop: int
    """1 for a session that the base credentials sign for; 0 for the base credentials themselves."""
    policy_type: str
    """In the words of AWS's error messages; "" where no policy decides."""
    of: str
    """The owner of the policy: a role, a user, a secret, a key."""
    policy: str
    """The policy's name, ARN or file."""
    statement: int
    """The number of the statement, from 1."""
    sid: str
    line: int


class Mismatch(NamedTuple):
    """A value that a statement requires, and the value that the call has."""

    element: str
    """`Principal`, `Action`, `Resource`, or a condition's operator and key."""
    wanted: tuple[str, ...]
    is_unwanted: bool
    """Whether any other value is required."""
    actual: tuple[str, ...] | None
    """None when the call has no such value."""
    hint: str
    is_known: bool = True
    """Whether the value that the call has is known here."""


class Remedy(NamedTuple):
    """What to do about a finding."""

    text: str
    where: Where | None = None
    """The line of the configuration to edit."""
    statement: Mapping[str, object] | None = None
    """The statement to add, and the policy to add it to."""
    add_to: str = ""


class Fact(NamedTuple):
    """A fact that is not known, the reason, who can look it up, and the command for it."""

    what: str
    why: str
    who: str
    command: str


class RefusalFinding(NamedTuple):
    """One reason for a refusal."""

    cause: str
    """A stable word: `external-id-missing`."""
    certainty: Certainty
    message: str
    place: FaultLocation
    mismatches: tuple[Mismatch, ...] = ()
    remedy: Remedy = Remedy("")
    facts: tuple[Fact, ...] = ()
    aws: AwsAnswer | None = None
