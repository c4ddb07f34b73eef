"""The command line: imports the one module that is needed, turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from dsops.cli.framework.command import COMMON, CONFIG, ENVIRONMENT, NO_AGENT, Arguments, Command, Group, is_on, parse
from dsops.cli.framework.world import DONE, real_runtime
from dsops.errors import CommandFailed, DsopsError, UsageError, nearest
from dsops.runtime import Event, Runtime, ignore
from dsops.startup import NamedTuple

INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13


class CommandEntry(NamedTuple):
    """One line of the table of commands."""

    module: str
    """Has a `COMMAND`; imported only when the command is chosen."""
    summary: str
    """Empty for what people don't call."""


COMMANDS: Mapping[str, CommandEntry] = {
    "init": CommandEntry("dsops.cli.setup.init", "write a dsops.yaml to start from"),
    "import": CommandEntry("dsops.cli.setup.import_", "make a dsops.yaml of the profiles in ~/.aws/config"),
    "migrate": CommandEntry("dsops.cli.setup.migrate", "rewrite a configuration of the original dsops"),
    "validate": CommandEntry("dsops.cli.look.validate", "check a configuration, and say all that is wrong with it"),
    "allow": CommandEntry("dsops.cli.setup.allow", "show what the configuration found here can do, and allow it"),
    "plan": CommandEntry("dsops.cli.look.plan", "show what a run would do, without doing it"),
    "graph": CommandEntry("dsops.cli.look.graph", "show the credential graph: callers, hops, stores, variables"),
    "exec": CommandEntry("dsops.cli.run.exec", "run a command with an environment's secrets"),
    "get": CommandEntry("dsops.cli.run.get", "print the value of one variable"),
    "render": CommandEntry("dsops.cli.run.render", "write an environment as dotenv, shell, JSON, YAML and others"),
    "credentials": CommandEntry("dsops.cli.run.credentials", "print the credentials that a store issues"),
    "console": CommandEntry("dsops.cli.login.console", "print a link that opens the AWS console as a store's role"),
    "login": CommandEntry("dsops.cli.login.login", "log in to IAM Identity Center, for the stores that work with it"),
    "logout": CommandEntry("dsops.cli.login.logout", "end a login to IAM Identity Center"),
    "mfa": CommandEntry("dsops.cli.login.mfa", "keep seeds of MFA devices in the keyring, and show their codes"),
    "keys": CommandEntry("dsops.cli.login.keys", "keep long-term keys in the keyring, and rotate them"),
    "whoami": CommandEntry("dsops.cli.look.whoami", "ask AWS who the caller is, here or behind a store"),
    "doctor": CommandEntry("dsops.cli.look.doctor", "try everything that an environment needs, and say what is broken"),
    "explain": CommandEntry("dsops.cli.look.explain", "find out why a hop or a secret is refused"),
    "audit": CommandEntry("dsops.cli.audit.audit", "show and verify what dsops itself has done with roles and secrets"),
    "revoke": CommandEntry("dsops.cli.login.revoke", "deny everything to the older sessions of a store's role"),
    "export": CommandEntry("dsops.cli.setup.export", "write stores down as profiles of ~/.aws/config"),
    "hook": CommandEntry("dsops.cli.hook.hook", "load a folder's environment into the shell that enters it"),
    "policy": CommandEntry(
        "dsops.cli.policy.policy", "say what is wrong with IAM policies, what they allow, which are needed"
    ),
    "agent": CommandEntry("dsops.cli.run.agent", "keep sessions in memory, for the next run"),
    "sandbox": CommandEntry("dsops.cli.sandbox.sandbox", "run a local AWS that says no as AWS does"),
    "stores": CommandEntry("dsops.cli.look.stores", "list the stores of the configuration, and the types there are"),
    "schema": CommandEntry("dsops.cli.setup.schema", "print the JSON Schema of dsops.yaml, for editors"),
    "completion": CommandEntry("dsops.cli.framework.completion", "print a completion script for a shell"),
    "complete": CommandEntry("dsops.cli.framework.complete", ""),
    "hook-load": CommandEntry("dsops.cli.hook.load", ""),
    "help": CommandEntry("dsops.cli.framework.help", "explain a command, or the code of an error or finding"),
}


_MEANT = {
    "run": "exec",
    "check": "validate",
    "lint": "validate",
    "env": "render",
    "list": "stores",
    "providers": "stores",
    "show": "plan",
    "trust": "allow",
    "whoiam": "whoami",
}
"""What other tools call it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and gives its exit code; every error has become a message on stderr by then."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads our answer has had enough.
        return BROKEN_PIPE
    except DsopsError as error:
        return fail(error, words, 0)


def load(name: str) -> Command | Group:
    """The command of that name, its module imported."""
    if name not in COMMANDS:
        meant = _MEANT.get(name) or nearest(name, COMMANDS)
        hint = f"did you mean `dsops {meant}`?" if meant else "`dsops --help` lists the commands"
        raise UsageError(f"there is no command `{name}`", hint=hint)
    module = __import__(COMMANDS[name].module, fromlist=["COMMAND"])
    command: Command | Group = module.COMMAND
    return command


def _dispatch(words: list[str]) -> int:
    """Finds the command that is meant; flags before its name are for it."""
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


_WITH_VALUE = frozenset({"--config", "--env"})
"""The flags before a command's name whose value is the next word."""


