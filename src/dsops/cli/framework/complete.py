"""`dsops complete`: print the completions at the cursor, for the scripts of `dsops completion`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from dsops.cli.framework.command import COMMON, CONFIG, ENVIRONMENT, Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.output import answer_bytes
from dsops.cli.framework.parser import takes_one_more
from dsops.errors import DsopsError
from dsops.model import Config
from dsops.pipeline.configuration import read_config
from dsops.runtime import Runtime
from dsops.startup import TYPE_CHECKING, NamedTuple
from dsops.text import clean

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine, ReadConfig

Candidates = Mapping[str, str]
"""Map each completion to its description."""

FILES = (":files",)
COMMAND_LINE = ":command"
"""The output line that tells the shell where another program's command line begins."""

_PLAIN = re.compile(r"[\w.,:=@%+/-]+")
"""Matches a text that needs no quoting in a shell."""


class _Line(NamedTuple):
    """The words before the cursor, parsed as far as possible."""

    command: Command
    flags: dict[str, str]
    operands: list[str]
    open_flag: Flag | None
    """The flag whose value is at the cursor."""
    program: int | None
    """The position of the first word of the program to run, counted from the first word after `dsops`."""
    read: ReadConfig
    first_operand: int = 0
    """The position of the first operand. That operand may be the program of a command line without `--`."""


def complete(words: Sequence[str], runtime: Runtime, read: ReadConfig | None = None) -> tuple[str, ...]:
    """Return the completions at the cursor, as lines for a shell's completion script.

    A line is `candidate<TAB>description`, or `:files`, or `:command` with the position where the program's command
    line begins. The last word is the word at the cursor; positions count `dsops` as 0. bash passes `--env=pro` as
    three words, other shells as one word. The agent passes `read`, which reads the configuration of its client.
    """
    words = list(words) or [""]
    # The words `dsops --env <cursor>` do not name a command yet.
    chosen = _choose(words[:-1])
    if chosen is None:
        return _lines(words[-1], {name: entry.summary for name, entry in COMMANDS.items() if entry.summary})
    command, before = chosen
    if isinstance(command, Group):
        from dsops.cli.framework.help import summary_of

        return _lines(words[-1], {name: summary_of(member) for name, member in command.commands.items()})
    line = _take_apart(
        command, words[:-1], before, read or (lambda named, names: read_config(runtime, named, names=names))
    )
    if line.program is not None:
        return (COMMAND_LINE, str(line.program + 1))
    return _at_cursor(line, words[-1], runtime)


def _choose(words: Sequence[str]) -> tuple[Command | Group, int] | None:
    """Return the command that the words name, and the position after its name; None without a command."""
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] in {CONFIG.name, CONFIG.short, ENVIRONMENT.name, ENVIRONMENT.short} else 1
    if position >= len(words) or words[position] not in COMMANDS:
        return None
    command = load(words[position])
    if isinstance(command, Group) and position + 1 < len(words) and words[position + 1] in command.commands:
        return command.commands[words[position + 1]], position + 2
    return command, position + 1


def _take_apart(command: Command, words: Sequence[str], start: int, read: ReadConfig) -> _Line:
    by_name = {name: flag for flag in command.flags + COMMON for name in (flag.name, flag.short) if name}
    flags: dict[str, str] = {}
    operands: list[str] = []
    first_operand = 0
    open_flag: Flag | None = None
    for position, word in enumerate(words[start:], start):
        if open_flag:
            if word != "=":
                flags[open_flag.name] = word
                open_flag = None
        elif command.takes_command and (
            word == "--" or not (word.startswith("-") or takes_one_more(command, operands))
        ):
            return _Line(command, flags, operands, None, position + 1 if word == "--" else position, read)
        elif word.startswith("-"):
            name, equals, value = word.partition("=")
            flag = by_name.get(name)
            if flag and equals:
                flags[flag.name] = value
            elif flag and flag.kind != "switch":
                open_flag = flag
            elif flag:
                flags[flag.name] = "1"
        else:
            first_operand = first_operand or position
            operands.append(word)
    return _Line(command, flags, operands, open_flag, None, read, first_operand)


def _at_cursor(line: _Line, word: str, runtime: Runtime) -> tuple[str, ...]:
    if line.open_flag:
        # bash splits words at `=`, so the word at the cursor can be a single `=`.
        return _value_lines(line.open_flag, "" if word == "=" else word, line, runtime)
    flags = line.command.flags + COMMON
    name, equals, value = word.partition("=")
    if equals and name.startswith("--"):
        flag = next((flag for flag in flags if flag.name == name), None)
        lines = _value_lines(flag, value, line, runtime) if flag else ()
        return lines if lines == FILES else tuple(f"{name}={choice}" for choice in lines)
    if word.startswith("-"):
        left = [flag for flag in flags if flag.is_repeatable or flag.name not in line.flags]
        return _lines(word, {flag.name: flag.help for flag in left})
    declared = line.command.operands
    if not declared or (len(line.operands) >= len(declared) and not declared[-1].is_repeatable):
        return (COMMAND_LINE, str(line.first_operand + 1)) if line.command.takes_command else ()
    operand = declared[min(len(line.operands), len(declared) - 1)]
    if operand.name == "FILE":
        return FILES
    return _lines(word, _operand_candidates(operand, line, runtime))


