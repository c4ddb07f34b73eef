"""How output looks on a terminal: whether it has colours, its width, coloured errors, tables that fit.

Colours are plain ANSI codes, so that showing an error needs no import. Only this module imports rich, and only to
show a table on a terminal. https://no-color.org and https://bixense.com/clicolors define the variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dsops.user_folders import with_tilde

WIDEST = 100
"""The width of running text: longer lines are hard to read, however wide the terminal is."""

_NARROWEST = 40
_DEFAULT_COLUMNS = 80
"""The width of a terminal that does not report one."""

_UNLIMITED = 10_000
_GAP = 2
_SENTENCE = 20
"""The columns that a wrapped sentence needs to stay readable; a table drops columns before a cell gets narrower."""

_WORD = 32
"""The length up to which a word, such as a name, is not broken. An ARN is longer and can be broken."""

_BOLD, _DIM, _BOLD_RED, _BOLD_YELLOW, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[0m"
_SEVERITIES: Mapping[str, str] = {"error": _BOLD_RED, "failed": _BOLD_RED, "warning": _BOLD_YELLOW}
_DETAILS = ("  hint: ", "  next: ")
_STYLES: Mapping[str, str] = {"ok": "green", "held": "green", "skipped": "dim", "warning": "yellow", "failed": "red"}
"""A state -> its colour. The word of the state is shown, too, for readers without colours."""


def is_live(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the descriptor is a terminal on which a line can be erased."""
    return _is_terminal(descriptor) and environ.get("TERM", "dumb") != "dumb"


