"""Secrets Manager: read one secret, or up to twenty in a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.http.answer import aws_answer, lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_json
from dsops.aws.http.refusal import as_error, concerns_credentials, is_denied, permission_hint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, SecretAccessDenied, SecretDeleted, SecretNotFound, SecretRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple, cast

_MOST_PAGES = 20
_SUFFIX_LENGTH = len("-AbCdEf")


class SecretValue(NamedTuple):
    """One version of a secret."""

    name: str
    arn: str
    version_id: str
    value: Secret
    request_id: str = ""
    """The request id of the response that contained the secret."""
    stages: tuple[str, ...] = ()
    """The staging labels of the version."""
    created: float | None = None
    """When the version was created, in seconds since 1970."""
    is_binary: bool = False


class BatchAnswer(NamedTuple):
    """The result of a batch. Each requested id is in exactly one of `values` and `errors`."""

    values: Mapping[str, SecretValue]
    errors: Mapping[str, DsopsError]


async def get_secret_value(
    client: Client,
    credentials: Credentials,
    endpoint: Endpoint,
    secret_id: str,
    version_id: str = "",
    version_stage: str = "",
) -> SecretValue:
    """Read a secret by name, ARN, or ARN without its random suffix. The default version is AWSCURRENT.

    Raises SecretNotFound, SecretDeleted, SecretAccessDenied or SecretRefused, in addition to the errors of every
    call.
    """
    parameters = {"SecretId": secret_id, "VersionId": version_id, "VersionStage": version_stage}
    call = Call(endpoint, credentials, "GetSecretValue", _reading(secret_id), _refused)
    content = await call_json(
        client, call, "secretsmanager", {name: value for name, value in parameters.items() if value}
    )
    return _secret_value(endpoint, call.action, content, content.request_id)


async def batch_get_secret_value(
    client: Client, credentials: Credentials, endpoint: Endpoint, secret_ids: Sequence[str]
) -> BatchAnswer:
    """Read the AWSCURRENT versions of up to 20 different secrets. Errors are returned per secret.

    Raises AccessDenied when the batch call itself is denied, since its permission is separate from GetSecretValue.
    """
    call = Call(endpoint, credentials, "BatchGetSecretValue", "read secrets in batches", _no_refusal)
    waiting = dict.fromkeys(secret_ids)
    values: dict[str, SecretValue] = {}
    errors: dict[str, DsopsError] = {}
    token = ""
    for _ in range(_MOST_PAGES):
        parameters: dict[str, object] = {"SecretIdList": list(secret_ids)}
        if token:
            parameters["NextToken"] = token
        content = await call_json(client, call, "secretsmanager", parameters)
        for entry in _entries(endpoint, call.action, content, "SecretValues"):
            secret_value = _secret_value(endpoint, call.action, entry, content.request_id)
            values.update({secret_id: secret_value for secret_id in _ids_of(secret_value) if secret_id in waiting})
        for entry in _entries(endpoint, call.action, content, "Errors"):
            secret_id = text_in(entry, "SecretId")
            if secret_id in waiting:
                errors[secret_id] = _entry_error(endpoint, credentials, secret_id, entry)
        token = text_in(content, "NextToken")
        if not token:
            break
    for requested_id in waiting:
        if requested_id in values:
            errors.pop(requested_id, None)
        elif requested_id not in errors:
            errors[requested_id] = lacks(endpoint, call.action, f"answer for `{requested_id}`")
    return BatchAnswer(values, errors)


_READING = "read the secret "


def _reading(secret_id: str) -> str:
    return f"{_READING}`{secret_id}`"


def _entries(endpoint: Endpoint, action: str, content: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """Return a list of objects in a response; [] when it is missing. Raises AnswerInvalid for anything else."""
    entries = content.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise lacks(endpoint, action, f"{name} that is a list of objects")
    return cast("list[dict[str, object]]", entries)


def _secret_value(endpoint: Endpoint, action: str, content: Mapping[str, object], request_id: str) -> SecretValue:
    """Parse a secret in a response. The error for a missing member shows none of the content."""
    name, arn = text_in(content, "Name"), text_in(content, "ARN")
    if not name or not arn:
        raise lacks(endpoint, action, "name and ARN")
    version_id = text_in(content, "VersionId")
    text, binary = content.get("SecretString"), content.get("SecretBinary")
    if isinstance(text, str):
        value = _text_secret(endpoint, action, text)
    elif isinstance(binary, str):
        value = _binary_secret(endpoint, action, binary)
    else:
        raise lacks(endpoint, action, "SecretString or SecretBinary")
    stages, created = content.get("VersionStages"), content.get("CreatedDate")
    return SecretValue(
        name,
        arn,
        version_id,
        value,
        request_id,
        tuple(str(stage) for stage in stages) if isinstance(stages, list) else (),
        float(created) if isinstance(created, (int, float)) else None,
        is_binary=not isinstance(text, str),
    )


def _text_secret(endpoint: Endpoint, action: str, text: str) -> Secret:
    # A lone surrogate (`\ud800`) is valid JSON but not text; Secret would take it for a byte.
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise lacks(endpoint, action, "SecretString that is text") from None
    return Secret(text)


def _binary_secret(endpoint: Endpoint, action: str, encoded: str) -> Secret:
    from binascii import Error, a2b_base64

    try:
        return Secret.from_bytes(a2b_base64(encoded, strict_mode=True))
    except (Error, ValueError):
        raise lacks(endpoint, action, "SecretBinary that is base64") from None


def _ids_of(found: SecretValue) -> tuple[str, str, str]:
    """Return the ids that name the secret in a request: its name, its ARN, and its ARN without the random suffix."""
    return found.name, found.arn, found.arn[:-_SUFFIX_LENGTH]


def _entry_error(
    endpoint: Endpoint, credentials: Credentials, secret_id: str, entry: Mapping[str, object]
) -> DsopsError:
    """Return the error for one secret of a batch."""
    answer = aws_answer(endpoint, 200, (text_in(entry, "ErrorCode"), text_in(entry, "Message"), ""), ())
    if answer is None:
        return lacks(endpoint, "BatchGetSecretValue", f"reason why it has no `{secret_id}`")
    doing = _reading(secret_id)
    return _refused(answer, doing) or as_error(answer, doing, credentials, endpoint.signing_region)


def _no_refusal(_said: AwsAnswer, _doing: str) -> DsopsError | None:
    return None


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    """Return the error for a refused read of a secret; None for refusals that concern the credentials."""
    if concerns_credentials(answer):
        return None
    if is_denied(answer):
        hint = permission_hint(answer, "secretsmanager:GetSecretValue")
        if "KMS" in answer.message or "kms:" in answer.message:
            hint = "allow the reading role kms:Decrypt on the KMS key of the secret"
        return SecretAccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
    if answer.code == "ResourceNotFoundException":
        return SecretNotFound(
            f"could not {doing}: the secret does not exist in {answer.endpoint}",
            why=answer.message,
            hint="check the secret's name, version and region; for a secret of another account, write its whole ARN",
            aws=answer,
        )
    if (
        answer.code == "InvalidRequestException" and "deletion" in answer.message
    ) or "marked deleted" in answer.message:
        secret_id = doing.removeprefix(_READING).strip("`")
        return SecretDeleted(
            f"could not {doing}: the secret is scheduled for deletion",
            why=answer.message,
            hint=f"restore the secret with `aws secretsmanager restore-secret --secret-id {secret_id}`",
            aws=answer,
        )
    hint = "check the KMS key that encrypts the secret" if answer.code == "DecryptionFailure" else ""
    if "default KMS service key" in answer.message:
        # AWS owns the default key's policy, which allows only the secret's account (Secrets Manager User Guide, "Access
        # from a different account").
        hint = "encrypt it with a customer managed key (`aws secretsmanager update-secret --kms-key-id`) whose policy "
        hint += "allows kms:Decrypt to the role that reads it"
    return SecretRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)
