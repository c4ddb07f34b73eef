"""The errors of Secrets Manager and Parameter Store when KMS refuses access to a key.

"Access to KMS is not allowed" and Parameter Store's two messages are from user reports of 2017 to 2025. Secrets
Manager's errors for a disabled key are from its API reference (`DecryptionFailure`, `EncryptionFailure`), because no
report shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from dsops.errors import SandboxRefusal
from dsops.policy import Decision, denial_sentence
from dsops.request.question import AuthorizationQuestion
from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.authorization.authorizer import RecordedDecision
from dsops.sandbox.authorization.encryption import Service

_UNDECIPHERED: Final = "Secrets Manager can't decrypt the protected secret text using the provided KMS key."
_NOT_ENCRYPTED: Final = (
    "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is "
    "available, enabled, and not in an invalid state."
)
_STATES: Final = {
    "Disabled": ("is disabled.", "DisabledException"),
    "PendingDeletion": ("is pending deletion.", "KMSInvalidStateException"),
}
_OTHER_STATE: Final = ("is not in a valid state.", "KMSInvalidStateException")


def key_denied(service: Service, decision: Decision, request_id: str) -> SandboxRefusal:
    """Return the error for a caller who has no permission to use the key.

    Parameter Store's error contains KMS's own message.
    """
    if service == "secretsmanager":
        return access_denied("Access to KMS is not allowed")
    sentence = denial_sentence(decision.request, decision)
    return access_denied(f"{sentence} {_of_kms('AccessDeniedException', request_id)}")


def key_unusable(service: Service, question: AuthorizationQuestion, state: str, request_id: str) -> SandboxRefusal:
    """Return the error for an authorized caller whose key is disabled or pending deletion."""
    if service == "secretsmanager":
        is_read = question.action == "kms:Decrypt"
        if is_read:
            return refusal("DecryptionFailure", _UNDECIPHERED)
        return refusal("EncryptionFailure", _NOT_ENCRYPTED)
    words, code = _STATES.get(state, _OTHER_STATE)
    return refusal("InvalidKeyId", f"{question.resource} {words} {_of_kms(code, request_id)}")


def is_through_service(service: str, decisions: Sequence[RecordedDecision]) -> bool:
    """Whether KMS denied a call that Secrets Manager or Parameter Store made for the caller.

    The client then receives that service's own error message.
    """
    return service in get_args(Service) and bool(decisions) and decisions[-1].decision.request.action[:4] == "kms:"


def _of_kms(code: str, request_id: str) -> str:
    """Return the suffix that Parameter Store's Java client for KMS appends to an error message."""
    return f"(Service: AWSKMS; Status Code: 400; Error Code: {code}; Request ID: {request_id}; Proxy: null)"
