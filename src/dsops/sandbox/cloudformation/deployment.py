"""Create, update and delete the resources of a stack, and roll back when a call is denied or fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.sandbox.cloudformation.handler import Handler, Made, Perform, invalid
from dsops.sandbox.cloudformation.resource_types import RESOURCE_TYPES
from dsops.sandbox.cloudformation.stacks import DeployedStack, StackResource
from dsops.sandbox.cloudformation.template import StackTemplate

_ERRORS: Final = {
    "AccessDenied": "AccessDenied",
    "AccessDeniedException": "AccessDenied",
    "UnauthorizedOperation": "AccessDenied",
    "ValidationError": "InvalidRequest",
    "ThrottlingException": "Throttling",
}
"""An API's error code -> the error code of AWS's resource handlers. All other codes are GeneralServiceException."""
_CUSTOM_NAME: Final = (
    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the"
    " stack again."
)
_USER: Final = "User Initiated"


class Failed(Exception):
    """A resource could not be created, updated or deleted."""


class Deployment:
    """One operation on a stack: its calls are made with `perform`, in the name of the stack's role or of the client."""

    def __init__(self, stack: DeployedStack, perform: Perform, now: float, request_id: str) -> None:
        self._stack = stack
        self._perform = perform
        self._now = now
        self._request_id = request_id
        self._undo: list[tuple[StackResource, Made, Mapping[str, Any]]] = []
        """What a rollback restores: updated resources, with their earlier state."""
        self._new: list[StackResource] = []
        """What a rollback deletes."""
        self._replaced: list[tuple[StackResource, Made, Mapping[str, Any]]] = []
        """Resources that another one replaced, which are deleted at the end of an update."""

    def create(self, template: StackTemplate, on_failure: str) -> None:
        """Create the template's resources. `on_failure`: ROLLBACK, DELETE or DO_NOTHING."""
        stack = self._stack
        stack.tell("CREATE_IN_PROGRESS", self._now, reason=_USER)
        stack.template = template
        try:
            for logical_id in template.order():
                self._create(template, logical_id)
            stack.outputs = list(template.outputs(stack.made))
        except (Failed, SandboxRefusal) as failure:
            reason = _reason_of_stack("create", stack.resources.values(), failure)
            if on_failure == "DO_NOTHING":
                stack.tell("CREATE_FAILED", self._now, reason=reason)
                return
            state = "DELETE" if on_failure == "DELETE" else "ROLLBACK"
            stack.tell(f"{state}_IN_PROGRESS", self._now, reason=f"{reason} Rollback requested by user.")
            is_clean = self._delete_all(list(stack.resources.values()), is_rollback=True)
            stack.tell(f"{state}_COMPLETE" if is_clean else f"{state}_FAILED", self._now)
            return
        stack.tell("CREATE_COMPLETE", self._now)

    def update(self, template: StackTemplate, text: str) -> None:
        """Change the stack to the template; go back to the earlier template if that fails."""
        stack, before, before_text = self._stack, self._stack.template, self._stack.text
        stack.tell("UPDATE_IN_PROGRESS", self._now, reason=_USER)
        stack.updated_at = self._now
        try:
            for logical_id in template.order():
                if logical_id in stack.made:
                    self._change(template, logical_id)
                else:
                    self._create(template, logical_id)
            outputs = list(template.outputs(stack.made))
        except (Failed, SandboxRefusal) as failure:
            reason = _reason_of_stack("update", stack.resources.values(), failure)
            stack.tell("UPDATE_ROLLBACK_IN_PROGRESS", self._now, reason=reason)
            is_clean = self._roll_back()
            stack.template, stack.text = before, before_text
            stack.tell(f"UPDATE_ROLLBACK_{'COMPLETE' if is_clean else 'FAILED'}", self._now)
            return
        stack.template, stack.text, stack.outputs = template, text, outputs
        stack.tell("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", self._now)
        removed = [resource for name, resource in stack.resources.items() if name not in template.resources]
        self._delete_all(removed)
        for resource, made, properties in reversed(self._replaced):
            self._delete_one(resource, made, properties)
        stack.tell("UPDATE_COMPLETE", self._now)

    def delete(self) -> None:
        """Delete the stack's resources, in the reverse order of their creation."""
        stack = self._stack
        stack.tell("DELETE_IN_PROGRESS", self._now, reason=_USER)
        if self._delete_all(list(stack.resources.values())):
            stack.deleted_at = self._now
            stack.outputs = []
            stack.tell("DELETE_COMPLETE", self._now)
        else:
            failed = [name for name, resource in stack.resources.items() if resource.status == "DELETE_FAILED"]
            reason = f"The following resource(s) failed to delete: [{', '.join(failed)}]. "
            stack.tell("DELETE_FAILED", self._now, reason=reason)

    def _handler(self, resource: StackResource) -> Handler:
        return Handler(self._perform, self._stack.place, resource.logical_id, self._stack.tags)

    def _create(self, template: StackTemplate, logical_id: str) -> None:
        stack, written = self._stack, template.resources[logical_id]
        resource = StackResource(logical_id, str(written["Type"]))
        # A resource that is created again counts as the newest one, because a deletion runs in the reverse order.
        stack.resources.pop(logical_id, None)
        stack.resources[logical_id] = resource
        resource.policy = str(written.get("DeletionPolicy", "Delete"))
        self._new.append(resource)
        handler = self._handler(resource)
        stack.tell("CREATE_IN_PROGRESS", self._now, resource)
        try:
            resource.properties = template.properties(logical_id, stack.made)
            with _checked(logical_id):
                resource.made = RESOURCE_TYPES[resource.type].create(handler, resource.properties)
        except SandboxRefusal as refused:
            resource.made = handler.kept
            stack.tell("CREATE_FAILED", self._now, resource, self._reason(refused))
            raise Failed from refused
        stack.tell("CREATE_COMPLETE", self._now, resource)

    def _change(self, template: StackTemplate, logical_id: str) -> None:
        """Update or replace a resource whose type or properties have changed."""
        stack, written = self._stack, template.resources[logical_id]
        resource = stack.resources[logical_id]
        resource.policy = str(written.get("DeletionPolicy", "Delete"))
        made, old = stack.made[logical_id], resource.properties
        properties = template.properties(logical_id, stack.made)
        kind = RESOURCE_TYPES[resource.type]
        if written["Type"] == resource.type and properties == old:
            return
        changed = {name for name in {*old, *properties} if old.get(name) != properties.get(name)}
        if written["Type"] != resource.type or kind.update is None or changed & kind.fixed:
            self._undo.append((resource, made, old))
            if written["Type"] == resource.type and _is_named(made, properties):
                stack.tell("UPDATE_FAILED", self._now, resource, _CUSTOM_NAME.format(made.id))
                raise Failed
            self._create(template, logical_id)
            # Some calls, such as Subscribe, return what exists instead of a new resource.
            if written.get("UpdateReplacePolicy") != "Retain" and stack.made[logical_id].id != made.id:
                self._replaced.append((resource, made, old))
            return
        self._undo.append((resource, made, old))
        stack.tell("UPDATE_IN_PROGRESS", self._now, resource)
        try:
            with _checked(logical_id):
                resource.made = kind.update(self._handler(resource), made, old, properties)
        except SandboxRefusal as refused:
            resource.properties = properties
            stack.tell("UPDATE_FAILED", self._now, resource, self._reason(refused))
            raise Failed from refused
        resource.properties = properties
        stack.tell("UPDATE_COMPLETE", self._now, resource)

    def _roll_back(self) -> bool:
        """Delete new resources, and restore updated ones. Return whether all of that succeeded."""
        stack = self._stack
        is_clean = self._delete_all(self._new, is_rollback=True)
        for resource, made, old in reversed(self._undo):
            update = RESOURCE_TYPES[resource.type].update
            is_replaced = stack.resources.get(resource.logical_id) is not resource
            stack.resources[resource.logical_id] = resource
            if is_replaced or update is None:
                continue
            try:
                with _checked(resource.logical_id):
                    resource.made = update(self._handler(resource), made, resource.properties, old)
                resource.properties = old
                stack.tell("UPDATE_COMPLETE", self._now, resource)
            except SandboxRefusal as refused:
                is_clean = False
                stack.tell("UPDATE_FAILED", self._now, resource, self._reason(refused))
        return is_clean

    def _delete_all(self, resources: list[StackResource], *, is_rollback: bool = False) -> bool:
        """Delete resources in reverse order, except those to retain. Return whether all were deleted."""
        retained = "" if is_rollback else "RetainExceptOnCreate"
        is_clean = True
        for resource in reversed(resources):
            if resource.made is None:
                self._stack.resources.pop(resource.logical_id, None)
            elif resource.policy in {"Retain", retained}:
                self._stack.tell("DELETE_SKIPPED", self._now, resource)
                self._stack.resources.pop(resource.logical_id, None)
            else:
                is_clean &= self._delete_one(resource, resource.made, resource.properties)
        return is_clean

    def _delete_one(self, resource: StackResource, made: Made, properties: Mapping[str, Any]) -> bool:
        stack = self._stack
        stack.tell("DELETE_IN_PROGRESS", self._now, resource)
        try:
            with _checked(resource.logical_id):
                RESOURCE_TYPES[resource.type].delete(self._handler(resource), made, properties)
        except SandboxRefusal as refused:
            stack.tell("DELETE_FAILED", self._now, resource, self._reason(refused))
            return False
        stack.tell("DELETE_COMPLETE", self._now, resource)
        if stack.resources.get(resource.logical_id) is resource:
            del stack.resources[resource.logical_id]
        return True

    def _reason(self, refused: SandboxRefusal) -> str:
        """Return the reason of a failed resource, in the form that AWS's resource handlers report it."""
        code, message, status, *_ = answer_of(refused)
        kind = _ERRORS.get(code, "GeneralServiceException")
        said = f"{message} (Status Code: {status}, Request ID: {self._request_id})"
        return f'Resource handler returned message: "{said}" (HandlerErrorCode: {kind})'


@contextmanager
def _checked(logical_id: str) -> Iterator[None]:
    """Raise ValidationError for a property whose value has another type than the resource's handler expects."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise invalid(f"Properties validation failed for resource {logical_id}: {type(error).__name__}") from error


def _is_named(made: Made, properties: Mapping[str, Any]) -> bool:
    """Whether the resource has its name from the template, so that it can't exist next to its replacement."""
    names = (str(value) for key, value in properties.items() if key.endswith("Name"))
    return any(made.id == name or made.id.endswith((f":{name}", f"/{name}")) for name in names)


def _reason_of_stack(verb: str, resources: Iterable[StackResource], failure: Exception) -> str:
    failed = [resource.logical_id for resource in resources if resource.status.endswith("_FAILED")]
    if failed:
        return f"The following resource(s) failed to {verb}: [{', '.join(failed)}]."
    return answer_of(failure).message if isinstance(failure, SandboxRefusal) else str(failure)
