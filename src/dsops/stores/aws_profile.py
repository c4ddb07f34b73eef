"""The store type `aws.profile`: returns the temporary credentials that an AWS profile provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.credentials import Credentials
from dsops.errors import DsopsError, NoCredentials
from dsops.plan import SecretReference, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.stores.session_parts import parts_of


class ProfileStore:
    """The store type `aws.profile`, whose session is the profile's credentials.

    dsops signs no requests with these credentials.
    """

    store_type = BUILTIN_TYPES["aws.profile"]

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Return a copy of the profile's credentials. Raises NoCredentials for a long-term key."""
        del context
        if source is None:
            raise NoCredentials(
                f"store `{step.name}` has no credentials of profile `{step.profile}`",
                hint=f"check the profile: `aws sts get-caller-identity --profile {step.profile}`",
                where=step.where,
            )
        if not source.is_temporary:
            raise NoCredentials(
                f"store `{step.name}`: profile `{step.profile}` provides a long-term key",
                why="a store of type aws.profile provides only temporary credentials",
                hint=f"write `type: aws.sts` and `profile: {step.profile}`: GetSessionToken then issues a session",
                where=step.where,
            )
        return source.from_source(source.source, sandbox=source.sandbox)

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the requested parts of the credentials, such as the access key id."""
        del context
        return parts_of(step, references, credentials)


STORE = ProfileStore()
