"""Write parameters of Parameter Store, whose API can't check which version is overwritten.

Therefore the current version is checked right before PutParameter, and the new version's number right after it. A
skipped number means that another client wrote a version in between. The error names that version, whose value stays in
the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from dsops.aws.apis.parameter_versions import MOST_BYTES, ParameterCalls, ParameterVersion
from dsops.aws.apis.ssm import get_parameters
from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import SecretChanged, SecretNotFound, ServiceError, UsageError
from dsops.plan import Step
from dsops.plan.required_permissions import OWN_ACCOUNT, Condition, Need, parameter_resource
from dsops.secret import Secret
from dsops.stores.writing.key_check import checked_key
from dsops.stores.writing.recording import CallOutcome, CallRecorder, command_line, key_needs, time_of
from dsops.stores.writing.writable_secret import CurrentVersion, Operation, PlannedCalls, VersionRecord, VersionValue

_REPLACE = ("GetParameterHistory", "PutParameter")
_CALLS: Mapping[Operation, tuple[str, ...]] = {
    "set": ("GetParameters", *_REPLACE),
    "set field": ("GetParameters", *_REPLACE),
    "create": ("PutParameter",),
    "edit": ("GetParameters", *_REPLACE),
    "history": ("GetParameterHistory",),
    "show": ("GetParameterHistory", "GetParameters"),
    "diff": ("GetParameterHistory", "GetParameters"),
    "rollback": ("GetParameters", *_REPLACE),
    "rm": ("GetParameters", "DeleteParameter"),
    "undo": (),
}
_SECURE = "SecureString"


def planned_calls(step: Step, key: str, operation: Operation, account: str) -> PlannedCalls:
    """Return the calls and permissions of an operation on a parameter."""
    key = _checked(step, key)
    actions = _CALLS[operation]
    if not actions:
        return PlannedCalls((), ())
    conditions: tuple[Condition, ...] = () if account else (OWN_ACCOUNT,)
    permissions = tuple(f"ssm:{action}" for action in actions)
    needs = [Need(permissions, parameter_resource(step, account, key), conditions)]
    decrypts = operation not in ("set", "create", "history", "rm")
    key_actions = [
        *(["kms:Decrypt"] if decrypts else []),
        *(["kms:Encrypt", "kms:GenerateDataKey"] if "PutParameter" in actions else []),
    ]
    return PlannedCalls(actions, (*needs, *key_needs(key_actions, "ssm", step.region)))


class ManagedParameter:
    """One parameter of Parameter Store that dsops reads, writes or deletes."""

    noun = "parameter"
    options = frozenset({"kms_key", "type", "tier"})
    can_restore = False

    def __init__(self, step: Step, key: str, credentials: Credentials, client: Client, endpoint: Endpoint) -> None:
        self.name = f"{step.settings.get('parameter_prefix', '')}{_checked(step, key)}"
        self._step, self._key = step, key
        self.region = endpoint.signing_region
        self._endpoint = endpoint
        self._credentials = credentials
        self._client = client
        self._calls = ParameterCalls(client, credentials, endpoint, self.name)
        self._recorder = CallRecorder(step, self.name, credentials, client, endpoint)

    async def current(self) -> CurrentVersion:
        """Return the newest version, which is the current one."""
        version, arn, _ = await self._get("", with_decryption=False)
        return CurrentVersion(version, arn)

    async def read(self, version: str = "") -> VersionValue:
        """Return the value of a version by number or label."""
        number, _, value = await self._get(version, with_decryption=True)
        return VersionValue(number, value)

    async def previous(self) -> str:
        """Return the number of the version before the newest one."""
        versions = await self._history()
        if len(versions) < len(("current", "previous")):
            hint = f"`{self._line('history')}` shows the versions"
            raise SecretNotFound(f"the parameter `{self.name}` has no previous version", hint=hint)
        return str(versions[-2].version)

    async def history(self) -> list[VersionRecord]:
        """Return the versions that AWS still has (at most 100), the newest first."""
        versions = await self._history()
        return [
            VersionRecord(str(each.version), each.labels, each is versions[-1], time_of(each.modified), each.user)
            for each in reversed(versions)
        ]

    async def create(self, value: Secret, options: Mapping[str, str]) -> str:
        """Create the parameter, by default as SecureString."""
        kind, tier = options.get("type") or _SECURE, options.get("tier", "")
        if options.get("kms_key") and kind != _SECURE:
            raise UsageError(f"a parameter of the type {kind} is not encrypted", hint="leave out `--kms-key`")
        _check_value(value, tier)
        return await self._put(value, {"Type": kind, "KeyId": options.get("kms_key", ""), "Tier": tier})

    async def replace(self, value: Secret, expected: str) -> str:
        """Overwrite the parameter if its newest version is `expected`; type, key and tier stay the same."""
        newest = (await self._history())[-1]
        if str(newest.version) != expected:
            raise SecretChanged(
                f"the parameter `{self.name}` was changed by another client, and nothing was overwritten",
                why=f"the expected version is {expected}, but the current version is {newest.version}",
                hint=f"`{self._line('diff')}` shows the other change; then try again",
            )
        _check_value(value, newest.tier)
        # Without KeyId, AWS would encrypt the new version with the account's default key.
        key = newest.kms_key if newest.type == _SECURE else ""
        settings = {"Type": newest.type, "KeyId": key, "Tier": newest.tier, "DataType": newest.data_type}
        version = await self._put(value, settings, overwrite=True)
        between = range(newest.version + 1, int(version))
        if between:
            numbers, last = " and ".join(str(number) for number in between), between[-1]
            compare, undo = f"`{self._line('diff')} {last}` compares them", f"`{self._line('rollback')} {last}`"
            raise SecretChanged(
                f"version {version} of the parameter `{self.name}` is written, but it replaces another client's change",
                why=f"version {numbers} was written between the check and the write",
                hint=f"{compare}; {undo} makes the other change current again",
            )
        return version

    async def make_current(self, version: str, expected: str) -> str:
        """Write the value of an old version as a new version."""
        old = await self.read(version)
        return expected if old.version == expected else await self.replace(old.value, expected)

    async def delete(self, days: int | None) -> datetime | None:
        """Delete the parameter at once, with its history."""
        if days is not None:
            raise UsageError("Parameter Store deletes at once", hint="write `--now` instead of `--days`")
        work, asked = self._calls.delete(), {"name": self.name}
        await self._recorder.call("DeleteParameter", work, asked, lambda request: CallOutcome({}, request))
        return None

    async def restore(self) -> None:
        """Raise UsageError, because a deleted parameter can't be restored."""
        raise UsageError(
            "a deleted parameter can't be restored",
            why="Parameter Store keeps no copy of it",
            hint=f"write the value again: `{self._line('set')} --create`",
        )

    def _line(self, command: str) -> str:
        return command_line(command, self._step, self._key)

    async def _put(self, value: Secret, settings: Mapping[str, str], *, overwrite: bool = False) -> str:
        asked = {"name": self.name, "overwrite": overwrite}
        asked |= {f"{name[0].lower()}{name[1:]}": text for name, text in settings.items() if text}
        work = self._calls.put(value, settings, overwrite=overwrite)
        try:
            version, _ = await self._recorder.call(
                "PutParameter",
                work,
                asked,
                lambda result: CallOutcome({"version": result[0]}, result[1], str(result[0])),
            )
        except ServiceError as error:
            seen = f"`{self._line('history')}` shows whether the value was written"
            error.retell(error.message, hint="; ".join(filter(None, (error.hint, seen))))
            raise
        return str(version)

    async def _get(self, version: str, *, with_decryption: bool) -> tuple[str, str, Secret]:
        """Return a version's number, ARN and value."""
        name = f"{self.name}:{version}" if version else self.name
        work = get_parameters(self._client, self._credentials, self._endpoint, [name], with_decryption=with_decryption)
        asked = {"names": [name], "withDecryption": with_decryption}
        answer = await self._recorder.call(
            "GetParameters", work, asked, lambda result: CallOutcome({}, result.request_id)
        )
        parameter = answer.found.get(name)
        if parameter is None:
            history, create = f"`{self._line('history')}` shows its versions", f"`{self._line('set')} --create`"
            hint = history if version else f"check name and region; {create} makes a new parameter"
            raise SecretNotFound(f"{self._endpoint.short} has no parameter `{name}`", hint=hint)
        return str(parameter.version), parameter.arn, parameter.value

    async def _history(self) -> list[ParameterVersion]:
        work, asked = self._calls.history(), {"name": self.name}
        versions, _ = await self._recorder.call(
            "GetParameterHistory", work, asked, lambda result: CallOutcome({}, result[1])
        )
        if not versions:
            hint = "check name and region"
            raise SecretNotFound(f"{self._endpoint.short} has no versions of the parameter `{self.name}`", hint=hint)
        return versions


