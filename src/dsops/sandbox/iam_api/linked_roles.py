"""Create and delete service-linked roles as IAM does, with AWS's names, trust policies and policies.

IAM User Guide, "Create a service-linked role". The responses are those that LocalStack's tests recorded on AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import quote
from uuid import uuid4

from dsops.request.resources.linked_role_names import DESCRIPTIONS, LINKED_PATH, linked_name, linked_roles
from dsops.request.wire.errors import no_such_entity, refusal
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.iam_api.protected_entities import is_linked
from dsops.sandbox.state.world import Role, World

Parameters = Mapping[str, object]


class LinkedRoles:
    """The operations on service-linked roles in one sandbox; calls `forget` for each deleted role."""

    def __init__(self, world: World, forget: Callable[[Role], None]) -> None:
        self._world = world
        self._forget = forget
        self._deletions: dict[str, str] = {}
        """Deletion task id -> the account of the deleted role."""
        self._operations: dict[str, Callable[[Parameters, str], dict[str, Value]]] = {
            "CreateServiceLinkedRole": self._create,
            "DeleteServiceLinkedRole": self._delete,
            "GetServiceLinkedRoleDeletionStatus": self._status,
        }

    def perform(self, operation: str, parameters: Parameters, account: str) -> dict[str, Value] | None:
        """Perform the operation and return its result; return None if this class does not implement it.

        Raises SandboxRefusal if AWS would refuse the request.
        """
        work = self._operations.get(operation)
        return None if work is None else work(parameters, account)

    def _create(self, parameters: Parameters, account: str) -> dict[str, Value]:
        service = str(parameters["AWSServiceName"])
        suffix = str(parameters.get("CustomSuffix", ""))
        linked = linked_roles().get(service)
        if linked is None:
            message = f"The dsops sandbox does not know the service-linked role of {service}. Nothing was done."
            raise refusal("NotImplemented", message, 501)
        if suffix and not linked.has_suffix:
            raise refusal("InvalidInput", f"Custom suffix is not allowed for {service}")
        name = linked_name(linked, suffix)
        if self._world.role_named(account, name) is not None:
            message = f"Service role name {name} has been taken in this account, please try a different suffix."
            raise refusal("InvalidInput", message)
        description = str(parameters.get("Description", DESCRIPTIONS.get(service, "")))
        return {"Role": self._plant(account, service, name, linked.policy, description)}

    def _plant(self, account: str, service: str, name: str, policy: str, description: str) -> dict[str, Value]:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        backend = self._world.backend(account)
        path = f"{LINKED_PATH}{service}/"
        shown_description = cast("str", description or None)  # IAM omits a description that is absent.
        role = backend.create_role(name, trust, path, None, shown_description, [], "3600", linked_service=service)
        arn = f"arn:{self._world.partitions[account]}:iam::aws:policy{LINKED_PATH}{policy}"
        self._world.bring_in(account, arn)
        # moto's data lacks policies that AWS has withdrawn.
        if arn in backend.managed_policies:
            backend.managed_policies[arn].attach_to(role)
        role_value: dict[str, Value] = {
            "Path": path,
            "RoleName": name,
            "RoleId": role.id,
            "Arn": role.arn,
            "CreateDate": Moment(role.create_date.timestamp()),
            "AssumeRolePolicyDocument": quote(trust),
        }
        return role_value | ({"Description": description} if description else {})

    def _delete(self, parameters: Parameters, account: str) -> dict[str, Value]:
        name = str(parameters["RoleName"])
        role = self._world.role_named(account, name)
        if role is None or not is_linked(role):
            raise no_such_entity(f"The service-linked role with name {name} cannot be found.")
        backend = self._world.backend(account)
        stored_role = backend.roles[role.unique_id]
        for policy in list(stored_role.managed_policies.values()):
            policy.detach_from(stored_role)
        backend.delete_role(name)
        self._forget(role)
        task = f"task{role.arn.partition(':role')[2]}/{uuid4()}"
        self._deletions[task] = account
        return {"DeletionTaskId": task}

    def _status(self, parameters: Parameters, account: str) -> dict[str, Value]:
        task = str(parameters["DeletionTaskId"])
        if self._deletions.get(task) != account:
            raise no_such_entity(f"Deletion task {task} cannot be found.")
        return {"Status": "SUCCEEDED"}
