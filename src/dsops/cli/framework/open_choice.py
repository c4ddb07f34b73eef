"""Lets the user choose a name that an error reports as missing; returns the command line with that name."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, PICK, REASON, Arguments, Command
from dsops.cli.framework.parser import parse
from dsops.cli.framework.picker import choices
from dsops.cli.framework.picker.choices import NamedChoice
from dsops.cli.framework.picker.matcher import Action
from dsops.cli.framework.picker.terminal import pick
from dsops.cli.framework.prompt import ask_text
from dsops.errors import ConfigNotFound, DsopsError, NoCredentials, UsageError, listed
from dsops.runtime import Runtime, ignore, no_prompt, random_fraction, utc_now

_NAME, _CREDENTIALS, _PROFILE = "NAME", "--credentials", "--profile"
_STORES = ("STORE", "VARIABLE|STORE")
_LOGINS = ("login", "logout")
_WITH_SESSION = ("exec", "shell", "credentials", "console", "whoami")
"""Commands for which the list offers two more keys: one opens the console, one prints `export` lines."""
_FIRST_NAMES = "`dsops init` writes a dsops.yaml, and `aws configure` a profile"

_NOT_KNOWN = frozenset({"keys add", "mfa add", "sandbox totp"})
"""Commands without suggested names, since they take a new name, or a name that exists only in a sandbox."""


def leave_to_picker(command: Command, arguments: Arguments, words: Sequence[str]) -> None:
    """Raise UsageError if `--pick` is set, so that the command runs again with the name that the user chooses.

    The user sees the error only where no list can be shown. A name on the command line overrides DSOPS_PICK.
    """
    flags = words[: len(words) - len(arguments.command)]
    has_name = bool(arguments.first_words()) or any(
        word.partition("=")[0] in {ENVIRONMENT.name, _CREDENTIALS} for word in flags if command.takes_command
    )
    if has_name and any(word.partition("=")[0] == PICK.name for word in flags):
        raise UsageError("`--pick` can't be combined with a name", hint="leave out either `--pick` or the name")
    if has_name:
        return
    error = UsageError(
        "`--pick` needs a terminal, to show a list and read a choice",
        why="there is no terminal, or the process runs in the background, in CI or with `--json`",
        hint="write the name on the command line instead of `--pick`",
    )
    operands = [operand.name for operand in command.operands if operand.name in {_NAME, *_STORES}]
    error.missing = operands[0] if operands else _PROFILE
    raise error


def chosen_line(error: DsopsError, name: str, command: Command, words: Sequence[str]) -> list[str]:
    """Let the user choose the name that `error.missing` says is missing; return the words of the command line to run.

    Returns [] if nothing can be chosen, or without a terminal: the error then lists the names. Raises
    KeyboardInterrupt if the user chooses nothing, UsageError and ConfigError.
    """
    # Without this, collecting garbage takes a quarter of the time until a list of 2,000 names is visible.
    gc.disable()
    try:
        return _chosen_line(error, name, command, words)
    finally:
        gc.enable()


def _chosen_line(error: DsopsError, name: str, command: Command, words: Sequence[str]) -> list[str]:
    arguments = _parsed(command, words, name)
    if arguments is None:
        add_names(error, name, words)
        return []
    is_forced = arguments.has(PICK.name) and arguments.switch(PICK.name)
    named = _named(error.missing, name, arguments, is_forced=is_forced)
    if is_forced and not named:
        raise UsageError(
            "there is nothing to choose from: neither a dsops.yaml nor AWS's files contain a name for this command",
            hint=_FIRST_NAMES,
        )
    if error.missing == _STORES[0] and not (named or isinstance(error, NoCredentials) or _has_config(arguments)):
        why = "there is none yet: neither a dsops.yaml nor a profile with credentials in AWS's files"
        error.retell(error.message, why=why, hint=_FIRST_NAMES)
        return []
    picked = None
    if not arguments.switch("--json") and (is_forced or (_is_terminal(sys.stdin) and _is_terminal(sys.stdout))):
        with_session = [each.choice for each in named if each.kind == "store" and name in _WITH_SESSION]
        question, offered = " or ".join(dict.fromkeys(each.kind for each in named)), [each.choice for each in named]
        picked = pick(question, offered, os.environ, ask=ask_text, with_session=with_session)
    if picked is None:
        is_required = any(operand.name == error.missing and operand.is_required for operand in command.operands)
        if not (is_forced or is_required) or not add_names(error, name, words):
            _list_names(error, named)
        return []
    chosen = next(each for each in named if each.choice is picked.choice)
    if picked.action != "use":
        return _instead(picked.action, chosen.choice.name, arguments)
    is_clear = [each.choice.name for each in named].count(chosen.choice.name) == 1
    return [*name.split(" "), *_with_choice(chosen, command, arguments, words, is_clear=is_clear)]


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _parsed(command: Command, words: Sequence[str], name: str) -> Arguments | None:
    """Parse the arguments as if no operand were required; return None if another part of the command line is wrong."""
    operands = tuple([operand._replace(is_required=False) for operand in command.operands])
    try:
        return parse(command._replace(operands=operands), words, os.environ, name=name)
    except UsageError:
        return None


def _named(missing: str, name: str, arguments: Arguments, *, is_forced: bool) -> list[NamedChoice]:
    """Return the choices for the missing operand or flag; [] if there are none, or the configuration can't be read."""
    if missing not in {_NAME, ENVIRONMENT.name, _PROFILE, *_STORES}:
        return []
    runtime = _quiet_runtime()
    takes_stores = missing != ENVIRONMENT.name or (arguments.has(_CREDENTIALS) and not _has_store(arguments))
    try:
        if missing == _PROFILE:
            return choices.profiles(runtime)
        config = choices.config_of(_config_name(arguments), runtime)
        environments = choices.environments(config) if missing in {_NAME, ENVIRONMENT.name} else []
        return [*environments, *(choices.stores(config, runtime, is_login=name in _LOGINS) if takes_stores else [])]
    except DsopsError:
        if is_forced:
            raise
        return []


