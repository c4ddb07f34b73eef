"""Write `$env:NAME = 'value'` lines for PowerShell in ASCII. Each line is a complete command.

`dsops ... | Invoke-Expression` gets its input line by line, so newlines are written as character codes. So are
non-ASCII characters, because Windows PowerShell 5.1 reads a script without a byte order mark in the machine's legacy
code page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.render import require_shell_name, text_of_variable
from dsops.secret import Secret

# PowerShell also treats U+2018 to U+201B as `'`. As they are not ASCII, they are written as character codes.
_PARTS = re.compile(r"[\x20-\x7e]+|[^\x20-\x7e]")


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one command for each variable, in the given order."""
    return "".join(_line(name, value) for name, value in values.items()).encode()


def _line(name: str, value: Secret) -> str:
    require_shell_name(name)
    text = text_of_variable(name, value, "PowerShell")
    parts = [part for match in _PARTS.findall(text) for part in _literals(match)]
    # In PowerShell, `+` appends only if the first operand is a string. With a character it would add numbers.
    if not parts or not parts[0].startswith("'"):
        parts.insert(0, "''")
    return f"$env:{name} = {' + '.join(parts)}\n"


def _literals(part: str) -> list[str]:
    """Return ASCII text in quotes, and other text as the codes of its UTF-16 code units (PowerShell's characters)."""
    if part.isascii() and part.isprintable():
        return ["'{}'".format(part.replace("'", "''"))]
    units = part.encode("utf-16-be")
    return [f"[char]0x{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2)]
