"""Finds cause and remedy of failures that no policy decides: durations, MFA codes, clocks, regions, keys, tokens."""

from __future__ import annotations

from typing import Final

from dsops.errors import (
    AmbientFailed,
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    FieldMissing,
    LimitExceeded,
    LoginRequired,
    MfaRequired,
    NoCredentials,
    Problem,
    RegionDisabled,
    RoleNotOffered,
    SecretDeleted,
    SecretNotFound,
    ServiceError,
)
from dsops.explain.finding import Certainty, FaultLocation, RefusalFinding, Remedy
from dsops.explain.questions.refused_call import EditAt
from dsops.plan import Step

# Tuples: a part of AWS's message, the cause, and the configuration key to edit. `dsops.aws.apis.sts_refusal` has the
# same parts of messages, seen on AWS.
_SAID: Final = (
    ("MaxSessionDuration", "duration-role", "duration_seconds"),
    ("1 hour session limit", "duration-chain", "duration_seconds"),
    ("source identity is already set", "source-identity-set", "source_identity"),
    ("by root accounts", "root-caller", ""),
    ("invalid MFA one time pass code", "mfa-code", "token_code"),
    ("unable to validate MFA code", "mfa-device", "serial_number"),
    ("must provide both MFA", "mfa-code", "token_code"),
    ("with session credentials", "session-caller", "credentials_from"),
    ("allotted space", "packed-policy", "session_policy"),
    ("No OpenIDConnect provider", "token-provider", "role_arn"),
    ("verification key", "token-keys", ""),
    ("No SAMLProvider", "saml-provider", "principal_arn"),
    ("Token expired", "token-expired", ""),
    ("within 5 minutes", "token-expired", ""),
    ("not yet valid", "token-from-the-future", ""),
    ("token audience", "token-audience", "web_identity_audience"),
    ("not a valid JWT", "token-invalid", ""),
    ("ignature invalid", "token-signature", ""),
    ("requested Role", "saml-role", "role_arn"),
    ("default KMS", "secret-key", ""),
)
_CODES: Final = {"PackedPolicyTooLarge": "packed-policy", "MalformedPolicyDocument": "session-policy-invalid"}
_KINDS: Final[tuple[tuple[type[DsopsError], str, str], ...]] = (
    (RegionDisabled, "region-disabled", "region"),
    (RoleNotOffered, "saml-role", "role_arn"),
    (ClockSkewed, "clock", ""),
    (CredentialsExpired, "session-expired", ""),
    (CredentialsInvalid, "key-invalid", ""),
    (NoCredentials, "no-credentials", ""),
    (AmbientFailed, "no-credentials", ""),
    (LoginRequired, "login-required", ""),
    (MfaRequired, "mfa-code", "token_code"),
    (SecretDeleted, "secret-deleted", ""),
    (SecretNotFound, "secret-missing", ""),
    (FieldMissing, "secret-field", ""),
)
_REMEDIES: Final = {
    "secret-key": (
        "give the secret a KMS key of its own, whose policy lets the role kms:Decrypt: "
        "`aws secretsmanager update-secret --secret-id SECRET --kms-key-id KEY`"
    )
}
"""Hints by cause, for errors without a hint."""
_OF_WHO_SIGNS: Final = ("session-expired", "key-invalid", "no-credentials", "login-required")
_LIMITS: Final = (
    ("duration_seconds", "duration"),
    ("partition", "partition"),
    ("takes a user's long-term key", "session-caller"),
)


def is_policys(error: DsopsError) -> bool:
    """Return whether the error says that a policy refused the call. AWS denies some calls regardless of policies."""
    if error.code not in ("access-denied", "sts.access-denied", "secret.access-denied"):
        return False
    message = error.aws.message if error.aws is not None else ""
    return "is not authorized to perform" in message or not any(text in message for text, _, _ in _SAID)


def finding_of(error: DsopsError, step: Step, hop: int, edit_at: EditAt) -> RefusalFinding:
    """Return the finding for an error whose message states the reason.

    AWS returned the error, or dsops raised it before the call.
    """
    cause, key = _cause(error)
    of_who_signs = cause in _OF_WHO_SIGNS
    store = step.credentials_from if of_who_signs else step.name
    if cause == "session-expired" and not store:
        cause = "base-expired"
    where = edit_at(step.name, key) if key else None if of_who_signs else error.where
    place = FaultLocation(store, hop - 1 if of_who_signs else hop, "", "", "", 0, "", 0)
    text = error.hint or _REMEDIES.get(cause, "see what AWS says")
    message = error.message.removeprefix(f"store `{step.name}`: ")
    message = f"{message}: {error.why}" if error.why and error.aws is None else message
    if error.aws is not None and error.aws.message and cause != "clock":
        message = f"{message}: {error.aws.words.rstrip('. ')}"
    certainty: Certainty = "likely" if isinstance(error, ServiceError) else "proven"
    return RefusalFinding(cause, certainty, message, place, remedy=Remedy(text, where), aws=error.aws)


def _cause(error: DsopsError) -> tuple[str, str]:
    message = f"{error.aws.message if error.aws else ''}"
    for text, cause, key in _SAID:
        if text in message:
            return cause, key
    if error.aws is not None:
        code = error.aws.code.removesuffix("Exception")
        if code in _CODES:
            return _CODES[code], ""
    for kind, cause, key in _KINDS:
        if isinstance(error, kind):
            return cause, key
    return error.code.replace(".", "-"), ""


def limit_findings(error: LimitExceeded) -> list[RefusalFinding]:
    """Return a finding for each problem that dsops found before the call."""
    problems = error.problems
    if not problems and error.where is not None:
        problems = (Problem(error.where, "", error.message, error.hint),)
    findings = []
    for problem in problems:
        cause = next((cause for text, cause in _LIMITS if text in problem.message or text in problem.path), "limit")
        if cause == "duration":
            cause = "duration-chain" if "chain" in problem.message else "duration-limit"
        store = problem.path.removeprefix("secretStores.").partition(".")[0]
        key = problem.path.rpartition(".")[2]
        message = f"`{key}`: {problem.message}" if problem.path.count(".") > 1 else problem.message
        place = FaultLocation(store, 0, "", "", "", 0, "", 0)
        findings.append(RefusalFinding(cause, "proven", message, place, remedy=Remedy(problem.hint, problem.where)))
    return findings
