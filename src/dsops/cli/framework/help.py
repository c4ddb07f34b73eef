"""Generates the text of `--help` from the declared commands and flags."""

from __future__ import annotations

from textwrap import fill

from dsops.cli.framework.command import Command, Flag, Group, Operand
from dsops.cli.framework.commands import COMMANDS, DAILY, GROUPS, group_of
from dsops.cli.framework.output import answer, tell
from dsops.cli.framework.screen import WIDEST, heading, rows_of, text_width
from dsops.errors import UsageError

_INDENT = 26
_WIDE_ENOUGH = 64
"""The minimum width, in columns, for showing names and texts side by side."""

_LAST_LINES = (
    "Every command takes --json, -v (--verbose), -q (--quiet) and --debug. Each flag can also be set by a variable:"
    " `dsops help --man NAME` names it."
)


def show_overview(*, is_asked: bool) -> int:
    """Show the overview of commands: on stdout for --help, on stderr for an empty command line."""
    return _show(overview_text(_width(is_asked=is_asked)), is_asked=is_asked)


def overview_text(width: int = WIDEST) -> str:
    """Return the overview: the most frequent commands with an example, then all others in groups."""
    lines = ["usage: dsops COMMAND [FLAGS] ...", "", "every day:"]
    daily = {name: example for name, example in DAILY.items() if name in COMMANDS}
    lines += [_entry(f"dsops {example}", COMMANDS[name].summary, width, _INDENT + 6) for name, example in daily.items()]
    others = [name for name, entry in COMMANDS.items() if entry.summary and name not in daily]
    for group in dict.fromkeys([*GROUPS.values(), *map(group_of, others)]):
        members = [name for name in others if group_of(name) == group]
        if members:
            lines += ["", f"{group}:", *(_entry(name, COMMANDS[name].summary, width) for name in members)]
    end = "`dsops COMMAND --help` shows the help of a command; `dsops version` prints the version"
    return "\n".join([*lines, "", *rows_of(end, width, 0)])


def show_group(name: str, group: Group, *, is_asked: bool) -> int:
    """Show the help of a group: its commands, and its default command."""
    width = _width(is_asked=is_asked)
    member = "[COMMAND]" if group.default else "COMMAND"
    lines = [_usage_line(f"dsops {name} {member} [FLAGS] ...", width), "", *_paragraphs(group.help, width)]
    lines += ["", "commands:"]
    lines.extend(_entry(member, summary_of(command), width) for member, command in group.commands.items())
    if group.default:
        lines.extend(["", f"`dsops {name}` is `dsops {name} {group.default}`:"])
        lines.extend(_details(group.commands[group.default], width))
    return _show("\n".join(lines), is_asked=is_asked)


def show_command(name: str, command: Command) -> int:
    """Show the help of one command."""
    return _show(command_text(name, command, _width(is_asked=True)), is_asked=True)


def command_text(name: str, command: Command, width: int = WIDEST) -> str:
    """Return the help of a command: usage, description, operands and flags."""
    head = _usage_line(usage(name, command), width)
    return "\n".join([head, "", *_paragraphs(command.help, width), *_details(command, width)])


def _details(command: Command, width: int) -> list[str]:
    """Return the help lines of operands and flags."""
    lines = []
    if command.operands:
        lines.extend(["", "operands:", *(_entry(operand.name, operand.help, width) for operand in command.operands)])
    if command.flags:
        lines.extend(["", "flags:", *(_entry(spelling(flag), flag_help(flag), width) for flag in command.flags)])
    return [*lines, "", *rows_of(_LAST_LINES, width, 0)]


def summary_of(command: Command) -> str:
    """Return the first line of a command's help."""
    return command.help.split("\n", 1)[0]


def usage(name: str, command: Command) -> str:
    """Return the usage line: `dsops exec [FLAGS] -- PROGRAM [ARGUMENTS]`."""
    parts = ["dsops", name, "[FLAGS]", *(_operand(operand) for operand in command.operands)]
    if command.takes_command:
        parts.extend(["--", "PROGRAM", "[ARGUMENTS]"])
    return " ".join(parts)


def flag_help(flag: Flag) -> str:
    """Return the flag's help with its choices and default."""
    parts = [flag.help]
    if flag.choices:
        parts.append(f": {', '.join(flag.choices)}")
    if flag.default:
        parts.append(f" (default {flag.default})")
    return "".join(parts)


def _operand(operand: Operand) -> str:
    text = f"{operand.name}..." if operand.is_repeatable else operand.name
    return text if operand.is_required else f"[{text}]"


def spelling(flag: Flag) -> str:
    """Return the flag with its short name and its value: `-e, --env NAME`."""
    value = "" if flag.kind == "switch" else f" {flag.value or 'VALUE'}"
    return f"{flag.short + ', ' if flag.short else ''}{flag.name}{value}"


def _usage_line(text: str, width: int) -> str:
    return fill(f"usage: {text}", width, subsequent_indent=" " * 9, break_on_hyphens=False, break_long_words=False)


def _paragraphs(text: str, width: int) -> list[str]:
    """Return the lines of a text, wrapped again if the terminal is narrower than these lines."""
    if width >= WIDEST:
        return text.split("\n")
    lines: list[str] = []
    for block in text.split("\n\n"):
        is_list = any(line.startswith((" ", "- ")) for line in block.split("\n"))
        parts = block.split("\n") if is_list else [" ".join(block.split("\n"))]
        lines += ["", *(fill(part, width, subsequent_indent="  " if is_list else "") for part in parts)]
    return lines[1:]


def _entry(name: str, text: str, width: int, indent: int = _INDENT) -> str:
    if width < _WIDE_ENOUGH:
        below = " " * 6
        return f"  {name}\n{fill(text, width, initial_indent=below, subsequent_indent=below, break_on_hyphens=False)}"
    start = f"  {name:<{indent - 4}}  "
    return fill(text, width, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False)


def _width(*, is_asked: bool) -> int:
    return text_width(1 if is_asked else 2)


def _show(text: str, *, is_asked: bool) -> int:
    descriptor = 1 if is_asked else 2
    shown = "\n".join(
        heading(line, descriptor) if line.endswith(":") and not line.startswith((" ", "`")) else line
        for line in text.split("\n")
    )
    if is_asked:
        answer(shown)
        return 0
    tell(shown)
    return UsageError.exit_code
