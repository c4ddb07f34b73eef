"""Turn an AWS error of any service into the dsops error that explains it to the user."""

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

# Error codes that make AWS's SDKs slow down (botocore/retries/standard.py). LimitExceededException is left out: in
# Secrets Manager it is a quota that waiting does not change.
_THROTTLING = frozenset(
    """
    BandwidthLimitExceeded EC2ThrottledException PriorRequestNotComplete ProvisionedThroughputExceededException
    RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling
    ThrottlingException TooManyRequestsException TransactionInProgressException
    """.split()
)
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
"""HTTP statuses of temporary failures, which are retried.

501 is not among them: a server that lacks a feature will not have it a second later.
"""

# Error codes of temporary failures with status 400. AWS documents IDPCommunicationError as worth a retry.
_TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "IDPCommunicationError"})

_UNKNOWN_KEY = frozenset(
    """
    AuthFailure InvalidClientTokenId UnrecognizedClientException InvalidAccessKeyId InvalidToken
    MissingAuthenticationToken MissingAuthenticationTokenException
    """.split()
)
_BAD_SIGNATURE = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"}
)
_INVALID_SIGNATURE = "Invalid signature"
"""IAM Roles Anywhere's message for a wrong signature (reported in rolesanywhere-credential-helper, issue 128)."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com", "win32": "w32tm /resync"}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_REGION = frozenset({"RegionDisabledException", "OptInRequired"})


def is_throttling(answer: AwsAnswer) -> bool:
    """Whether AWS throttled the request."""
    return answer.code in _THROTTLING or answer.status == 429


def is_transient(answer: AwsAnswer) -> bool:
    """Whether the failure is temporary, so that the same request may succeed in a moment."""
    return answer.code in _TRANSIENT or answer.status in TRANSIENT_STATUSES


def is_skew(answer: AwsAnswer) -> bool:
    """Whether AWS refused the request because of its signing time."""
    texts = ("Signature expired", "Signature not yet current")
    return answer.code in _SKEWED or (is_bad_signature(answer) and answer.message.startswith(texts))


def is_bad_signature(answer: AwsAnswer) -> bool:
    """Return whether AWS refused the signature; some services report a wrong signing time only in this way."""
    return answer.code in _BAD_SIGNATURE or (answer.code in _DENIED and answer.message.startswith(_INVALID_SIGNATURE))


def is_denied(answer: AwsAnswer) -> bool:
    """Whether AWS denied access, because a policy denies it or no policy allows it."""
    return answer.code in _DENIED


def throttled(service: str, why: str = "", answer: AwsAnswer | None = None) -> Throttled:
    """Return the error for a service that throttles, when no time is left for another attempt."""
    hint = "try again in a while, raise the store's `timeout_ms`, or ask AWS for a higher limit"
    return Throttled(f"{service} throttled the request", why=why, hint=hint, aws=answer)


def clock_skewed(answer: AwsAnswer) -> ClockSkewed:
    """Return the error for a request that is refused for its time, although the server's time signed it."""
    return ClockSkewed(
        f"this machine's clock differs too much from the clock of {answer.endpoint}",
        why=answer.message,
        hint=f"set the clock: `{_SET_CLOCK.get(sys.platform, 'sudo timedatectl set-ntp true')}`",
        aws=answer,
    )


def as_error(answer: AwsAnswer, doing: str, credentials: Credentials | None, region: str = "") -> DsopsError:
    """Return the error for a refusal that any service may return.

    `doing` completes the text `not allowed to ...`; `region` is the endpoint's region.
    """
    if is_skew(answer):
        return clock_skewed(answer)
    if is_denied(answer):
        return AccessDenied(f"not allowed to {doing}", why=answer.message, hint=_denied_hint(answer), aws=answer)
    if answer.code in _REGION:
        from dsops.aws.http.switched_off import region_disabled

        return region_disabled(answer, doing, region)
    unusable = _unusable_credentials(answer, doing, credentials, region)
    hint = "look the code up in the reference of that API, or try again with `--debug`"
    return unusable or ServiceError(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)


def _unusable_credentials(
    answer: AwsAnswer, doing: str, credentials: Credentials | None, region: str
) -> DsopsError | None:
    key = f"the key {credentials.masked_key_id}" if credentials is not None else "the caller"
    if answer.code in _UNKNOWN_KEY:
        hint = "was it deleted or deactivated, or is its session token missing or of another session?"
        if credentials is not None and credentials.access_key_id.startswith("ASIA") and not credentials.is_temporary:
            hint = "a key that begins with ASIA needs its session token: set AWS_SESSION_TOKEN too"
        elif credentials is not None:
            from dsops.aws.http.switched_off import hint_for_unknown_key

            hint = "; ".join(filter(None, (hint, hint_for_unknown_key(credentials, region))))
        return CredentialsInvalid(
            f"could not {doing}: {answer.endpoint} does not accept {key}", why=answer.message, hint=hint, aws=answer
        )
    if is_bad_signature(answer):
        return CredentialsInvalid(
            f"{answer.endpoint} rejected the signature made with {key}",
            why=answer.message,
            hint="check the secret access key: it does not match this key id",
            aws=answer,
        )
    if answer.code in _EXPIRED:
        return CredentialsExpired(
            f"could not {doing}: the session of {key} has expired",
            why=answer.message,
            hint="get new base credentials, for example with `aws sso login`",
            aws=answer,
        )
    return None


def permission_hint(answer: AwsAnswer, action: str) -> str:
    """Return the hint that says which policy has to allow `action`, as far as AWS's message shows."""
    if "explicit deny" in answer.message:
        return _EXPLICIT
    if "no session policy" in answer.message:
        return f"allow {action} in the session policy too: the session gets what it and the role both allow"
    match = re.search(r":assumed-role/([^/\s]+)/|:user/(?:\S*/)?([^/\s]+)", answer.message)
    principal = "the role that reads it"
    if match is not None:
        principal = f"the role {match[1]}" if match[1] else f"the user {match[2]}"
    if "no permissions boundary" in answer.message:
        return f"allow {action} in the permissions boundary of {principal}"
    return f"allow {action} on it to {principal}"


_EXPLICIT = "a policy denies it explicitly: the message names the policy's type"


def _denied_hint(answer: AwsAnswer) -> str:
    if "explicit deny" in answer.message:
        return _EXPLICIT
    return "allow it in a policy of the role or user that makes the call"


def concerns_credentials(answer: AwsAnswer) -> bool:
    """Return whether the refusal concerns the key, signature, clock or region, not the request itself.

    `as_error` handles those refusals.
    """
    codes = _UNKNOWN_KEY | _BAD_SIGNATURE | _EXPIRED | _SKEWED | _REGION
    return answer.code in codes
