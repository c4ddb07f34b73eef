"""Service-specific credentials, which moto lacks: user names and passwords for CodeCommit and Keyspaces.

IAM User Guide, "Service-specific credentials". The messages are AWS's, as LocalStack's tests recorded them. No
endpoint of the sandbox accepts these credentials.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dsops.request.wire.errors import no_such_entity, refusal
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.state.identifiers import unique_id
from dsops.sandbox.state.world import User, World

Parameters = Mapping[str, object]

_SERVICES: Final = frozenset({"cassandra.amazonaws.com", "codecommit.amazonaws.com"})
_MOST: Final = 2
"""Maximum number of credentials per user and service."""


class _Credential(NamedTuple):
    """A service-specific credential without its password, which only the creating response contains."""

    identifier: str
    user_id: str
    """The user's AIDA id. A new user of the same name has a different id."""
    service: str
    name: str
    created_at: float
    status: str = "Active"


class ServiceCredentials:
    """The operations on service-specific credentials in one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, _Credential] = {}
        self._operations: dict[str, Callable[[Parameters, User, float], dict[str, Value]]] = {
            "CreateServiceSpecificCredential": self._create,
            "DeleteServiceSpecificCredential": self._delete,
            "ListServiceSpecificCredentials": self._list,
            "ResetServiceSpecificCredential": self._reset,
            "UpdateServiceSpecificCredential": self._update,
        }

    def perform(self, operation: str, parameters: Parameters, caller: Caller, now: float) -> dict[str, Value] | None:
        """Perform the operation and return its result; return None if this class does not implement it.

        Without the parameter UserName, the operation applies to the calling user.
        """
        work = self._operations.get(operation)
        if work is None:
            return None
        name = str(parameters.get("UserName", "" if caller.user is None else caller.user.name))
        user = self._world.user_named(caller.account, name)
        if user is None:
            raise no_such_entity(f"The user with name {name} cannot be found.")
        return work(parameters, user, now)

    def are_held_by(self, user: User) -> bool:
        """Whether the user has service-specific credentials, which prevent the user's deletion."""
        return any(credential.user_id == user.unique_id for credential in self._held.values())

    def _create(self, parameters: Parameters, user: User, now: float) -> dict[str, Value]:
        service = _service(parameters)
        count = sum(
            (credential.user_id, credential.service) == (user.unique_id, service) for credential in self._held.values()
        )
        if count >= _MOST:
            raise refusal("LimitExceeded", f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {_MOST}", 409)
        suffix = f"+{count}" if count else ""
        credential_added = _Credential(
            unique_id("ACCA", user.account), user.unique_id, service, f"{user.name}{suffix}-at-{user.account}", now
        )
        self._held[credential_added.identifier] = credential_added
        return {
            "ServiceSpecificCredential": {**_credential_value(credential_added, user), "ServicePassword": _password()}
        }

    def _list(self, parameters: Parameters, user: User, _now: float) -> dict[str, Value]:
        service = _service(parameters) if "ServiceName" in parameters else ""
        own = [credential for credential in self._held.values() if credential.user_id == user.unique_id]
        return {
            "ServiceSpecificCredentials": [
                _credential_value(credential, user) for credential in own if service in {"", credential.service}
            ]
        }

    def _update(self, parameters: Parameters, user: User, _now: float) -> dict[str, Value]:
        credential = self._of_user(parameters, user)
        self._held[credential.identifier] = credential._replace(status=str(parameters["Status"]))
        return {}

    def _reset(self, parameters: Parameters, user: User, _now: float) -> dict[str, Value]:
        credential = self._of_user(parameters, user)
        return {"ServiceSpecificCredential": {**_credential_value(credential, user), "ServicePassword": _password()}}

    def _delete(self, parameters: Parameters, user: User, _now: float) -> dict[str, Value]:
        del self._held[self._of_user(parameters, user).identifier]
        return {}

    def _of_user(self, parameters: Parameters, user: User) -> _Credential:
        identifier = str(parameters["ServiceSpecificCredentialId"])
        credential = self._held.get(identifier)
        if credential is None or credential.user_id != user.unique_id:
            raise no_such_entity(f"No such credential {identifier} exists")
        return credential


def _service(parameters: Parameters) -> str:
    service = str(parameters["ServiceName"])
    if service not in _SERVICES:
        raise no_such_entity(f"No such service {service} is supported for Service Specific Credentials")
    return service


def _credential_value(credential: _Credential, user: User) -> dict[str, Value]:
    return {
        "CreateDate": Moment(credential.created_at),
        "ServiceName": credential.service,
        "ServiceUserName": credential.name,
        "ServiceSpecificCredentialId": credential.identifier,
        "UserName": user.name,
        "Status": credential.status,
    }


def _password() -> str:
    return base64.b64encode(os.urandom(33)).decode()
