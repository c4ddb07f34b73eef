"""Read from AWS Systems Manager Parameter Store, with ten parameters per call and parallel calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.apis.ssm import get_parameters
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import DsopsError, NoCredentials, SecretAccessDenied, SecretNotFound, SecretRefused
from dsops.plan import SecretReference, Step, in_calls, parameter_name, region_of
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import pick
from dsops.stores.interface import Context, SecretMetadata
from dsops.tasks import gather

if TYPE_CHECKING:
    from dsops.stores.writing.writable_secret import Operation, PlannedCalls, WritableSecret

_Outcome = Secret | DsopsError


class ParameterStore:
    """The store type `aws.ssm`. `parameter_prefix` is put before each key that is not an ARN."""

    store_type = BUILTIN_TYPES["aws.ssm"]

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the value or field of each parameter."""
        if credentials is None:
            hint = "set `credentials_from` to a store that provides credentials"
            raise NoCredentials(f"store `{step.name}` needs AWS credentials", hint=hint, where=step.where)
        names = {reference: _name(step, reference) for reference in references}
        regions: dict[str, dict[str, None]] = {}
        for name in names.values():
            regions.setdefault(region_of(name, step), {})[name] = None
        readers = []
        metadata: dict[str, SecretMetadata] = {}
        for region, names_there in regions.items():
            reader = _Reader(step, credentials, context, endpoint_of(step, "ssm", context.runtime, region), metadata)
            readers += [reader.read(batch) for batch in in_calls(names_there)]
        outcomes = {name: outcome for part in await gather(*readers) for name, outcome in part.items()}
        for reference, name in names.items():
            if name in metadata:
                context.note(reference, metadata[name])
        return {reference: _picked(outcomes[name], name, reference, step) for reference, name in names.items()}

    def open_secret(self, step: Step, key: str, credentials: Credentials, context: Context) -> WritableSecret:
        """Return the parameter with that key for writing."""
        # Imported here because reading secrets must not load the code that writes them.
        from dsops.stores.writing.parameter_store import ManagedParameter

        return ManagedParameter(step, key, credentials, context.client, endpoint_of(step, "ssm", context.runtime))

    def planned_calls(self, step: Step, key: str, operation: Operation, account: str) -> PlannedCalls:
        """Return the calls and permissions of an operation on a parameter."""
        from dsops.stores.writing.parameter_store import planned_calls

        return planned_calls(step, key, operation, account)


class _Reader:
    """Reads the parameters of one region."""

    def __init__(
        self,
        step: Step,
        credentials: Credentials,
        context: Context,
        endpoint: Endpoint,
        metadata: dict[str, SecretMetadata],
    ) -> None:
        """`metadata` is filled with the metadata of each parameter that is read."""
        self._step = step
        self._credentials = credentials
        self._context = context
        self._endpoint = endpoint
        self._metadata = metadata

    async def read(self, names: list[str]) -> dict[str, _Outcome]:
        """Read up to ten parameters; return a value or an error for each.

        AWS refuses the whole call if one parameter may not be read or has an unusable key. Then each parameter is
        read in a call of its own, so that the others succeed and the error names the right one.
        """
        try:
            answer = await get_parameters(
                self._context.client,
                self._credentials,
                self._endpoint,
                names,
                with_decryption=self._step.settings.get("with_decryption") is not False,
            )
        except (SecretAccessDenied, SecretRefused) as error:
            if len(names) == 1:
                return {names[0]: error}
            parts = await gather(*[self.read([name]) for name in names])
            return {name: outcome for part in parts for name, outcome in part.items()}
        except DsopsError as error:
            return dict.fromkeys(names, error)
        for name, parameter in answer.found.items():
            version, region = str(parameter.version or ""), self._endpoint.signing_region
            self._metadata[name] = SecretMetadata(version, answer.request_id, parameter.arn, region)
        values: dict[str, _Outcome] = {name: parameter.value for name, parameter in answer.found.items()}
        return values | {name: self._missing(name) for name in answer.invalid}

    def _missing(self, name: str) -> SecretNotFound:
        is_path = "/" in name and not name.startswith(("/", "arn:"))
        hint = (
            f"a path begins with `/`: /{name}"
            if is_path
            else "check the parameter's name, version or label, and the region"
        )
        return SecretNotFound(
            f"{self._endpoint.short} has no parameter `{name}` (store `{self._step.name}`)", hint=hint
        )


def _name(step: Step, reference: SecretReference) -> str:
    """Return the name to send to GetParameters, with the store's prefix."""
    prefix = "" if reference.key.startswith("arn:") else step.settings.get("parameter_prefix", "")
    return f"{prefix}{parameter_name(reference)}"


def _picked(outcome: _Outcome, name: str, reference: SecretReference, step: Step) -> Secret | DsopsError:
    if isinstance(outcome, DsopsError):
        return outcome
    return pick(outcome, reference.field, f"parameter `{name}` of store `{step.name}`")


STORE = ParameterStore()
