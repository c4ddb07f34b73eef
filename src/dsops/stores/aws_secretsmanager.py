"""Read from AWS Secrets Manager: each secret once, in parallel, or in batches if that saves requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.apis.secretsmanager import SecretValue, batch_get_secret_value, get_secret_value
from dsops.aws.http.client import preconnect
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AccessDenied, DsopsError, NoCredentials, SecretAccessDenied, ServiceError
from dsops.plan import SECRETS_PER_CALL, SINGLE_READS, SecretReference, Step, is_version_id, reads_of, region_of
from dsops.runtime import Event
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import pick
from dsops.stores.interface import Context, SecretMetadata
from dsops.tasks import gather, settle

if TYPE_CHECKING:
    from dsops.stores.writing.writable_secret import Operation, PlannedCalls, WritableSecret

BATCH_DENIED = "secretsmanager:BatchGetSecretValue is denied"
"""The entry in `Memory` for a session whose batch call was denied, so that the call is made only once."""

BATCH_STATEMENT = '{"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}'
"""The statement that the reader's policy needs for batches. The action can be allowed only on `*`."""

# Emulators of AWS may not know BatchGetSecretValue, and then return one of these codes.
_UNKNOWN_ACTION = frozenset({"UnknownOperationException", "InvalidAction", "NotImplemented", "InternalFailure"})


class _Id(NamedTuple):
    """One version of one secret. `version` is a version id, a staging label, or "" for the current version."""

    secret: str
    version: str


_Outcome = Secret | DsopsError