def _value_lines(flag: Flag, word: str, line: _Line, runtime: Runtime) -> tuple[str, ...]:
    if flag.choices:
        return _lines(word, dict.fromkeys(flag.choices, ""))
    if flag.name == ENVIRONMENT.name:
        config = _config(line, runtime)
        return _lines(word, dict.fromkeys(config.environments if config else (), ""))
    if flag.value == "STORE":
        return _lines(word, _stores(line, runtime))
    if flag.value == "SERVICE":
        from dsops.aws.apis.console_services import SERVICES

        return _lines(word, dict.fromkeys(SERVICES, ""))
    return FILES if flag.value == "FILE" else ()


def _operand_candidates(operand: Operand, line: _Line, runtime: Runtime) -> Candidates:
    if operand.choices:
        return dict.fromkeys(operand.choices, "")
    if operand.name == "TOPIC":
        return {name: entry.summary for name, entry in COMMANDS.items() if entry.summary}
    if operand.name in {"STORE", "PATTERN", "NAME"}:
        return _stores(line, runtime, has_environments=operand.name == "NAME")
    if operand.name in {"KEY", "SERIAL"}:
        # For a command whose first operand is a store, KEY is the name of a secret.
        return _keys_of(line.operands[0], line, runtime) if line.operands else _kept(operand.name, runtime)
    config = _config(line, runtime)
    if config and operand.name.startswith("VARIABLE"):
        variables = dict.fromkeys(_variables(config, _given(ENVIRONMENT, line, runtime)), "")
        return {**variables, **(_stores(line, runtime) if operand.name.endswith("STORE") else {})}
    return {}


def _kept(operand: str, runtime: Runtime) -> Candidates:
    """Return the names of the keys in the keyring; {} if the keyring can't be read."""
    from dsops.keyring.index import contents

    try:
        kept = contents(runtime.environ)
    except DsopsError:
        return {}
    return {key.name: key.arn for key in kept.keys.values()} if operand == "KEY" else dict.fromkeys(kept.seeds, "")


def _keys_of(store: str, line: _Line, runtime: Runtime) -> Candidates:
    """Return the secret keys that variables of the configuration read from the store."""
    config = _config(line, runtime)
    environments = config.environments.values() if config else ()
    references = [each.reference for environment in environments for each in environment.variables.values()]
    keys = [each.key.text.partition("#")[0] for each in references if each is not None and each.store == store]
    return dict.fromkeys([key for key in keys if "${" not in key], "")


def _stores(line: _Line, runtime: Runtime, *, has_environments: bool = False) -> Candidates:
    config = _config(line, runtime, names=None)
    if config is None:
        return {}
    environments = dict.fromkeys(config.environments, "environment") if has_environments else {}
    return {**environments, **{store.name: store.type for store in config.stores.values()}}


def _variables(config: Config, environment: str) -> Iterable[str]:
    """Return the variables of the named or default environment; of all environments if there is neither."""
    name = environment or config.default_environment
    environments = [config.environments[name]] if name in config.environments else config.environments.values()
    return [variable for environment in environments for variable in environment.variables]


def _config(line: _Line, runtime: Runtime, *, names: Collection[str] | None = ()) -> Config | None:
    """Return the configuration; None if it can't be read, since pressing Tab must show no errors.

    `names` are the AWS profiles to include as stores; None means all profiles.
    """
    try:
        return line.read(_given(CONFIG, line, runtime), names)
    except DsopsError:
        return None


def _given(flag: Flag, line: _Line, runtime: Runtime) -> str:
    return line.flags.get(flag.name, "") or runtime.environ.get(flag.variable, "")


def _lines(word: str, candidates: Candidates) -> tuple[str, ...]:
    """Return the candidates that begin with `word`, as lines.

    Names come from a file that an attacker may have written, and bash inserts a candidate unquoted. So a name with
    special characters is not offered.
    """
    return tuple(
        f"{name}\t{clean(meaning)}" if meaning else name
        for name, meaning in candidates.items()
        if name.startswith(word) and _PLAIN.fullmatch(name)
    )


def text_of(words: Sequence[str], runtime: Runtime, read: ReadConfig | None = None) -> bytes:
    """Return the output of `dsops complete`; the parameters are those of `complete`."""
    return "".join([f"{line}\n" for line in complete(words, runtime, read)]).encode("utf-8", "surrogateescape")


def _run(arguments: Arguments, runtime: Runtime) -> int:
    answer_bytes(text_of(arguments.command, runtime))
    return 0


def _answer_line(arguments: Arguments) -> AnswerLine:
    from dsops.agent.command_lines import CompleteLine
    from dsops.agent.messages import PipelineRequest

    words = arguments.command
    return CompleteLine(PipelineRequest(arguments.name), lambda runtime, read: text_of(words, runtime, read))


COMMAND = Command(
    help=("List the completions of a command line's last word. The scripts of `dsops completion` call this command."),
    run=_run,
    answered=_answer_line,
    takes_command=True,
)
