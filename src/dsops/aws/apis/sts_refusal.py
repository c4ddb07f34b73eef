"""Errors and hints for requests that STS refuses, by kind of call: role, web identity token, SAML assertion."""

from __future__ import annotations

from dsops.aws.http.call import Refusal
from dsops.aws.http.refusal import concerns_credentials, is_denied
from dsops.errors import AssumeRoleDenied, AwsAnswer, DsopsError, MfaRefused, StsRefused

# Pairs: a part of AWS's message, and the hint for it. AWS has sent these messages unchanged for years.
_HINTS = (
    ("MaxSessionDuration", "lower `duration_seconds`, or raise the role's maximum session duration"),
    ("1 hour session limit", "a role reached from a session lasts an hour at most: `duration_seconds: 3600`"),
    ("source identity is already set", "use the `source_identity` of the hop before, or leave it out"),
    ("with session credentials", "use long-term keys of a user to get a session token"),
    ("sts:TagSession", "let the role's trust policy allow sts:TagSession besides sts:AssumeRole"),
    ("sts:SetSourceIdentity", "let the role's trust policy allow sts:SetSourceIdentity besides sts:AssumeRole"),
    ("by root accounts", "sign with the keys of a user or a role: the root user may assume none"),
    ("invalid MFA one time pass code", "a code works once, for half a minute: wait for the next one"),
    ("unable to validate MFA code", "check `serial_number`: it is the device of the user who signs"),
    ("must provide both MFA", "set both `serial_number` and `token_code`"),
    ("ransitive tag key", "tags passed on by the hop before can't be sent again; list only keys that are sent"),
    ("allotted space", "shorten `session_policy` and the tags, or name fewer policies"),
)
_TOKEN_HINTS = (
    ("Token expired", "get a new token: this one is too old"),
    ("not yet valid", "wait, or set the clock of the token's issuer: it is from the future"),
    ("token audience", "set the token's audience to one that the IAM OIDC provider lists, or add this one there"),
    ("No OpenIDConnect provider", "make an IAM OIDC provider for this issuer in the role's account"),
    ("verification key", "AWS has to reach the issuer's keys: check its address and that it is up"),
    ("not a valid JWT", "send the ID token, whole, and not an access token"),
    ("signature invalid", "a part of it is missing, or the issuer publishes another key: get a new token"),
)
# Source: IAM User Guide, "Troubleshoot SAML federation with IAM".
_ASSERTION_HINTS = (
    ("within 5 minutes", "log in again: an assertion is good for five minutes"),
    ("Token expired", "log in again: an assertion is good for five minutes"),
    ("not yet valid", "set the identity provider's clock: its assertion is from the future"),
    ("Response signature invalid", "give the SAML provider in IAM the identity provider's current metadata document"),
    ("Issuer not present", "the SAML provider in IAM has another issuer: give it the metadata document of this one"),
    ("No SAMLProvider", "make the SAML provider in IAM, or correct `principal_arn`"),
    (
        "requested Role",
        "the identity provider does not offer this role: ask for it to be assigned, or set another `role_arn`",
    ),
    ("RoleSessionName", "have the identity provider send the attribute RoleSessionName: 2 to 64 of A-Za-z0-9_+=,.@-"),
    ("audience", "have the identity provider send the audience that AWS expects: https://signin.aws.amazon.com/saml"),
    ("recipient", "have the identity provider send the recipient https://signin.aws.amazon.com/saml"),
)
_CODE_HINTS = {
    "PackedPolicyTooLarge": "shorten `session_policy` and the tags, or name fewer policies",
    "PackedPolicyTooLargeException": "shorten `session_policy` and the tags, or name fewer policies",
    "InvalidContextAssertion": "`provided_contexts` takes what the context provider says now: get a new assertion",
    "MalformedPolicyDocument": "check `session_policy`: it must be an IAM policy without Principal",
    "MalformedPolicyDocumentException": "check `session_policy`: it must be an IAM policy without Principal",
}


def refused_role(*, has_external_id: bool) -> Refusal:
    """Return the function that turns a refused AssumeRole into an error."""

    def refusal(answer: AwsAnswer, doing: str) -> DsopsError | None:
        failure = refused(answer, doing)
        if failure is not None or not is_denied(answer):
            return failure
        # AWS returns the same message for a missing role, a role that does not trust the caller, and a missing
        # permission.
        hint = "check the ARN, the role's trust policy, and that the caller may sts:AssumeRole"
        if not has_external_id:
            hint += "; if the trust policy asks for sts:ExternalId, set `external_id`"
        return AssumeRoleDenied(f"not allowed to {doing}", why=answer.message, hint=_hint(answer) or hint, aws=answer)

    return refusal


def within_limit(refusal: Refusal, role_arn: str, duration_seconds: int | None) -> Refusal:
    """Wrap `refusal`: add a hint if the requested duration exceeds the role's maximum.

    The hint shows the command that reads the maximum. Only iam:GetRole returns the maximum, and it needs a separate
    permission.
    """

    def within(answer: AwsAnswer, doing: str) -> DsopsError | None:
        failure = refusal(answer, doing)
        if failure is not None and duration_seconds and "MaxSessionDuration" in answer.message:
            role = role_arn.rpartition("/")[2]
            hint = (
                f"the role allows less than {duration_seconds} s, by default 3600 "
                f"(`aws iam get-role --role-name {role} --query Role.MaxSessionDuration`): lower `duration_seconds`, "
                f"or `aws iam update-role --role-name {role} --max-session-duration {duration_seconds}`"
            )
            failure.retell(failure.message, hint=hint)
        return failure

    return within


def refused_token(answer: AwsAnswer, doing: str) -> DsopsError | None:
    """Return the error for a refused web identity token.

    The error does not mention credentials, because none sign the request.
    """
    if is_denied(answer):
        # AWS returns the same message for a missing role and a trust policy that does not match (aws-sdk-js-v3#6225).
        hint = "check the ARN and the role's trust policy: the provider, and its conditions on `aud` and `sub`"
        return AssumeRoleDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
    for text, hint in _TOKEN_HINTS:
        if text in answer.message:
            return StsRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)
    return refused(answer, doing)


def refused_assertion(answer: AwsAnswer, doing: str) -> DsopsError | None:
    """Return the error for a refused SAML assertion."""
    if is_denied(answer):
        # AWS returns the same message for a missing role and a trust policy that does not match (IAM User Guide,
        # "Troubleshoot SAML federation").
        hint = "check the role's trust policy: the SAML provider, sts:AssumeRoleWithSAML, its conditions on `SAML:aud`"
        return AssumeRoleDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
    for text, hint in _ASSERTION_HINTS:
        if text in answer.message:
            return StsRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)
    return refused(answer, doing)


def refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    """Return the error for a refusal that any STS action can get; None if the general error describes it well."""
    if answer.message.startswith("MultiFactorAuthentication failed"):
        message = f"{answer.endpoint} did not accept the MFA code to {doing}"
        return MfaRefused(message, why=answer.message, hint=_hint(answer), aws=answer)
    if concerns_credentials(answer):
        return None
    hint = _hint(answer)
    if is_denied(answer) and "Cannot call" not in answer.message:
        return None
    return StsRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)


def _hint(answer: AwsAnswer) -> str:
    for text, hint in _HINTS:
        if text in answer.message:
            return hint
    return _CODE_HINTS.get(answer.code, "")