def _checked(step: Step, key: str) -> str:
    """Return the name of a parameter. Raises UsageError for an ARN or a version."""
    key = checked_key(step, key)
    if key.startswith("arn:"):
        raise UsageError(
            "to write a parameter, use its name instead of an ARN",
            why="PutParameter takes no ARN, and parameters of another account can only be read",
            hint="write the name, with the `/` at its beginning if it has one",
        )
    if ":" in key:
        raise UsageError(
            f"`{key}` names a version of a parameter", hint=f"write `{key.partition(':')[0]}`, without the version"
        )
    return key


def _check_value(value: Secret, tier: str) -> None:
    """Raise UsageError for a value that is too long, or that is not text."""
    data = value.reveal_bytes()
    most = MOST_BYTES.get(tier, MOST_BYTES["Standard"])
    if len(data) > most:
        longer = "create it with `--tier Advanced` (8,192 bytes, and AWS charges for it), or use Secrets Manager"
        raise UsageError(
            f"the value has {len(data):,} bytes, but the limit of the tier {tier or 'Standard'} is {most:,}",
            hint=longer if most == MOST_BYTES["Standard"] else "use Secrets Manager, which takes 65,536 bytes",
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # The error is raised `from None`, because the original error contains the value.
        raise UsageError(
            "the value is not text", why="Parameter Store takes only UTF-8", hint="encode it, for example as Base64"
        ) from None
