"""Responses and errors of IAM Identity Center's two services.

The sign-in service returns OAuth errors (RFC 6749, 5.2; RFC 8628, 3.5) and AWS's exception name in a header. The
portal's errors follow examples that users have published. If no example shows a description, the error has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer
from dsops.request.wire.errors import answer_of, refusal
from dsops.request.wire.models import OIDC

_JSON = ("Content-Type", "application/json")
_NO_STORE = ("Cache-Control", "no-store")
_OAUTH: Mapping[str, str] = {
    "AccessDeniedException": "access_denied",
    "AuthorizationPendingException": "authorization_pending",
    "ExpiredTokenException": "expired_token",
    "InvalidClientException": "invalid_client",
    "InvalidClientMetadataException": "invalid_client_metadata",
    "InvalidGrantException": "invalid_grant",
    "InvalidRedirectUriException": "invalid_redirect_uri",
    "InvalidRequestException": "invalid_request",
    "InvalidScopeException": "invalid_scope",
    "SlowDownException": "slow_down",
    "UnauthorizedClientException": "unauthorized_client",
    "UnsupportedGrantTypeException": "unsupported_grant_type",
}
"""AWS's exception name -> OAuth's error code."""
_PORTAL_PREFIX = "com.amazonaws.switchboard.portal#"


def oidc_refusal(code: str, description: str | None = None) -> SandboxRefusal:
    """Return an OIDC error with the HTTP status that AWS's model defines for it."""
    return refusal(code, description, 401 if code == "InvalidClientException" else 400)


def unauthorized() -> SandboxRefusal:
    """Return the portal's error for an access token that is unknown, has expired or was logged out."""
    return refusal("UnauthorizedException", "Session token not found or invalid", 401)


def no_access() -> SandboxRefusal:
    """Return the error for a role that is not assigned to the user. AWS's model has no exception for this case."""
    return refusal("ForbiddenException", "No access", 403)


def given(content: Mapping[str, object] | None) -> HttpAnswer:
    """Return a successful response with the content as JSON, or with an empty body for None."""
    return HttpAnswer(200, (_JSON, _NO_STORE), b"" if content is None else json.dumps(content).encode())


def refused_answer(service: str, refused: SandboxRefusal) -> HttpAnswer:
    """Return an error response in the format of the sign-in service or of the portal."""
    aws = answer_of(refused)
    code, status = aws.code, aws.status
    if service == OIDC:
        # OAuth defines codes only for its own errors. A throttling error becomes slow_down, and any other error becomes
        # invalid_request.
        code = "SlowDownException" if code == "Throttling" else code if code in _OAUTH else "InvalidRequestException"
        content = {"error": _OAUTH[code], "error_description": aws.message or None}
        return HttpAnswer(status, (_JSON, _NO_STORE, ("x-amzn-ErrorType", code)), json.dumps(content).encode())
    if code == "Throttling":
        code, status = "TooManyRequestsException", 429
    elif code not in {"UnauthorizedException", "ForbiddenException", "ResourceNotFoundException"}:
        code = "InvalidRequestException"
    content = {"message": aws.message or None, "__type": f"{_PORTAL_PREFIX}{code}"}
    return HttpAnswer(status, (_JSON, ("x-amzn-ErrorType", code)), json.dumps(content).encode())
