"""Command lines as data: the flags and operands that a command accepts, and the values that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from dsops.runtime import Runtime
from dsops.startup import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine

FlagKind = Literal["text", "switch", "seconds", "integer", "port", "reason", "filled"]

BETWEEN = "\0"
"""Separates the values of a repeatable flag: NUL is the only character that no argument can contain."""


class Flag(NamedTuple):
    """One `--name` of a command. Its `DSOPS_*` variable sets it, too; the command line overrides the variable."""

    name: str
    """The name with its dashes: `--env`."""
    help: str
    kind: FlagKind = "text"
    """The kind of value that the flag takes.

    - `switch`: no value
    - `seconds`: a positive number
    - `integer`: a whole number of at least 0
    - `reason`: one line of text
    - `filled`: any text that is not empty
    """
    value: str = ""
    """The placeholder for the flag's value in the help: `NAME`."""
    choices: tuple[str, ...] = ()
    default: str = ""
    short: str = ""
    """A second, short name: `-v`."""
    own_variable: str = ""
    """The flag's environment variable, if its name is not `DSOPS_` plus the flag's name."""
    is_repeatable: bool = False
    """Whether the flag may occur several times, each time with another value; its variable has one value per line."""

    @property
    def variable(self) -> str:
        """The name of the environment variable that sets the flag: `--keep-existing` -> `DSOPS_KEEP_EXISTING`."""
        return self.own_variable or _variable_of(self.name)


@cache
def _variable_of(name: str) -> str:
    return "DSOPS_" + name.removeprefix("--").replace("-", "_").upper()


class Operand(NamedTuple):
    """A word of a command line that belongs to no flag; optional operands come last."""

    name: str
    help: str
    is_required: bool = True
    choices: tuple[str, ...] = ()
    is_repeatable: bool = False
    """Whether the operand takes all remaining words; only allowed for the last operand of a command."""


class Arguments:
    """A parsed command line.

    Asking for a name that the command does not declare raises KeyError, which is a bug.
    """

    __slots__ = ("_operands", "_values", "command", "has_dashes", "is_help", "name")

    def __init__(
        self,
        values: Mapping[str, str],
        operands: Mapping[str, tuple[str, ...]],
        command: tuple[str, ...],
        *,
        is_help: bool = False,
        name: str = "",
        has_dashes: bool = False,
    ) -> None:
        self._values = values
        self.name = name
        """The command's name: `exec`, `keys rotate`."""
        self.is_help = is_help
        """Whether `--help` was among the words; if so, the other words are not parsed."""
        self._operands = operands
        self.command = command
        """The words after `--`: a program and its arguments; () for commands that run no program."""
        self.has_dashes = has_dashes
        """Whether the command line has a `--`."""

    def with_text(self, flag: str, value: str) -> Arguments:
        """Return the arguments with another value of that flag."""
        values = {**self._values, flag: value}
        return Arguments(values, self._operands, self.command, name=self.name, has_dashes=self.has_dashes)

    def with_command(self, *words: str) -> Arguments:
        """Return the arguments with another program to run."""
        return Arguments(self._values, self._operands, words, name=self.name, has_dashes=self.has_dashes)

    def with_operand(self, name: str, word: str) -> Arguments:
        """Return the arguments with another word for that operand."""
        operands = {**self._operands, name: (word,)}
        return Arguments(self._values, operands, self.command, name=self.name, has_dashes=self.has_dashes)

    def has(self, flag: str) -> bool:
        """Whether the command has that flag."""
        return flag in self._values

    def text(self, flag: str) -> str:
        """Return the flag's value or its default; "" if it has neither."""
        return self._values[flag]

    def texts(self, flag: str) -> tuple[str, ...]:
        """Return all values of a repeatable flag."""
        return tuple(self._values[flag].split(BETWEEN)) if self._values[flag] else ()

    def switch(self, flag: str) -> bool:
        """Whether the switch is on."""
        return self._values[flag] == "1"

    def seconds(self, flag: str) -> float | None:
        """Return the value of a flag as a positive number of seconds; None without the flag."""
        return float(self._values[flag]) if self._values[flag] else None

    def integer(self, flag: str) -> int | None:
        """Return the value of a flag as a whole number of at least 0; None without the flag."""
        return int(self._values[flag]) if self._values[flag] else None

    def operand(self, name: str) -> str:
        """Return the word of that operand; "" if the user left the operand out."""
        words = self._operands[name]
        return words[0] if words else ""

    def first_words(self) -> tuple[str, ...]:
        """Return the words of the command's first operand; () if the command has no operands."""
        return next(iter(self._operands.values()), ())

    def words(self, name: str) -> tuple[str, ...]:
        """Return all words of a repeatable operand."""
        return self._operands[name]


