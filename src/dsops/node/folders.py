"""Creates folders that every user of the machine may enter, and that only the node's user may write."""

from __future__ import annotations

import os

_BITS = 0o755


def make_public_folder(path: str) -> None:
    """Create the folder and its missing parents with mode 0755, whatever the umask is. Raises OSError."""
    if os.path.lexists(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_public_folder(parent)
    os.mkdir(path)
    os.chmod(path, _BITS)
