"""Write NAME=value lines that python-dotenv reads back exactly, with interpolation enabled.

Programs read dotenv files differently, and users `source` them in a shell. A value that a shell and python-dotenv read
in the same way is written plainly. Any other value is written so that a shell stops with an error, and does not run a
part of the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name, text_of
from dsops.secret import Secret

# The pattern has no `=`, because zsh expands `A==ls` to the path of `ls`.
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+")

_INTERPOLATED = re.compile(r"\$\{[^}]*\}")
"""A string that python-dotenv expands inside any quotes. The format has no escape for such a string."""

_DOLLAR = "${.:-$}"
"""A dollar sign that does not begin an expansion in python-dotenv.

It is written as a variable that is never set, with the default `$`.
"""

_NOTHING = "${.:-}"
"""An empty string, written as a variable that can't be set, with an empty default.

A shell stops here with the error "bad substitution".
"""


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one line for each variable, in the given order."""
    return "".join(_line(name, value) for name, value in values.items()).encode()


def _line(name: str, value: Secret) -> str:
    require_shell_name(name)
    text = text_of(name, value, "dotenv")
    if "\0" in text:
        raise ValueUnusable(
            f"the value of `{name}` can't be written as dotenv",
            why="it contains a NUL byte",
            hint="add `transform: base64_encode`",
        )
    return f"{name}={_quoted(text)}\n"


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    is_plain = not _INTERPOLATED.search(text) and "\r" not in text and not text.endswith("\\")
    # In single quotes, python-dotenv unescapes `\\` and `\'`, and a shell unescapes nothing.
    if is_plain and "'" not in text and "\\\\" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # In double quotes, python-dotenv and a shell unescape `\\` and `\"`; a shell also expands `$` and backticks.
    if is_plain and "$" not in text and "`" not in text:
        return f'"{escaped}"'
    # An unescaped carriage return is read back as a newline. An older python-dotenv reads a backslash at the end as the
    # escape of the closing quote.
    escaped = escaped.replace("${", f"{_DOLLAR}{{").replace("\r", "\\r")
    end = _NOTHING if escaped.endswith("\\") else ""
    return f'"{_NOTHING}{escaped}{end}"'
