"""Completes dsops commands in hints, so that a pasted command uses the configuration of the failed command."""

from __future__ import annotations

import re
from shlex import quote

from dsops.cli.framework.command import CONFIG, Group
from dsops.cli.framework.commands import COMMANDS, load
from dsops.text import clean

_COMMAND = re.compile(r"(`dsops |: dsops |^dsops )([a-z][a-z-]*)((?: [a-z][a-z-]*)?)((?: [^`;]*)?)")
"""Matches a dsops command in backticks, after a colon, or at the start of the text.

The groups are the text before the name, the name, the word after the name, and the rest.
"""


def with_config(text: str, config: str) -> str:
    """Return the text, with the configuration added to each dsops command that takes --config but lacks it.

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
    """Return the group member that takes --config, or "" for a plain command that takes it.

    `name` is the command or group, and `word` the word after it. Returns None if the command does not take --config.
    """
    command, member = load(name) if name in COMMANDS else None, ""
    if isinstance(command, Group):
        member = word if word in command.commands else ""
        command = command.commands.get(member or command.default)
    has_config = command is not None and any(flag.name == CONFIG.name for flag in command.flags)
    return member if has_config else None
