"""STS, with one function per API action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dsops.aws.http.answer import Element, lacks, request_id_in, server_time
from dsops.aws.http.call import Call, Client, Refusal, Reply
from dsops.aws.http.client import call_query
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError
from dsops.secret import Secret
from dsops.startup import NamedTuple

_VERSION = "2011-06-15"


class AssumedRole(NamedTuple):
    """A role session; `credentials.arn` is its ARN."""

    credentials: Credentials
    source_identity: str
    """The session's source identity, including one inherited from the caller."""


class CallerIdentity(NamedTuple):
    """The account, ARN and id of a caller."""

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
    provided_contexts: Sequence[tuple[str, Secret]] = (),
) -> AssumedRole:
    """Assume the role. Empty parameters are not sent, so AWS's defaults apply.

    `provided_contexts` are ARNs of context providers, each with its assertion. Raises AssumeRoleDenied, MfaRefused or
    StsRefused, in addition to the errors of every call.
    """
    parameters = [("RoleArn", role_arn), ("RoleSessionName", role_session_name)]
    parameters += _given(
        DurationSeconds=duration_seconds,
        ExternalId=external_id,
        SerialNumber=serial_number,
        TokenCode=token_code,
        Policy=policy,
        SourceIdentity=source_identity,
    )
    parameters += _listed_policies(policy_arns) + _listed_tags(tags)
    for number, key in enumerate(transitive_tag_keys, 1):
        parameters.append((f"TransitiveTagKeys.member.{number}", key))
    for number, (arn, assertion) in enumerate(provided_contexts, 1):
        parameters.append((f"ProvidedContexts.member.{number}.ProviderArn", arn))
        parameters.append((f"ProvidedContexts.member.{number}.ContextAssertion", assertion.reveal()))
    call = Call(
        endpoint,
        credentials,
        "AssumeRole",
        f"assume {role_arn}",
        _refused_role(role_arn, duration_seconds, has_external_id=external_id is not None),
        (external_id, token_code, *[assertion for _, assertion in provided_contexts]),
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
    """Assume the role with a web identity token. The request is not signed.

    Raises AssumeRoleDenied or StsRefused, in addition to the errors of every call.
    """
    parameters = [("RoleArn", role_arn), ("RoleSessionName", role_session_name), ("WebIdentityToken", token.reveal())]
    parameters += _given(DurationSeconds=duration_seconds, Policy=policy) + _listed_policies(policy_arns)
    action = "AssumeRoleWithWebIdentity"
    refusal = _refused_token(role_arn, duration_seconds)
    call = Call(endpoint, None, action, f"assume {role_arn} with a web identity", refusal, (token,))
    reply = await call_query(client, call, _VERSION, parameters)
    return _assumed_role(client, call, reply)


async def assume_role_with_saml(
    client: Client,
    endpoint: Endpoint,
    *,
    role_arn: str,
    principal_arn: str,
    assertion: Secret,
    duration_seconds: int | None = None,
    policy: str = "",
    policy_arns: Sequence[str] = (),
) -> AssumedRole:
    """Assume the role with a SAML response (base64). The request is not signed.

    Raises AssumeRoleDenied or StsRefused, in addition to the errors of every call.
    """
    parameters = [("RoleArn", role_arn), ("PrincipalArn", principal_arn), ("SAMLAssertion", assertion.reveal())]
    parameters += _given(DurationSeconds=duration_seconds, Policy=policy) + _listed_policies(policy_arns)
    action = "AssumeRoleWithSAML"
    refusal = _refused_assertion(role_arn, duration_seconds)
    call = Call(endpoint, None, action, f"assume {role_arn} with a SAML assertion", refusal, (assertion,))
    reply = await call_query(client, call, _VERSION, parameters)
    return _assumed_role(client, call, reply)


async def assume_root(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    *,
    target_principal: str,
    task_policy_arn: str,
    duration_seconds: int | None = None,
) -> Credentials:
    """Return a session of a member account's root user for one task. Only regional endpoints support AssumeRoot."""
    parameters = [("TargetPrincipal", target_principal), ("TaskPolicyArn.arn", task_policy_arn)]
    parameters += _given(DurationSeconds=duration_seconds)
    task = task_policy_arn.rpartition("/")[2]
    call = Call(endpoint, credentials, "AssumeRoot", f"assume the root user of {target_principal} for {task}", _refused)
    reply = await call_query(client, call, _VERSION, parameters)
    account = target_principal if ":" not in target_principal else target_principal.split(":")[4]
    partition = task_policy_arn.split(":")[1]
    return _credentials(client, call, reply, arn=f"arn:{partition}:iam::{account}:root")


async def get_federation_token(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    *,
    name: str,
    duration_seconds: int | None = None,
    policy: str = "",
    policy_arns: Sequence[str] = (),
    tags: Sequence[tuple[str, str]] = (),
) -> Credentials:
    """Return a federated session with that name.

    The session may do what both the passed policy and the signing user's own policies allow.
    """
    parameters = [("Name", name), *_given(DurationSeconds=duration_seconds, Policy=policy)]
    parameters += _listed_policies(policy_arns) + _listed_tags(tags)
    call = Call(endpoint, credentials, "GetFederationToken", f"get a federation token for {name}", _refused)
    reply = await call_query(client, call, _VERSION, parameters)
    user = reply.result.find("FederatedUser")
    arn = user.text_of("Arn") if user is not None else ""
    if not arn:
        raise lacks(endpoint, call.action, "FederatedUser")
    return _credentials(client, call, reply, arn=arn)


async def get_session_token(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    *,
    duration_seconds: int | None = None,
    serial_number: str = "",
    token_code: Secret | None = None,
) -> Credentials:
    """Return a session of the signing user, with MFA if a code is passed. The session's ARN is the user's ARN."""
    parameters = _given(DurationSeconds=duration_seconds, SerialNumber=serial_number, TokenCode=token_code)
    doing = "get a session token" + (f" with {serial_number}" if serial_number else "")
    call = Call(
        endpoint, credentials, "GetSessionToken", doing, _refused, (token_code,), is_once=token_code is not None
    )
    reply = await call_query(client, call, _VERSION, parameters)
    return _credentials(client, call, reply, arn=credentials.arn)


async def get_caller_identity(client: Client, credentials: Credentials, endpoint: Endpoint) -> CallerIdentity:
    """Return the identity that signs the request. No policy can deny this action."""
    call = Call(endpoint, credentials, "GetCallerIdentity", "ask who makes the call", _refused)
    reply = await call_query(client, call, _VERSION, ())
    identity = CallerIdentity(
        reply.result.text_of("Account"), reply.result.text_of("Arn"), reply.result.text_of("UserId")
    )
    if not all(identity):
        raise lacks(endpoint, call.action, "account, ARN and user id")
    return identity


# The module is imported only after a refusal, because importing it takes 0.1 ms of every cold run.


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    from dsops.aws.apis.sts_refusal import refused

    return refused(said, doing)


def _refused_role(role_arn: str, duration_seconds: int | None, *, has_external_id: bool) -> Refusal:
    def refusal(said: AwsAnswer, doing: str) -> DsopsError | None:
        from dsops.aws.apis.sts_refusal import refused_role, within_limit

        return within_limit(refused_role(has_external_id=has_external_id), role_arn, duration_seconds)(said, doing)

    return refusal


def _refused_token(role_arn: str, duration_seconds: int | None) -> Refusal:
    def refusal(said: AwsAnswer, doing: str) -> DsopsError | None:
        from dsops.aws.apis.sts_refusal import refused_token, within_limit

        return within_limit(refused_token, role_arn, duration_seconds)(said, doing)

    return refusal


def _refused_assertion(role_arn: str, duration_seconds: int | None) -> Refusal:
    def refusal(said: AwsAnswer, doing: str) -> DsopsError | None:
        from dsops.aws.apis.sts_refusal import refused_assertion, within_limit

        return within_limit(refused_assertion, role_arn, duration_seconds)(said, doing)

    return refusal


def _listed_policies(arns: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"PolicyArns.member.{number}.arn", arn) for number, arn in enumerate(arns, 1)]