def has_colour(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to write colours to this descriptor: NO_COLOR decides first, then CLICOLOR_FORCE, then the terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return is_live(descriptor, environ)


def columns(descriptor: int) -> int:
    """Return the width of the terminal, or 80 if it reports none."""
    try:
        return os.get_terminal_size(descriptor).columns or _DEFAULT_COLUMNS
    except (OSError, ValueError):
        return _DEFAULT_COLUMNS


def text_width(descriptor: int) -> int:
    """Return the width for running text: the terminal's width, limited to 40 to 100 columns; 100 without a terminal."""
    return max(_NARROWEST, min(WIDEST, columns(descriptor))) if _is_terminal(descriptor) else WIDEST


def heading(text: str, descriptor: int) -> str:
    """Return the text in bold if the descriptor supports colours."""
    return f"{_BOLD}{text}{_RESET}" if has_colour(descriptor) else text


def dimmed(text: str, descriptor: int) -> str:
    """Return the text dim if the descriptor supports colours."""
    return _styled(text, _DIM) if has_colour(descriptor) else text


def alarming(text: str, descriptor: int) -> str:
    """Return the text in bold red if the descriptor supports colours."""
    return f"{_BOLD_RED}{text}{_RESET}" if has_colour(descriptor) else text


def wrapped(text: str, descriptor: int, indent: int = 4) -> str:
    """Return a message with `~` for the home folder; for a terminal, its lines are wrapped between words.

    A command is not wrapped, since a pasted line break would end it; the terminal continues it in the next row.
    """
    text = with_tilde(text, os.environ)
    width = columns(descriptor) if _is_terminal(descriptor) else _UNLIMITED
    if width < _NARROWEST:
        return text
    return "\n".join(part for line in text.split("\n") for part in rows_of(line, width, indent))


def shown_error(text: str, descriptor: int) -> str:
    """Return the text of errors and findings: wrapped, `error[code]` in red, the rest of that line bold, hints dim."""
    if not has_colour(descriptor):
        return wrapped(text, descriptor)
    return "\n".join(_coloured(line, wrapped(line, descriptor)) for line in text.split("\n"))


def rows_of(line: str, width: int, indent: int) -> list[str]:
    """Split the line into rows that fit the width. Texts in backticks and words longer than a row stay whole."""
    if _cells(line) <= width:
        return [line]
    import re

    # The pattern matches, in this order: a text in backticks; in a hint, a dsops command up to the end of the clause; a
    # word; the space at the end of a question.
    command = r"|(?<=: )dsops [^;`]*\S" if line.startswith(_DETAILS) else ""
    words = re.findall(rf"\s*(?:`[^`]*`\S*{command}|\S+)|\s+$", line)
    parts = [""]
    for word in words:
        # A word that is longer than a row is not moved to the next row, because it would not fit there either.
        has_row = 0 < _cells(word.strip()) <= width - indent
        if has_row and parts[-1].strip() and _cells(parts[-1] + word) > width:
            parts.append(" " * indent + word.lstrip())
        else:
            parts[-1] += word
    return parts


def _cells(text: str) -> int:
    """Return the number of columns that a text needs on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(2 if east_asian_width(one) in "WF" else not combining(one) for one in text)


def _coloured(line: str, shown: str) -> str:
    """Return a wrapped line of an error with its colours; each row ends its colours."""
    if line.startswith(_DETAILS):
        return _styled(shown, _DIM)
    if line.startswith(" "):
        return shown
    # The line is `dsops: error[code]: message`, or `file:line: warning[code]: message`.
    for word, colour in _SEVERITIES.items():
        before, start, rest = shown.partition(f": {word}[")
        code, bracket, message = rest.partition("]")
        if start and bracket:
            return f"{_BOLD}{before}: {_RESET}{colour}{word}[{code}]{_RESET}{_styled(message, _BOLD)}"
    return shown


def _styled(text: str, style: str) -> str:
    return "\n".join(f"{style}{line}{_RESET}" if line else "" for line in text.split("\n"))


def fits_table(descriptor: int) -> bool:
    """Whether to fit a table to the width: for a terminal, or if colours are forced."""
    return _is_terminal(descriptor) or has_colour(descriptor)


def table_text(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    descriptor: int,
    state: str = "",
    least: Sequence[str] = (),
    indent: int = 0,
) -> str:
    """Return a table that fits the terminal.

    `least` names the columns that may be left out, the least important first. The words of the column `state` get a
    colour. If the table does not fit even with wrapped cells, each row becomes a block of lines.
    """
    width = (columns(descriptor) if _is_terminal(descriptor) else _UNLIMITED) - indent
    shown = _fitting(headings, rows, width, least)
    cells = [[row[column] for column in shown] for row in rows]
    names = [headings[column] for column in shown]
    if _needed(names, cells) > width:
        return _blocks(names, cells, max(width, 1), indent)
    text = _rich_table(names, cells, width, state, has_colour=has_colour(descriptor))
    return "\n".join(f"{' ' * indent}{line}".rstrip() for line in text.splitlines())


def _fitting(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, least: Sequence[str]) -> list[int]:
    """Return the columns to show: all with a non-empty cell, without the least important ones if they do not fit."""
    shown = [column for column in range(len(headings)) if not rows or any(row[column] for row in rows)]
    for name in least:
        cells = [[row[column] for column in shown] for row in rows]
        if _needed([headings[column] for column in shown], cells) <= width:
            break
        shown = [column for column in shown if headings[column] != name]
    return shown


def _needed(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the smallest width at which the table is readable."""
    return sum(_least_widths(headings, rows)) + _GAP * (len(headings) - 1)


def _least_widths(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width that each column needs: for its heading, its longest word, and a few words of a sentence."""
    widths = []
    for column, name in enumerate(headings):
        cells = [row[column] for row in rows]
        longest_word = max([0, *(len(word) for cell in cells for word in cell.split())])
        longest_cell = max([0, *map(len, cells)])
        widths.append(max(len(name), min(longest_word, _WORD), min(longest_cell, _SENTENCE)))
    return widths


def _blocks(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, indent: int) -> str:
    """Return each row as a block of lines `HEADING value`, for a terminal that is too narrow for a table."""
    from textwrap import wrap

    blocks = []
    for row in rows:
        lines: list[str] = []
        for name, cell in zip(headings, row, strict=True):
            if cell:
                indent_text = "  " if width > 4 else ""
                lines += wrap(f"{name} {cell}", width, subsequent_indent=indent_text, break_on_hyphens=False)
        blocks.append("\n".join(f"{' ' * indent}{line}" for line in lines))
    return "\n\n".join(blocks) if blocks else " ".join(headings)


def _rich_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, state: str, *, has_colour: bool
) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name, least_width in zip(headings, _least_widths(headings, rows), strict=True):
        table.add_column(name, overflow="fold", min_width=least_width)
    for row in rows:
        styled = zip(headings, row, strict=True)
        table.add_row(*[Text(cell, _STYLES.get(cell, "red") if name == state else "") for name, cell in styled])
    file = StringIO()
    # All settings are passed, so that rich does not detect any of them itself.
    Console(
        file=file,
        width=width,
        force_terminal=has_colour,
        color_system="standard" if has_colour else None,
        no_color=not has_colour,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    ).print(table)
    return file.getvalue()


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
