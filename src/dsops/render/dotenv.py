"""NAME=value lines that python-dotenv reads back exactly, with its interpolation on.

Readers of such files differ, and people `source` them. So a value that a shell reads alike is written so
that it does, and any other so that a shell stops with an error instead of running a part of the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name, text_of
from dsops.secret import Secret

# No `=`: zsh takes `A==ls` for the path of `ls`.
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+")

_INTERPOLATED = re.compile(r"\$\{[^}]*\}")
"""What python-dotenv expands, inside any quotes, and has no escape for."""

_DOLLAR = "${.:-$}"
"""For python-dotenv a variable that nobody can set, with its default: a dollar sign that begins nothing."""

_NOTHING = "${.:-}"
"""The same, with an empty default. For a shell a bad substitution: it stops before the rest is looked at."""


def render(values: Mapping[str, Secret]) -> bytes:
    """One line a variable, in the order given."""
    return "".join(_line(name, value) for name, value in values.items()).encode()


def _line(name: str, value: Secret) -> str:
    require_shell_name(name)
    text = text_of(name, value, "dotenv")
    if "\0" in text:
        raise ValueUnusable(
            f"the value of `{name}` can't be written as dotenv",
            why="it holds a NUL byte",
            hint="add `transform: base64_encode`",
        )
    return f"{name}={_quoted(text)}\n"


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    is_plain = not _INTERPOLATED.search(text) and "\r" not in text and not text.endswith("\\")
    # In single quotes python-dotenv unescapes `\\` and `\'`, a shell nothing.
    if is_plain and "'" not in text and "\\\\" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # In double quotes both unescape `\\` and `\"`; a shell goes on to expand `$` and backticks.
    if is_plain and "$" not in text and "`" not in text:
        return f'"{escaped}"'
    # Reading turns a carriage return into a newline unless it is escaped. An older python-dotenv takes a
    # backslash at the end for the escape of the closing quote.
    escaped = escaped.replace("${", f"{_DOLLAR}{{").replace("\r", "\\r")
    end = _NOTHING if escaped.endswith("\\") else ""
    return f'"{_NOTHING}{escaped}{end}"'
