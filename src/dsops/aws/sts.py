"""STS: one function per API action; a role, a session or a question in, credentials or an answer out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dsops.aws.answer import Element, lacks, server_time
from dsops.aws.client import Call, Client, Refusal, Reply, call_query
from dsops.aws.refusal import concerns_credentials, is_denied
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AssumeRoleDenied, AwsAnswer, DsopsError, MfaRefused, StsRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple

_VERSION = "2011-06-15"

# What AWS says -> what to do about it. Texts as seen on AWS; a part that has not changed in years.
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
    ("not yet valid", "wait, or set the clock of who issues the token: it is from the future"),
    ("token audience", "set the token's audience to one that the IAM OIDC provider lists, or add this one there"),
    ("No OpenIDConnect provider", "make an IAM OIDC provider for this issuer in the role's account"),
    ("verification key", "AWS has to reach the issuer's keys: check its address and that it is up"),
    ("not a valid JWT", "send the ID token, and not an access token"),
    ("signature invalid", "the issuer has signed it with another key than it publishes: get a new token"),
)
_CODE_HINTS = {
    "PackedPolicyTooLarge": "shorten `session_policy` and the tags, or name fewer policies",
    "PackedPolicyTooLargeException": "shorten `session_policy` and the tags, or name fewer policies",
    "MalformedPolicyDocument": "check `session_policy`: it must be an IAM policy without Principal",
    "MalformedPolicyDocumentException": "check `session_policy`: it must be an IAM policy without Principal",
}


class AssumedRole(NamedTuple):
    """A role's session. `credentials.arn` is the caller that it makes."""

    credentials: Credentials
    assumed_role_id: str
    packed_policy_size: int | None
    """Per cent of what a session may carry; None when neither policy nor tags were sent."""
    source_identity: str
    """Also where it was inherited."""


class Identity(NamedTuple):
    """Who a call is made by."""

    account: str
    arn: str
    user_id: str


async def assume_role(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    *,
    role_arn: str,
    role_session_name: str,
    duration_seconds: int | None = None,
    external_id: Secret | None = None,
    serial_number: str = "",
    token_code: Secret | None = None,
    policy: str = "",
    policy_arns: Sequence[str] = (),
    tags: Sequence[tuple[str, str]] = (),
    transitive_tag_keys: Sequence[str] = (),
    source_identity: str = "",
) -> AssumedRole:
    """A session of the role. What is empty is not sent: AWS's default counts.

    Raises AssumeRoleDenied, MfaRefused or StsRefused, besides what every call may raise.
    """
    parameters = [("RoleArn", role_arn), ("RoleSessionName", role_session_name)]
    parameters += _given(
        DurationSeconds=str(duration_seconds) if duration_seconds is not None else "",
        ExternalId=external_id.reveal() if external_id is not None else "",
        SerialNumber=serial_number,
        TokenCode=token_code.reveal() if token_code is not None else "",
        Policy=policy,
        SourceIdentity=source_identity,
    )
    for number, arn in enumerate(policy_arns, 1):
        parameters.append((f"PolicyArns.member.{number}.arn", arn))
    for number, (key, value) in enumerate(tags, 1):
        parameters.append((f"Tags.member.{number}.Key", key))
        parameters.append((f"Tags.member.{number}.Value", value))
    for number, key in enumerate(transitive_tag_keys, 1):
        parameters.append((f"TransitiveTagKeys.member.{number}", key))
    call = Call(
        endpoint,
        credentials,
        "AssumeRole",
        f"assume {role_arn}",
        _within_limit(_refused_role(has_external_id=external_id is not None), role_arn, duration_seconds),
        (external_id, token_code),
        is_once=token_code is not None,
    )
    reply = await call_query(client, call, _VERSION, parameters)
    return _assumed_role(client, call, reply)


async def assume_role_with_web_identity(
    client: Client,
    endpoint: Endpoint,
    *,
    role_arn: str,
    role_session_name: str,
    token: Secret,
    duration_seconds: int | None = None,
    policy: str = "",
    policy_arns: Sequence[str] = (),
) -> AssumedRole:
    """A session of the role for whom the token speaks of; nothing signs the call.

    Raises AssumeRoleDenied or StsRefused, besides what every call may raise.
    """
    parameters = [("RoleArn", role_arn), ("RoleSessionName", role_session_name), ("WebIdentityToken", token.reveal())]
    parameters += _given(
        DurationSeconds=str(duration_seconds) if duration_seconds is not None else "", Policy=policy
    )
    for number, arn in enumerate(policy_arns, 1):
        parameters.append((f"PolicyArns.member.{number}.arn", arn))
    action = "AssumeRoleWithWebIdentity"
    refused = _within_limit(_refused_token, role_arn, duration_seconds)
    call = Call(endpoint, None, action, f"assume {role_arn} with a web identity", refused, (token,))
    reply = await call_query(client, call, _VERSION, parameters)
    return _assumed_role(client, call, reply)


async def get_session_token(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    *,
    duration_seconds: int | None = None,
    serial_number: str = "",
    token_code: Secret | None = None,
) -> Credentials:
    """A session of the user who signs, with MFA where a code is given; its caller is that user still."""
    parameters = _given(
        DurationSeconds=str(duration_seconds) if duration_seconds is not None else "",
        SerialNumber=serial_number,
        TokenCode=token_code.reveal() if token_code is not None else "",
    )
    doing = "get a session token" + (f" with {serial_number}" if serial_number else "")
    call = Call(
        endpoint, credentials, "GetSessionToken", doing, _refused, (token_code,), is_once=token_code is not None
    )
    reply = await call_query(client, call, _VERSION, parameters)
    return _credentials(client, call, reply, arn=credentials.arn)


