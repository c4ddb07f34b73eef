"""Adds the possible names to the error for a command line that lacks a name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import random

from dsops.errors import DsopsError, UsageError
from dsops.runtime import Runtime, ignore, no_prompt, utc_now

_NOT_KNOWN = frozenset({"keys add", "mfa add", "sandbox totp"})
"""Commands for which no names can be suggested, since they take a new name or one that only a sandbox knows."""

_MOST = 20
"""Maximum number of names in a hint."""


def add_names(error: UsageError, name: str, words: Sequence[str]) -> None:
    """Add the possible names to the error's hint, if any are known.

    `words` are the words after the command's `name`.
    """
    try:
        if error.missing and name not in _NOT_KNOWN:
            before = words[: words.index(error.missing) + 1] if error.missing in words else words
            hint = _listed(error, _candidates([*name.split(" "), *before]))
        else:
            return
    except (DsopsError, OSError):
        return  # If the configuration can't be read, the user's next run reports that.
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
    from dsops.cli.framework.complete import COMMAND_LINE, FILES, complete

    lines = complete([*words, ""], _runtime())
    return (
        []
        if lines == FILES or lines[:1] == (COMMAND_LINE,)
        else [line.partition("\t")[0] for line in lines if not line.startswith(("-", ":"))]
    )


def _runtime() -> Runtime:
    """A runtime with the environment and folder of this process, without a terminal."""
    return Runtime(
        environ=os.environ, now=utc_now, ask=no_prompt, report=ignore, random=random, folder=os.getcwd(), timestamp=""
    )
