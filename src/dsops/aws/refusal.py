"""What AWS answered -> the dsops error that says it in the user's words; common to all services."""

from __future__ import annotations

from dsops.credentials import Credentials
from dsops.errors import (
    AccessDenied,
    AwsAnswer,
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    RegionDisabled,
    ServiceError,
)

# The codes for which AWS's SDKs slow down (botocore/retries/standard.py), less LimitExceededException: in Secrets
# Manager that is a quota, which waiting does not change.
_THROTTLING = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
})  # fmt: skip
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
"""Not 501: what a server has not learned it will not know in a second."""

# 400s of a moment: AWS documents the last one as worth a retry.
_TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "IDPCommunicationError"})

_UNKNOWN_KEY = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException",
})  # fmt: skip
_BAD_SIGNATURE = frozenset({
    "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_REGION = frozenset({"RegionDisabledException", "OptInRequired"})


def is_throttling(said: AwsAnswer) -> bool:
    """Whether AWS asked to slow down."""
    return said.code in _THROTTLING or said.status == 429


def is_transient(said: AwsAnswer) -> bool:
    """Whether the same request may succeed in a moment."""
    return said.code in _TRANSIENT or said.status in TRANSIENT_STATUSES


def is_skew(said: AwsAnswer) -> bool:
    """Whether AWS refused the time for which the request was signed."""
    texts = ("Signature expired", "Signature not yet current")
    return said.code in _SKEWED or (is_bad_signature(said) and said.message.startswith(texts))


def is_bad_signature(said: AwsAnswer) -> bool:
    """Whether AWS refused the signature; of one for the wrong time not every service says why."""
    return said.code in _BAD_SIGNATURE


def is_denied(said: AwsAnswer) -> bool:
    """Whether a policy, or the lack of one, was the reason."""
    return said.code in _DENIED


def clock_skewed(said: AwsAnswer) -> ClockSkewed:
    """The error for a clock that could not be worked around."""
    return ClockSkewed(
        f"{said.endpoint} finds this machine's clock too far from its own",
        why=said.message,
        hint="set the clock: `timedatectl set-ntp true`, `sntp -sS time.apple.com`, `w32tm /resync`",
        aws=said,
    )


def as_error(said: AwsAnswer, doing: str, credentials: Credentials | None) -> DsopsError:
    """The error for what every service may answer. `doing` completes `not allowed to ...`."""
    if is_skew(said):
        return clock_skewed(said)
    if is_denied(said):
        return AccessDenied(f"not allowed to {doing}", why=said.message, hint=_denied_hint(said), aws=said)
    if said.code in _REGION:
        return RegionDisabled(
            f"{said.endpoint} is not activated for the account and can't {doing}",
            why=said.message,
            hint="set another `region`, or let the account's administrator activate this one",
            aws=said,
        )
    unusable = _unusable_credentials(said, doing, credentials)
    return unusable or ServiceError(f"{said.endpoint} refused to {doing}", why=said.message, aws=said)


def _unusable_credentials(said: AwsAnswer, doing: str, credentials: Credentials | None) -> DsopsError | None:
    key = f"the key {credentials.masked_key_id}" if credentials is not None else "the caller"
    if said.code in _UNKNOWN_KEY:
        return CredentialsInvalid(
            f"{said.endpoint} does not accept {key} to {doing}",
            why=said.message,
            hint="was it deleted or switched off, is its session token missing or another one's?",
            aws=said,
        )
    if is_bad_signature(said):
        return CredentialsInvalid(
            f"{said.endpoint} finds the signature of {key} wrong",
            why=said.message,
            hint="check the secret access key: it does not belong to this key id",
            aws=said,
        )
    if said.code in _EXPIRED:
        return CredentialsExpired(
            f"the session of {key} has expired and may not {doing}",
            why=said.message,
            hint="get new base credentials, for example with `aws sso login`",
            aws=said,
        )
    return None


def _denied_hint(said: AwsAnswer) -> str:
    if "explicit deny" in said.message:
        return "a policy denies it explicitly: the message says of which kind"
    return "allow it in a policy of the role or user that makes the call"


def concerns_credentials(said: AwsAnswer) -> bool:
    """Whether it is about who signs, when or where, and not about what was asked for: `as_error` tells of those."""
    codes = _UNKNOWN_KEY | _BAD_SIGNATURE | _EXPIRED | _SKEWED | _REGION
    return said.code in codes
