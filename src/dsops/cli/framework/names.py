"""Adds the possible names to the error of a command line that lacks a name or has it in the wrong place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import random

from dsops.cli.framework.command import CONFIG, ENVIRONMENT
from dsops.errors import DsopsError, UsageError
from dsops.model import Config
from dsops.runtime import Runtime, ignore, no_prompt, utc_now

_NOT_KNOWN = frozenset({"keys add", "mfa add", "sandbox totp"})
"""Commands that take a new name, or a name that only a sandbox knows: no names can be suggested."""

_MOST = 20
"""Maximum number of names in a hint."""


def add_names(error: UsageError, name: str, words: Sequence[str]) -> None:
    """Add the possible names to the error's hint, if any are known.

    `words` are the words after the command's `name`.
    """
    try:
        if error.stray:
            hint = _place_of(error.stray, words)
        elif error.missing and name not in _NOT_KNOWN:
            before = words[: words.index(error.missing) + 1] if error.missing in words else words
            hint = _listed(error, _candidates([*name.split(" "), *before]))
        else:
            return
    except (DsopsError, OSError):
        return  # if the configuration can't be read, the next run reports that
    if hint:
        error.retell(error.message, hint=hint)


def _listed(error: UsageError, names: list[str]) -> str:
    if not names:
        return ""
    more = f", and {len(names) - _MOST} more" if len(names) > _MOST else ""
    shown = ", ".join(names[:_MOST])
    return f"{error.hint}; there is only {shown}" if len(names) == 1 else f"{error.hint}; there are {shown}{more}"


def _candidates(words: list[str]) -> list[str]:
    """The completions at the end of the command line."""
    from dsops.cli.framework.complete import FILES, complete

    lines = complete([*words, ""], _runtime())
    return [] if lines == FILES else [line.partition("\t")[0] for line in lines if not line.startswith(("-", ":"))]


def _place_of(word: str, words: Sequence[str]) -> str:
    """How to write a word that stands before `--`: as the value of the flag for an environment or a store."""
    config = _config(words)
    ways = [f"write an environment as `--env {word}`"] if word in config.environments else []
    ways += [f"a store's session is given to a command by `--credentials {word}`"] if word in config.stores else []
    if not ways:
        names = ", ".join(list(config.environments)[:_MOST]) or "none"
        ways = [f"write an environment as `{ENVIRONMENT.name} NAME`; the environments are: {names}"]
    return "; ".join([*ways, "a command begins after the first `--`"])


def _config(words: Sequence[str]) -> Config:
    """Load the configuration that the command line names. Raises ConfigError."""
    from dsops.config import load
    from dsops.stores import StoreTypes

    own = words[: words.index("--")] if "--" in words else words
    named = os.environ.get(CONFIG.variable, "")
    for position, word in enumerate(own):
        if word == CONFIG.name:
            named = "".join(own[position + 1 : position + 2])
        elif word.startswith(f"{CONFIG.name}="):
            named = word.partition("=")[2]
    return load(folder=os.getcwd(), environ=os.environ, named=named, types=StoreTypes())


def _runtime() -> Runtime:
    """A runtime with the environment and folder of this process, without a terminal."""
    return Runtime(
        environ=os.environ, now=utc_now, ask=no_prompt, report=ignore, random=random, folder=os.getcwd(), timestamp=""
    )
