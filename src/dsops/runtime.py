"""What dsops needs of the world, as one value that is passed in: clock, environment, prompt, progress, randomness."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from stat import S_ISREG
from time import monotonic as system_monotonic

from dsops.errors import DsopsError
from dsops.secret import Secret
from dsops.startup import NamedTuple, Protocol


class Event(NamedTuple):
    """Something worth telling while work goes on; `name` is stable (`secrets.fetched`), `facts` never hold a value."""

    name: str
    facts: Mapping[str, str]


CLOCK_CORRECTED = "clock.corrected"
"""This machine's clock is far from AWS's."""

NOTES = (CLOCK_CORRECTED,)
"""Events that are shown as notes, also where no progress is shown."""


class Act(NamedTuple):
    """Something done with an identity or a secret, for the audit trail.

    Never in it: a value, the secret parts of a session, an external ID, an MFA code, a token.
    """

    name: str
    """AWS's operation, such as `AssumeRole`; for what is not AWS's a word of dsops' own."""
    service: str = ""
    """The service that was called, by its endpoint prefix (`sts`); "" for what was done without a call."""
    region: str = ""
    caller: str = ""
    """The ARN that signed; "" where it is not known."""
    key: str = ""
    """The id of the key that signed."""
    identity: Mapping[str, object] = {}
    """More of who asked, where nothing signs: CloudTrail's `userIdentity`."""
    asked: Mapping[str, object] = {}
    """What was asked for, under AWS's names for it."""
    answer: Mapping[str, object] = {}
    request_id: str = ""
    error: DsopsError | None = None
    facts: Mapping[str, object] = {}
    """What only dsops knows: the store, the hop, whether it was held already."""
    is_of_sandbox: bool | None = None
    """Whether it was done in a sandbox; None for what has no endpoint, which counts as the run does."""


SANDBOX = "sandbox"
"""The fact of the audit trail that marks what was done in a sandbox."""


def note_who_answered(facts: dict[str, object], *, is_sandbox: bool) -> None:
    """Keeps among a run's facts whether only sandboxes have answered its calls."""
    if is_sandbox:
        facts.setdefault(SANDBOX, True)  # in one step: another thread may be noting the opposite, which counts more
    else:
        facts[SANDBOX] = False


class Journal(Protocol):
    """Takes what is done, and keeps it."""

    @property
    def run(self) -> str:
        """What everything of this run is kept under."""

    def add(self, act: Act) -> None:
        """Takes one more, which is kept by the next `write`."""

    def write(self) -> None:
        """Keeps what was taken. Raises AuditFailed where the user wants nothing done that is not on record."""

    def about(self, **facts: object) -> None:
        """Facts that all that follows has in common: the environment, the configuration."""

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Notes who answered a call: a run is a sandbox's when only sandboxes have."""


def no_terminal(_question: str) -> bool | None:
    """There is no terminal to ask at."""
    return None


Measure = Callable[[str, tuple[str, ...], float], None]


def _here() -> bool:
    return False


def _unmeasured(_name: str, _labels: tuple[str, ...], _value: float) -> None:
    """Nobody counts."""


class Runtime(NamedTuple):
    """The outside world. Tests pass a fixed clock, a dict, a list's `append`; only `cli` makes the real one."""

    environ: Mapping[str, str]
    """The environment that counts: the client's, not necessarily this process's."""
    now: Callable[[], datetime]
    """The time, aware and in UTC."""
    ask: Callable[[str], Secret | None]
    """Asks a person on the terminal, hidden input, never on stdout or stderr; None when there is nobody to ask."""
    report: Callable[[Event], None]
    """Takes progress; decides by itself whether and how it looks."""
    random: Callable[[], float]
    """A number in [0, 1), for jitter."""
    folder: str
    """The working folder, absolute."""
    timestamp: str
    """`${TIMESTAMP}` where the environment has none: the same text for the whole run, such as 20261124T150718Z."""
    tell: Callable[[bytes], None] | None = None
    """Puts what a user's program says on the person's stderr; None where the program has that as its own."""
    measure: Measure = _unmeasured
    """Takes numbers of what was done, for metrics: a name, the labels that belong to it, how much."""
    has_left: Callable[[], bool] = _here
    """Whether whoever asked is gone, for what only a person can bring to an end: nobody waits for that then."""
    journal: Journal | None = None
    """Keeps the audit trail; None where nobody keeps one."""
    monotonic: Callable[[], float] = system_monotonic
    """Seconds of a clock that is never set, for time limits and pauses."""
    confirm: Callable[[str], bool | None] = no_terminal
    """Shows a text on the terminal and asks for a yes, which is seen; None when there is no terminal."""
    reason: str = ""
    """Why it is done, in the user's words; "" where nobody says."""


REASON_CHARACTERS = 256
"""The most of a reason: what fits a source identity and the value of a tag, if its characters do."""


def is_reason(text: str) -> bool:
    """Whether it is one line that can be shown, and no longer than a reason may be."""
    return text.isprintable() and len(text) <= REASON_CHARACTERS


def nobody(_question: str) -> Secret | None:
    """There is nobody to ask."""
    return None


def ignore(_event: Event) -> None:
    """Nobody watches."""


def random_fraction() -> float:
    """A number in [0, 1)."""
    # `random` costs a cold run 3 ms of imports, and jitter is all that is wanted.
    return int.from_bytes(os.urandom(6), "big") / 2**48


def empty_file() -> str:
    """The path of an empty regular file, for variables such as AWS_CONFIG_FILE; some programs refuse `/dev/null`.

    It is part of the installed package, so it lasts as long as any child. It is closed to writing, since
    `aws configure` in one child would change who all the others are. Where a program of root's has written to it all
    the same, the null device stands in.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "empty_file")
    try:
        status = os.lstat(path)
        is_good = S_ISREG(status.st_mode) and status.st_size == 0
        if is_good and os.access(path, os.W_OK):
            os.chmod(path, 0o444)
    except OSError:
        return os.devnull
    return path if is_good else os.devnull


def user_name() -> str:
    """`${USER}` where the environment has none: the account's name; "" where the system has no name for it."""
    try:
        from pwd import getpwuid

        return getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""


def utc_now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)
