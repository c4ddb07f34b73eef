"""The type of an authenticated request, as the sandbox's services receive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.sandbox.authorization.caller import Caller


class AuthenticatedRequest(NamedTuple):
    """A request with its caller, its operation, and the condition keys that do not depend on the operation."""

    caller: Caller
    operation: str
    parameters: Mapping[str, object]
    context: Mapping[str, tuple[str, ...]]
    now: float
    """The time by the sandbox's clock, in seconds since 1970."""
    request_id: str
    host: str = ""
    """The host name to which the client sent the request."""

    def text(self, name: str) -> str:
        """Return a parameter as text; "" if the parameter is absent."""
        return str(self.parameters.get(name, ""))

    def number(self, name: str, default: int) -> int:
        """Return a parameter as a number; `default` if the parameter is absent."""
        return int(str(self.parameters.get(name, default)))
