"""Check the types of a template's values where the sandbox relies on them, before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dsops.sandbox.cloudformation.handler import invalid

_MOST_RESOURCES: Final = 500
"""CloudFormation's quota for the resources of a template."""


def check_shape(template: Mapping[str, Any]) -> None:
    """Raise ValidationError for a section, resource, parameter or output of the wrong type."""
    for section in ("Conditions", "Mappings", "Outputs", "Parameters"):
        _check(template, section, dict, section)
    for section in ("Outputs", "Parameters"):
        for name in template.get(section) or {}:
            _check(template[section], name, dict, f"{section}/{name}", is_needed=True)
    for name, output in (template.get("Outputs") or {}).items():
        _check(output, "Export", dict, f"Outputs/{name}/Export")
    for name, parameter in (template.get("Parameters") or {}).items():
        _check(parameter, "AllowedValues", list, f"Parameters/{name}/AllowedValues")
    resources = template["Resources"]
    if len(resources) > _MOST_RESOURCES:
        number = f"Number of resources, {len(resources)}, is greater than maximum allowed, {_MOST_RESOURCES}"
        raise invalid(f"Template format error: {number}")
    for name, resource in resources.items():
        _check_resource(name, resource)


def _check_resource(name: str, resource: object) -> None:
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise invalid(f"Template format error: [/Resources/{name}] Every Resources member must have a Type.")
    _check(resource, "Properties", dict, f"Resources/{name}/Properties")
    _check(resource, "DependsOn", (str, list), f"Resources/{name}/DependsOn")
    if not all(isinstance(item, str) for item in resource.get("DependsOn") or ()):
        raise invalid(f"Template format error: [/Resources/{name}/DependsOn] has an entry that is not a name.")


def _check(
    content: Mapping[str, Any], name: str, kinds: type | tuple[type, ...], place: str, *, is_needed: bool = False
) -> None:
    value = content.get(name)
    if not isinstance(value, kinds) and (is_needed or value is not None):
        raise invalid(f"Template format error: [/{place}] has a value of the wrong type.")