class SecretsManagerStore:
    """The store type `aws.secretsmanager`."""

    store_type = BUILTIN_TYPES["aws.secretsmanager"]

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the value or field of each secret."""
        if credentials is None:
            hint = "set `credentials_from` to a store that provides credentials"
            raise NoCredentials(f"store `{step.name}` needs AWS credentials", hint=hint, where=step.where)
        regions = _by_region(step, references)
        readers = [
            _Reader(step, credentials, context, endpoint_of(step, "secretsmanager", context.runtime, region))
            for region in regions
        ]
        outcomes: dict[_Id, _Outcome] = {}
        try:
            for region_outcomes in await gather(
                *[reader.read(list(ids)) for reader, ids in zip(readers, regions.values(), strict=True)]
            ):
                outcomes.update(region_outcomes)
        finally:
            _note(references, readers, context)
        return {reference: _picked(outcomes, reference, step) for reference in references}

    async def prepare(self, step: Step, references: Sequence[SecretReference], context: Context) -> None:
        """Open connections for the reads while the role is still being assumed."""
        for region, ids in _by_region(step, references).items():
            endpoint = endpoint_of(step, "secretsmanager", context.runtime, region)
            unique = {SecretReference(secret_id.secret, secret_id.version, "") for secret_id in ids}
            await preconnect(context.client, endpoint, reads_of(step, unique))

    def open_secret(self, step: Step, key: str, credentials: Credentials, context: Context) -> WritableSecret:
        """Return the secret with that key for writing."""
        # Imported here because reading secrets must not load the code that writes them.
        from dsops.stores.writing.secretsmanager import ManagedSecret

        endpoint = endpoint_of(step, "secretsmanager", context.runtime, region_of(key, step))
        return ManagedSecret(step, key, credentials, context.client, endpoint)

    def planned_calls(self, step: Step, key: str, operation: Operation, account: str) -> PlannedCalls:
        """Return the calls and permissions of an operation on a secret."""
        from dsops.stores.writing.secretsmanager import planned_calls

        return planned_calls(step, key, operation, account)


def _note(references: Sequence[SecretReference], readers: Sequence[_Reader], context: Context) -> None:
    by_id = {secret_id: metadata for reader in readers for secret_id, metadata in reader.metadata.items()}
    for reference in references:
        metadata = by_id.get(_Id(reference.key, reference.version))
        if metadata is not None:
            context.note(reference, metadata)


def _by_region(step: Step, references: Sequence[SecretReference]) -> Mapping[str, Mapping[_Id, None]]:
    regions: dict[str, dict[_Id, None]] = {}
    for reference in references:
        regions.setdefault(region_of(reference.key, step), {})[_Id(reference.key, reference.version)] = None
    return regions


class _Reader:
    """Reads the secrets of one region."""

    def __init__(self, step: Step, credentials: Credentials, context: Context, endpoint: Endpoint) -> None:
        self._step = step
        self._credentials = credentials
        self._context = context
        self._endpoint = endpoint
        self.metadata: dict[_Id, SecretMetadata] = {}
        """Id -> the metadata of the secret that was read."""

    async def read(self, ids: list[_Id]) -> dict[_Id, _Outcome]:
        """Read the secrets; return a value or an error for each."""
        current = [secret_id for secret_id in ids if not secret_id.version]
        if len(ids) <= SINGLE_READS or len(current) < 2 or not self._may_batch():
            return await self._singly(ids)
        chunks = [current[start : start + SECRETS_PER_CALL] for start in range(0, len(current), SECRETS_PER_CALL)]
        others = self._singly([secret_id for secret_id in ids if secret_id.version])
        parts = await gather(others, *[self._batch(chunk) for chunk in chunks])
        outcomes = {secret_id: outcome for part in parts for secret_id, outcome in part.items()}
        left = [secret_id for secret_id in ids if secret_id not in outcomes]
        return outcomes | await self._singly(left) if left else outcomes

    def _may_batch(self) -> bool:
        if self._step.settings.get("batch") == "never":
            return False
        return not self._context.memory.knows(self._step.fingerprint, BATCH_DENIED)

    async def _singly(self, ids: list[_Id]) -> dict[_Id, _Outcome]:
        outcomes = await settle(*[self._read_one(secret_id) for secret_id in ids])
        return dict(zip(ids, outcomes, strict=True))

    async def _read_one(self, secret_id: _Id) -> Secret:
        is_id = is_version_id(secret_id.version)
        answer = await get_secret_value(
            self._context.client,
            self._credentials,
            self._endpoint,
            secret_id.secret,
            version_id=secret_id.version if is_id else "",
            version_stage="" if is_id else secret_id.version,
        )
        self._cache_value(secret_id, answer)
        return answer.value

    def _cache_value(self, secret_id: _Id, answer: SecretValue, operation: str = "") -> None:
        region = self._endpoint.signing_region
        self.metadata[secret_id] = SecretMetadata(answer.version_id, answer.request_id, answer.arn, region, operation)

    async def _batch(self, ids: list[_Id]) -> dict[_Id, _Outcome]:
        """Read one batch; return a value or an error for each secret, or {} if batches are not allowed."""
        by_name = {secret_id.secret: secret_id for secret_id in ids}
        try:
            batch = await batch_get_secret_value(self._context.client, self._credentials, self._endpoint, list(by_name))
        except DsopsError as error:
            if not _is_no_batch(error):
                return dict.fromkeys(ids, error)
            self._remember(error)
            return {}
        for name, answer in batch.values.items():
            self._cache_value(by_name[name], answer, "BatchGetSecretValue")
        values: dict[_Id, _Outcome] = {by_name[name]: answer.value for name, answer in batch.values.items()}
        return values | {by_name[name]: error for name, error in batch.errors.items()}

    def _remember(self, error: DsopsError) -> None:
        """Remember that batches are denied, and report the denial once per session."""
        memory, step = self._context.memory, self._step
        if memory.knows(step.fingerprint, BATCH_DENIED):
            return
        memory.learn(step.fingerprint, BATCH_DENIED)
        self._context.runtime.report(
            Event(
                "secrets.batch-denied",
                {
                    "store": step.name,
                    "why": error.why,
                    "instead": "each secret is read by itself",
                    "hint": f"allow {BATCH_STATEMENT}, or set `batch: never` on the store ({step.where})",
                },
            )
        )


def _is_no_batch(error: DsopsError) -> bool:
    """Whether the error means that batch calls are not possible at all.

    Reading each secret separately may still succeed.
    """
    if isinstance(error, AccessDenied) and not isinstance(error, SecretAccessDenied):
        return True
    return isinstance(error, ServiceError) and error.aws is not None and error.aws.code in _UNKNOWN_ACTION


def _picked(outcomes: dict[_Id, _Outcome], reference: SecretReference, step: Step) -> Secret | DsopsError:
    outcome = outcomes[_Id(reference.key, reference.version)]
    if isinstance(outcome, DsopsError):
        return outcome
    return pick(outcome, reference.field, f"secret `{reference.key}` of store `{step.name}`")


STORE = SecretsManagerStore()
