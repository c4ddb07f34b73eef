"""The two protocols that a store can fulfil. One file per store type implements them; a plugin does the same.

A store gets its plan step (texts expanded, limits checked) and, where it uses AWS, the credentials to work with as a
value: it never knows who made them. It reads no environment, clock or file except through the runtime.
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
    """What AWS said of a secret that was read, besides its value; for the audit trail. "" for what is not known."""

    version: str = ""
    request_id: str = ""
    arn: str = ""
    region: str = ""
    operation: str = ""
    """By which it was read, where that is another than its store's usual one: BatchGetSecretValue."""


class Context(NamedTuple):
    """What a store may use besides its own settings."""

    runtime: Runtime
    client: Client
    """The thin AWS client, with this step's time limits."""
    memory: Memory
    """What was learnt from AWS's answers so far, in this run or an earlier one of this process."""
    found: dict[SecretReference, SecretMetadata] | None = None
    """Where `fetch` may note what else is known of a secret; None where nobody wants that."""

    def note(self, reference: SecretReference, found: SecretMetadata) -> None:
        """Notes for the audit trail what is known of a secret besides its value."""
        if self.found is not None:
            self.found[reference] = found


class Store(Protocol):
    """What every store has."""

    store_type: StoreType
    """Its name and keys; a plugin's is what makes its keys known to the configuration."""


class CredentialStore(Store, Protocol):
    """A store that other stores can take credentials from.

    One whose call goes over the network may have `prepare` too, as a SecretStore has; it is called with no references
    while the credentials that sign the call are still being had.
    """

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """New credentials, as one snapshot.

        `source` signs the call; None for a store that needs none. Raises CredentialsError or ServiceError, and
        MfaRequired where a person would be needed and `context.runtime.ask` finds none.
        """


class ProvingStore(CredentialStore, Protocol):
    """A store whose type has `proof_keys`: a token or a login stands where base credentials stand elsewhere."""

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Whose session these settings lead to, as far as that can be told without running or asking anything.

        `digest_of` makes a digest that tells nothing of what it is made of; `folder` is the client's. Raises
        ConfigError where the settings name something that is not there.
        """


class SecretStore(Store, Protocol):
    """A store that secrets are read from: a batch in, a batch out.

    One that can do something useful while its credentials are still being issued has besides
    `async def prepare(step, references, context) -> None`: it may open connections that `fetch` will need, asks for
    nothing, and waits for nothing.
    """

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """A value, or the reason why there is none, for every reference asked for.

        `credentials` are those of `step.credentials_from`, or the base ones; a store that issues credentials itself
        gets its own. References differ from each other; each underlying secret is fetched once, and an error that
        several references share is one object. Raises only what fails the whole batch.
        """
