"""Command lines as data: what a command accepts, and the parser that turns argv and environment into Arguments.

The parser has no side effects. argparse is not used for two reasons:

- It can only read the environment of this process, but the agent parses its clients' command lines.
- Importing it and filling its parsers costs a cold run 4 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dsops.errors import UsageError, nearest
from dsops.runtime import REASON_CHARACTERS, Runtime, is_reason
from dsops.startup import TYPE_CHECKING, Literal, NamedTuple, NoReturn

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine

FlagKind = Literal["text", "switch", "seconds", "integer", "port", "reason", "filled"]

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_BETWEEN = "\0"
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
        return self.own_variable or "DSOPS_" + self.name.removeprefix("--").replace("-", "_").upper()


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
        return tuple(self._values[flag].split(_BETWEEN)) if self._values[flag] else ()

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


def parse(command: Command, argv: Sequence[str], environ: Mapping[str, str], *, name: str = "") -> Arguments:
    """Parse `argv`; a flag that is missing there gets the value of its environment variable.

    A flag is written `--name VALUE` or `--name=VALUE`, and can't be abbreviated. If a flag occurs several times, the
    last value is used; a repeatable flag keeps all values. Raises UsageError; its hints call the command `name`, such
    as `sandbox run`.
    """
    called = f"dsops {name}" if name else "dsops COMMAND"
    flags = command.flags + COMMON
    by_name = {name: flag for flag in flags for name in (flag.name, flag.short) if name}
    texts: dict[str, str] = {}
    words: list[str] = []
    operands: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if word == "--":
            words.extend(argv[position:])
            break
        if word in {"--help", "-h"}:
            return Arguments({}, {}, (), is_help=True)
        if word.startswith("-") and word != "-":
            written, equals, value = word.partition("=")
            flag = by_name.get(written) or _refuse_flag(written, by_name, called)
            if flag.kind == "switch":
                value = _switch(value, written) if equals else "1"
            elif not equals:
                value = _next_word(argv, position, flag)
                position += 1
            value = _checked(flag, value, f"`{written}`")
            is_one_more = flag.is_repeatable and flag.name in texts
            texts[flag.name] = f"{texts[flag.name]}{_BETWEEN}{value}" if is_one_more else value
        elif command.takes_command and takes_one_more(command, operands) and "--" in argv[position:]:
            operands.append(word)
        elif command.takes_command:
            _refuse_words_before_dashes([*operands, *argv[position - 1 :]], takes_name=bool(command.operands))
            words.extend(argv[position - 1 :])
            break
        else:
            words.append(word)
    values = {flag.name: texts[flag.name] if flag.name in texts else _from_variable(flag, environ) for flag in flags}
    if command.takes_command:
        named = _operands(command, operands, called)
        return Arguments(values, named, tuple(words), name=name, has_dashes="--" in argv)
    return Arguments(values, _operands(command, words, called), (), name=name)


def takes_one_more(command: Command, operands: Sequence[str]) -> bool:
    """Whether the command takes another operand after these operands."""
    declared = command.operands
    return bool(declared) and (len(operands) < len(declared) or declared[-1].is_repeatable)


def _refuse_flag(written: str, by_name: Mapping[str, Flag], called: str) -> NoReturn:
    meant = nearest(written, by_name)
    if len(written) == len("-e"):
        alike = [name for name in by_name if name.startswith(f"-{written}")]
        meant = alike[0] if len(alike) == 1 else ""
    hint = f"did you mean `{meant}`?" if meant else f"`{called} --help` lists the flags"
    raise UsageError(f"there is no flag `{written}`", hint=hint)


def _next_word(argv: Sequence[str], position: int, flag: Flag) -> str:
    """Return the value of a flag, which is the next word. Raises UsageError if there is no next word."""
    if position == len(argv) or argv[position].startswith("--"):
        error = UsageError(f"`{flag.name}` needs a value", hint=f"write `{flag.name}={flag.value or 'VALUE'}`")
        error.missing = flag.name
        raise error
    return argv[position]


def _refuse_words_before_dashes(words: Sequence[str], *, takes_name: bool) -> None:
    """Raise UsageError for words before a later `--`, since it is unclear where the program begins."""
    if "--" in words:
        before = words[: words.index("--")]
        shown = " ".join([word for word in before if not word.startswith("-")])
        flags = "one name and flags" if takes_name else "flags"
        raise UsageError(
            f"unexpected words before `--`: `{shown}`",
            why=f"the command comes after `--`; only {flags} may come before it",
            hint=f"write `--` in front of `{words[0]}` if the command begins there",
        )


def _operands(command: Command, words: Sequence[str], called: str) -> dict[str, tuple[str, ...]]:
    operands: dict[str, tuple[str, ...]] = {}
    left = list(words)
    for operand in command.operands:
        if operand.is_required and not left:
            form = f"{called} {operand.name}{' -- COMMAND' if command.takes_command else ''}"
            error = UsageError(f"{operand.name} is missing", hint=f"write `{form}`: {operand.help}")
            error.missing = operand.name
            raise error
        taken = left if operand.is_repeatable else left[:1]
        left = left[len(taken) :]
        for word in taken:
            if operand.choices and word not in operand.choices:
                raise UsageError(f"{operand.name} can't be `{word}`", hint=_one_of(operand.choices))
        operands[operand.name] = tuple(taken)
    if left and command.hides_words:
        raise UsageError(
            "the command line has one word too many",
            why="the word may be a secret, so it is not shown; every process of this machine can read a command line",
            hint=f"leave out the secret: dsops asks for it, or reads it from a pipe; see `{called} --help`",
        )
    if left:
        hint = f"`{called} --help` shows what the command takes"
        if any(flag.name == ENVIRONMENT.name for flag in command.flags):
            hint = f"write an environment as `--env {'NAME' if command.operands else left[0]}`; {hint}"
        if called == "dsops shell":
            hint = f"`dsops exec {words[0]} -- {' '.join(left)}` runs one command, and `shell` opens a shell"
        raise UsageError(f"`{left[0]}` is one word too many", hint=hint)
    return operands


def _from_variable(flag: Flag, environ: Mapping[str, str]) -> str:
    value = environ.get(flag.variable, "")
    if not value:
        return flag.default
    if flag.kind == "switch":
        return _switch(value, flag.variable)
    if flag.is_repeatable:
        return _BETWEEN.join(value.splitlines())
    return _checked(flag, value, flag.variable)


def is_on(value: str) -> bool:
    """Return whether a value of a switch's environment variable turns the switch on."""
    return value.lower() in _TRUE


