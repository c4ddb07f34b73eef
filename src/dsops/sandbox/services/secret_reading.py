"""Implement GetSecretValue, BatchGetSecretValue and ListSecretVersionIds on the versions that moto stores.

moto performs the other operations. These three are implemented here for two reasons:

- Each secret of a batch must be authorized separately.
- moto lists versions without their keys and without pagination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from dsops.errors import SandboxRefusal
from dsops.request.lookups import SecretLocation
from dsops.request.wire.errors import answer_of, refusal
from dsops.request.wire.responses import Moment, Value, json_code
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.services.secret_checks import check_default_key
from dsops.sandbox.state.secrets import SecretStorage, StoredSecret, Version

Parameters = Mapping[str, object]
Decrypt = Callable[[StoredSecret, str], None]
"""Takes a secret and a version id. Raises SandboxRefusal if the caller must not use the secret's KMS key."""
_CURRENT = "AWSCURRENT"


def read_secret(
    secret_storage: SecretStorage, caller: Caller, parameters: Parameters, decrypt: Decrypt
) -> dict[str, Value]:
    """Return GetSecretValue's result for an authorized caller.

    Raises SandboxRefusal, which can come from `decrypt`.
    """
    secret = secret_storage.find_secret(str(parameters["SecretId"]), SecretLocation(caller.account, caller.region))
    if secret is None:
        raise _not_found("Secrets Manager can't find the specified secret.")
    version = _version(secret, caller, str(parameters.get("VersionId", "")), str(parameters.get("VersionStage", "")))
    decrypt(secret, version.version_id)
    return _value(secret, version)


def read_batch(
    secret_storage: SecretStorage,
    caller: Caller,
    parameters: Parameters,
    check: Callable[[str], None],
    decrypt: Decrypt,
) -> dict[str, Value]:
    """Return BatchGetSecretValue's result. `check` raises SandboxRefusal for a secret the caller must not read."""
    ids = cast("Sequence[str]", parameters.get("SecretIdList", ()))
    filters = cast("Sequence[Mapping[str, object]]", parameters.get("Filters", ()))
    if bool(ids) == bool(filters):
        raise _invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
    if "MaxResults" in parameters and not filters:
        raise _invalid_parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided."
        )
    following = ""
    if filters:
        place = SecretLocation(caller.account, caller.region)
        arns = [secret.arn for secret in secret_storage.all_secrets(place) if _matches_all(secret, filters)]
        start, size = _page(parameters)
        ids, following = arns[start : start + size], str(start + size) if len(arns) > start + size else ""
    values: list[dict[str, Value]] = []
    errors: list[dict[str, Value]] = []
    for secret_id in ids:
        try:
            check(secret_id)
            values.append(read_secret(secret_storage, caller, {"SecretId": secret_id}, decrypt))
        except SandboxRefusal as refused:
            aws = answer_of(refused)
            errors.append({"SecretId": secret_id, "ErrorCode": json_code(aws.code), "Message": aws.message})
    answer: dict[str, Value] = {"SecretValues": values, "Errors": errors}
    return answer | {"NextToken": following} if following else answer


def list_versions(secret_storage: SecretStorage, caller: Caller, parameters: Parameters) -> dict[str, Value]:
    """Return ListSecretVersionIds's result. IncludeDeprecated adds versions that have no staging label."""
    secret = secret_storage.find_secret(str(parameters["SecretId"]), SecretLocation(caller.account, caller.region))
    if secret is None:
        raise _not_found("Secrets Manager can't find the specified secret.")
    versions = [version for version in secret.versions if version.stages or parameters.get("IncludeDeprecated")]
    start, size = _page(parameters, largest=100)
    answer: dict[str, Value] = {"ARN": secret.arn, "Name": secret.name}
    answer["Versions"] = [_version_entry(secret, version) for version in versions[start : start + size]]
    return answer | {"NextToken": str(start + size)} if len(versions) > start + size else answer


def _version_entry(secret: StoredSecret, version: Version) -> dict[str, Value]:
    entry: dict[str, Value] = {"VersionId": version.version_id, "CreatedDate": Moment(version.created)}
    if version.accessed is not None:
        entry["LastAccessedDate"] = Moment(version.accessed)
    entry["KmsKeyIds"] = [secret.kms_key or "DefaultEncryptionKey"]
    return entry | {"VersionStages": list(version.stages)} if version.stages else entry


def _version(secret: StoredSecret, caller: Caller, version_id: str, stage: str) -> Version:
    """Return the requested version. Raises SandboxRefusal if this version can't be read."""
    if secret.is_deleted:
        raise _invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
    check_default_key(secret, caller.account)
    version = secret.version(version_id, stage or _CURRENT)
    if version is None or (version.string is None and version.binary is None):
        description = f"VersionId: {version_id}" if version_id else f"staging label: {stage or _CURRENT}"
        raise _not_found(f"Secrets Manager can't find the specified secret value for {description}")
    if version_id and stage and stage not in version.stages:
        raise _invalid_request("You provided a VersionStage that is not associated to the provided VersionId.")
    return version


def _value(secret: StoredSecret, version: Version) -> dict[str, Value]:
    answer: dict[str, Value] = {"ARN": secret.arn, "Name": secret.name, "VersionId": version.version_id}
    if version.string is not None:
        answer["SecretString"] = version.string
    elif version.binary is not None:
        answer["SecretBinary"] = version.binary
    return answer | {"VersionStages": list(version.stages), "CreatedDate": Moment(version.created)}


def _page(parameters: Parameters, largest: int = 20) -> tuple[int, int]:
    token = str(parameters.get("NextToken", "0"))
    if not (token.isascii() and token.isdigit()):
        raise refusal("InvalidNextTokenException", "You entered an invalid NextToken.")
    return int(token), int(str(parameters.get("MaxResults", largest)))


def _matches_all(secret: StoredSecret, filters: Sequence[Mapping[str, object]]) -> bool:
    return all(
        _matches(secret, str(entry.get("Key", "")), cast("Sequence[str]", entry.get("Values", ()))) for entry in filters
    )


def _matches(secret: StoredSecret, key: str, values: Sequence[str]) -> bool:
    """Whether a field of the secret begins with one of the values. Case is ignored.

    A leading `!` negates a value.
    """
    texts = {
        "name": [secret.name],
        "tag-key": [key for key, _ in secret.tags],
        "tag-value": [value for _, value in secret.tags],
        "primary-region": [secret.region],
        "all": [secret.name, *(text for pair in secret.tags for text in pair)],
    }.get(key, [])
    return any(any(_begins(text, value) for text in texts) for value in values)


def _begins(text: str, value: str) -> bool:
    if value.startswith("!"):
        return not text.lower().startswith(value[1:].lower())
    return text.lower().startswith(value.lower())


def _not_found(message: str) -> SandboxRefusal:
    return refusal("ResourceNotFoundException", message)


def _invalid_request(message: str) -> SandboxRefusal:
    return refusal("InvalidRequestException", message)


def _invalid_parameter(message: str) -> SandboxRefusal:
    return refusal("InvalidParameterException", message)
