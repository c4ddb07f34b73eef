"""The resource types that the sandbox creates, and the check of a template against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.sandbox.cloudformation.bucket_types import BUCKET_TYPES
from dsops.sandbox.cloudformation.function_types import FUNCTION_TYPES
from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, words
from dsops.sandbox.cloudformation.identity_types import IDENTITY_TYPES
from dsops.sandbox.cloudformation.message_types import MESSAGE_TYPES
from dsops.sandbox.cloudformation.secret_types import SECRET_TYPES


def _nothing(handler: Handler, _: Properties) -> Made:
    return Made(handler.name({}, "", 128))


_EMPTY: Final = ResourceType(words("Analytics"), _nothing, lambda _handler, _made, _properties: None)
"""Resources that have no effect on AWS either."""
RESOURCE_TYPES: Final[Mapping[str, ResourceType]] = {
    **IDENTITY_TYPES,
    **BUCKET_TYPES,
    **MESSAGE_TYPES,
    **SECRET_TYPES,
    **FUNCTION_TYPES,
    "AWS::CDK::Metadata": _EMPTY,
    "AWS::CloudFormation::WaitConditionHandle": _EMPTY,
}
_IAM_NAMES: Final = frozenset({"RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"})


def check_supported(resources: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse resources that the sandbox can't create. Raises NotImplemented (501) before anything is created."""
    for logical_id, resource in resources.items():
        of_type = str(resource.get("Type", ""))
        known = RESOURCE_TYPES.get(of_type)
        if known is None:
            is_custom = of_type.startswith(("Custom::", "AWS::CloudFormation::CustomResource"))
            why = "the sandbox runs no code for custom resources" if is_custom else f"it creates no {of_type}"
            raise _unsupported(logical_id, why)
        properties = resource.get("Properties")
        names = properties if isinstance(properties, dict) else {}
        unknown = sorted(names.keys() - known.properties)
        if unknown:
            raise _unsupported(logical_id, f"it does not support the property {unknown[0]} of {of_type}")


def _unsupported(logical_id: str, why: str) -> SandboxRefusal:
    message = f"The dsops sandbox can't create the resource {logical_id}: {why}. Nothing was done."
    return refusal("NotImplemented", message, 501)


def check_capabilities(resources: Mapping[str, Mapping[str, object]], acknowledged: object) -> None:
    """Raise InsufficientCapabilitiesException unless the request acknowledges the IAM resources of the template."""
    given = set(acknowledged) if isinstance(acknowledged, list) else set()
    needed = ""
    for resource in resources.values():
        if str(resource.get("Type", "")).startswith("AWS::IAM::"):
            properties = resource.get("Properties")
            is_named = isinstance(properties, dict) and not _IAM_NAMES.isdisjoint(properties)
            needed = "CAPABILITY_NAMED_IAM" if is_named else needed or "CAPABILITY_IAM"
    if needed and not given & ({needed, "CAPABILITY_NAMED_IAM"}):
        raise refusal("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