async def get_caller_identity(client: Client, credentials: Credentials, endpoint: Endpoint) -> Identity:
    """Who signs. No policy can forbid to ask."""
    call = Call(endpoint, credentials, "GetCallerIdentity", "ask who makes the call", _refused)
    reply = await call_query(client, call, _VERSION, ())
    identity = Identity(
        reply.result.text_of("Account"), reply.result.text_of("Arn"), reply.result.text_of("UserId")
    )
    if not all(identity):
        raise lacks(endpoint, call.action, "account, ARN and user id")
    return identity


def _given(**parameters: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in parameters.items() if value]


def _assumed_role(client: Client, call: Call, reply: Reply) -> AssumedRole:
    """The session in the answer of any action that assumes a role."""
    user = reply.result.find("AssumedRoleUser")
    arn = user.text_of("Arn") if user is not None else ""
    if user is None or not arn:
        raise lacks(call.endpoint, call.action, "AssumedRoleUser")
    size = reply.result.text_of("PackedPolicySize")
    return AssumedRole(
        _credentials(client, call, reply, arn=arn),
        user.text_of("AssumedRoleId"),
        int(size) if size.isascii() and size.isdigit() and len(size) <= 6 else None,
        reply.result.text_of("SourceIdentity"),
    )


def _credentials(client: Client, call: Call, reply: Reply, *, arn: str) -> Credentials:
    """The `Credentials` of an answer; all four parts or an error that shows none of them."""
    part: Element | None = reply.result.find("Credentials")
    if part is None:
        raise lacks(call.endpoint, call.action, "Credentials")
    values = {name: part.text_of(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    expiration = _instant(part.text_of("Expiration"))
    for name, value in values.items():
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise lacks(call.endpoint, call.action, f"Credentials/{name} that could be one")
    if expiration is None:
        raise lacks(call.endpoint, call.action, "Credentials/Expiration that is a time")
    return Credentials(
        values["AccessKeyId"],
        Secret(values["SecretAccessKey"]),
        Secret(values["SessionToken"]),
        expiration,
        issued_at=_issued_at(client, reply.headers),
        arn=arn,
    )


def _issued_at(client: Client, headers: Mapping[str, str]) -> datetime:
    # By the clock that set the expiry, so that the lifetime is right on a machine whose own is wrong.
    return server_time(headers) or client.runtime.now()


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _refused_role(*, has_external_id: bool) -> Refusal:
    """Tells of refusals to assume a role."""

    def refused(said: AwsAnswer, doing: str) -> DsopsError | None:
        failure = _refused(said, doing)
        if failure is not None or not is_denied(said):
            return failure
        # AWS has one text for a role that is not there, one that does not trust the caller, and a missing permission.
        hint = "check the ARN, the role's trust policy, and that the caller may sts:AssumeRole"
        if not has_external_id:
            hint += "; if the trust policy asks for sts:ExternalId, set `external_id`"
        return AssumeRoleDenied(f"not allowed to {doing}", why=said.message, hint=_hint(said) or hint, aws=said)

    return refused


def _within_limit(refusal: Refusal, role_arn: str, duration_seconds: int | None) -> Refusal:
    """Tells of a role that allows less: how much only iam:GetRole knows, which is another permission, so it is said."""

    def refused(said: AwsAnswer, doing: str) -> DsopsError | None:
        failure = refusal(said, doing)
        if failure is not None and duration_seconds and "MaxSessionDuration" in said.message:
            role = role_arn.rpartition("/")[2]
            hint = (
                f"the role allows less than {duration_seconds} s, and 3600 unless somebody raised it "
                f"(`aws iam get-role --role-name {role} --query Role.MaxSessionDuration`): lower `duration_seconds`, "
                f"or `aws iam update-role --role-name {role} --max-session-duration {duration_seconds}`"
            )
            failure.retell(failure.message, hint=hint)
        return failure

    return refused


def _refused_token(said: AwsAnswer, doing: str) -> DsopsError | None:
    """Tells of refusals of a web identity token. It is no credential: what AWS says of it is not about who signs."""
    if is_denied(said):
        # The same words for a role that is not there and one whose trust policy does not fit (aws-sdk-js-v3#6225).
        hint = "check the ARN and the role's trust policy: the provider, and its conditions on `aud` and `sub`"
        return AssumeRoleDenied(f"not allowed to {doing}", why=said.message, hint=hint, aws=said)
    for text, hint in _TOKEN_HINTS:
        if text in said.message:
            return StsRefused(f"{said.endpoint} refused to {doing}", why=said.message, hint=hint, aws=said)
    return _refused(said, doing)


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    """Tells of refusals that any action of STS may meet."""
    if said.message.startswith("MultiFactorAuthentication failed"):
        message = f"{said.endpoint} did not accept the MFA code to {doing}"
        return MfaRefused(message, why=said.message, hint=_hint(said), aws=said)
    if concerns_credentials(said):
        return None
    hint = _hint(said)
    if is_denied(said) and "Cannot call" not in said.message:
        return None
    return StsRefused(f"{said.endpoint} refused to {doing}", why=said.message, hint=hint, aws=said)


def _hint(said: AwsAnswer) -> str:
    for text, hint in _HINTS:
        if text in said.message:
            return hint
    return _CODE_HINTS.get(said.code, "")
