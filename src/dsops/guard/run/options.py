"""The options of one guarded run."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from dsops.guard.caller import GuardCaller
from dsops.guard.destinations import Network
from dsops.guard.run.limits import RunLimits
from dsops.policy import LimitingPolicies
from dsops.service_reference import ServiceReference

if TYPE_CHECKING:
    from dsops.recording.recorder import RunRecorder

Answer = Literal["once", "run", "no"]


class Asked(NamedTuple):
    """An action that no policy allows or denies."""

    action: str
    resource: str
    """The resource for the user, with `*` and `?` for unknown parts."""
    is_destructive: bool
    exact: str
    """The resource for a statement that allows this resource and no other; "" if there must be no such statement."""


AskUser = Callable[[Asked], Answer]
"""Asks the user."""


class GuardOptions(NamedTuple):
    """What a guarded command may do, and with which identity."""

    store: str
    caller: GuardCaller
    policies: LimitingPolicies
    reference: ServiceReference
    network: Network
    """Which other hosts the command may reach: `aws` for none, `all`, or patterns of host names."""
    limits: RunLimits
    listen: tuple[str, int] | socket.socket | str = ("127.0.0.1", 0)
    """Where to serve: an address and port (0 for a free port), a listening socket, or the path of a Unix socket."""
    certificates: str = ""
    """Where to write the certificates that the command trusts; "" for a temporary file."""
    recorder: RunRecorder | None = None
    show: Callable[[str], None] = lambda _: None
    """Shows a line to the user."""
    ask: AskUser | None = None
    """Asks the user about a request that the policies neither allow nor deny, in the loop that watches the command."""
