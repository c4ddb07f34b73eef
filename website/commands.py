"""docs/reference/cli.md -> a page for each command, and a page that lists the commands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.cli.framework.command import Command
from dsops.cli.framework.commands import COMMANDS, GROUPS, group_of, load

FOLDER = "reference/cli"
_WIDE = "---\nhide:\n  - toc\n---\n\n"
"""A page without the list of its headings has room for the 100 columns of the help."""
_SECTION = re.compile(r"^## dsops (.+)\n", re.MULTILINE)
_ROW = re.compile(r"^\| (`DSOPS_\w+`) \| (`--[\w-]+`) \| (.+) \|$", re.MULTILINE)


def page_of(command: str) -> str:
    """The path of a command's page: `sandbox run` -> `reference/cli/sandbox-run.md`."""
    return f"{FOLDER}/{command.replace(' ', '-')}.md"


def split(text: str) -> tuple[str, Mapping[str, str]]:
    """The text before the first command, and for each command its section."""
    head, *parts = _SECTION.split(text)
    return head, dict(zip(parts[::2], parts[1::2], strict=True))


def anchors(text: str) -> dict[str, str]:
    """Anchor of a command in cli.md -> the page of the command."""
    return {f"dsops-{name.replace(' ', '-')}": page_of(name) for name in split(text)[1]}


def command_pages(text: str) -> dict[str, str]:
    """The pages of all commands: path -> text."""
    head, sections = split(text)
    rows = _ROW.findall(head)
    pages = {}
    for name, section in sections.items():
        own = [f"| {flag} | {variable} |" for variable, flag, names in rows if name in names.split(", ")]
        common = [f"| {flag} | {variable} |" for variable, flag, names in rows if names == "every command"]
        table = "\n".join(["| flag | variable |", "|---|---|", *own, *common])
        pages[page_of(name)] = f"{_WIDE}# dsops {name}\n{section.rstrip()}\n\n## Variables\n\n{table}\n"
    return pages


def index_page(text: str) -> str:
    """The page of the command line: the text before the first command, after a list of the commands by group."""
    head = split(text)[0]
    title, _, rest = head.partition("\n")
    return f"{title}\n\n## Commands\n\n{_lists(text)}\n## Flags and output\n{rest}"


def groups(text: str) -> dict[str, list[str]]:
    """Group of the overview -> its commands, in the order of the overview."""
    names = list(split(text)[1])
    found: dict[str, list[str]] = {group: [] for group in GROUPS.values()}
    for name in names:
        found[group_of(name.split(" ", maxsplit=1)[0])].append(name)
    return found


def _lists(text: str) -> str:
    lines = []
    for group, names in groups(text).items():
        lines += [f"### {group[0].upper()}{group[1:]}\n", "| command | |", "|---|---|"]
        lines += [f"| [`dsops {name}`]({name.replace(' ', '-')}.md) | {_summary(name)} |" for name in names]
        lines.append("")
    return "\n".join(lines) + "\n"


def _summary(name: str) -> str:
    first, _, member = name.partition(" ")
    command = load(first)
    if isinstance(command, Command):
        text = COMMANDS[first].summary
    else:
        text = command.commands[member].help.split("\n", maxsplit=1)[0]
    return f"{text[0].upper()}{text[1:].rstrip('.')}"