def _refuse_flags(words: Sequence[str]) -> None:
    """Refuses a flag before the command's name that not every command has: what follows it is not the command."""
    flags = (CONFIG, ENVIRONMENT, NO_AGENT, *COMMON)
    known = [name for flag in flags for name in (flag.name, flag.short) if name] + ["--help", "--version"]
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("-") and name not in known:
            meant = nearest(name, known)
            hint = f"did you mean `{meant}`?" if meant else "flags of a command stand behind its name"
            raise UsageError(f"there is no flag `{name}` before the command", hint=hint)


def _run(name: str, words: list[str]) -> int:
    """Runs the command of that name with these words."""
    failure_code = 0
    report: Callable[[Event], None] = ignore
    audited: Runtime | None = None
    try:
        command = load(name)
        if isinstance(command, Group):
            member, words = _member(name, command, words)
            if not member:
                from dsops.cli.framework.help import show_group

                return show_group(name, command, is_asked=bool(words))
            name, command = f"{name} {member}", command.commands[member]
        failure_code = command.own_failure_code
        arguments = _parsed(command, words, name)
        if arguments.is_help:
            from dsops.cli.framework.help import show_command

            return show_command(name, command)
        runtime = real_runtime(arguments)
        report = runtime.report
        audited = runtime if command.is_audited or command.changes_who else None
        code = command.run(arguments, runtime)
        if command.changes_who:
            from dsops.pipeline.journal import add_change

            add_change(arguments, runtime)
        report(DONE)
    except (DsopsError, KeyboardInterrupt) as error:
        report(DONE)
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        if audited is not None:
            from dsops.pipeline.journal import add_failure

            add_failure(name, error, audited)
        return fail(error, words, failure_code)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug's own traceback would print what it holds
        report(DONE)
        return fail(as_bug(error), words, failure_code)
    return code


def _parsed(command: Command, words: list[str], name: str) -> Arguments:
    """What the words ask of the command; where they leave a name out, the error lists those that there are."""
    try:
        return parse(command, words, os.environ, name=name)
    except UsageError as error:
        from dsops.cli.framework.names import add_names

        add_names(error, name, words)
        raise


def _member(name: str, group: Group, words: list[str]) -> tuple[str, list[str]]:
    """The command of the family that is meant, and the other words; "" when help is asked for, or nothing."""
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
    from dsops import __version__
    from dsops.cli.framework.output import answer

    answer(f"dsops {__version__}")
    return 0


def write_answer(data: bytes, words: Sequence[str]) -> int:
    """Puts what is left of an answer on stdout, whatever that is; the exit code."""
    from dsops.cli.framework.output import answer_bytes

    try:
        answer_bytes(data)
    except BrokenPipeError:
        return BROKEN_PIPE
    except DsopsError as error:
        return fail(error, words, 0)
    return 0


def fail(error: DsopsError, words: Sequence[str], failure_code: int) -> int:
    """Says on stderr what went wrong, and gives the exit code."""
    from dsops.cli.framework import output

    exit_code = error.exit_code
    if failure_code and not isinstance(error, CommandFailed):
        exit_code = failure_code
    own_words = words[: words.index("--")] if "--" in words else words
    config = _named_config(own_words)
    if "--json" in own_words or is_on(os.environ.get("DSOPS_JSON", "")):
        output.tell(output.error_json(error, exit_code, config=config))
    else:
        output.tell(output.error_text(error, config=config))
    if "--debug" in own_words or is_on(os.environ.get("DSOPS_DEBUG", "")):
        output.tell(f"debug: raised at\n{output.origin_text(error)}")
    return exit_code


def _named_config(words: Sequence[str]) -> str:
    """The value of --config; "" where it is not among them."""
    named = ""
    for position, word in enumerate(words):
        if word == CONFIG.name:
            named = "".join(words[position + 1 : position + 2])
        elif word.startswith(f"{CONFIG.name}="):
            named = word.partition("=")[2]
    return named


def as_bug(error: Exception) -> DsopsError:
    """What a user is told of an error that should not be; not its own message, which may hold a value."""
    from traceback import extract_tb

    frame = extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition(os.sep)[2]}:{frame.lineno}"
    bug = DsopsError(
        f"something inside dsops went wrong: {type(error).__name__} in {place}",
        hint="run the same with `--debug` and report what it prints; no secret's value is in it",
    )
    bug.__cause__ = error
    return bug
