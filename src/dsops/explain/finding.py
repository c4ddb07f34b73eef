"""What an explanation is made of; values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.errors import AwsAnswer, Where

Certainty = Literal["proven", "likely", "missing"]
"""`proven`: AWS said it, or it follows from what was read, whatever stands in what was not. `likely`: it follows from
what was read, and something unread could make it another. `missing`: it hangs on a fact that nobody here may read."""


class FaultLocation(NamedTuple):
    """Where it is broken; "" and 0 for what does not apply."""

    store: str
    """The hop, or the store that reads."""
    hop: int
    """1 for what the base credentials sign; 0 for the base credentials themselves."""
    policy_type: str
    """As AWS's sentences call it; "" for what no policy decides."""
    of: str
    """Whose policy it is: a role, a user, a secret, a key."""
    policy: str
    """The policy's name, ARN or file."""
    statement: int
    """Which of its statements, from 1."""
    sid: str
    line: int


class Mismatch(NamedTuple):
    """What a statement wants and what the call has."""

    element: str
    """`Principal`, `Action`, `Resource`, or a condition's operator and key."""
    wanted: tuple[str, ...]
    is_unwanted: bool
    """Anything but that is wanted."""
    actual: tuple[str, ...] | None
    """None when the call has no such thing."""
    hint: str
    is_known: bool = True
    """Whether anybody here knows what the call has."""


class Remedy(NamedTuple):
    """What to do."""

    text: str
    where: Where | None = None
    """The line of the configuration to edit."""
    statement: Mapping[str, object] | None = None
    """The statement to add, and to which policy."""
    add_to: str = ""


class Fact(NamedTuple):
    """Something that is not known, and how to get to know it."""

    what: str
    why: str
    who: str
    command: str


class RefusalFinding(NamedTuple):
    """One reason."""

    cause: str
    """A stable word: `external-id-missing`."""
    certainty: Certainty
    message: str
    place: FaultLocation
    mismatches: tuple[Mismatch, ...] = ()
    remedy: Remedy = Remedy("")
    facts: tuple[Fact, ...] = ()
    aws: AwsAnswer | None = None
