"""The control endpoints for the page's view of the accounts: users, roles, sessions, and who can assume which role."""

from __future__ import annotations

from urllib.parse import parse_qs

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.decision_endpoints import Said
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.page.principals import links_view, principals_view


class WorldEndpoints:
    """The endpoints for the accounts of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def principals(self, request: HttpRequest) -> Said:
        """Return the users and roles by account; `search` selects those whose ARN contains the text."""
        sandbox = self._sandbox
        with sandbox.world.lock:
            search, now = _value(request, "search"), sandbox.clock.now()
            return 200, principals_view(sandbox.world, sandbox.sessions, search, now)

    def links(self, request: HttpRequest) -> Said:
        """Return which roles the principal `arn` can assume, and who can assume it."""
        sandbox, arn = self._sandbox, _value(request, "arn")
        with sandbox.world.lock:
            links = links_view(sandbox.world, sandbox.judge, request, arn, sandbox.clock.now())
        return (404, {"error": f"there is no user or role {arn}"}) if links is None else (200, links)


def _value(request: HttpRequest, name: str) -> str:
    return parse_qs(request.query).get(name, [""])[0]
