"""An HTTP request -> the operation of IAM Identity Center that it is for, if any.

Nobody signs these requests, and one address serves everything here: so a request is for the portal when it carries the
portal's token, and for the sign-in service when it is JSON for one of three paths. Either could be meant for a bucket
of that name (`/token`); but nobody sends JSON to one without a signature, and a signed request is never taken.
"""

from __future__ import annotations

from dsops.sandbox.http.messages import HttpRequest
from dsops.sandbox.wire.models import OIDC, PORTAL
from dsops.sandbox.wire.rest_routes import find_operation
from dsops.sandbox.wire.route import Route, query_pairs, signed_for

TOKEN_HEADER = "x-amz-sso_bearer_token"
"""The one header of AWS's with an underscore."""
_ON_THE_WIRE = TOKEN_HEADER.replace("_", "-")
"""How the server hands it on: it writes all names so."""
_OIDC_PATHS = frozenset({"/client/register", "/device_authorization", "/token"})


def find_center_route(request: HttpRequest) -> Route | None:
    """The operation with what is needed to read its parameters; None for a request that is for another service."""
    if request.path in _OIDC_PATHS:
        return _oidc_route(request)
    token = request.headers.get(TOKEN_HEADER, request.headers.get(_ON_THE_WIRE))
    if token is None or signed_for(request):
        return None
    headers = {**request.headers, TOKEN_HEADER: token}
    return _route(PORTAL, request._replace(headers=headers))


def _oidc_route(request: HttpRequest) -> Route | None:
    is_json = request.headers.get("content-type", "application/json").startswith("application/json")
    if request.method != "POST" or request.query or not is_json or signed_for(request):
        return None
    return _route(OIDC, request)


def _route(service: str, request: HttpRequest) -> Route | None:
    try:
        found = find_operation(service, request.method, request.path, query_pairs(request.query), request.headers)
    except ValueError:  # escapes that are no UTF-8
        return None
    if found is None:
        return None
    return Route(
        service,
        found.operation,
        "rest-json",
        wants_json=False,
        fields={},
        document={},
        labels=found.labels,
        request=request,
    )
