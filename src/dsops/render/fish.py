"""Write `set -gx NAME 'value'` lines for fish, whose `export` loses the text after a newline."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.render import require_shell_name
from dsops.render.shell import quote, shell_bytes
from dsops.secret import Secret


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one command for each variable, in the given order."""
    return b"".join(_line(name, value) for name, value in values.items())


def _line(name: str, value: Secret) -> bytes:
    require_shell_name(name)
    return b"set -gx %s %s\n" % (name.encode(), quote(shell_bytes(name, value)))


def quote_bytes(data: bytes) -> bytes:
    r"""Quote bytes as one fish word.

    Bytes that are not UTF-8 become `\X` escapes, because fish reads its input as text.
    """
    word, text = b"", ""
    for character in data.decode("utf-8", "surrogateescape"):
        if "\udc80" <= character <= "\udcff":
            word += (quote(text.encode()) if text else b"") + b"\\X%02x" % (ord(character) - 0xDC00)
            text = ""
        else:
            text += character
    return word + quote(text.encode()) if text or not word else word
