"""The errors of IAM Roles Anywhere.

The codes are those of the service's model. Of the messages, `Untrusted signing certificate`, `Invalid signature`
and `Unable to assume role for ARN` were reported by users of AWS; the others are the sandbox's own.
"""

from __future__ import annotations

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import access_denied, refusal


def validation_exception(message: str) -> SandboxRefusal:
    """Return a ValidationException (400)."""
    return refusal("ValidationException", message)


def not_found(message: str) -> SandboxRefusal:
    """Return a ResourceNotFoundException (404)."""
    return refusal("ResourceNotFoundException", message, 404)


def untrusted(why: str) -> SandboxRefusal:
    """Return the error for a certificate without a valid chain to the trust anchor."""
    return access_denied(f"Untrusted signing certificate: {why}")


def invalid_signature(why: str) -> SandboxRefusal:
    """Return the error for a request that the certificate's key did not sign."""
    return access_denied(f"Invalid signature: {why}")


def cannot_assume(role_arn: str, why: str = "") -> SandboxRefusal:
    """Return the error for a role that can't be assumed. `why` is STS's message if AWS shows it."""
    return access_denied("\n".join(filter(None, (f"Unable to assume role for {role_arn}", why))))
