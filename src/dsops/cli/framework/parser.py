"""Turn argv and the environment into the Arguments of a command.

The parser has no side effects. argparse is not used for two reasons:

- It can only read the environment of this process, but the agent parses its clients' command lines.
- Importing it and filling its parsers costs a cold run 4 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.cli.framework.command import BETWEEN, COMMON, ENVIRONMENT, Arguments, Command, Flag
from dsops.errors import UsageError, nearest
from dsops.runtime import REASON_CHARACTERS, is_reason
from dsops.startup import NoReturn

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


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
            texts[flag.name] = f"{texts[flag.name]}{BETWEEN}{value}" if is_one_more else value
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
        return BETWEEN.join(value.splitlines())
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
