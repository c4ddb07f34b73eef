"""The socket on which a guard listens."""

from __future__ import annotations

import socket
from typing import Final

_BACKLOG: Final = 1_024


def open_listener(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens on a host and port. Raises OSError for an address that can't be used."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.create_server(address, family=family, backlog=_BACKLOG)
