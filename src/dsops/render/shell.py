"""Write `export NAME='value'` lines for Bourne-like shells, quoted so that fish reads them in the same way."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name
from dsops.secret import Secret


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one command for each variable, in the given order.

    Values may contain any bytes except NUL, because a shell does not require UTF-8.
    """
    return b"".join(_line(name, value) for name, value in values.items())


def _line(name: str, value: Secret) -> bytes:
    require_shell_name(name)
    return b"export %s=%s\n" % (name.encode(), quote(shell_bytes(name, value)))


def quote(data: bytes) -> bytes:
    r"""Quote the bytes as one word in which a shell expands nothing.

    Quotes and backslashes are escaped outside of the quotes, because fish interprets `\\` inside quotes.
    """
    quoted = data.replace(b"\\", b"\0").replace(b"'", b"'\\''").replace(b"\0", b"'\\\\'")
    return b"'%s'" % quoted


def shell_bytes(name: str, value: Secret) -> bytes:
    """Return the value's bytes. Raises ValueUnusable for a value that no shell variable can contain."""
    try:
        data = value.reveal_bytes()
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" in data:
        raise ValueUnusable(
            f"the value of `{name}` can't be put into a shell variable",
            why="it contains a NUL byte or an unpaired UTF-16 surrogate",
            hint="add `transform: base64_encode`",
        )
    return data
