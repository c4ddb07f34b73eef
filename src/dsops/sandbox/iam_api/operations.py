"""One allowed operation of IAM -> its answer: done here where moto lacks it, else by moto between IAM's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.sandbox.answers import Moment, Value, query_answer
from dsops.sandbox.iam_api.features import IamFeatures
from dsops.sandbox.iam_api.linked_roles import LinkedRoles
from dsops.sandbox.iam_api.rules import IamRules
from dsops.sandbox.iam_api.simulation import Simulation
from dsops.sandbox.moto_answers import with_request_id
from dsops.sandbox.outbound import Outbound
from dsops.sandbox.resources.given import listed_tags
from dsops.sandbox.root_user import is_about_root, perform_for_root
from dsops.sandbox.turn import Turn
from dsops.sandbox.vault import Vault
from dsops.sandbox.wire import HttpAnswer
from dsops.sandbox.world import World

Moto = Callable[[Mapping[str, object]], HttpAnswer]
"""Has moto do the operation with these parameters."""


class IamOperations:
    """IAM of one world."""

    def __init__(self, world: World, vault: Vault, outbound: Outbound) -> None:
        self._world = world
        self._rules = IamRules(world, vault)
        self._features = IamFeatures(world, outbound)
        self._linked_roles = LinkedRoles(world, self._rules.forget)
        self._simulation = Simulation(world)

    def perform(self, turn: Turn, moto: Moto) -> HttpAnswer:
        """The answer. Raises SandboxRefusal."""
        result = self._own_result(turn)
        if result is not None:
            return query_answer("iam", turn.operation, result, turn.request_id)
        caller, operation = turn.caller, turn.operation
        parameters = self._rules.before(operation, turn.parameters, caller, turn.now)
        if self._rules.instead(operation, parameters, caller):
            return query_answer("iam", operation, {}, turn.request_id)
        memory = self._rules.memory(operation, parameters, caller)
        answer = moto(parameters)
        if answer.status == 200:
            self._rules.after(operation, parameters, caller, memory)
        if answer.status == 200 and operation == "CreateUser":
            made = new_user(self._world, caller.account, parameters)
            return query_answer("iam", operation, made, turn.request_id)
        return answer._replace(body=with_request_id(answer.body, turn.request_id))

    def _own_result(self, turn: Turn) -> dict[str, Value] | None:
        """The result of an operation that moto has no part in; None for all others."""
        account, operation = turn.caller.account, turn.operation
        result = self._features.perform(operation, account)
        if result is None:
            result = self._linked_roles.perform(operation, turn.parameters, account)
        if result is None:
            result = self._simulation.perform(operation, turn.parameters, account)
        if result is None and is_about_root(operation, turn.parameters, turn.caller):
            result = perform_for_root(self._world, operation, turn.parameters, account)
        return result


def new_user(world: World, account: str, parameters: Mapping[str, object]) -> dict[str, Value]:
    """What CreateUser says; moto has no user with a boundary at that moment."""
    user = world.backend(account).users[str(parameters["UserName"])]
    made: dict[str, Value] = {
        "Path": user.path, "UserName": user.name, "UserId": user.id, "Arn": user.arn,
        "CreateDate": Moment(user.create_date.timestamp()),
    }  # fmt: skip
    boundary = str(parameters.get("PermissionsBoundary", ""))
    if boundary:
        made["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    tags = [{"Key": key, "Value": value} for key, value in listed_tags(parameters.get("Tags"))]
    return {"User": made | ({"Tags": tags} if tags else {})}
