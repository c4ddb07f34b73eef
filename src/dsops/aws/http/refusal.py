"""What AWS answered -> the dsops error that says it in the user's words; common to all services."""

from __future__ import annotations

import re
import sys

from dsops.credentials import Credentials
from dsops.errors import (
    AccessDenied,
    AwsAnswer,
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    ServiceError,
    Throttled,
)

# The codes for which AWS's SDKs slow down (botocore/retries/standard.py), less LimitExceededException: in Secrets
# Manager that is a quota, which waiting does not change.
_THROTTLING = frozenset(
    """
    BandwidthLimitExceeded EC2ThrottledException PriorRequestNotComplete ProvisionedThroughputExceededException
    RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling
    ThrottlingException TooManyRequestsException TransactionInProgressException
    """.split()
)
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
"""Not 501: what a server has not learned it will not know in a second."""

# 400s of a moment: AWS documents the last one as worth a retry.
_TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "IDPCommunicationError"})

_UNKNOWN_KEY = frozenset(
    """
    InvalidClientTokenId UnrecognizedClientException InvalidAccessKeyId InvalidToken MissingAuthenticationToken
    MissingAuthenticationTokenException
    """.split()
)
_BAD_SIGNATURE = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com", "win32": "w32tm /resync"}
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


def throttled(service: str, why: str = "", said: AwsAnswer | None = None) -> Throttled:
    """The error for a service that asks to slow down, once there is no time left for another attempt."""
    hint = "try again in a while, raise the store's `timeout_ms`, or ask AWS for a higher limit"
    return Throttled(f"{service} asks to slow down", why=why, hint=hint, aws=said)


def clock_skewed(said: AwsAnswer) -> ClockSkewed:
    """The error for a clock that could not be worked around."""
    return ClockSkewed(
        f"{said.endpoint} finds this machine's clock too far from its own",
        why=said.message,
        hint=f"set the clock: `{_SET_CLOCK.get(sys.platform, 'sudo timedatectl set-ntp true')}`",
        aws=said,
    )


def as_error(said: AwsAnswer, doing: str, credentials: Credentials | None, region: str = "") -> DsopsError:
    """The error for what every service may answer. `doing` completes `not allowed to ...`; `region` is where."""
    if is_skew(said):
        return clock_skewed(said)
    if is_denied(said):
        return AccessDenied(f"not allowed to {doing}", why=said.message, hint=_denied_hint(said), aws=said)
    if said.code in _REGION:
        from dsops.aws.http.switched_off import region_disabled

        return region_disabled(said, doing, region)
    unusable = _unusable_credentials(said, doing, credentials, region)
    hint = "look the code up in the reference of that API, or try again with `--debug`"
    return unusable or ServiceError(f"{said.endpoint} refused to {doing}", why=said.message, hint=hint, aws=said)


def _unusable_credentials(
    said: AwsAnswer, doing: str, credentials: Credentials | None, region: str
) -> DsopsError | None:
    key = f"the key {credentials.masked_key_id}" if credentials is not None else "the caller"
    if said.code in _UNKNOWN_KEY:
        hint = "was it deleted or switched off, is its session token missing or another one's?"
        if credentials is not None and credentials.access_key_id.startswith("ASIA") and not credentials.is_temporary:
            hint = "a key that begins with ASIA needs its session token: set AWS_SESSION_TOKEN too"
        elif credentials is not None:
            from dsops.aws.http.switched_off import hint_for_unknown_key

            hint = "; ".join(filter(None, (hint, hint_for_unknown_key(credentials, region))))
        return CredentialsInvalid(
            f"{said.endpoint} does not accept {key} to {doing}", why=said.message, hint=hint, aws=said
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


def permission_hint(said: AwsAnswer, action: str) -> str:
    """Which policy has to allow the action, as far as AWS says."""
    if "explicit deny" in said.message:
        return _EXPLICIT
    if "no session policy" in said.message:
        return f"allow {action} in the session policy too: the session gets what it and the role both allow"
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", said.message)
    whom = "the role that reads it"
    if match is not None:
        whom = f"the role {match[1]}" if match[1] else f"the user {match[2]}"
    if "no permissions boundary" in said.message:
        return f"allow {action} in the permissions boundary of {whom}"
    return f"allow {action} on it to {whom}"


_EXPLICIT = "a policy denies it explicitly: the message says of which kind"


def _denied_hint(said: AwsAnswer) -> str:
    if "explicit deny" in said.message:
        return _EXPLICIT
    return "allow it in a policy of the role or user that makes the call"


def concerns_credentials(said: AwsAnswer) -> bool:
    """Whether it is about who signs, when or where, and not about what was asked for: `as_error` tells of those."""
    codes = _UNKNOWN_KEY | _BAD_SIGNATURE | _EXPIRED | _SKEWED | _REGION
    return said.code in codes
