"""Perform an authorized IAM operation with IAM's checks.

moto performs the operations that it supports; this package performs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.request.messages import HttpAnswer
from dsops.request.parameter_values import listed_tags
from dsops.request.resources.iam import is_about_root
from dsops.request.wire.errors import no_such_entity, refusal
from dsops.request.wire.responses import Moment, Value, query_answer, with_request_id
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.iam_api.devices_and_providers import DevicesAndProviders
from dsops.sandbox.iam_api.features import IamFeatures
from dsops.sandbox.iam_api.linked_roles import LinkedRoles
from dsops.sandbox.iam_api.rules import IamRules
from dsops.sandbox.iam_api.service_credentials import ServiceCredentials
from dsops.sandbox.iam_api.simulation import Simulation
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.world import World
from dsops.sandbox.sts.outbound import Outbound

Moto = Callable[[Mapping[str, object]], HttpAnswer]
"""A function that makes moto perform the operation with the given parameters."""


class IamOperations:
    """The IAM service of one sandbox."""

    def __init__(self, world: World, secret_storage: SecretStorage, outbound: Outbound) -> None:
        self._world = world
        self._rules = IamRules(world, secret_storage)
        self._features = IamFeatures(world, outbound)
        self._linked_roles = LinkedRoles(world, self._rules.forget)
        self._simulation = Simulation(world)
        self._service_credentials = ServiceCredentials(world)
        self._devices_and_providers = DevicesAndProviders(world)

    def perform(self, turn: AuthenticatedRequest, moto: Moto) -> HttpAnswer:
        """Perform the operation and return the response. Raises SandboxRefusal if AWS would refuse the request."""
        result = self._own_result(turn)
        if result is not None:
            return query_answer("iam", turn.operation, result, turn.request_id)
        caller, operation = turn.caller, turn.operation
        if operation == "DeleteUser":
            self._check_has_no_service_credentials(turn)
        parameters = self._rules.before(operation, turn.parameters, caller, turn.now)
        if self._rules.instead(operation, parameters, caller):
            return query_answer("iam", operation, {}, turn.request_id)
        memory = self._rules.memory(operation, parameters, caller)
        answer = moto(parameters)
        if answer.status == 200:
            self._rules.after(operation, parameters, caller, memory)
            self._devices_and_providers.keep_tags(operation, parameters, caller.account)
        if answer.status == 200 and operation == "CreateUser":
            user_result = new_user(self._world, caller.account, parameters)
            return query_answer("iam", operation, user_result, turn.request_id)
        return answer._replace(body=with_request_id(answer.body, turn.request_id))

    def _check_has_no_service_credentials(self, turn: AuthenticatedRequest) -> None:
        user = self._world.user_named(turn.caller.account, turn.text("UserName"))
        if user is not None and self._service_credentials.are_held_by(user):
            message = "Cannot delete entity, must remove referenced objects first."
            raise refusal("DeleteConflict", message, 409)

    def _own_result(self, turn: AuthenticatedRequest) -> dict[str, Value] | None:
        """Return the result of an operation that is performed without moto; return None for other operations."""
        account, operation, parameters = turn.caller.account, turn.operation, turn.parameters
        if is_about_root(operation, parameters, turn.caller):
            return _perform_for_root(self._world, operation, parameters, account)
        for result in (
            self._features.perform(operation, account),
            self._linked_roles.perform(operation, parameters, account),
            self._simulation.perform(operation, parameters, account),
            self._service_credentials.perform(operation, parameters, turn.caller, turn.now),
            self._devices_and_providers.perform(operation, parameters, account, turn.now),
        ):
            if result is not None:
                return result
        return None


def new_user(world: World, account: str, parameters: Mapping[str, object]) -> dict[str, Value]:
    """Return CreateUser's result with the permissions boundary, which moto's result does not contain."""
    user = world.backend(account).users[str(parameters["UserName"])]
    user_value: dict[str, Value] = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": Moment(user.create_date.timestamp()),
    }
    boundary = str(parameters.get("PermissionsBoundary", ""))
    if boundary:
        user_value["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    tags = [{"Key": key, "Value": value} for key, value in listed_tags(parameters.get("Tags"))]
    return {"User": user_value | ({"Tags": tags} if tags else {})}


def _perform_for_root(world: World, operation: str, parameters: Mapping[str, object], account: str) -> dict[str, Value]:
    """Perform an operation that the account's root user calls on itself; moto has no root user.

    The task policies of AssumeRoot allow these operations (IAM User Guide, "Perform a privileged task"). Raises
    SandboxRefusal if the access key or login profile does not exist.
    """
    keys = [key_id for key_id, (owner, _) in world.root_keys.items() if owner == account]
    if operation == "GetUser":
        return {"User": {"UserId": account, "Arn": f"arn:{world.partitions[account]}:iam::{account}:root"}}
    if operation == "ListAccessKeys":
        key_metadata = [{"AccessKeyId": key_id, "Status": "Active"} for key_id in keys]
        return {"AccessKeyMetadata": key_metadata, "IsTruncated": "false"}
    if operation == "DeleteAccessKey":
        key_id = str(parameters["AccessKeyId"])
        if key_id not in keys:
            raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
        del world.root_keys[key_id]
        return {}
    if operation.endswith("LoginProfile"):
        raise no_such_entity("Login Profile for the root user cannot be found.")
    # The sandbox's root users have neither MFA devices nor certificates.
    return {"MFADevices" if operation == "ListMFADevices" else "Certificates": [], "IsTruncated": "false"}
