"""Parameter Store: write, list and delete the versions of one parameter."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.aws.http.answer import Content, lacks, text_in
from dsops.aws.http.call import Call, Client, Refusal
from dsops.aws.http.client import call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied, permission_hint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, SecretAccessDenied, SecretExists, SecretNotFound, SecretRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple

MOST_BYTES = {"Standard": 4096, "Advanced": 8192, "Intelligent-Tiering": 8192}
"""Tier -> the maximum length of a value (Systems Manager User Guide, "Managing parameter tiers")."""

_MOST_PAGES = 20
_PAGE = 50
"""The maximum number of entries on one page of GetParameterHistory."""


class ParameterVersion(NamedTuple):
    """One entry of GetParameterHistory, without its value."""

    version: int
    labels: tuple[str, ...]
    modified: float | None
    """Seconds since 1970; None if unknown."""
    user: str
    """The ARN of the identity that wrote the version."""
    type: str
    kms_key: str
    tier: str
    data_type: str


class ParameterCalls:
    """The calls about one parameter."""

    def __init__(self, client: Client, credentials: Credentials, endpoint: Endpoint, name: str) -> None:
        self._client = client
        self._credentials = credentials
        self._endpoint = endpoint
        self._name = name

    async def history(self) -> tuple[list[ParameterVersion], str]:
        """Return all versions, the oldest first, and the request id (GetParameterHistory). Values are not decrypted."""
        versions: list[ParameterVersion] = []
        token = request_id = ""
        for _ in range(_MOST_PAGES):
            parameters: dict[str, object] = {"MaxResults": _PAGE, **({"NextToken": token} if token else {})}
            content = await self._call("GetParameterHistory", "list the versions of", parameters)
            entries = content.get("Parameters") or []
            if not isinstance(entries, list):
                raise lacks(self._endpoint, "GetParameterHistory", "list of versions")
            versions += [_version(entry) for entry in entries if isinstance(entry, dict)]
            token, request_id = text_in(content, "NextToken"), content.request_id
            if not token:
                break
        return sorted(versions, key=lambda each: each.version), request_id

    async def put(self, value: Secret, settings: Mapping[str, str], *, overwrite: bool) -> tuple[int, str]:
        """Store a value; return the number of the new version, and the request id (PutParameter).

        `settings` are Type, KeyId, Tier and DataType. Without `overwrite`, AWS refuses if the parameter exists. With
        `overwrite`, AWS does not check which version is overwritten.
        """
        given = {name: text for name, text in settings.items() if text}
        parameters = {"Value": value.reveal(), "Overwrite": overwrite, **given}
        content = await self._call("PutParameter", "write" if overwrite else "create", parameters, value)
        version = content.get("Version")
        if not isinstance(version, int):
            raise lacks(self._endpoint, "PutParameter", "version")
        return version, content.request_id

    async def delete(self) -> str:
        """Delete the parameter with all its versions, and return the request id (DeleteParameter)."""
        return (await self._call("DeleteParameter", "delete", {})).request_id

    async def _call(
        self, action: str, verb: str, parameters: Mapping[str, object], hidden: Secret | None = None
    ) -> Content:
        doing = f"{verb} the parameter `{self._name}`"
        # These two requests are not repeated: each PutParameter that reaches AWS creates a version, and a second
        # DeleteParameter fails, because the parameter no longer exists.
        is_once = action in ("PutParameter", "DeleteParameter")
        call = Call(self._endpoint, self._credentials, action, doing, _refusal_of(action), (hidden,), is_once)
        return await call_json(self._client, call, "AmazonSSM", {"Name": self._name, **parameters})


def _version(entry: Mapping[str, object]) -> ParameterVersion:
    number, labels, modified = entry.get("Version"), entry.get("Labels"), entry.get("LastModifiedDate")
    return ParameterVersion(
        number if isinstance(number, int) else 0,
        tuple(label for label in labels if isinstance(label, str)) if isinstance(labels, list) else (),
        float(modified) if isinstance(modified, int | float) else None,
        text_in(entry, "LastModifiedUser"),
        text_in(entry, "Type"),
        text_in(entry, "KeyId"),
        text_in(entry, "Tier"),
        text_in(entry, "DataType"),
    )


def _refusal_of(action: str) -> Refusal:
    """Return the function that turns AWS's refusal of this action into an error."""

    def refusal(answer: AwsAnswer, doing: str) -> DsopsError | None:
        if concerns_credentials(answer):
            return None
        if is_denied(answer):
            hint = permission_hint(answer, f"ssm:{action}")
            if "KMS" in answer.message or "kms:" in answer.message:
                hint = "allow the writing role kms:Encrypt and kms:Decrypt on the KMS key of the parameter"
            return SecretAccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
        if answer.code in ("ParameterNotFound", "ParameterVersionNotFound"):
            message = f"could not {doing}: it does not exist in {answer.endpoint}"
            return SecretNotFound(message, why=answer.message, hint="check its name and region", aws=answer)
        if answer.code == "ParameterAlreadyExists":
            message, hint = f"could not {doing}: it exists already", "choose another name"
            return SecretExists(message, why=answer.message, hint=hint, aws=answer)
        hint = (
            "check the KMS key that encrypts the parameter"
            if answer.code == "InvalidKeyId"
            else "check the parameter's name"
        )
        return SecretRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)

    return refusal
