"""The outside world as one value that is passed in: clock, environment, prompt, progress, randomness."""

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
    """A progress event; `name` is stable (`secrets.fetched`), `facts` never hold a secret's value."""

    name: str
    facts: Mapping[str, str]


CLOCK_CORRECTED = "clock.corrected"
"""This machine's clock is far from AWS's. Reported always, not only with `--verbose`."""


class Act(NamedTuple):
    """An operation with an identity or a secret, for the audit trail.

    Never contains a value, the secret parts of a session, an external ID, an MFA code or a token.
    """

    name: str
    """AWS's operation, such as `AssumeRole`, or dsops' own word for other acts."""
    service: str = ""
    """The called service's endpoint prefix (`sts`); "" when no call was made."""
    region: str = ""
    caller: str = ""
    """The signer's ARN; "" when it is not known."""
    key: str = ""
    """The id of the signing key."""
    identity: Mapping[str, object] = {}
    """Details of the caller of an unsigned request: CloudTrail's `userIdentity`."""
    asked: Mapping[str, object] = {}
    """The request parameters, under AWS's names."""
    answer: Mapping[str, object] = {}
    request_id: str = ""
    error: DsopsError | None = None
    facts: Mapping[str, object] = {}
    """Facts that only dsops knows: the store, the hop, whether the session was cached."""
    is_of_sandbox: bool | None = None
    """Whether a sandbox answered; None for an act without endpoint, which counts like the rest of its run."""


SANDBOX = "sandbox"
"""The key of the audit trail that marks acts in a sandbox."""


def note_who_answered(facts: dict[str, object], *, is_sandbox: bool) -> None:
    """Record in a run's facts whether only sandboxes have answered its calls."""
    if is_sandbox:
        facts.setdefault(
            SANDBOX, True
        )  # atomic, since another thread may record that AWS answered, which takes precedence
    else:
        facts[SANDBOX] = False


class Journal(Protocol):
    """Collects the acts of a run and writes them to the audit trail."""

    @property
    def run(self) -> str:
        """The id of this run in the trail."""

    def add(self, act: Act) -> None:
        """Add an act; the next `write` stores it."""

    def write(self) -> None:
        """Store the added acts. Raises AuditFailed when that fails and the user requires the trail."""

    def about(self, **facts: object) -> None:
        """Set facts shared by all later acts: the environment, the configuration."""

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether a sandbox answered a call: a run counts as a sandbox's when only sandboxes did."""


def no_terminal(_question: str) -> bool | None:
    """The `confirm` of a runtime without a terminal."""
    return None


Measure = Callable[[str, tuple[str, ...], float], None]


def _here() -> bool:
    return False


def _unmeasured(_name: str, _labels: tuple[str, ...], _value: float) -> None:
    """The `measure` of a runtime without metrics."""


class Runtime(NamedTuple):
    """The outside world. Tests pass a fixed clock, a dict, a list's `append`; only `cli` builds the real one."""

    environ: Mapping[str, str]
    """The client's environment, which is not necessarily this process's."""
    now: Callable[[], datetime]
    """The current time, aware and in UTC."""
    ask: Callable[[str], Secret | None]
    """Prompts on the terminal with hidden input, never on stdout or stderr; None when there is no terminal."""
    report: Callable[[Event], None]
    """Receives progress events, and decides whether and how to show them."""
    random: Callable[[], float]
    """A random number in [0, 1), for jitter."""
    folder: str
    """The working folder, absolute."""
    timestamp: str
    """The value of `${TIMESTAMP}` unless the environment has one, the same for the whole run: 20261124T150718Z."""
    tell: Callable[[bytes], None] | None = None
    """Writes a helper program's stderr to the user's; None when the program inherits that."""
    measure: Measure = _unmeasured
    """Records a metric: name, label values, amount."""
    has_left: Callable[[], bool] = _here
    """Whether the client is gone, so that waiting for its user is pointless."""
    journal: Journal | None = None
    """Writes the audit trail; None for no trail."""
    monotonic: Callable[[], float] = system_monotonic
    """Seconds of a monotonic clock, for time limits and pauses."""
    confirm: Callable[[str], bool | None] = no_terminal
    """Shows a text on the terminal and asks for a visible yes or no; None when there is no terminal."""
    reason: str = ""
    """The user's reason for the run; "" when none is given."""


REASON_CHARACTERS = 256
"""The longest reason; it fits a source identity and a tag value, if its characters do."""


def is_reason(text: str) -> bool:
    """Whether the text is one printable line within the length limit."""
    return text.isprintable() and len(text) <= REASON_CHARACTERS


def no_prompt(_question: str) -> Secret | None:
    """The `ask` of a runtime without a terminal."""
    return None


def ignore(_event: Event) -> None:
    """The `report` of a runtime without progress."""


def random_fraction() -> float:
    """A random number in [0, 1)."""
    # Importing `random` costs a cold run 3 ms, and jitter needs no more than this.
    return int.from_bytes(os.urandom(6), "big") / 2**48


def empty_file() -> str:
    """The path of an empty regular file, for variables such as AWS_CONFIG_FILE; some programs refuse `/dev/null`.

    It is part of the installed package, so it outlives any child. It is write-protected, because `aws configure` in
    one child would change the identity of all others. If a program of root's has written to it all the same, the null
    device is used.
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
    """The account's name, the fallback for `${USER}`; "" when the system has no name for it."""
    try:
        from pwd import getpwuid

        return getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""


def utc_now() -> datetime:
    """The current time, aware and in UTC."""
    return datetime.now(UTC)
