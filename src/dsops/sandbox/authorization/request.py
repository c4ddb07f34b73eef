"""One authenticated request on its way through the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.sandbox.authorization.caller import Caller


class StsRequest(NamedTuple):
    """Who asks for what, and the condition keys that don't depend on the operation."""

    caller: Caller
    operation: str
    parameters: Mapping[str, object]
    context: Mapping[str, tuple[str, ...]]
    now: float
    """The sandbox's time."""
    request_id: str
    host: str = ""
    """The name by which the client called the endpoint."""

    def text(self, name: str) -> str:
        """A parameter's text; "" when it was not sent."""
        return str(self.parameters.get(name, ""))

    def number(self, name: str, default: int) -> int:
        """A parameter's number."""
        return int(str(self.parameters.get(name, default)))
