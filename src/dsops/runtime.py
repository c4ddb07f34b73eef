"""Everything that dsops uses from its process, as one value: clock, environment variables, prompts and more."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import cache
from stat import S_ISREG
from time import monotonic as system_monotonic

from dsops.errors import DsopsError
from dsops.input_file import FileCache
from dsops.secret import Secret
from dsops.startup import NamedTuple, Protocol


class Event(NamedTuple):
    """A progress event. `name` is a stable identifier (`secrets.fetched`); `facts` never contain a secret's value."""

    name: str
    facts: Mapping[str, str]


CLOCK_CORRECTED = "clock.corrected"
"""The name of the event that reports a large difference between this machine's clock and AWS's clock."""

WAIT_BEGUN = "wait.begun"
WAIT_OVER = "wait.over"

NOTES = (CLOCK_CORRECTED,)
"""Events that are shown as notes even if no progress is shown."""


class ReportedWait:
    """Reports the start and the end of a wait for an answer, around a `with` block.

    `kind` is session, secrets, base or call. `name` is the store or service whose answer dsops waits for. A class with
    `__enter__` is used because importing `contextlib` would take a millisecond of a cold run.
    """

    __slots__ = ("_facts", "_report")

    def __init__(self, report: Callable[[Event], None], kind: str, name: str, **facts: str) -> None:
        self._report = report
        self._facts = {"kind": kind, "name": name, **facts}

    def __enter__(self) -> None:
        self._report(Event(WAIT_BEGUN, self._facts))

    def __exit__(self, *_: object) -> None:
        self._report(Event(WAIT_OVER, self._facts))


class PartCount:
    """Counts the finished parts of long work, and reports each, so that a progress bar can be shown."""

    def __init__(self, report: Callable[[Event], None], event: str, of: str, number: int) -> None:
        """`of` describes the parts, such as `12 files`. `number` is how many there are."""
        self._report = report
        self._event = event
        self._of = of
        self._number = number
        self._done = 0

    def add(self, parts: int = 1) -> None:
        """Report that this number of further parts is finished."""
        self._done += parts
        percent = 100 * self._done // max(1, self._number)
        self._report(Event(self._event, {"percent": f"{percent} %", "of": self._of}))


class Act(NamedTuple):
    """An action with an identity or a secret, for the audit trail.

    An Act never contains a secret's value, the secret parts of a session, an external ID, an MFA code or a token.
    """

    name: str
    """The name of the AWS operation, such as `AssumeRole`, or dsops' own name for an action without a call."""
    service: str = ""
    """The service's endpoint prefix (`sts`); "" if there was no call."""
    region: str = ""
    caller: str = ""
    """The ARN of the signing identity; "" if unknown."""
    key: str = ""
    """The id of the signing key."""
    identity: Mapping[str, object] = {}
    """CloudTrail's `userIdentity`, for a call that is not signed."""
    asked: Mapping[str, object] = {}
    """The request's parameters, under AWS's names."""
    answer: Mapping[str, object] = {}
    request_id: str = ""
    error: DsopsError | None = None
    facts: Mapping[str, object] = {}
    """Facts that only dsops records: store, hop, whether the session came from the cache."""
    is_of_sandbox: bool | None = None
    """Whether a sandbox answered the call. If None, the act has no endpoint, and the mark of the whole run applies."""


SANDBOX = "sandbox"
"""The key that marks an audit event as the work of sandboxes."""


def note_who_answered(facts: dict[str, object], *, is_sandbox: bool) -> None:
    """Record whether a sandbox answered a call. The run is marked only if sandboxes answered all of its calls."""
    if is_sandbox:
        facts.setdefault(
            SANDBOX, True
        )  # `setdefault` is atomic, so it never overwrites a False that another thread has set for a call to AWS.
    else:
        facts[SANDBOX] = False


