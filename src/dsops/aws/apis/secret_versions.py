"""Secrets Manager: write, list and delete the versions of one secret."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping

from dsops.aws.http.answer import Content, lacks, text_in
from dsops.aws.http.call import Call, Client, Refusal
from dsops.aws.http.client import call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied, permission_hint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import (
    AwsAnswer,
    DsopsError,
    SecretAccessDenied,
    SecretDeleted,
    SecretExists,
    SecretNotFound,
    SecretRefused,
)
from dsops.secret import Secret
from dsops.startup import NamedTuple

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
MOST_BYTES = 65536
"""The maximum length of a value (PutSecretValue API reference, SecretString)."""

_MOST_PAGES = 20


class DescribedSecret(NamedTuple):
    """What DescribeSecret returns about a secret: everything except the value."""

    arn: str
    name: str
    stages: Mapping[str, tuple[str, ...]]
    """Version id -> its staging labels. Versions without a label are missing."""
    request_id: str

    def version_with(self, stage: str) -> str:
        """Return the id of the version with that staging label; "" if no version has the label."""
        return next((version for version, stages in self.stages.items() if stage in stages), "")


class ListedVersion(NamedTuple):
    """One entry of ListSecretVersionIds."""

    version_id: str
    stages: tuple[str, ...]
    created: float | None
    """Seconds since 1970; None if unknown."""


class WrittenVersion(NamedTuple):
    """The result of a call that stores a value."""

    arn: str
    version_id: str
    request_id: str


class SecretCalls:
    """The calls about one secret."""

    def __init__(self, client: Client, credentials: Credentials, endpoint: Endpoint, secret_id: str) -> None:
        self._client = client
        self._credentials = credentials
        self._endpoint = endpoint
        self._secret_id = secret_id

    async def describe(self) -> DescribedSecret:
        """Return the secret's ARN and labels (DescribeSecret)."""
        content = await self._call("DescribeSecret", "look up", {})
        arn, stages = text_in(content, "ARN"), content.get("VersionIdsToStages") or {}
        if not arn or not isinstance(stages, dict):
            raise lacks(self._endpoint, "DescribeSecret", "ARN and versions")
        labels = {str(version): _texts(names) for version, names in stages.items()}
        return DescribedSecret(arn, text_in(content, "Name"), labels, content.request_id)

    async def list_versions(self) -> list[ListedVersion]:
        """Return all versions, also those without a label (ListSecretVersionIds)."""
        versions: list[ListedVersion] = []
        token = ""
        for _ in range(_MOST_PAGES):
            parameters: dict[str, object] = {"IncludeDeprecated": True, **({"NextToken": token} if token else {})}
            content = await self._call("ListSecretVersionIds", "list the versions of", parameters)
            entries = content.get("Versions") or []
            if not isinstance(entries, list):
                raise lacks(self._endpoint, "ListSecretVersionIds", "list of versions")
            versions += [_listed(entry) for entry in entries if isinstance(entry, dict)]
            token = text_in(content, "NextToken")
            if not token:
                break
        return versions

    async def put_value(self, value: Secret, token: str, stage: str) -> WrittenVersion:
        """Store a value as a new version with that staging label (PutSecretValue). The token becomes the version id.

        A retry with the same token stores no second version.
        """
        parameters = {"ClientRequestToken": token, "VersionStages": [stage], **_content_of(value)}
        content = await self._call("PutSecretValue", "write", parameters, _hidden(parameters))
        return self._written("PutSecretValue", content)

    async def create(self, name: str, value: Secret, token: str, kms_key: str) -> WrittenVersion:
        """Create the secret with its first version (CreateSecret)."""
        parameters: dict[str, object] = {"Name": name, "ClientRequestToken": token, **_content_of(value)}
        if kms_key:
            parameters["KmsKeyId"] = kms_key
        call = self._new_call("CreateSecret", "create", _hidden(parameters))
        return self._written("CreateSecret", await call_json(self._client, call, "secretsmanager", parameters))

    async def move_stage(self, stage: str, *, to: str = "", away_from: str = "") -> str:
        """Move a staging label between versions, and return the request id (UpdateSecretVersionStage).

        AWS refuses the call (InvalidParameterException) if the label is not attached to `away_from` when the call
        arrives.
        """
        moves = {"MoveToVersionId": to, "RemoveFromVersionId": away_from}
        parameters = {"VersionStage": stage, **{name: version for name, version in moves.items() if version}}
        return (await self._call("UpdateSecretVersionStage", "change the current version of", parameters)).request_id

    async def delete(self, days: int | None) -> tuple[float | None, str]:
        """Delete the secret after `days`, or at once for None (DeleteSecret).

        Returns the time of the deletion and the request id.
        """
        window: dict[str, object] = {"RecoveryWindowInDays": days}
        parameters = window if days is not None else {"ForceDeleteWithoutRecovery": True}
        content = await self._call("DeleteSecret", "delete", parameters)
        return _seconds(content.get("DeletionDate")), content.request_id

    async def restore(self) -> str:
        """Cancel the secret's deletion, and return the request id (RestoreSecret)."""
        return (await self._call("RestoreSecret", "restore", {})).request_id

    async def _call(
        self, action: str, verb: str, parameters: Mapping[str, object], hidden: Secret | None = None
    ) -> Content:
        call = self._new_call(action, verb, hidden)
        return await call_json(self._client, call, "secretsmanager", {"SecretId": self._secret_id, **parameters})

    def _new_call(self, action: str, verb: str, hidden: Secret | None) -> Call:
        doing = f"{verb} the secret `{self._secret_id}`"
        return Call(self._endpoint, self._credentials, action, doing, _refusal_of(action), (hidden,))

    def _written(self, action: str, content: Content) -> WrittenVersion:
        arn, version = text_in(content, "ARN"), text_in(content, "VersionId")
        if not arn or not version:
            raise lacks(self._endpoint, action, "ARN and version id")
        return WrittenVersion(arn, version, content.request_id)


