"""The command line: runs one command, and turns errors into messages and exit codes.

Only `__main__` imports it.
The input is arguments and the environment, the output is text and an exit code. `framework` has the parts that
commands share; every other folder is a family of commands, loaded by the table `framework.commands`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from dsops.cli.framework.command import COMMON, CONFIG, ENVIRONMENT, NO_AGENT, PICK, Command, Group
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.parser import is_on, parse
from dsops.cli.framework.process_runtime import DONE, real_runtime
from dsops.errors import CommandFailed, DsopsError, UsageError, bug_of, nearest
from dsops.runtime import Event, Runtime, ignore

INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. Errors are printed on stderr, not raised."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The process that reads stdout has closed the pipe.
        return BROKEN_PIPE
    except DsopsError as error:
        return fail(error, words, 0)


def _dispatch(words: list[str]) -> int:
    """Find the command; flags before its name are passed to it."""
    position = 0
    while position < len(words) and words[position].startswith("-"):
        if words[position] in {"--version", "-V"} or words == ["-v"]:
            return _print_version()
        if words[position] in {"--help", "-h"}:
            break
        position += 2 if words[position] in _WITH_VALUE else 1
    if position >= len(words) or words[position].startswith("-"):
        from dsops.cli.framework.help import show_overview

        is_asked = position < len(words)
        if not is_asked:
            _refuse_flags(words)
        return show_overview(is_asked=is_asked)
    if words[position] == "version":
        return _print_version()
    if words[position] not in COMMANDS:
        _refuse_flags(words[:position])
    return _run(words[position], words[:position] + words[position + 1 :])


_WITH_VALUE = frozenset({CONFIG.name, CONFIG.short, ENVIRONMENT.name, ENVIRONMENT.short})
"""Flags that take a value and can precede the command's name."""


def _refuse_flags(words: Sequence[str]) -> None:
    """Raise UsageError for a flag before the command's name, unless every command has the flag.

    dsops can't tell whether any other flag takes a value, so it can't find the command's name.
    """
    flags = (CONFIG, ENVIRONMENT, NO_AGENT, *COMMON)
    known = [name for flag in flags for name in (flag.name, flag.short) if name] + ["--help", "--version"]
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("-") and name not in known:
            meant = nearest(name, known)
            hint = f"did you mean `{meant}`?" if meant else "write the flags of a command after its name"
            raise UsageError(f"dsops has no flag `{name}` before the command", hint=hint)


def _run(name: str, words: list[str]) -> int:
    """Run the command `name` with these words as its arguments."""
    report: Callable[[Event], None] = ignore
    audited: Runtime | None = None
    chosen: Command | None = None
    try:
        command = load(name)
        if isinstance(command, Group):
            member, words = _member(name, command, words)
            if not member:
                from dsops.cli.framework.help import show_group

                return show_group(name, command, is_asked=bool(words))
            name, command = f"{name} {member}", command.commands[member]
        chosen = command
        arguments = parse(command, words, os.environ, name=name)
        if arguments.is_help:
            from dsops.cli.framework.help import show_command

            return show_command(name, command)
        if PICK in command.flags and arguments.switch(PICK.name):
            from dsops.cli.framework.open_choice import leave_to_picker

            leave_to_picker(command, arguments, words)
        runtime = real_runtime(arguments)
        report = runtime.report
        audited = runtime if command.is_audited or command.changes_who else None
        code = command.run(arguments, runtime)
        if command.changes_who:
            from dsops.pipeline.journal import record_run

            changed = arguments.first_words()[:1]  # the name of the changed store, device or key
            record_run(name, runtime, **({"subject": changed[0]} if changed else {}))
        report(DONE)
    except DsopsError as error:
        report(DONE)
        return _failed(error, name, chosen, words, audited)
    except KeyboardInterrupt:
        report(DONE)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug's own traceback would print what it holds
        report(DONE)
        return fail(_unavailable(name, error) or bug_of(error), words, _failure_code(chosen))
    return code


def _unavailable(name: str, error: Exception) -> DsopsError | None:
    """Return the error for a command that can't run on Windows; None elsewhere, and for any other error."""
    if sys.platform == "win32":
        from dsops.cli.framework.windows import unavailable

        return unavailable(name, error)
    return None


def _failed(error: DsopsError, name: str, command: Command | None, words: list[str], audited: Runtime | None) -> int:
    """Show the error, and return the exit code. If a name is missing, the user can choose one and the command runs."""
    if error.missing and command is not None:
        from dsops.cli.framework.open_choice import chosen_line

        try:
            line = chosen_line(error, name, command, words)
        except DsopsError as other:
            error, line = other, []
        if line:
            return _run(line[0], line[1:])
    if audited is not None:
        from dsops.pipeline.journal import add_failure

        add_failure(name, error, audited)
    return fail(error, words, _failure_code(command))


def _failure_code(command: Command | None) -> int:
    return command.own_failure_code if command is not None else 0


def _member(name: str, group: Group, words: list[str]) -> tuple[str, list[str]]:
    """Split the words into the command's name and arguments; the name is "" for --help, or if there is no name."""
    with_value = _WITH_VALUE
    if group.default:
        flags = (*group.commands[group.default].flags, *COMMON)
        with_value |= {name for flag in flags if flag.kind != "switch" for name in (flag.name, flag.short)}
    for position, word in enumerate(words):
        if word in {"--help", "-h"}:
            return "", [word]
        is_value = position > 0 and words[position - 1] in with_value
        if not is_value and not word.startswith("-"):
            if word not in group.commands:
                meant = nearest(word, group.commands)
                known = ", ".join(group.commands)
                hint = f"did you mean `dsops {name} {meant}`?" if meant else f"it is one of {known}"
                raise UsageError(f"there is no command `{name} {word}`", hint=hint)
            return word, words[:position] + words[position + 1 :]
    return group.default, words if group.default else []


def _print_version() -> int:
    from dsops.cli.framework.output import answer
    from dsops.version import __version__

    answer(f"dsops {__version__}")
    return 0


def write_answer(data: bytes, words: Sequence[str]) -> int:
    """Write the unwritten part of an answer to stdout; returns the exit code."""
    from dsops.cli.framework.output import answer_bytes

    try:
        answer_bytes(data)
    except BrokenPipeError:
        return BROKEN_PIPE
    except DsopsError as error:
        return fail(error, words, 0)
    return 0


def fail(error: DsopsError, words: Sequence[str], failure_code: int) -> int:
    """Write the error to stderr; returns the exit code."""
    from dsops.cli.framework import output

    exit_code = error.exit_code
    if failure_code and not isinstance(error, CommandFailed):
        exit_code = failure_code
    own_words = words[: words.index("--")] if "--" in words else words
    config = _named_config(own_words)
    if "--json" in own_words or is_on(os.environ.get("DSOPS_JSON", "")):
        output.tell(output.error_json(error, exit_code, config=config))
    else:
        output.tell(output.shown_error(output.error_text(error, config=config), 2))
    if "--debug" in own_words or is_on(os.environ.get("DSOPS_DEBUG", "")):
        output.tell(f"debug: raised at\n{output.origin_text(error)}")
    return exit_code


def _named_config(words: Sequence[str]) -> str:
    """Return the value of --config; "" without the flag."""
    named = ""
    for position, word in enumerate(words):
        if word in (CONFIG.name, CONFIG.short):
            named = "".join(words[position + 1 : position + 2])
        elif word.startswith((f"{CONFIG.name}=", f"{CONFIG.short}=")):
            named = word.partition("=")[2]
    return named
