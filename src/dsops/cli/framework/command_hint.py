"""Completes the commands of dsops in hints, so that a pasted one uses the configuration of the command that failed."""

from __future__ import annotations

import re
from shlex import quote

from dsops.cli.framework.command import CONFIG, Group
from dsops.cli.framework.commands import COMMANDS, load
from dsops.text import clean

_COMMAND = re.compile(r"(`dsops |: dsops |^dsops )([a-z][a-z-]*)((?: [a-z][a-z-]*)?)((?: [^`;]*)?)")
"""A command in backticks, behind a colon or at the beginning: its name, the word after that, and the rest."""


def with_config(text: str, config: str) -> str:
    """Return the text; each of its commands that takes --config and lacks it gets the configuration.

    `config` is the value of --config on the command line.
    """

    def completed(found: re.Match[str]) -> str:
        start, name, word, rest = found.groups()
        member = _takes_config(name, word.strip())
        if member is None or CONFIG.name in rest or f" {CONFIG.short} " in rest:
            return found[0]
        after = word.removeprefix(f" {member}") if member else word
        shown_member = f" {member}" if member else ""
        return f"{start}{name}{shown_member} {CONFIG.name} {clean(quote(config))}{after}{rest}"

    return _COMMAND.sub(completed, text)


def _takes_config(name: str, word: str) -> str | None:
    """Return the member of a group that takes --config, "" for a command that does, and None for any other."""
    command, member = load(name) if name in COMMANDS else None, ""
    if isinstance(command, Group):
        member = word if word in command.commands else ""
        command = command.commands.get(member or command.default)
    has_config = command is not None and any(flag.name == CONFIG.name for flag in command.flags)
    return member if has_config else None
