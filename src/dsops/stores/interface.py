"""The two protocols that a store can fulfil. One file per store type implements them; a plugin does the same.

A store gets its plan step (texts expanded, limits checked) and, where it uses AWS, the credentials to work with as a value:
it never knows who made them. It reads no environment, clock or file except through the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from dsops.aws.client import Client
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.plan import SecretReference, Step
from dsops.runtime import Runtime
from dsops.secret import Secret


class Context(NamedTuple):
    """What a store may use besides its own settings."""

    runtime: Runtime
    client: Client
    """The thin AWS client, with this step's time limits."""


class CredentialStore(Protocol):
    """A store that other stores can take credentials from."""

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """New credentials, as one snapshot.

        `source` signs the call; None for a store that needs none. Raises CredentialsError or ServiceError.
        """


class SecretStore(Protocol):
    """A store that secrets are read from: a batch in, a batch out."""

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """A value, or the reason why there is none, for every reference asked for.

        References differ from each other; each underlying secret is fetched once. Raises only what fails the whole batch.
        """
