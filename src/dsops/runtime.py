"""The process's surroundings as one value: clock, environment, prompts, progress, randomness."""

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
    """A progress event. `name` is stable (`secrets.fetched`); `facts` never contain a secret's value."""

    name: str
    facts: Mapping[str, str]


CLOCK_CORRECTED = "clock.corrected"
"""This machine's clock is far from AWS's."""

NOTES = (CLOCK_CORRECTED,)
"""Events that are shown as notes, also where no progress is shown."""


class Act(NamedTuple):
    """An action with an identity or a secret, for the audit trail.

    It never contains a secret's value, the secret parts of a session, an external ID, an MFA code or a token.
    """

    name: str
    """AWS's operation, such as `AssumeRole`, or dsops' own name for an action without a call."""
    service: str = ""
    """The service's endpoint prefix (`sts`); "" if there was no call."""
    region: str = ""
    caller: str = ""
    """The ARN of the signing identity; "" if unknown."""
    key: str = ""
    """The id of the signing key."""
    identity: Mapping[str, object] = {}
    """CloudTrail's `userIdentity`, for calls that are not signed."""
    asked: Mapping[str, object] = {}
    """The request's parameters, under AWS's names."""
    answer: Mapping[str, object] = {}
    request_id: str = ""
    error: DsopsError | None = None
    facts: Mapping[str, object] = {}
    """Facts that only dsops records: store, hop, whether the session came from the cache."""
    is_of_sandbox: bool | None = None
    """Whether the act happened in a sandbox; None if it had no endpoint: the run's own mark then applies."""


SANDBOX = "sandbox"
"""The key that marks an event of the audit trail as a sandbox's."""


def note_who_answered(facts: dict[str, object], *, is_sandbox: bool) -> None:
    """Record whether a sandbox answered a call: a run is marked only if sandboxes answered all its calls."""
    if is_sandbox:
        facts.setdefault(
            SANDBOX, True
        )  # This is one atomic step: another thread may be recording an answer from AWS, which takes precedence.
    else:
        facts[SANDBOX] = False


class Journal(Protocol):
    """Collects acts for the audit trail, and writes them."""

    @property
    def run(self) -> str:
        """The id of this run in the audit trail."""

    def add(self, act: Act) -> None:
        """Collect one act; the next `write` writes it."""

    def write(self) -> None:
        """Write the collected acts. Raises AuditFailed if they can't be written and the user requires the trail."""

    def about(self, **facts: object) -> None:
        """Set facts that all later acts share: environment, configuration."""

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether a sandbox answered a call; a run is marked only if sandboxes answered all its calls."""


def no_terminal(_question: str) -> bool | None:
    """A `confirm` for processes without a terminal."""
    return None


Measure = Callable[[str, tuple[str, ...], float], None]


def _never_leaves() -> bool:
    return False


def _unmeasured(_name: str, _labels: tuple[str, ...], _value: float) -> None:
    """A `measure` that counts nothing."""


class Runtime(NamedTuple):
    """What dsops uses of its surroundings. Tests pass fakes; only `cli` makes the real Runtime."""

    environ: Mapping[str, str]
    """The environment to use: the client's, which may not be this process's."""
    now: Callable[[], datetime]
    """Returns the present time, aware and in UTC."""
    ask: Callable[[str], Secret | None]
    """Prompts on the terminal with hidden input, never on stdout or stderr; None if there is no terminal."""
    report: Callable[[Event], None]
    """Takes progress events, and decides whether and how to show them."""
    random: Callable[[], float]
    """Returns a number in [0, 1), for jitter."""
    folder: str
    """The absolute path of the working folder."""
    timestamp: str
    """The value of `${TIMESTAMP}` if the environment has none: one text for the whole run, such as 20261124T150718Z."""
    tell: Callable[[bytes], None] | None = None
    """Writes a helper program's stderr to the user's; None if the helper inherits it."""
    measure: Measure = _unmeasured
    """Takes a measurement for metrics: its name, labels and value."""
    has_left: Callable[[], bool] = _never_leaves
    """Returns whether the client is gone, so that prompts and logins for it can be abandoned."""
    journal: Journal | None = None
    """Writes the audit trail; None if it is off."""
    monotonic: Callable[[], float] = system_monotonic
    """Seconds of a clock that is never adjusted, for time limits and pauses."""
    confirm: Callable[[str], bool | None] = no_terminal
    """Shows a text on the terminal and asks yes or no, visibly; None if there is no terminal."""
    reason: str = ""
    """The reason of the run, in the user's words; "" if none was given."""


REASON_CHARACTERS = 256
"""The longest reason in characters: it has to fit into a source identity and a tag's value."""


def is_reason(text: str) -> bool:
    """Whether the text is one printable line of at most REASON_CHARACTERS."""
    return text.isprintable() and len(text) <= REASON_CHARACTERS


def no_prompt(_question: str) -> Secret | None:
    """An `ask` for processes without a terminal."""
    return None


def ignore(_event: Event) -> None:
    """A `report` that shows nothing."""


def random_fraction() -> float:
    """A number in [0, 1)."""
    # Importing `random` costs a cold run 3 ms.
    return int.from_bytes(os.urandom(6), "big") / 2**48


def empty_file() -> str:
    """The path of an empty regular file, for variables such as AWS_CONFIG_FILE; some programs refuse `/dev/null`.

    The file belongs to the installed package, so it lasts as long as any child process. It is read-only: otherwise
    `aws configure` in one child would change the identity of all others. If root has nevertheless written to the
    file, /dev/null is used.
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
    """The value of `${USER}` if the environment has none: the account's name, or "" if the system has none."""
    try:
        from pwd import getpwuid

        return getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""


def utc_now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)
