"""Secrets Manager: one secret, or up to twenty at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.http.answer import aws_answer, lacks, text_in
from dsops.aws.http.client import Call, Client, call_json
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
    """Of the answer that it came with."""


class BatchAnswer(NamedTuple):
    """What came of each id that was asked for: it stands in one of the two."""

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
    """The secret of that name, ARN, or ARN without its suffix; of its AWSCURRENT version unless told otherwise.

    Raises SecretNotFound, SecretDeleted, SecretAccessDenied or SecretRefused, besides what every call may raise.
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
    """The AWSCURRENT versions of up to 20 different secrets, each with its own error where it has one.

    Raises AccessDenied when the batch itself is not allowed: the permission is one besides GetSecretValue.
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
            found = _secret_value(endpoint, call.action, entry, content.request_id)
            values.update({each: found for each in waiting if _is_id_of(each, found)})
        for entry in _entries(endpoint, call.action, content, "Errors"):
            secret_id = text_in(entry, "SecretId")
            if secret_id in waiting:
                errors[secret_id] = _entry_error(endpoint, credentials, secret_id, entry)
        token = text_in(content, "NextToken")
        if not token:
            break
    for each in waiting:
        if each in values:
            errors.pop(each, None)
        elif each not in errors:
            errors[each] = lacks(endpoint, call.action, f"answer for `{each}`")
    return BatchAnswer(values, errors)


_READING = "read the secret "


def _reading(secret_id: str) -> str:
    return f"{_READING}`{secret_id}`"


def _entries(endpoint: Endpoint, action: str, content: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """A list of objects in an answer; nothing where it is missing."""
    entries = content.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise lacks(endpoint, action, f"{name} that is a list of objects")
    return cast("list[dict[str, object]]", entries)


def _secret_value(endpoint: Endpoint, action: str, content: Mapping[str, object], request_id: str) -> SecretValue:
    """The secret in an answer; an error that shows nothing of it when something is missing."""
    name, arn = text_in(content, "Name"), text_in(content, "ARN")
    if not name or not arn:
        raise lacks(endpoint, action, "name and ARN")
    version_id = text_in(content, "VersionId")
    text, binary = content.get("SecretString"), content.get("SecretBinary")
    if isinstance(text, str):
        return SecretValue(name, arn, version_id, _text_secret(endpoint, action, text), request_id=request_id)
    if isinstance(binary, str):
        value = _binary_secret(endpoint, action, binary)
        return SecretValue(name, arn, version_id, value, request_id=request_id)
    raise lacks(endpoint, action, "SecretString or SecretBinary")


def _text_secret(endpoint: Endpoint, action: str, text: str) -> Secret:
    # Half a surrogate pair (`\ud800`) is valid JSON and no text; Secret would take it for a byte.
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


def _is_id_of(secret_id: str, found: SecretValue) -> bool:
    """Whether a secret may be asked for by this id: its name, its ARN, or its ARN without the random suffix."""
    return secret_id in (found.name, found.arn, found.arn[:-_SUFFIX_LENGTH])


def _entry_error(
    endpoint: Endpoint, credentials: Credentials, secret_id: str, entry: Mapping[str, object]
) -> DsopsError:
    """The error of one secret of a batch."""
    said = aws_answer(endpoint, 200, (text_in(entry, "ErrorCode"), text_in(entry, "Message"), ""), ())
    if said is None:
        return lacks(endpoint, "BatchGetSecretValue", f"reason why it has no `{secret_id}`")
    doing = _reading(secret_id)
    return _refused(said, doing) or as_error(said, doing, credentials, endpoint.signing_region)


def _no_refusal(_said: AwsAnswer, _doing: str) -> DsopsError | None:
    return None


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    """Tells of refusals to read a secret."""
    if concerns_credentials(said):
        return None
    if is_denied(said):
        hint = permission_hint(said, "secretsmanager:GetSecretValue")
        if "KMS" in said.message or "kms:" in said.message:
            hint = "allow kms:Decrypt on the key that encrypts it to the role that reads it"
        return SecretAccessDenied(f"not allowed to {doing}", why=said.message, hint=hint, aws=said)
    if said.code == "ResourceNotFoundException":
        return SecretNotFound(
            f"could not {doing}: it does not exist in {said.endpoint}",
            why=said.message,
            hint="check name, version and region; a secret of another account needs its whole ARN",
            aws=said,
        )
    if (said.code == "InvalidRequestException" and "deletion" in said.message) or "marked deleted" in said.message:
        secret_id = doing.removeprefix(_READING).strip("`")
        return SecretDeleted(
            f"could not {doing}: it is scheduled for deletion",
            why=said.message,
            hint=f"undo that with `aws secretsmanager restore-secret --secret-id {secret_id}`",
            aws=said,
        )
    hint = "check the key that encrypts it" if said.code == "DecryptionFailure" else ""
    if "default KMS service key" in said.message:
        # Its key policy is AWS's, and lets in the secret's own account alone (Secrets Manager User Guide, "Access from
        # a different account").
        hint = "encrypt it with a customer managed key (`aws secretsmanager update-secret --kms-key-id`) whose policy "
        hint += "allows kms:Decrypt to the role that reads it"
    return SecretRefused(f"{said.endpoint} refused to {doing}", why=said.message, hint=hint, aws=said)
