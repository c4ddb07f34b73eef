"""Writes manual pages in troff (man(7)) from the declared commands and flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsops.cli.framework.command import COMMON, Command, Flag, Group
from dsops.cli.framework.commands import COMMANDS, load
from dsops.cli.framework.help import flag_help, overview_text, spelling, summary_of, usage
from dsops.errors import UsageError, nearest
from dsops.version import __version__

_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})
_NARROW = 76
"""The width of the overview, which is copied without wrapping: a manual page has 78 columns."""


def page(topic: Sequence[str]) -> str:
    """Return the manual page of dsops, of a command (`exec`), or of a command in a group (`audit`, `list`)."""
    if not topic:
        return "\n".join(_overview())
    command = load(topic[0])
    if isinstance(command, Command):
        return "\n".join(_of_command(topic[0], command))
    if len(topic) == 1:
        return "\n".join(_of_group(topic[0], command))
    if topic[1] not in command.commands:
        meant = nearest(topic[1], command.commands)
        hint = f"did you mean `{topic[0]} {meant}`?" if meant else f"it is one of {', '.join(command.commands)}"
        raise UsageError(f"there is no command `{topic[0]} {topic[1]}`", hint=hint)
    return "\n".join(_of_command(" ".join(topic[:2]), command.commands[topic[1]]))


def _overview() -> Iterator[str]:
    yield from _head("dsops", "short\\-lived AWS credentials, and commands that run with an environment\\(aqs secrets")
    yield from (".SH SYNOPSIS", ".B dsops", ".I COMMAND", _text("[FLAGS] ..."), ".SH COMMANDS", ".nf")
    yield from (_text(line) for line in overview_text(_NARROW).split("\n")[2:-2])
    yield ".fi"
    yield ".SH FLAGS OF EVERY COMMAND"
    yield from _flags(COMMON)
    yield ".SH SEE ALSO"
    names = [name for name, entry in COMMANDS.items() if entry.summary]
    yield ",\n".join(f".BR {_text(f'dsops-{name}')} (1)" for name in names).replace(" (1),", " (1),")


def _of_command(name: str, command: Command) -> Iterator[str]:
    yield from _head(f"dsops-{name.replace(' ', '-')}", _text(summary_of(command).removesuffix(".")))
    yield from _body(name, command, ".SH")
    yield ".SH FLAGS OF EVERY COMMAND"
    yield from _flags(COMMON)
    yield from _end()


def _of_group(name: str, group: Group) -> Iterator[str]:
    yield from _head(f"dsops-{name}", _text(COMMANDS[name].summary))
    yield from (".SH SYNOPSIS", f".B dsops {name}", ".I COMMAND", _text("[FLAGS] ..."))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(group.help)
    for member, command in group.commands.items():
        yield f".SH {_text(f'dsops {name} {member}').upper()}"
        yield from _body(f"{name} {member}", command, ".SS")
    yield ".SH FLAGS OF EVERY COMMAND"
    yield from _flags(COMMON)
    yield from _end()


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH {_text(name).upper()} 1 "" "dsops {__version__}" "dsops manual"'
    yield ".nh"  # `.nh` switches hyphenation off: a hyphen would look like a part of a flag or variable
    yield from (".SH NAME", f"{_text(name)} \\- {summary}")


def _body(name: str, command: Command, section: str) -> Iterator[str]:
    yield from (f"{section} SYNOPSIS", f".B {_text(usage(name, command))}", f"{section} DESCRIPTION")
    yield from _paragraphs(command.help)
    if command.operands:
        yield f"{section} OPERANDS"
    for operand in command.operands:
        yield from (".TP", f".I {_text(operand.name)}", _text(operand.help))
    if command.flags:
        yield f"{section} FLAGS"
        yield from _flags(command.flags)


def _flags(flags: Sequence[Flag]) -> Iterator[str]:
    for flag in flags:
        yield from (".TP", f".B {_text(spelling(flag))}", _text(f"{flag_help(flag)}. Variable: {flag.variable}."))


def _end() -> Iterator[str]:
    yield from (".SH SEE ALSO", ".BR dsops (1)")


def _paragraphs(text: str) -> Iterator[str]:
    for number, block in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        is_list = any(line.startswith((" ", "- ")) for line in block.split("\n"))
        yield from ([".nf"] if is_list else [])
        yield from (_text(line) for line in block.split("\n"))
        yield from ([".fi"] if is_list else [])


def _text(text: str) -> str:
    """Escape the characters that troff would interpret, also a full stop at the beginning of a line."""
    escaped = "".join(
        character if character.isascii() else f"\\[u{ord(character):04X}]" for character in text.translate(_ESCAPES)
    )
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
