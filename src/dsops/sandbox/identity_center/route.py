"""Find the IAM Identity Center operation that an HTTP request calls, if any.

These requests are unsigned and use the same address as all other services. They are recognized as follows:

- the portal: the request has the portal's token header
- the sign-in service: the request sends JSON to one of three paths

A path such as `/token` could also be a bucket, but clients send no unsigned JSON to buckets. Signed requests are left
to other services.
"""

from __future__ import annotations

from dsops.request.messages import HttpRequest
from dsops.request.wire.models import OIDC, PORTAL
from dsops.request.wire.route import Route, rest_route, signed_for

TOKEN_HEADER = "x-amz-sso_bearer_token"
"""The header that contains the access token. It is AWS's only header with an underscore."""
_ON_THE_WIRE = TOKEN_HEADER.replace("_", "-")
"""The spelling of TOKEN_HEADER that the server passes on, with hyphens."""
_OIDC_PATHS = frozenset({"/client/register", "/device_authorization", "/token"})


def find_center_route(request: HttpRequest) -> Route | None:
    """Return the route; None for a request to another service."""
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
        return rest_route(service, request, request.path)
    except ValueError:  # The escapes in the path are not valid UTF-8.
        return None
