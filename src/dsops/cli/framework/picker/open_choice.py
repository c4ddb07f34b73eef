"""Answers an error about a missing name with a list, and returns the command line with the name that is chosen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, PICK, REASON, Arguments, Command, parse
from dsops.cli.framework.names import add_names, quiet_runtime
from dsops.cli.framework.picker import choices
from dsops.cli.framework.picker.choices import Named
from dsops.cli.framework.picker.matcher import Action
from dsops.cli.framework.picker.terminal import pick
from dsops.errors import DsopsError, UsageError
from dsops.runtime import Runtime

_NAME, _PROFILE = "NAME", "--profile"
_STORES = ("STORE", "VARIABLE|STORE")
_QUESTIONS = {_NAME: "environment or store", ENVIRONMENT.name: "environment", _PROFILE: "profile"}
_LOGINS = ("login", "logout")
_WITH_SESSION = ("exec", "shell", "credentials", "console", "whoami")
"""Commands in whose list a key opens the console instead, and another one prints `export` lines."""
_MOST_NAMES = 20


def pick_error(command: Command) -> UsageError:
    """The error of a command line with `--pick`, before the user chooses; it is shown where no list can be."""
    operands = [operand.name for operand in command.operands]
    known = [name for name in (_NAME, *_STORES) if name in operands]
    error = UsageError(
        "`--pick` needs a terminal, to show a list and read a choice",
        why="there is none, or the process runs in the background, in CI or with `--json`",
        hint="leave out `--pick`, and name it on the command line",
    )
    error.missing = known[0] if known else _PROFILE
    return error


def chosen_line(error: DsopsError, name: str, command: Command, words: Sequence[str]) -> list[str]:
    """Let the user choose the name that `error.missing` says is missing; return the words of the command line to run.

    [] if nothing can be chosen, or without a terminal: the error then lists the names. Raises KeyboardInterrupt if the
    user chooses none, UsageError, ConfigError.
    """
    arguments = _parsed(command, words, name)
    if arguments is None:
        add_names(error, name, words)
        return []
    is_forced = arguments.has(PICK.name) and arguments.switch(PICK.name)
    if is_forced and (arguments.first_words() or _environment_in(words, arguments)):
        raise UsageError("`--pick` chooses the name, and the command line has one", hint="leave out one of the two")
    runtime = quiet_runtime()
    named = _named(error.missing, name, arguments, runtime)
    picked = None
    if not arguments.switch("--json") and (is_forced or (sys.stdin.isatty() and sys.stdout.isatty())):
        has_session = [each.choice for each in named if each.kind == "store" and name in _WITH_SESSION]
        question = _QUESTIONS.get(error.missing, "store")
        picked = pick(question, [each.choice for each in named], runtime.environ, with_session=has_session)
    if picked is None:
        if not (isinstance(error, UsageError) and add_names(error, name, words)):
            _list_names(error, named)
        return []
    chosen = next(each for each in named if each.choice is picked.choice)
    if picked.action != "use":
        return _instead(picked.action, chosen.choice.name, arguments, runtime)
    is_twice = len([each for each in named if each.choice.name == chosen.choice.name]) > 1
    return [*name.split(" "), *_with_choice(chosen, arguments, words, is_twice=is_twice)]


def _parsed(command: Command, words: Sequence[str], name: str) -> Arguments | None:
    """The arguments, as if no operand were required; None if another part of the command line is wrong."""
    operands = tuple([operand._replace(is_required=False) for operand in command.operands])
    try:
        return parse(command._replace(operands=operands), words, os.environ, name=name)
    except UsageError:
        return None


def _environment_in(words: Sequence[str], arguments: Arguments) -> bool:
    """Whether the words name the environment of `exec`, as a variable such as DSOPS_ENV may do."""
    flags = words[: len(words) - len(arguments.command)]
    return bool(arguments.command) and any(word.partition("=")[0] == ENVIRONMENT.name for word in flags)


def _named(missing: str, name: str, arguments: Arguments, runtime: Runtime) -> list[Named]:
    """What can be chosen for the missing operand or flag; [] for other operands."""
    if missing == _PROFILE:
        return choices.profiles(runtime)
    if missing not in {_NAME, ENVIRONMENT.name, *_STORES}:
        return []
    config = choices.config_of(arguments.text(CONFIG.name), runtime)
    takes_both = missing == _NAME or (missing == ENVIRONMENT.name and name in _WITH_SESSION)
    environments = choices.environments(config) if takes_both or missing == ENVIRONMENT.name else []
    takes_store = takes_both or missing != ENVIRONMENT.name
    return [*environments, *(choices.stores(config, runtime, is_login=name in _LOGINS) if takes_store else [])]


def _list_names(error: DsopsError, named: Sequence[Named]) -> None:
    """Add the names to the hint of an error that does not list them."""
    names = list(dict.fromkeys(each.choice.name for each in named))
    if error.missing in {_NAME, *_STORES} and names:
        more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        error.retell(error.message, hint=f"name one of {', '.join(names[:_MOST_NAMES])}{more}")


def _with_choice(chosen: Named, arguments: Arguments, words: Sequence[str], *, is_twice: bool) -> list[str]:
    """The words of the command with the chosen name, as an operand where that is clear, else as a flag."""
    after = arguments.command
    before = list(words[: len(words) - len(after)])
    if before[-1:] == ["--"]:
        before.pop()
    if arguments.has(PICK.name):
        before.append(f"{PICK.name}=0")
    name, takes_command = chosen.choice.name, bool(after)
    flag = {"environment": ENVIRONMENT.name, "store": "--credentials", "profile": _PROFILE}[chosen.kind]
    is_flag = chosen.kind == "profile" or (takes_command and (is_twice or name.startswith("-")))
    if is_flag or (chosen.kind == "environment" and not takes_command):
        before.append(f"{flag}={name}")
    else:
        before.extend([name] if takes_command else ["--", name])
    return [*before, "--", *after] if takes_command else before


def _instead(action: Action, store: str, arguments: Arguments, runtime: Runtime) -> list[str]:
    """The command line that a key starts instead of the command: it opens the console, or prints `export` lines."""
    kept = [
        f"{flag}={arguments.text(flag)}"
        for flag in (CONFIG.name, REASON.name)
        if arguments.has(flag) and arguments.text(flag)
    ]
    if action == "console":
        return ["console", "--open", *kept, "--", store]
    shell = "fish" if runtime.environ.get("SHELL", "").endswith("/fish") else "env"
    return ["credentials", "--format", shell, *kept, "--", store]