def _content_of(value: Secret) -> dict[str, object]:
    """Return the request parameter for a value: SecretString for text, SecretBinary for other bytes."""
    data = value.reveal_bytes()
    try:
        return {"SecretString": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"SecretBinary": b2a_base64(data, newline=False).decode("ascii")}


def _hidden(parameters: Mapping[str, object]) -> Secret:
    """Return the value as the request contains it. Errors mask this text, because AWS may repeat it in a message."""
    return Secret(text_in(parameters, "SecretString") or text_in(parameters, "SecretBinary"))


def _listed(entry: Mapping[str, object]) -> ListedVersion:
    return ListedVersion(
        text_in(entry, "VersionId"), _texts(entry.get("VersionStages")), _seconds(entry.get("CreatedDate"))
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _refusal_of(action: str) -> Refusal:
    """Return the function that turns AWS's refusal of this action into an error."""

    def refusal(answer: AwsAnswer, doing: str) -> DsopsError | None:
        if concerns_credentials(answer):
            return None
        if is_denied(answer):
            hint = permission_hint(answer, f"secretsmanager:{action}")
            if "KMS" in answer.message or "kms:" in answer.message:
                hint = "allow the writing role kms:GenerateDataKey and kms:Decrypt on the KMS key of the secret"
            return SecretAccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
        if answer.code == "ResourceNotFoundException":
            message = f"could not {doing}: it does not exist in {answer.endpoint}"
            return SecretNotFound(message, why=answer.message, hint="check its name and region", aws=answer)
        if answer.code == "ResourceExistsException":
            message, hint = f"could not {doing}: it exists already", "choose another name"
            return SecretExists(message, why=answer.message, hint=hint, aws=answer)
        if answer.code == "InvalidRequestException" and "delet" in answer.message:
            message = f"could not {doing}: it is scheduled for deletion"
            return SecretDeleted(message, why=answer.message, hint="restore it first", aws=answer)
        hint = (
            "check the KMS key that encrypts the secret"
            if answer.code == "EncryptionFailure"
            else "check its name and version"
        )
        return SecretRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)

    return refusal
