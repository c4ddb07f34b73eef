"""What the two services of IAM Identity Center answer, and the words in which each says no.

OIDC errors are OAuth's (RFC 6749, 5.2; RFC 8628, 3.5) with AWS's names in the header; the portal's are as people have
published them. Descriptions that nobody published are left out rather than made up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.errors import SandboxRefusal
from dsops.sandbox.http.messages import HttpAnswer
from dsops.sandbox.wire.errors import answer_of, refusal
from dsops.sandbox.wire.models import OIDC

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
"""Name of the model's exception -> OAuth's code."""
_PORTAL_PREFIX = "com.amazonaws.switchboard.portal#"


def oidc_refusal(code: str, description: str | None = None) -> SandboxRefusal:
    """What to raise; the status is the model's."""
    return refusal(code, description, 401 if code == "InvalidClientException" else 400)


def unauthorized() -> SandboxRefusal:
    """The token is none, over, or its session was ended."""
    return refusal("UnauthorizedException", "Session token not found or invalid", 401)


def no_access() -> SandboxRefusal:
    """Nothing like that is assigned; the model has no such exception."""
    return refusal("ForbiddenException", "No access", 403)


def given(content: Mapping[str, object] | None) -> HttpAnswer:
    """The answer to what was done; None is an empty body."""
    return HttpAnswer(200, (_JSON, _NO_STORE), b"" if content is None else json.dumps(content).encode())


def refused_answer(service: str, refused: SandboxRefusal) -> HttpAnswer:
    """A refusal as that service writes it."""
    aws = answer_of(refused)
    code, status = aws.code, aws.status
    if service == OIDC:
        # What is not OAuth's is a request that could not be read, or came too often.
        code = "SlowDownException" if code == "Throttling" else code if code in _OAUTH else "InvalidRequestException"
        content = {"error": _OAUTH[code], "error_description": aws.message or None}
        return HttpAnswer(status, (_JSON, _NO_STORE, ("x-amzn-ErrorType", code)), json.dumps(content).encode())
    if code == "Throttling":
        code, status = "TooManyRequestsException", 429
    elif code not in {"UnauthorizedException", "ForbiddenException", "ResourceNotFoundException"}:
        code = "InvalidRequestException"
    content = {"message": aws.message or None, "__type": f"{_PORTAL_PREFIX}{code}"}
    return HttpAnswer(status, (_JSON, ("x-amzn-ErrorType", code)), json.dumps(content).encode())