class Command(NamedTuple):
    """A command: its help, its flags and operands, and the function that runs it."""

    help: str
    """The text of `--help`; the command's one-line summary is in the table of `commands`."""
    run: Callable[[Arguments, Runtime], int]
    """The function that runs the command and returns its exit code; it raises DsopsError."""
    flags: tuple[Flag, ...] = ()
    operands: tuple[Operand, ...] = ()
    takes_command: bool = False
    """Whether the command takes `-- PROGRAM ARGUMENTS`; such a command has no operands."""
    hides_words: bool = False
    """Whether an additional word may be a secret, so that the error must not repeat the word."""
    own_failure_code: int = 0
    """The exit code for failures of dsops itself, if the command otherwise returns a program's code (`exec`: 125)."""
    is_audited: bool = False
    """Whether failures of the command are written to the audit trail.

    True for commands that hand out secrets or sessions, or change credentials. A command that hands out a secret or
    session also writes its own record before it does so.
    """
    answered: Callable[[Arguments], AnswerLine | None] | None = None
    """How the agent produces the whole output, for a command of `client.ANSWERED`.

    The function returns None if the client has to run the command, because it writes to more than stdout.
    """
    changes_who: bool = False
    """Whether the command changes credentials (`login`, `keys rotate`), so that a success is recorded, too."""


class Group(NamedTuple):
    """A group of commands, such as `dsops sandbox` with its command `serve`."""

    help: str
    commands: Mapping[str, Command]
    default: str = ""
    """The command to run if the user names none; "" if the group's help is shown instead."""


CONFIG = Flag(
    "--config",
    "use this configuration file instead of the dsops.yaml in this folder or above",
    value="FILE",
    short="-c",
)
ENVIRONMENT = Flag("--env", "the environment to use", value="NAME", short="-e")
SESSION_ENVIRONMENT = Flag(
    "--env",
    "the environment whose secrets the session may read, for stores with `session_policy: auto`",
    value="NAME",
    short="-e",
    own_variable="DSOPS_SESSION_ENV",
)
"""The flag `--env` of commands about one session: the environment for `session_policy: auto`.

Its variable is not DSOPS_ENV, which users set for `exec`.
"""
NO_AGENT = Flag("--no-agent", "do not use the agent", "switch")
CREDENTIALS = "--credentials"
"""The flag of `exec` and `shell` that names the store whose session the command gets."""
NAME = Operand(
    "NAME",
    "an environment, whose variables the command gets, or a store or AWS profile, whose session it gets",
    is_required=False,
)
"""The operand of `exec` and `shell`."""
PICK = Flag("--pick", "choose the name from a list on the terminal, even if there is a default", "switch")

REASON = Flag(
    "--reason",
    "the reason for this run: recorded in the audit trail, and sent to AWS by stores with `reason_to`",
    "reason",
    value="TEXT",
)
"""The flag `--reason` of every command that issues sessions or reads secrets."""

# Every command has these flags. `cli` itself reads all but --verbose.
COMMON = (
    Flag("--json", "print JSON, errors too", "switch"),
    Flag("--verbose", "show each step on stderr", "switch", short="-v"),
    Flag("--debug", "show where in the code an error was raised (never a secret)", "switch"),
    Flag("--quiet", "show no notes and no progress", "switch", short="-q"),
)
