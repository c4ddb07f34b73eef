"""Errors of credentials and access (exit code 3), and of secrets (exit code 4)."""

from __future__ import annotations

from dsops.errors.base import DsopsError


class CredentialsError(DsopsError):
    """Credentials could not be obtained."""

    code = "credentials.failed"
    exit_code = 3


class NoCredentials(CredentialsError):
    """There are no base credentials: no keys in the environment, no profile, no container or instance role."""

    code = "credentials.none"


class CredentialsExpired(CredentialsError):
    """The credentials that sign the call have expired."""

    code = "credentials.expired"


class TooLittleTimeLeft(CredentialsError):
    """The credentials are valid, but expire sooner than `--min-ttl` allows, and so would new credentials."""

    code = "credentials.too-little-time"


class CredentialsInvalid(CredentialsError):
    """AWS does not know the key, or the signature does not match."""

    code = "credentials.invalid"


class ClockSkewed(CredentialsError):
    """This machine's clock differs too much from AWS's clock for a signature to be valid."""

    code = "credentials.clock-skewed"


class AmbientFailed(CredentialsError):
    """The profile, process or metadata service that should provide the base credentials failed."""

    code = "credentials.ambient-failed"


class AssumeRoleDenied(CredentialsError):
    """STS refused to let the caller assume the role."""

    code = "sts.access-denied"
    speaks_of: tuple[str, str, str] | None = None
    """Issuer, subject and audience of the token or assertion in the request; None if the request contained neither."""


class StsRefused(CredentialsError):
    """STS refused the request for a reason other than access."""

    code = "sts.refused"


class TokenInvalid(CredentialsError):
    """A token of an identity provider, Kubernetes or SPIFFE is not valid."""

    code = "token.invalid"

    def __init__(self, message: str, kind: str) -> None:
        """`kind` is `malformed`, `no-key`, `signature`, `claims` or `expired`."""
        super().__init__(message, hint="get a new token from its issuer")
        self.kind = kind


class RoleNotOffered(CredentialsError):
    """The SAML response does not offer the store's role, or offers several roles and the store names none."""

    code = "saml.role"


class RegionDisabled(CredentialsError):
    """The region is not enabled for the account, or STS is not activated in the region."""

    code = "sts.region-disabled"


class CertificateUnusable(CredentialsError):
    """A certificate or its private key can't sign a request: missing, encrypted, or of another key."""

    code = "certificate.unusable"


class CertificateExpired(CredentialsError):
    """A certificate has expired or is not valid yet, by this machine's clock."""

    code = "certificate.expired"


class CertificateRefused(CredentialsError):
    """IAM Roles Anywhere does not accept the certificate, or has no such trust anchor or profile."""

    code = "certificate.refused"


class LoginRequired(CredentialsError):
    """There is no login to IAM Identity Center, or the login has expired: run `dsops login STORE`."""

    code = "sso.login-required"


class NotAssigned(CredentialsError):
    """The user who is logged in to IAM Identity Center does not have that permission set in that account."""

    code = "sso.not-assigned"


class SsoRefused(CredentialsError):
    """IAM Identity Center refused the request for a reason other than access."""

    code = "sso.refused"


class LoginFailed(CredentialsError):
    """A login was not completed: it was refused, took too long, or the browser sent no answer."""

    code = "login.failed"


class ConsoleRefused(CredentialsError):
    """AWS can't open the console with these credentials."""

    code = "console.refused"


class RevocationRefused(CredentialsError):
    """A policy can't revoke these sessions: AWS manages the role, or the store assumes no role."""

    code = "revoke.refused"


class MfaRequired(CredentialsError):
    """An MFA code is needed, and there is no terminal to ask the user for it."""

    code = "mfa.required"


class MfaRefused(CredentialsError):
    """AWS did not accept the MFA code or device."""

    code = "mfa.refused"


class KeyringFailed(CredentialsError):
    """The keyring could not be reached, or an operation of its backend failed."""

    code = "keyring.failed"


class KeyringUnavailable(KeyringFailed):
    """There is no keyring to use: no backend in the order works on this machine, or the keyring is turned off."""

    code = "keyring.unavailable"


class KeyringLocked(KeyringFailed):
    """The keyring is locked: its prompt was declined or not answered in time, or its passphrase is missing or wrong."""

    code = "keyring.locked"


class KeyringEntryMissing(KeyringFailed):
    """The keyring has no MFA seed or key of that name, or its content has changed since dsops stored it."""

    code = "keyring.entry-missing"


class KeyRotationStopped(CredentialsError):
    """The rotation of a key stopped before its end; the message says which key works, and how to continue."""

    code = "keys.rotation-stopped"


class AccessDenied(CredentialsError):
    """The credentials are valid, but do not allow this operation."""

    code = "access-denied"


class SecretAccessDenied(AccessDenied):
    """The credentials do not allow reading this secret or parameter."""

    code = "secret.access-denied"


class SecretError(DsopsError):
    """A secret could not be turned into a variable's value."""

    code = "secret.failed"
    exit_code = 4


class SecretNotFound(SecretError):
    """The secret, parameter or version does not exist where dsops looked for it."""

    code = "secret.not-found"


class SecretDeleted(SecretError):
    """The secret is scheduled for deletion."""

    code = "secret.scheduled-for-deletion"


class SecretRefused(SecretError):
    """The service refused to return the secret for a reason other than access."""

    code = "secret.refused"


class SecretExists(SecretError):
    """A secret or parameter of that name exists already, so it can't be created."""

    code = "secret.exists"


class SecretChanged(SecretError):
    """Another client has changed the secret since dsops read it."""

    code = "secret.changed"


class FieldMissing(SecretError):
    """The secret does not contain the requested field."""

    code = "secret.field-missing"


class TransformFailed(SecretError):
    """A transform could not be applied to the value."""

    code = "secret.transform-failed"


class ValueUnusable(SecretError):
    """The value can't be put into an environment variable, or into a file of that format."""

    code = "secret.value-unusable"
