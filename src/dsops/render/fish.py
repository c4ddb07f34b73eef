"""`set -gx NAME 'value'` lines for fish, whose `export` loses what follows a newline."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.render import require_shell_name
from dsops.render.shell import quote, shell_bytes
from dsops.secret import Secret


def render(values: Mapping[str, Secret]) -> bytes:
    """One command a variable, in the order given."""
    return b"".join(_line(name, value) for name, value in values.items())


def _line(name: str, value: Secret) -> bytes:
    require_shell_name(name)
    return b"set -gx %s %s\n" % (name.encode(), quote(shell_bytes(name, value)))