def _listed_tags(tags: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        part
        for number, (key, value) in enumerate(tags, 1)
        for part in ((f"Tags.member.{number}.Key", key), (f"Tags.member.{number}.Value", value))
    ]


def _given(**parameters: str | int | Secret | None) -> list[tuple[str, str]]:
    """Return the parameters that have a value, as text."""
    texts = {name: value.reveal() if isinstance(value, Secret) else value for name, value in parameters.items()}
    return [(name, str(text)) for name, text in texts.items() if text is not None and text != ""]


def _assumed_role(client: Client, call: Call, reply: Reply) -> AssumedRole:
    """Return the role session in the response of any AssumeRole action."""
    user = reply.result.find("AssumedRoleUser")
    arn = user.text_of("Arn") if user is not None else ""
    if user is None or not arn:
        raise lacks(call.endpoint, call.action, "AssumedRoleUser")
    return AssumedRole(_credentials(client, call, reply, arn=arn), reply.result.text_of("SourceIdentity"))


def _credentials(client: Client, call: Call, reply: Reply, *, arn: str) -> Credentials:
    """Return the `Credentials` in a response. If one part is missing, the error shows none of the other parts."""
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
        request_id=request_id_in(reply.headers),
        source_identity=reply.result.text_of("SourceIdentity"),
    )


def _issued_at(client: Client, headers: Mapping[str, str]) -> datetime:
    # AWS's clock has set the expiry, so the same clock gives the right lifetime even if the local clock is wrong.
    return server_time(headers) or client.runtime.now()


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