def _switch(value: str, name: str) -> str:
    if is_on(value):
        return "1"
    if value.lower() in _FALSE:
        return ""
    raise UsageError(f"{name} is a switch and can't be `{value}`", hint="set it to 1 or 0")


def _checked(flag: Flag, value: str, name: str) -> str:
    """Return the value if the flag accepts it. Raises UsageError otherwise."""
    if flag.choices and value not in flag.choices:
        raise UsageError(f"{name} can't be `{value}`", hint=_one_of(flag.choices))
    if flag.kind == "seconds" and not _is_seconds(value):
        raise UsageError(f"{name} can't be `{value}`", hint="write a number of seconds above 0, such as 30")
    if flag.kind == "integer" and not (value.isascii() and value.isdigit()):
        raise UsageError(f"{name} can't be `{value}`", hint="write a whole number, 0 or more")
    if flag.kind == "port" and not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65535):
        raise UsageError(f"{name} can't be `{value}`", hint="write a number from 0 to 65535")
    if flag.kind == "filled" and not value:
        raise UsageError(f"{name} is empty", hint="if the value comes from a shell variable, check that it is set")
    if flag.kind == "reason" and not is_reason(value):
        raise UsageError(
            f"{name} is not a valid reason", hint=f"write one line of at most {REASON_CHARACTERS} characters"
        )
    return value


def _one_of(choices: Sequence[str]) -> str:
    return f"it is one of {', '.join(choices)}"


def _is_seconds(value: str) -> bool:
    try:
        return 0 < float(value) < float("inf")
    except ValueError:
        return False
