"""`export NAME='value'` lines for Bourne-like shells, quoted so that fish reads them the same."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name
from dsops.secret import Secret


def render(values: Mapping[str, Secret]) -> bytes:
    """One command per variable, in the given order. Values need not be UTF-8: a shell accepts bytes."""
    return b"".join(_line(name, value) for name, value in values.items())


def _line(name: str, value: Secret) -> bytes:
    require_shell_name(name)
    return b"export %s=%s\n" % (name.encode(), quote(shell_bytes(name, value)))


def quote(data: bytes) -> bytes:
    r"""The bytes as one word, in which a shell expands nothing.

    A quote and a backslash stand outside the quotes, escaped: fish unescapes `\\` inside them.
    """
    quoted = data.replace(b"\\", b"\0").replace(b"'", b"'\\''").replace(b"\0", b"'\\\\'")
    return b"'%s'" % quoted


def shell_bytes(name: str, value: Secret) -> bytes:
    """The value's bytes; raises ValueUnusable for a value that no shell variable can hold."""
    try:
        data = value.reveal_bytes()
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" in data:
        raise ValueUnusable(
            f"the value of `{name}` can't be put into a shell's variable",
            why="it holds a NUL byte, or half of a UTF-16 surrogate pair",
            hint="add `transform: base64_encode`",
        )
    return data
