"""Find the operation of a request to IAM Roles Anywhere, which is recognized by the name in its signature's scope."""

from __future__ import annotations

from typing import Final

from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import ROLES_ANYWHERE
from dsops.request.wire.route import Route, rest_route, signed_for

CREATE_SESSION: Final = "CreateSession"
"""The operation that a certificate signs. botocore's model does not have it."""
_SESSIONS: Final = "/sessions"
_MOST_BYTES: Final = 1_000_000


def find_anywhere_route(request: HttpRequest) -> Route | None:
    """Return the route; None for a request to another service. Raises SandboxRefusal for an unknown operation."""
    if signed_for(request) != ROLES_ANYWHERE:
        return None
    if len(request.body) > _MOST_BYTES:
        raise refusal("RequestEntityTooLargeException", "", 413)
    if request.path == _SESSIONS:
        if request.method != "POST":
            raise refusal("UnknownOperationException", "", 404)
        return Route(
            ROLES_ANYWHERE, CREATE_SESSION, "rest-json", wants_json=False, fields={}, document={}, request=request
        )
    try:
        route = rest_route(ROLES_ANYWHERE, request, request.path)
    except ValueError as error:  # the path has escapes that are not valid UTF-8
        raise refusal("MalformedInput", None) from error
    if route is None:
        raise refusal("UnknownOperationException", "", 404)
    return route