class Journal(Protocol):
    """Collects acts for the audit trail, and writes them."""

    @property
    def run(self) -> str:
        """The id of this run in the audit trail."""

    def add(self, act: Act) -> None:
        """Collect an act, which the next `write` writes."""

    def write(self) -> None:
        """Write the collected acts. Raises AuditFailed if they can't be written and the user requires the trail."""

    def about(self, **facts: object) -> None:
        """Add facts to all later acts, such as environment and configuration."""

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether a sandbox answered a call. The run is marked only if sandboxes answered all of its calls."""


def no_terminal(_question: str) -> bool | None:
    """Return None, which means no answer. Processes without a terminal use this function as `confirm`."""
    return None


class Choice(NamedTuple):
    """An entry of a list to choose from: its name, and a detail that distinguishes it, such as an account or an ARN."""

    name: str
    detail: str = ""


DANGER = "danger:"
"""The first word in the detail of a store with `danger: true`. Lists show it in red."""


def no_choice(_question: str, _choices: Sequence[Choice]) -> Choice | None:
    """Return None. Processes without a terminal use this function as `choose`."""
    return None


Measure = Callable[[str, tuple[str, ...], float], None]


def _never_leaves() -> bool:
    return False


def _unmeasured(_name: str, _labels: tuple[str, ...], _value: float) -> None:
    """Do nothing: the `measure` for processes without metrics."""


class Runtime(NamedTuple):
    """The interface to everything that dsops uses from its process; tests pass fakes."""

    environ: Mapping[str, str]
    """The environment variables to use: those of the client, which may be another process."""
    now: Callable[[], datetime]
    """Returns the current time in UTC, with its time zone."""
    ask: Callable[[str], Secret | None]
    """Prompts on the terminal, never on stdout or stderr, and hides the input. Returns None without a terminal."""
    report: Callable[[Event], None]
    """Takes a progress event, and decides whether and how to show it."""
    random: Callable[[], float]
    """Returns a number in [0, 1), for jitter."""
    folder: str
    """The absolute path of the working folder."""
    timestamp: str
    """The value of `${TIMESTAMP}` for the whole run if no variable TIMESTAMP is set, such as 20261124T150718Z."""
    tell: Callable[[bytes], None] | None = None
    """Writes a helper program's stderr to the user's stderr. The field is None if the helper inherits stderr."""
    measure: Measure = _unmeasured
    """Takes a measurement for metrics: its name, labels and value."""
    has_left: Callable[[], bool] = _never_leaves
    """Returns whether the client has ended, so that its prompts and logins can be abandoned."""
    journal: Journal | None = None
    """The journal that writes the audit trail; None if the trail is off."""
    monotonic: Callable[[], float] = system_monotonic
    """Returns the seconds of a clock that is never adjusted, for time limits and pauses."""
    confirm: Callable[[str], bool | None] = no_terminal
    """Shows a text on the terminal and asks yes or no; the answer is visible. Returns None without a terminal."""
    choose: Callable[[str, Sequence[Choice]], Choice | None] = no_choice
    """Lets the user choose from a list on the terminal. Returns None without a terminal.

    Raises KeyboardInterrupt if the user cancels.
    """
    reason: str = ""
    """The reason of the run, in the user's words; "" if the user has given none."""
    run_memory: MutableMapping[str, object] | None = None
    """A memory for what the user has unlocked in this run, such as a derived key; None to remember nothing."""
    kept: FileCache | None = None
    """The parsed files of earlier runs of this process; None if nothing is kept."""


REASON_CHARACTERS = 256
"""The maximum length of a reason in characters: that of a session tag's value."""


def is_reason(text: str) -> bool:
    """Whether the text is one printable line of at most REASON_CHARACTERS."""
    return text.isprintable() and len(text) <= REASON_CHARACTERS


def no_prompt(_question: str) -> Secret | None:
    """Return None: the `ask` for processes without a terminal."""
    return None


def ignore(_event: Event) -> None:
    """Do nothing: the `report` that shows no event."""


def random_fraction() -> float:
    """Return a random number in [0, 1)."""
    # `os.urandom`, because importing `random` would take 3 ms of a cold run.
    return int.from_bytes(os.urandom(6), "big") / 2**48


def empty_file() -> str:
    """Return the path of an empty regular file, for variables such as AWS_CONFIG_FILE.

    `/dev/null` is not used, because some programs refuse it. The file belongs to the installed package, so it exists
    as long as any child process. It is read-only; otherwise `aws configure` in one child would change the identity of
    all others. If root has written to it nevertheless, the path is /dev/null.
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
    """Return the value of `${USER}` if the environment has none: the account's name, or "" if the system has none."""
    try:
        return _account_name(os.getuid())
    except (AttributeError, ImportError, KeyError):
        return ""


@cache
def _account_name(uid: int) -> str:
    """Return the name of an account. The result is kept, since each lookup reads /etc/passwd or asks a server."""
    from pwd import getpwuid

    return getpwuid(uid).pw_name


def utc_now() -> datetime:
    """Return the current time in UTC, with its time zone."""
    return datetime.now(UTC)