def _config_name(arguments: Arguments) -> str:
    """Return the value of --config; "" also for a command without the flag (`hook allow`)."""
    return arguments.text(CONFIG.name) if arguments.has(CONFIG.name) else ""


def _has_config(arguments: Arguments) -> bool:
    """Whether there is a configuration, even if it can't be read."""
    try:
        return choices.config_of(_config_name(arguments), _quiet_runtime()) is not None
    except DsopsError:
        return True


def _has_store(arguments: Arguments) -> bool:
    """Whether the command line of `exec` has a store already, so that only the environment is missing."""
    return bool(arguments.first_words() or arguments.text(_CREDENTIALS))


def _list_names(error: DsopsError, named: Sequence[NamedChoice]) -> None:
    """Add the names to the hint of an error that does not list them."""
    names = list(dict.fromkeys(each.choice.name for each in named))
    if names and (error.missing == _NAME or isinstance(error, (ConfigNotFound, NoCredentials))):
        hint = f"name one of {listed(names)}" if len(names) > 1 else f"name `{names[0]}`"
        # Without a dsops.yaml, the user can name a profile right away, so the names come first; the rest of the hint
        # says how to write a dsops.yaml.
        error.retell(error.message, hint=hint if isinstance(error, ConfigNotFound) else f"{hint}; {error.hint}")


def _with_choice(
    chosen: NamedChoice, command: Command, arguments: Arguments, words: Sequence[str], *, is_clear: bool
) -> list[str]:
    """Return the command's words with the chosen name: as an operand if that is unambiguous, otherwise as a flag."""
    after = arguments.command
    before = list(words[: len(words) - len(after)])
    if before[-1:] == ["--"]:
        before.pop()
    if arguments.has(PICK.name):
        before.append(f"{PICK.name}=0")
    name = chosen.choice.name
    flag = {"environment": ENVIRONMENT.name, "store": _CREDENTIALS, "profile": _PROFILE}[chosen.kind]
    takes_name = arguments.has(_CREDENTIALS) and not _has_store(arguments)
    is_word = is_clear and not name.startswith("-") and (after or not command.takes_command)
    if takes_name and is_word:
        before.append(name)
    elif arguments.has(flag):
        before.append(f"{flag}={name}")
    else:
        before.extend(["--", name])
    return [*before, "--", *after] if after else before


def _instead(action: Action, store: str, arguments: Arguments) -> list[str]:
    """Return the command line for a key of the picker: open the console, or print `export` lines."""
    kept = [
        f"{flag}={arguments.text(flag)}"
        for flag in (CONFIG.name, REASON.name)
        if arguments.has(flag) and arguments.text(flag)
    ]
    if action == "console":
        return ["console", "--open", *kept, "--", store]
    is_fish = os.environ.get("SHELL", "").endswith("/fish")
    return ["credentials", "--format=fish" if is_fish else "--format=env", *kept, "--", store]


def add_names(error: DsopsError, name: str, words: Sequence[str]) -> bool:
    """Add the possible names to the error's hint; returns whether any are known.

    `words` are the words after the command's `name`.
    """
    try:
        if error.missing and name not in _NOT_KNOWN:
            before = words[: words.index(error.missing) + 1] if error.missing in words else words
            hint = _listed(error, _candidates([*name.split(" "), *before]))
        else:
            return False
    except (DsopsError, OSError):
        return False  # If the configuration can't be read, the user's next run reports that.
    if hint:
        error.retell(error.message, hint=hint)
    return bool(hint)


def _listed(error: DsopsError, names: list[str]) -> str:
    if not names:
        return ""
    return f"{error.hint}; there {'is only' if len(names) == 1 else 'are'} {listed(names)}"


def _candidates(words: list[str]) -> list[str]:
    """Return the completions at the end of the command line."""
    from dsops.cli.framework.complete import COMMAND_LINE, FILES, complete

    lines = complete([*words, ""], _quiet_runtime())
    if lines == FILES or lines[:1] == (COMMAND_LINE,):
        return []
    return [line.partition("\t")[0] for line in lines if not line.startswith(("-", ":"))]


def _quiet_runtime() -> Runtime:
    """Return a runtime with the environment variables and working directory of this process, without a terminal."""
    return Runtime(
        environ=os.environ,
        now=utc_now,
        ask=no_prompt,
        report=ignore,
        random=random_fraction,
        folder=os.getcwd(),
        timestamp="",
    )
