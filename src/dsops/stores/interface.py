"""The protocols of a store, which each store type in this package and each plugin implements.

A store receives its plan step, in which texts are expanded and limits are checked. A store that uses AWS also receives
credentials, but not their source. It accesses the environment, the clock and files only through the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.aws.http.call import Client
from dsops.cache import Memory
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.plan import Proof, SecretReference, Settings, Step
from dsops.runtime import Runtime
from dsops.schema import StoreType
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from dsops.stores.writing.writable_secret import Operation, PlannedCalls, WritableSecret


class SecretMetadata(NamedTuple):
    """Facts about a secret that was read, for the audit trail, but never the secret's value. Unknown facts are ""."""

    version: str = ""
    request_id: str = ""
    arn: str = ""
    region: str = ""
    operation: str = ""
    """The API action that read the secret if it is not the store's usual action, such as BatchGetSecretValue."""


class Context(NamedTuple):
    """What a store may use in addition to its settings."""

    runtime: Runtime
    client: Client
    """The AWS client with the step's timeouts."""
    memory: Memory
    """Facts known from AWS's responses in this run, or in an earlier run of this process."""
    found: dict[SecretReference, SecretMetadata] | None = None
    """The mapping that `fetch` fills with metadata; None if no audit trail is kept."""

    def note(self, reference: SecretReference, metadata: SecretMetadata) -> None:
        """Record metadata of a secret for the audit trail."""
        if self.found is not None:
            self.found[reference] = metadata


class Store(Protocol):
    """The part of the interface that all kinds of stores have."""

    store_type: StoreType
    """The type's name, keys and properties. A plugin's type defines keys that the configuration then accepts."""


class CredentialStore(Store, Protocol):
    """A store that issues credentials for other stores.

    The store may have a method `prepare`, like a SecretStore. It is called without references, while the credentials
    that sign the store's call are still being obtained.
    """

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Issue new credentials.

        `source` signs the call; it is None for a store that needs no credentials. Raises CredentialsError or
        ServiceError, or MfaRequired if the user has to enter a code and `context.runtime.ask` reaches no user.
        """


class ProvingStore(CredentialStore, Protocol):
    """A store whose type has `proof_keys`: a token or login replaces base credentials."""

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the caller from the settings, without running a command or prompting a user.

        `digest_of` returns a digest that reveals nothing about its parts; `folder` is the client's working directory.
        Raises ConfigError if the settings name something that does not exist.
        """


class SecretStore(Store, Protocol):
    """A store that returns secrets, in batches.

    The store may also have `async def prepare(step, references, context) -> None`, which opens connections for
    `fetch` while its credentials are still being issued. `prepare` must not wait for a response or prompt the user.
    """

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return a value or an error for every reference.

        `credentials` are the credentials of `step.credentials_from`, or the base credentials. A store that issues
        credentials receives its own credentials here.

        - The references are distinct.
        - Each underlying secret is fetched only once.
        - References that fail for the same reason share one error object.
        - An exception is raised only if the whole batch fails.
        """


class WritableStore(SecretStore, Protocol):
    """A store whose secrets can be written: its type has `is_writable`."""

    def open_secret(self, step: Step, key: str, credentials: Credentials, context: Context) -> WritableSecret:
        """Return the secret with that key, which need not exist. Sends no request.

        Raises UsageError for a key that can't be written.
        """

    def planned_calls(self, step: Step, key: str, operation: Operation, account: str) -> PlannedCalls:
        """Return the calls and permissions of an operation. `account` is the caller's account, "" if unknown."""
