"""The authorization checks of all services for the resources that the sandbox stores."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.request.lookups import Lookups
from dsops.request.parameter_values import Parameters
from dsops.request.question import AuthorizationQuestion, CallerView
from dsops.request.resources import ResourceResolver
from dsops.sandbox.authorization.encryption import Encryption
from dsops.sandbox.authorization.policy_documents import check_written_policy
from dsops.sandbox.state.estate import Estate
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.world import World


class StoredResources(ResourceResolver):
    """Yields the authorization checks of all services in one sandbox."""

    def __init__(self, world: World, secret_storage: SecretStorage) -> None:
        keys = KeyStore(world)
        super().__init__(Lookups(world, secret_storage, keys, Estate(world)))
        self._world = world
        self.encryption = Encryption(secret_storage, self.kms, keys)

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an operation, then raise SandboxRefusal if it writes an invalid policy.

        The policy is validated last: only a caller who may write it learns what is wrong with it.
        """
        yield from super().questions(service, operation, parameters, caller)
        check_written_policy(service, operation, parameters, self._world.has_principal)
