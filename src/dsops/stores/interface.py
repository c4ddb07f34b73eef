"""The protocols of a store. One file per store type implements them; so does a plugin.

A store gets its plan step (texts expanded, limits checked) and, if it uses AWS, credentials as a value: it does not
know where they come from. It reads environment, clock and files only through the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.aws.http.client import Client
from dsops.cache import Memory
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.plan import Proof, SecretReference, Settings, Step
from dsops.runtime import Runtime
from dsops.schema import StoreType
from dsops.secret import Secret
from dsops.startup import NamedTuple, Protocol


class SecretMetadata(NamedTuple):
    """Facts about a secret that was read, for the audit trail; never its value. "" for unknown."""

    version: str = ""
    request_id: str = ""
    arn: str = ""
    region: str = ""
    operation: str = ""
    """The API action that read it, if it is not the store's usual one: BatchGetSecretValue."""


class Context(NamedTuple):
    """What a store may use besides its settings."""

    runtime: Runtime
    client: Client
    """The AWS client, with this step's time limits."""
    memory: Memory
    """Facts learnt from AWS's answers, in this run or an earlier one of this process."""
    found: dict[SecretReference, SecretMetadata] | None = None
    """The mapping that `fetch` fills with metadata; None where no audit trail is kept."""

    def note(self, reference: SecretReference, metadata: SecretMetadata) -> None:
        """Record metadata of a secret for the audit trail."""
        if self.found is not None:
            self.found[reference] = metadata


class Store(Protocol):
    """The part of a store that every kind of store has."""

    store_type: StoreType
    """The type's name, keys and properties; a plugin's type makes its keys known to the configuration."""


class CredentialStore(Store, Protocol):
    """A store that issues credentials for other stores.

    It may also have `prepare`, as a SecretStore has. It is then called with no references, while the credentials that
    sign the call are still being obtained.
    """

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Issue new credentials.

        `source` signs the call; None for a store that needs no credentials. Raises CredentialsError or ServiceError,
        and MfaRequired if the user has to enter a code and `context.runtime.ask` reaches no user.
        """


class ProvingStore(CredentialStore, Protocol):
    """A store whose type has `proof_keys`: a token or a login takes the place of base credentials."""

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the caller from the settings, without running a command or asking a user.

        `digest_of` makes a digest that reveals nothing about its parts; `folder` is the client's working folder.
        Raises ConfigError if the settings name something that does not exist.
        """


class SecretStore(Store, Protocol):
    """A store that gives secrets, in batches.

    It may also have `async def prepare(step, references, context) -> None`, which opens connections for `fetch` while
    its credentials are still being issued. `prepare` must not wait for an answer or ask the user.
    """

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return a value or an error for every reference.

        `credentials` are those of `step.credentials_from`, or the base credentials; a store that issues credentials
        gets its own. The references are distinct. Each underlying secret is fetched once, and an error that several
        references share is one object. Raises only errors that fail the whole batch.
        """
