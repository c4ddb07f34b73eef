"""The methods of a keyring backend, and the names of the backends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dsops.errors import nearest
from dsops.secret import Secret
from dsops.startup import Protocol

DESKTOP, KERNEL, PASS, ONE_PASSWORD, FILE = "desktop", "kernel", "pass", "op", "file"
NAMES = (DESKTOP, KERNEL, PASS, ONE_PASSWORD, FILE)
DEFAULT_ORDER = (DESKTOP, PASS, FILE)
"""The default order of backends.

It leaves out two: `kernel` loses its secrets at a reboot, and `op` sends secrets to a remote service.
"""

_VAULT = re.compile(r"op:[^\s,:][^,:\x00-\x1f\x7f]{0,99}")


class Backend(Protocol):
    """A service or program that stores secrets. All methods raise KeyringFailed or a subclass, or ExtraMissing."""

    def get(self, service: str, account: str) -> Secret | None:
        """Return the secret stored under that name, or None if there is none."""

    def put(self, service: str, account: str, value: Secret) -> str:
        """Store a secret, replacing any secret of that name. Returns a description of the location, for messages.

        Raises KeyringUnavailable or ExtraMissing if this machine can't use the backend. The caller then tries the next
        backend.
        """

    def delete(self, service: str, account: str) -> None:
        """Delete a secret. Does nothing if there is no secret of that name."""

    def check(self) -> str:
        """Return why this machine can't use the backend, or "" if it can. Shows no prompt."""


def parse_order(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words as an order of backends. Raises ValueError for an unknown or repeated name."""
    for word in words:
        if word not in NAMES and not _VAULT.fullmatch(word):
            near = nearest(word.partition(":")[0], NAMES)
            meant = f"did you mean `{near}`? " if near and near != word else ""
            raise ValueError(f"there is no keyring backend `{word}`: {meant}the backends are {', '.join(NAMES)}")
    if len(set(words)) < len(words):
        raise ValueError("a keyring backend is named twice")
    if not words:
        raise ValueError(f"no keyring backend is named; the backends are {', '.join(NAMES)}")
    return tuple(words)
