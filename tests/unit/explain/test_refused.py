"""Failures that are not policy denials: their cause and the configuration key to edit."""

from __future__ import annotations

import pytest

from dsops.errors import (
    AccessDenied,
    AssumeRoleDenied,
    AwsAnswer,
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    LimitExceeded,
    MfaRefused,
    NoCredentials,
    Problem,
    RegionDisabled,
    RoleNotOffered,
    SecretNotFound,
    SecretRefused,
    ServiceError,
    StsRefused,
    Where,
)
from dsops.explain.findings.refused import finding_of, is_policys, limit_findings
from tests.plans import plan_of

CONFIG = """\
secretStores:
  jump: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Jump"}
  target: {type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/Target", credentials_from: jump}
"""
STEPS = plan_of(CONFIG, store="target").steps


def said(message: str, code: str = "AccessDenied") -> AwsAnswer:
    """An answer of AWS."""
    return AwsAnswer(code, message, 403, "r-1", "sts.us-east-1")


def edit_at(store: str, key: str) -> Where:
    """The location of a store's key in the configuration."""
    return Where(f"{store}.{key}", 1)


@pytest.mark.parametrize(
    ("error", "cause", "key"),
    [
        (
            StsRefused("x", aws=said("The requested DurationSeconds exceeds the MaxSessionDuration set.")),
            "duration-role",
            "duration_seconds",
        ),
        (
            StsRefused("x", aws=said("exceeds the 1 hour session limit for roles assumed by role chaining.")),
            "duration-chain",
            "duration_seconds",
        ),
        (MfaRefused("x", aws=said("failed with invalid MFA one time pass code.")), "mfa-code", "token_code"),
        (MfaRefused("x", aws=said("failed, unable to validate MFA code.")), "mfa-device", "serial_number"),
        (AssumeRoleDenied("x", aws=said("Roles may not be assumed by root accounts.")), "root-caller", ""),
        (StsRefused("x", aws=said("too big", "PackedPolicyTooLarge")), "packed-policy", ""),
        (RegionDisabled("x"), "region-disabled", "region"),
        (RoleNotOffered("x"), "saml-role", "role_arn"),
        (ClockSkewed("x"), "clock", ""),
        (SecretRefused("x", aws=said("encrypt the secret with the default KMS service key.")), "secret-key", ""),
        (SecretNotFound("x"), "secret-missing", ""),
        (StsRefused("x", aws=said("Quelque chose", "NewError")), "sts-refused", ""),
    ],
)
def test_a_failure_has_a_cause_and_the_key_to_edit(error: DsopsError, cause: str, key: str) -> None:
    """The finding for a failure has a cause, and names the store's key to edit if a key can fix the failure."""
    found = finding_of(error, STEPS["target"], 2, edit_at)

    assert not is_policys(error)
    assert (cause, "proven", "target") == (found.cause, found.certainty, found.place.store)
    assert (Where(f"target.{key}", 1) if key else None) == found.remedy.where


@pytest.mark.parametrize(
    ("error", "store", "cause"),
    [
        (CredentialsExpired("x"), "jump", "base-expired"),
        (CredentialsExpired("x"), "target", "session-expired"),
        (CredentialsInvalid("x"), "jump", "key-invalid"),
        (NoCredentials("x"), "jump", "no-credentials"),
    ],
)
def test_it_is_who_signs_that_is_broken(error: DsopsError, store: str, cause: str) -> None:
    """If the signing session is expired or invalid, the finding names its store or the base credentials."""
    found = finding_of(error, STEPS[store], 1 if store == "jump" else 2, edit_at)

    assert (cause, STEPS[store].credentials_from) == (found.cause, found.place.store)


def test_a_secret_of_another_account_needs_a_key_of_its_own() -> None:
    """A secret encrypted with the default KMS key is unreadable from another account.

    The finding suggests a customer managed key.
    """
    error = SecretRefused("x", aws=said("encrypt the secret with the default KMS service key."))

    assert "--kms-key-id" in finding_of(error, STEPS["target"], 0, edit_at).remedy.text


def test_a_server_that_fails_is_not_proven() -> None:
    """The finding on a server failure is marked as likely, not as proven: the next run may work."""
    assert finding_of(ServiceError("x"), STEPS["jump"], 1, edit_at).certainty == "likely"


@pytest.mark.parametrize(
    "error",
    [
        AssumeRoleDenied("x", aws=said("User: a is not authorized to perform: sts:AssumeRole on resource: KMS")),
        AssumeRoleDenied("x", aws=said("Non autorisé")),
        AccessDenied("x"),
    ],
)
def test_a_denial_is_a_policys(error: DsopsError) -> None:
    """For a policy denial these checks return no finding, whatever the role's name or the message's language."""
    assert is_policys(error)


@pytest.mark.parametrize(
    ("message", "path", "cause"),
    [
        (
            "43200 is over 3600 seconds, the most that a chained role gets",
            "secretStores.target.duration_seconds",
            "duration-chain",
        ),
        ("86400 is over 43200", "secretStores.target.duration_seconds", "duration-limit"),
        (
            "the role is in the partition aws-cn, and the region us-east-1 in aws",
            "secretStores.target.role_arn",
            "partition",
        ),
        ("2049 characters are over 2048", "secretStores.target.session_policy", "limit"),
    ],
)
def test_what_aws_would_refuse_is_found_before_it_is_asked(message: str, path: str, cause: str) -> None:
    """dsops finds a value that AWS would refuse before any call, and names its line."""
    where = Where("dsops.yaml", 9)

    (finding,) = limit_findings(LimitExceeded("x", problems=(Problem(where, path, message, "mend it"),)))

    assert (cause, "proven", "target", where) == (
        finding.cause,
        finding.certainty,
        finding.place.store,
        finding.remedy.where,
    )
