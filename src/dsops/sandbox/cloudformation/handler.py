"""What a resource type's handler gets and returns, and the conversion of a template's values to a call's parameters."""

from __future__ import annotations

import json
import os
import string
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of, refusal
from dsops.request.wire.models import operation_model

Properties = Mapping[str, Any]  # Any: a template's properties may have any JSON value.
Perform = Callable[[str, str, Mapping[str, object]], Mapping[str, Any]]
"""Performs a call, given its service, operation and parameters, and returns its parsed result.

Raises SandboxRefusal if the call is denied or fails.
"""
_LETTERS: Final = string.ascii_uppercase + string.digits
_SUFFIX: Final = 12


def invalid(message: str) -> SandboxRefusal:
    """Return a ValidationError (400) with this message."""
    return refusal("ValidationError", message)


class Made(NamedTuple):
    """A resource that a stack created: what `Ref` returns, and what `Fn::GetAtt` returns for each name."""

    id: str
    attributes: Mapping[str, object] = {}


class StackPlace(NamedTuple):
    """Where a stack is: partition, region, account and the stack's name."""

    partition: str
    region: str
    account: str
    stack_name: str


class Handler:
    """The calls that are made for one resource of a stack."""

    def __init__(self, perform: Perform, place: StackPlace, logical_id: str, tags: Mapping[str, str]) -> None:
        self._perform = perform
        self.place = place
        self._logical_id = logical_id
        self._tags = tags
        self.kept: Made | None = None
        """The resource as soon as it exists, so that a rollback deletes it if a later call of its creation fails."""

    def keep(self, made: Made) -> Made:
        """Return the resource, and remember that it exists."""
        self.kept = made
        return made

    def call(self, service: str, operation: str, parameters: Mapping[str, object]) -> Mapping[str, Any]:
        """Perform a call whose parameters are values of a template. None means that a parameter is absent."""
        shape = operation_model(service, operation).input_shape
        sent = as_parameters(shape, {name: value for name, value in parameters.items() if value is not None})
        # SDKs send a new token in each request (the trait `idempotencyToken` of AWS's models).
        tokens = (name for name, member in shape.members.items() if member.metadata.get("idempotencyToken"))
        return self._perform(service, operation, {**{name: str(uuid.uuid4()) for name in tokens}, **sent})

    def unless(self, codes: Iterable[str], service: str, operation: str, parameters: Mapping[str, object]) -> None:
        """Perform a call whose result does not matter, and ignore errors with these codes."""
        try:
            self.call(service, operation, parameters)
        except SandboxRefusal as refused:
            if answer_of(refused).code not in codes:
                raise

    def name(self, properties: Properties, key: str, longest: int, *, is_lower: bool = False) -> str:
        """Return the resource's name in the template, or a new name with the stack's name and a random end."""
        if properties.get(key):
            return str(properties[key])
        end = "".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(_SUFFIX))
        start = f"{self.place.stack_name}-{self._logical_id}"[: longest - _SUFFIX - 1]
        text = f"{start}-{end}"
        return text.lower() if is_lower else text

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the stack's region and account."""
        place = self.place
        return f"arn:{place.partition}:{service}:{place.region}:{place.account}:{resource}"

    def all_tags(self, properties: Properties) -> dict[str, str]:
        """Return the tags of the stack and of the resource; the resource's tags override."""
        written = properties.get("Tags") or []
        own = (
            written
            if isinstance(written, dict)
            else {str(tag.get("Key")): str(tag.get("Value", "")) for tag in written if isinstance(tag, dict)}
        )
        return {**self._tags, **own}

    def tag_list(self, properties: Properties) -> list[dict[str, str]] | None:
        """Return the tags as a list of keys and values; None if there are none."""
        return [{"Key": key, "Value": value} for key, value in self.all_tags(properties).items()] or None


class ResourceType(NamedTuple):
    """How the sandbox creates, updates and deletes the resources of one type."""

    properties: frozenset[str]
    """The properties that the sandbox supports. A template with another property is refused."""
    create: Callable[[Handler, Properties], Made]
    delete: Callable[[Handler, Made, Properties], None]
    update: Callable[[Handler, Made, Properties, Properties], Made] | None = None
    """Given the old and new properties; None if a changed resource is replaced by a new one."""
    fixed: frozenset[str] = frozenset()
    """The properties that `update` can't change: a new value of one replaces the resource."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def as_text(document: object) -> str | None:
    """Return a policy as JSON text; None if it is absent. A text stays as it is."""
    return document if document is None or isinstance(document, str) else json.dumps(document)


def chosen(properties: Properties, names: str) -> dict[str, object]:
    """Return the properties with these names, as far as the template has them."""
    return {name: properties[name] for name in names.split() if name in properties}


def as_parameters(shape: Any, value: Any) -> Any:  # Any: botocore has no type hints; `value` may be any JSON value
    """Convert a template's value to the type of a parameter. Names are matched case-insensitively.

    Templates may write numbers and booleans as text. Raises ValidationError for an unknown name.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        names = {name.lower(): name for name in shape.members}
        unknown = next((key for key in value if key.lower() not in names), None)
        if unknown is not None:
            raise refusal("ValidationError", f"The dsops sandbox does not support the property {unknown} here")
        members = ((names[key.lower()], item) for key, item in value.items())
        return {name: as_parameters(shape.members[name], item) for name, item in members}
    if kind == "list" and isinstance(value, list):
        return [as_parameters(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {str(key): as_parameters(shape.value, item) for key, item in value.items()}
    return _as_scalar(kind, value)


def _as_scalar(kind: str, value: Any) -> Any:  # Any: a JSON value that is neither an object nor a list
    if kind in {"integer", "long"} and isinstance(value, str) and value.lstrip("-").isdecimal():
        return int(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if kind == "string" and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
