"""Write secrets of Secrets Manager, which checks that the current version is the expected one.

A new value is first stored as a version with its own staging label. UpdateSecretVersionStage then moves AWSCURRENT
from the expected version to the new version. AWS refuses this call if a different version has become current.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from uuid import uuid4

from dsops.arn import parse_arn
from dsops.aws.apis.secret_versions import CURRENT, MOST_BYTES, PREVIOUS, DescribedSecret, SecretCalls, WrittenVersion
from dsops.aws.apis.secretsmanager import get_secret_value
from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import DsopsError, SecretChanged, SecretNotFound, SecretRefused, ServiceError, UsageError
from dsops.plan import Step, is_version_id, region_of
from dsops.plan.required_permissions import OWN_ACCOUNT, Condition, Need, secret_resources
from dsops.secret import Secret
from dsops.stores.writing.key_check import checked_key
from dsops.stores.writing.recording import CallOutcome, CallRecorder, command_line, key_needs, time_of
from dsops.stores.writing.writable_secret import CurrentVersion, Operation, PlannedCalls, VersionRecord, VersionValue

STAGED = "dsops-staged"
"""The staging label of a new version until the version becomes current."""

_REPLACE = ("PutSecretValue", "UpdateSecretVersionStage")
_CALLS: Mapping[Operation, tuple[str, ...]] = {
    "set": ("DescribeSecret", *_REPLACE),
    "set field": ("DescribeSecret", "GetSecretValue", *_REPLACE),
    "create": ("CreateSecret",),
    "edit": ("DescribeSecret", "GetSecretValue", *_REPLACE),
    "history": ("ListSecretVersionIds",),
    "show": ("ListSecretVersionIds", "GetSecretValue"),
    "diff": ("DescribeSecret", "GetSecretValue"),
    "rollback": ("DescribeSecret", "UpdateSecretVersionStage"),
    "rm": ("DescribeSecret", "DeleteSecret"),
    "undo": ("RestoreSecret",),
}


def planned_calls(step: Step, key: str, operation: Operation, account: str) -> PlannedCalls:
    """Return the calls and permissions of an operation on a secret."""
    key = checked_key(step, key)
    actions = _CALLS[operation]
    conditions: tuple[Condition, ...] = () if account or parse_arn(key) else (OWN_ACCOUNT,)
    needs = [
        Need(tuple(f"secretsmanager:{action}" for action in actions), resource, conditions)
        for resource in secret_resources(step, account, key)
    ]
    encrypts = bool({"PutSecretValue", "CreateSecret"} & set(actions))
    key_actions = [
        *(["kms:Decrypt"] if encrypts or "GetSecretValue" in actions else []),
        *(["kms:GenerateDataKey"] if encrypts else []),
    ]
    return PlannedCalls(actions, (*needs, *key_needs(key_actions, "secretsmanager", region_of(key, step))))


class ManagedSecret:
    """One secret of Secrets Manager that dsops reads, writes or deletes."""

    noun = "secret"
    options = frozenset({"kms_key"})
    can_restore = True

    def __init__(self, step: Step, key: str, credentials: Credentials, client: Client, endpoint: Endpoint) -> None:
        self.name = checked_key(step, key)
        self._step, self._key = step, key
        self.region = endpoint.signing_region
        self._endpoint = endpoint
        self._credentials = credentials
        self._client = client
        self._calls = SecretCalls(client, credentials, endpoint, self.name)
        self._recorder = CallRecorder(step, self.name, credentials, client, endpoint)

    async def current(self) -> CurrentVersion:
        """Return the id of the version with AWSCURRENT; "" for a secret without a version."""
        description = await self._describe()
        return CurrentVersion(description.version_with(CURRENT), description.arn)

    async def read(self, version: str = "") -> VersionValue:
        """Return the value of a version by id or staging label."""
        is_id = is_version_id(version)
        work = get_secret_value(
            self._client,
            self._credentials,
            self._endpoint,
            self.name,
            version_id=version if is_id else "",
            version_stage="" if is_id else version,
        )
        asked = {"secretId": self.name, **({"version": version} if version else {})}
        try:
            answer = await self._recorder.call(
                "GetSecretValue", work, asked, lambda answer: CallOutcome({}, answer.request_id, answer.version_id)
            )
        except SecretNotFound as error:
            if version:
                self._say_version_is_missing(error, version)
            raise
        return VersionValue(answer.version_id, answer.value)

    async def previous(self) -> str:
        """Return the id of the version with AWSPREVIOUS."""
        version = (await self._describe()).version_with(PREVIOUS)
        if not version:
            raise SecretNotFound(
                f"the secret `{self.name}` has no previous version",
                why=f"no version has the label {PREVIOUS}",
                hint=f"`{self._line('history')}` shows the versions; name one of them",
            )
        return version

    async def history(self) -> list[VersionRecord]:
        """Return all versions that AWS still has, the newest first."""
        work, asked = self._calls.list_versions(), {"secretId": self.name, "includeDeprecated": True}
        listed = await self._recorder.call("ListSecretVersionIds", work, asked, lambda _: CallOutcome({}, ""))
        listed.sort(key=lambda each: (CURRENT in each.stages, PREVIOUS in each.stages, each.created or 0), reverse=True)
        return [
            VersionRecord(each.version_id, each.stages, CURRENT in each.stages, time_of(each.created), "")
            for each in listed
        ]

    async def create(self, value: Secret, options: Mapping[str, str]) -> str:
        """Create the secret, with this value as its first version."""
        if self.name.startswith("arn:"):
            raise UsageError(
                "a new secret has no ARN yet", hint="write its name; AWS makes the ARN, with six random characters"
            )
        self._check_length(value)
        kms_key = options.get("kms_key", "")
        work = self._calls.create(self.name, value, str(uuid4()), kms_key)
        asked = {"name": self.name, **({"kmsKeyId": kms_key} if kms_key else {})}
        return (await self._recorder.call("CreateSecret", work, asked, _written)).version_id

    async def replace(self, value: Secret, expected: str) -> str:
        """Store the value as a new version, and make it current if `expected` is still current."""
        self._check_length(value)
        work = self._calls.put_value(value, str(uuid4()), STAGED)
        asked = {"secretId": self.name, "versionStages": [STAGED]}
        version = (await self._recorder.call("PutSecretValue", work, asked, _written)).version_id
        try:
            await self._make_current(version, expected)
        except SecretChanged:
            await self._remove_label(version)
            raise
        except DsopsError as error:
            state = f"version {expected} is still current"
            if isinstance(error, ServiceError):  # without a response, the request may have arrived
                state = f"`{self._line('history')}` shows which version is current"
            error.retell(error.message, why=f"{error.why}; the new value is stored as version {version}, and {state}")
            raise
        await self._remove_label(version)
        return version

    async def make_current(self, version: str, expected: str) -> str:
        """Move AWSCURRENT to that version, given by its id or a staging label."""
        if not is_version_id(version):
            label, version = version, (await self._describe()).version_with(version)
            if not version:
                hint = f"`{self._line('history')}` shows the versions and their labels"
                raise SecretNotFound(f"no version of the secret `{self.name}` has the label `{label}`", hint=hint)
        if version != expected:
            try:
                await self._make_current(version, expected)
            except SecretNotFound as error:
                self._say_version_is_missing(error, version)
                raise
        return version

    async def delete(self, days: int | None) -> datetime | None:
        """Schedule the deletion of the secret, or delete it at once if `days` is None."""
        window = {"recoveryWindowInDays": days} if days is not None else {"forceDeleteWithoutRecovery": True}
        work, asked = self._calls.delete(days), {"secretId": self.name, **window}
        seconds, _ = await self._recorder.call("DeleteSecret", work, asked, lambda result: CallOutcome({}, result[1]))
        return time_of(seconds) if days is not None else None

    async def restore(self) -> None:
        """Cancel the scheduled deletion of the secret."""
        asked = {"secretId": self.name}
        await self._recorder.call(
            "RestoreSecret", self._calls.restore(), asked, lambda request: CallOutcome({}, request)
        )

    def _line(self, command: str) -> str:
        return command_line(command, self._step, self._key)

    async def _describe(self) -> DescribedSecret:
        work, asked = self._calls.describe(), {"secretId": self.name}
        return await self._recorder.call(
            "DescribeSecret", work, asked, lambda result: CallOutcome({}, result.request_id)
        )

    def _say_version_is_missing(self, error: SecretNotFound, version: str) -> None:
        hint = f"`{self._line('history')}` shows the versions"
        error.retell(f"the secret `{self.name}` has no version `{version}`", hint=hint)

    async def _make_current(self, version: str, expected: str) -> None:
        try:
            await self._move(CURRENT, to=version, away_from=expected)
        except SecretRefused:
            current = (await self._describe()).version_with(CURRENT)
            if current == version:  # the response to an earlier attempt was lost, or this is the first version
                return
            if current == expected:
                raise
            raise SecretChanged(
                f"the secret `{self.name}` was changed by another client, and nothing was overwritten",
                why=f"the expected version is {expected or 'none'}, but the current version is {current or 'none'}",
                hint=f"`{self._line('diff')}` shows the other change; then try again",
            ) from None

    async def _remove_label(self, version: str) -> None:
        with suppress(SecretRefused):  # another dsops may have moved the label to its own version
            await self._move(STAGED, away_from=version)

    async def _move(self, label: str, *, to: str = "", away_from: str = "") -> None:
        asked = {"versionStage": label, "moveToVersionId": to, "removeFromVersionId": away_from}
        asked = {"secretId": self.name, **{name: text for name, text in asked.items() if text}}
        work = self._calls.move_stage(label, to=to, away_from=away_from)
        await self._recorder.call("UpdateSecretVersionStage", work, asked, lambda request: CallOutcome({}, request, to))

    def _check_length(self, value: Secret) -> None:
        length = len(value.reveal_bytes())
        if length > MOST_BYTES:
            raise UsageError(
                f"the value has {length:,} bytes, but the limit is {MOST_BYTES:,}",
                hint="encrypt large files and store them in S3; store only the encryption key as a secret",
            )


def _written(written: WrittenVersion) -> CallOutcome:
    return CallOutcome({"aRN": written.arn, "versionId": written.version_id}, written.request_id, written.version_id)
