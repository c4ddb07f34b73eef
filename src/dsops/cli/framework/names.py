"""What there is to name, for the error of a command line that leaves a name out or has it in the wrong place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import random

from dsops.cli.framework.command import CONFIG, ENVIRONMENT
from dsops.errors import DsopsError, UsageError
from dsops.model import Config
from dsops.runtime import Runtime, ignore, no_prompt, utc_now

_NOT_KNOWN = frozenset({"keys add", "mfa add", "sandbox totp"})
"""Of these commands the names are new, or known to a sandbox only."""

_MOST = 20
"""A hint lists no more names than that."""


def add_names(error: UsageError, name: str, words: Sequence[str]) -> None:
    """Adds to the hint the names that could stand there; nothing where none are known.

    `words` are those behind the command's `name`.
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
        return  # a configuration that can't be read is another error, of the next try
    if hint:
        error.retell(error.message, hint=hint)


def _listed(error: UsageError, names: list[str]) -> str:
    if not names:
        return ""
    more = f", and {len(names) - _MOST} more" if len(names) > _MOST else ""
    shown = ", ".join(names[:_MOST])
    return f"{error.hint}; there is only {shown}" if len(names) == 1 else f"{error.hint}; there are {shown}{more}"


def _candidates(words: list[str]) -> list[str]:
    """What a Tab at the end of the command line would offer."""
    from dsops.cli.framework.complete import FILES, complete

    lines = complete([*words, ""], _runtime())
    return [] if lines == FILES else [line.partition("\t")[0] for line in lines if not line.startswith(("-", ":"))]


def _place_of(word: str, words: Sequence[str]) -> str:
    """How to name the word that stands before `--`: as an environment, a store, or either."""
    config = _config(words)
    ways = [f"an environment is named by `--env {word}`"] if word in config.environments else []
    ways += [f"a store's session is given to a command by `--credentials {word}`"] if word in config.stores else []
    if not ways:
        names = ", ".join(list(config.environments)[:_MOST]) or "none"
        ways = [f"an environment is named by `{ENVIRONMENT.name} NAME`, and the environments are: {names}"]
    return "; ".join([*ways, "a command begins after the first `--`"])


def _config(words: Sequence[str]) -> Config:
    """The configuration that the words mean. Raises ConfigError."""
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
    """This process's environment and folder, and nothing else: to list names takes no more."""
    return Runtime(
        environ=os.environ, now=utc_now, ask=no_prompt, report=ignore, random=random, folder=os.getcwd(), timestamp=""
    )
