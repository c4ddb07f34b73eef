"""CloudFormation's operations on stacks and change sets. A stack is complete when its request is answered."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of, refusal
from dsops.request.wire.responses import Value
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudformation import descriptions
from dsops.sandbox.cloudformation.deployment import Deployment
from dsops.sandbox.cloudformation.handler import Perform, StackPlace, invalid
from dsops.sandbox.cloudformation.requests import Deploy, read_deploy, read_tags
from dsops.sandbox.cloudformation.stacks import ChangeSet, DeployedStack, StackTable
from dsops.sandbox.cloudformation.template import StackTemplate, check_known, read_template

Result = Mapping[str, Value]
ActAs = Callable[[AuthenticatedRequest, str, str], Perform]
"""Returns how calls for a stack are made, given the request, the ARN of its role or "", and the ARN of the stack.

Raises ValidationError if CloudFormation may not assume the role.
"""
_UPDATABLE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_NAME: Final = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_NO_CHANGE: Final = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


class CloudFormation:
    """The operations of the stacks in one sandbox."""

    def __init__(self, act_as: ActAs) -> None:
        self._act_as = act_as
        self._stacks = StackTable()
        self._operations: Mapping[str, Callable[[AuthenticatedRequest], Result]] = {
            "CreateStack": self._create_stack,
            "UpdateStack": self._update_stack,
            "DeleteStack": self._delete_stack,
            "CreateChangeSet": self._create_change_set,
            "ExecuteChangeSet": self._execute_change_set,
            "DeleteChangeSet": self._delete_change_set,
            "DescribeChangeSet": lambda turn: descriptions.of_change_set(*self._change_set(turn)),
            "ListChangeSets": lambda turn: descriptions.list_change_sets(self._stack(turn)),
            "DescribeStacks": self._describe_stacks,
            "DescribeStackEvents": lambda turn: descriptions.of_events(self._stack(turn)),
            "DescribeStackResource": self._describe_resource,
            "DescribeStackResources": lambda turn: descriptions.of_resources(self._stack(turn), turn),
            "ListStackResources": lambda turn: descriptions.list_resources(self._stack(turn)),
            "ListStacks": lambda turn: descriptions.list_stacks(self._all(turn), turn),
            "ListExports": lambda turn: descriptions.list_exports(self._all(turn)),
            "GetTemplate": self._get_template,
            "GetTemplateSummary": self._get_summary,
            "GetStackPolicy": lambda turn: descriptions.of_policy(self._stack(turn)),
            "ValidateTemplate": self._validate,
            "UpdateTerminationProtection": self._protect,
        }

    def perform(self, turn: AuthenticatedRequest) -> Result:
        """Perform an authorized request. Raises SandboxRefusal."""
        operation = self._operations.get(turn.operation)
        if operation is None:
            message = f"The dsops sandbox does not serve cloudformation:{turn.operation}. Nothing was done."
            raise refusal("NotImplemented", message, 501)
        return operation(turn)

    def _all(self, turn: AuthenticatedRequest) -> list[DeployedStack]:
        return list(self._stacks.all(turn.caller.account, turn.caller.region))

    def _stack(self, turn: AuthenticatedRequest, name: str = "") -> DeployedStack:
        name = name or turn.text("StackName")
        stack = self._stacks.find(name, turn.caller.account, turn.caller.region)
        if stack is None:
            raise invalid(f"Stack with id {name} does not exist")
        return stack

    def _new_stack(self, turn: AuthenticatedRequest) -> DeployedStack:
        caller, name = turn.caller, turn.text("StackName")
        if not _NAME.fullmatch(name):
            raise invalid(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
                " satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            )
        place = StackPlace(caller.partition, caller.region, caller.account, name)
        arn = f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:stack/{name}/{uuid.uuid4()}"
        return DeployedStack(name, arn, place, turn.now)

    def _use(self, turn: AuthenticatedRequest, stack: DeployedStack) -> Perform:
        """Return how the stack's calls are made."""
        return self._act_as(turn, turn.text("RoleARN") or stack.role_arn, stack.arn)

    def _create_stack(self, turn: AuthenticatedRequest) -> Result:
        name = turn.text("StackName")
        if self._stacks.find(name, turn.caller.account, turn.caller.region) is not None:
            raise refusal("AlreadyExistsException", f"Stack [{name}] already exists")
        stack = self._new_stack(turn)
        perform = self._use(turn, stack)
        deploy = self._read(turn, stack)
        self._stacks.add(stack)
        stack.is_protected = bool(turn.parameters.get("EnableTerminationProtection"))
        on_failure = turn.text("OnFailure") or ("DO_NOTHING" if turn.parameters.get("DisableRollback") else "ROLLBACK")
        self._settle(turn, stack)
        stack.text = deploy.text
        Deployment(stack, perform, turn.now, turn.request_id).create(deploy.template, on_failure)
        return {"StackId": stack.arn}

    def _read(self, turn: AuthenticatedRequest, stack: DeployedStack) -> Deploy:
        """Read the request's template. The client itself must be allowed to read what it refers to."""
        return read_deploy(turn, stack, self._act_as(turn, "", stack.arn), self._stacks)

    def _settle(self, turn: AuthenticatedRequest, stack: DeployedStack) -> None:
        """Store what the request sets. A role that it names stays the role of the stack."""
        stack.role_arn = turn.text("RoleARN") or stack.role_arn
        if "Tags" in turn.parameters:
            stack.tags = read_tags(turn)
        capabilities = turn.parameters.get("Capabilities")
        stack.capabilities = [str(item) for item in capabilities] if isinstance(capabilities, list) else []

    def _update_stack(self, turn: AuthenticatedRequest) -> Result:
        stack = self._stack(turn)
        _check_updatable(stack)
        perform = self._use(turn, stack)
        deploy = self._read(turn, stack)
        if not _changes(stack, deploy.template) and stack.text == deploy.text:
            raise invalid("No updates are to be performed.")
        self._settle(turn, stack)
        Deployment(stack, perform, turn.now, turn.request_id).update(deploy.template, deploy.text)
        return {"StackId": stack.arn}

    def _delete_stack(self, turn: AuthenticatedRequest) -> Result:
        stack = self._stacks.find(turn.text("StackName"), turn.caller.account, turn.caller.region)
        if stack is None or stack.status == "DELETE_COMPLETE":
            return {}
        if stack.is_protected:
            raise invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        perform = self._use(turn, stack)
        Deployment(stack, perform, turn.now, turn.request_id).delete()
        return {}

    def _create_change_set(self, turn: AuthenticatedRequest) -> Result:
        found = self._stacks.find(turn.text("StackName"), turn.caller.account, turn.caller.region)
        is_new = found is None or found.status == "REVIEW_IN_PROGRESS"
        if turn.text("ChangeSetType") == "CREATE" and not is_new:
            raise refusal("AlreadyExistsException", f"Stack [{turn.text('StackName')}] already exists")
        if turn.text("ChangeSetType") != "CREATE" and found is None:
            raise invalid(f"Stack [{turn.text('StackName')}] does not exist")
        stack = found or self._new_stack(turn)
        if not is_new:
            _check_updatable(stack)
        name = turn.text("ChangeSetName")
        if name in stack.change_sets:
            raise refusal("AlreadyExistsException", f"ChangeSet {name} cannot be created because it already exists")
        if turn.text("RoleARN"):
            self._act_as(turn, turn.text("RoleARN"), stack.arn)
        deploy = self._read(turn, stack)
        place = stack.place
        arn = f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:changeSet/{name}/{uuid.uuid4()}"
        change_set = ChangeSet(name, arn, dict(turn.parameters), turn.now)
        change_set.text = deploy.text
        change_set.changes = _changes(stack, deploy.template)
        if not change_set.changes and not is_new and stack.text == deploy.text:
            change_set.status, change_set.execution, change_set.reason = "FAILED", "UNAVAILABLE", _NO_CHANGE
        if found is None:
            self._stacks.add(stack)
            stack.tell("REVIEW_IN_PROGRESS", turn.now, reason="User Initiated")
        stack.change_sets[name] = change_set
        return {"Id": arn, "StackId": stack.arn}

    def _change_set(self, turn: AuthenticatedRequest) -> tuple[DeployedStack, ChangeSet]:
        name = turn.text("ChangeSetName")
        # The permission is decided for StackName, so a change set of another stack must not be found by its ARN.
        if name.startswith("arn:") and not turn.text("StackName"):
            pairs = [(stack, item) for stack in self._all(turn) for item in stack.change_sets.values()]
        else:
            stack = self._stack(turn)
            pairs = [(stack, item) for item in stack.change_sets.values()]
        for stack, item in pairs:
            if name in {item.name, item.arn}:
                return stack, item
        raise refusal("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)

    def _execute_change_set(self, turn: AuthenticatedRequest) -> Result:
        stack, change_set = self._change_set(turn)
        if change_set.execution != "AVAILABLE":
            message = f"ChangeSet [{change_set.arn}] cannot be executed in its current status of [{change_set.status}]"
            raise refusal("InvalidChangeSetStatus", message)
        # The change set keeps the parameters of its creation; only the caller is that of the execution.
        keep_failed = turn.parameters.get("DisableRollback") or change_set.request.get("OnStackFailure") == "DO_NOTHING"
        wish = turn._replace(parameters={**change_set.request, "TemplateBody": change_set.text})
        perform = self._use(wish, stack)
        deploy = self._read(wish, stack)
        self._settle(wish, stack)
        change_set.execution = "EXECUTE_COMPLETE"
        deployment = Deployment(stack, perform, turn.now, turn.request_id)
        if stack.status == "REVIEW_IN_PROGRESS":
            stack.text = deploy.text
            deployment.create(deploy.template, "DO_NOTHING" if keep_failed else "ROLLBACK")
        else:
            deployment.update(deploy.template, deploy.text)
        stack.change_sets.clear()
        return {}

    def _delete_change_set(self, turn: AuthenticatedRequest) -> Result:
        try:
            stack, change_set = self._change_set(turn)
        except SandboxRefusal as refused:
            if answer_of(refused).code != "ChangeSetNotFound":
                raise
            return {}
        del stack.change_sets[change_set.name]
        return {}

    def _describe_stacks(self, turn: AuthenticatedRequest) -> Result:
        if turn.text("StackName"):
            return descriptions.of_stacks([self._stack(turn)])
        return descriptions.of_stacks([stack for stack in self._all(turn) if stack.status != "DELETE_COMPLETE"])

    def _describe_resource(self, turn: AuthenticatedRequest) -> Result:
        stack, logical_id = self._stack(turn), turn.text("LogicalResourceId")
        if logical_id not in stack.resources:
            raise invalid(f"Resource {logical_id} does not exist for stack {stack.name}")
        return descriptions.of_resource(stack, stack.resources[logical_id])

    def _get_template(self, turn: AuthenticatedRequest) -> Result:
        if turn.text("ChangeSetName"):
            return descriptions.of_template(self._change_set(turn)[1].text)
        return descriptions.of_template(self._stack(turn).text)

    def _get_summary(self, turn: AuthenticatedRequest) -> Result:
        if turn.text("StackName"):
            return descriptions.summary(self._stack(turn).content)
        if turn.text("TemplateURL"):
            raise refusal("NotImplemented", "The dsops sandbox summarizes no template at a URL.", 501)
        return descriptions.summary(read_template(turn.text("TemplateBody")))

    def _validate(self, turn: AuthenticatedRequest) -> Result:
        return descriptions.summary(read_template(turn.text("TemplateBody")), is_validation=True)

    def _protect(self, turn: AuthenticatedRequest) -> Result:
        stack = self._stack(turn)
        stack.is_protected = bool(turn.parameters.get("EnableTerminationProtection"))
        return {"StackId": stack.arn}


def _check_updatable(stack: DeployedStack) -> None:
    if stack.status not in _UPDATABLE:
        raise invalid(f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")


def _changes(stack: DeployedStack, template: StackTemplate) -> list[tuple[str, str, str]]:
    """Return the action, logical id and type of each resource that an update to the template would change."""
    changes = []
    for logical_id, written in template.resources.items():
        existing = stack.resources.get(logical_id)
        if existing is None:
            changes.append(("Add", logical_id, str(written["Type"])))
        elif written["Type"] != existing.type or _differs(template, logical_id, stack):
            changes.append(("Modify", logical_id, existing.type))
    removed = (resource for name, resource in stack.resources.items() if name not in template.resources)
    return [*changes, *(("Remove", resource.logical_id, resource.type) for resource in removed)]


def _differs(template: StackTemplate, logical_id: str, stack: DeployedStack) -> bool:
    try:
        properties: Any = template.properties(logical_id, stack.made)
        check_known(properties, logical_id)
    except SandboxRefusal:
        return True  # the value refers to a resource that does not exist yet
    return bool(properties != stack.resources[logical_id].properties)
