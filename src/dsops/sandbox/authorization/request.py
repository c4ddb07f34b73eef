"""An authenticated request on its way through the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.sandbox.authorization.caller import Caller


class AuthenticatedRequest(NamedTuple):
    """The caller, the operation, and the condition keys that do not depend on the operation."""

    caller: Caller
    operation: str
    parameters: Mapping[str, object]
    context: Mapping[str, tuple[str, ...]]
    now: float
    """The sandbox's time."""
    request_id: str
    host: str = ""
    """The host name that the client used."""

    def text(self, name: str) -> str:
        """Return a parameter as text; "" when it is absent."""
        return str(self.parameters.get(name, ""))

    def number(self, name: str, default: int) -> int:
        """Return a parameter as a number."""
        return int(str(self.parameters.get(name, default)))
