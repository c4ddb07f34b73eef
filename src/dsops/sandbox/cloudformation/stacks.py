"""The stacks of a sandbox, with their resources, events and change sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dsops.sandbox.cloudformation.handler import Made, StackPlace
from dsops.sandbox.cloudformation.template import Content, StackTemplate


class StackResource:
    """A resource of a stack."""

    def __init__(self, logical_id: str, of_type: str) -> None:
        self.logical_id = logical_id
        self.type = of_type
        self.made: Made | None = None
        self.properties: Mapping[str, Any] = {}
        self.policy = "Delete"
        """The resource's DeletionPolicy."""
        self.status = ""
        self.reason = ""
        self.at = 0.0


class StackEvent:
    """A change of the status of a stack or of one of its resources."""

    def __init__(self, number: int, logical_id: str, of_type: str, physical_id: str, status: str, reason: str) -> None:
        self.number = number
        self.logical_id = logical_id
        self.type = of_type
        self.physical_id = physical_id
        self.status = status
        self.reason = reason
        self.at = 0.0


class ChangeSet:
    """A change of a stack that is described before it is executed."""

    def __init__(self, name: str, arn: str, request: Mapping[str, Any], at: float) -> None:
        self.name = name
        self.arn = arn
        self.request = request
        """The parameters of CreateChangeSet."""
        self.at = at
        self.text = ""
        self.changes: list[tuple[str, str, str]] = []
        """The action, logical id and type of each resource that changes."""
        self.status = "CREATE_COMPLETE"
        self.execution = "AVAILABLE"
        self.reason = ""


class DeployedStack:
    """A stack. Its status is REVIEW_IN_PROGRESS until its first change set is executed."""

    def __init__(self, name: str, arn: str, place: StackPlace, at: float) -> None:
        self.name = name
        self.arn = arn
        self.place = place
        self.created_at = at
        self.updated_at = 0.0
        self.deleted_at = 0.0
        self.status = "REVIEW_IN_PROGRESS"
        self.reason = ""
        self.text = ""
        self.template: StackTemplate | None = None
        self.role_arn = ""
        self.tags: dict[str, str] = {}
        self.capabilities: list[str] = []
        self.resources: dict[str, StackResource] = {}
        self.outputs: list[tuple[str, str, str, str]] = []
        self.events: list[StackEvent] = []
        self.change_sets: dict[str, ChangeSet] = {}
        self.is_protected = False
        self.keeps_failed = False

    @property
    def made(self) -> dict[str, Made]:
        """Logical id -> the resource, for those that exist."""
        return {name: resource.made for name, resource in self.resources.items() if resource.made is not None}

    @property
    def content(self) -> Content:
        """The template that was deployed last; {} if there is none."""
        return {} if self.template is None else self.template.content

    def tell(self, status: str, now: float, resource: StackResource | None = None, reason: str = "") -> None:
        """Set the status of a resource, or of the stack itself, and record it as an event."""
        number = len(self.events)
        if resource is None:
            self.status, self.reason = status, reason
            event = StackEvent(number, self.name, "AWS::CloudFormation::Stack", self.arn, status, reason)
        else:
            resource.status, resource.reason, resource.at = status, reason, now
            physical_id = "" if resource.made is None else resource.made.id
            event = StackEvent(number, resource.logical_id, resource.type, physical_id, status, reason)
        event.at = now
        self.events.append(event)


class StackTable:
    """The stacks of all accounts and regions."""

    def __init__(self) -> None:
        self._stacks: list[DeployedStack] = []

    def add(self, stack: DeployedStack) -> None:
        """Add a new stack."""
        self._stacks.append(stack)

    def remove(self, stack: DeployedStack) -> None:
        """Remove a stack that was never deployed."""
        self._stacks.remove(stack)

    def find(self, name: str, account: str, region: str) -> DeployedStack | None:
        """Return the stack with this name, or with this ARN (also a deleted stack); None if there is none."""
        for stack in self.all(account, region):
            if name == stack.arn or (name == stack.name and stack.status != "DELETE_COMPLETE"):
                return stack
        return None

    def all(self, account: str, region: str) -> Iterator[DeployedStack]:
        """Yield the stacks of an account and region, the newest first, with the deleted ones."""
        for stack in reversed(self._stacks):
            if (stack.place.account, stack.place.region) == (account, region):
                yield stack

    def export(self, name: str, account: str, region: str) -> str | None:
        """Return the value that a stack exports under this name; None if there is none."""
        for stack in self.all(account, region):
            if stack.status != "DELETE_COMPLETE":
                for _, value, _, exported in stack.outputs:
                    if exported == name:
                        return value
        return None
